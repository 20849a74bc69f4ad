"""A SeaweedFS server: an S3 server that runs here, where the package is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from pdemill.service.testing import free_port, until

KEYS = {"accessKey": "reader", "secretKey": "secret-of-reader"}
WEED = shutil.which("weed", path=str(Path(sys.executable).parent))


class Seaweed(NamedTuple):
    """Where a server answers, and its process."""

    address: str
    process: int


@contextmanager
def seaweed(folder: Path, *buckets: str) -> Iterator[Seaweed]:
    """A server that takes the keys of KEYS only, and has some buckets. Raises FileNotFoundError where there is none."""
    if WEED is None:
        raise FileNotFoundError("SeaweedFS (the program 'weed') is not installed here")
    (folder / "data").mkdir()
    reader = {"name": "reader", "credentials": [KEYS], "actions": ["Admin", "Read", "Write", "List"]}
    (folder / "keys.json").write_text(json.dumps({"identities": [reader]}))
    ports = {
        f"{part}.port{kind}": free_port() for part in ("master", "volume", "filer", "s3") for kind in ("", ".grpc")
    }
    off = {"s3.port.iceberg": 0, "s3.port.lance": 0, "master.telemetry": "false"}
    options = {"dir": folder / "data", "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "s3.config": folder / "keys.json"}
    small = {"master.volumeSizeLimitMB": 64, "volume.max": 8}
    words = [f"-{name}={value}" for name, value in (ports | off | options | small).items()]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(WEED), "server", "-filer", "-s3", *words], stdout=log, stderr=log)
        try:
            for bucket in buckets:
                until(lambda bucket=bucket: _made(ports["filer.port"], bucket), 60)  # type: ignore[misc]
            yield Seaweed(f"http://127.0.0.1:{ports['s3.port']}", process.pid)
        finally:
            process.kill()
            process.wait()


def _made(port: int, bucket: str) -> bool:
    """Whether a folder that the S3 server shows as a bucket is there, and takes files."""
    try:
        answer = httpx.post(f"http://127.0.0.1:{port}/buckets/{bucket}/ready", files={"file": b"1"})
        if not answer.is_success:
            return False
        return httpx.delete(f"http://127.0.0.1:{port}/buckets/{bucket}/ready").is_success
    except httpx.HTTPError:
        return False


def environment(server: str) -> dict[str, str]:
    """What a client of the server needs."""
    return {
        "AWS_ACCESS_KEY_ID": KEYS["accessKey"], "AWS_SECRET_ACCESS_KEY": KEYS["secretKey"], "AWS_ENDPOINT_URL": server,
    }  # fmt: skip
