"""A real S3 server, SeaweedFS, for tests of stores in buckets."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pdemill.service.testing import free_port, until

obstore: Any = pytest.importorskip("obstore")
WEED = shutil.which("weed", path=str(Path(sys.executable).parent))
BUCKET = "mill"
KEYS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret-of-tester", "AWS_REGION": "us-east-1"}


@contextmanager
def seaweed(folder: Path) -> Iterator[dict[str, str]]:
    """A server that takes the tester's key only, with a bucket; the environment of those who use it."""
    assert WEED is not None
    (folder / "data" / "buckets").mkdir(parents=True)
    keys = {"accessKey": KEYS["AWS_ACCESS_KEY_ID"], "secretKey": KEYS["AWS_SECRET_ACCESS_KEY"]}
    tester = {"name": "tester", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List"]}
    (folder / "keys.json").write_text(json.dumps({"identities": [tester]}))
    ports = {
        f"{part}.port{kind}": free_port() for part in ("master", "volume", "filer", "s3") for kind in ("", ".grpc")
    }
    off = {"s3.port.iceberg": 0, "s3.port.lance": 0, "master.telemetry": "false"}
    options = {"dir": folder / "data", "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "s3.config": folder / "keys.json"}
    small = {"master.volumeSizeLimitMB": 64, "volume.max": 8}
    words = [f"-{name}={value}" for name, value in (ports | off | options | small).items()]
    environment = {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3.port']}"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([WEED, "server", "-filer", "-s3", *words], stdout=log, stderr=log)
        try:
            until(lambda: _made(environment), 60, "the S3 server")
            yield environment
        finally:
            process.kill()
            process.wait()


def _made(environment: dict[str, str]) -> bool:
    """Whether the bucket is there, which the server makes when something is put into it."""
    options = {"client_options": {"allow_http": True}, "retry_config": {"max_retries": 0}}
    store = obstore.store.S3Store(
        BUCKET, endpoint=environment["AWS_ENDPOINT_URL"], access_key_id=environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=environment["AWS_SECRET_ACCESS_KEY"], region=environment["AWS_REGION"], **options,
    )  # fmt: skip
    try:
        obstore.put(store, "begun", b"")
    except obstore.exceptions.BaseError:
        return False
    return True
