"""A data directory in a bucket, on a real S3 server: API and workers share it and a broker, and no file system."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import pdemill
from pdemill import arrays
from pdemill.client import Client
from pdemill.data_directory import LEDGER, MARKER, DataDirectory
from pdemill.errors import PdemillError, ServerError
from pdemill.objects.bucket import Bucket
from pdemill.service.graves import BEGUN, bury
from pdemill.service.testing import Server, until
from pdemill.settings import Settings
from pdemill.store.places import disk_at
from pdemill.store.placing import write_once
from tests.command import pdemill as command
from tests.seaweed import environment, seaweed
from tests.service.api import Api, serving

pytestmark = pytest.mark.slow

BUCKET = "mill"
SPEC: dict[str, Any] = {
    "problem": {"family": "darcy", "resolution": [16, 16], "coefficient": {"field": "lognormal", "std": 0.3}},
    "splits": {"train": 60, "test": 10}, "store": {"shard": 4}, "solver": {"method": "direct"},
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The environment of those who use the bucket, this process among them."""
    with seaweed(tmp_path_factory.mktemp("s3"), BUCKET) as address, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(address).items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def server(s3: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("served") / "state", home=f"s3://{BUCKET}/served", workers=2) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def job(client: Client) -> Any:
    return client.submit(SPEC).wait(120)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same store on this machine."""
    return Path(pdemill.generate(SPEC, tmp_path_factory.mktemp("here") / "here.zarr", workers=0).store)


def _content(store: str | Path) -> Any:
    return pdemill.verify(store, samples=0).content


def test_a_job_is_solved_and_read(job: Any, server: Server, here: Path, tmp_path: Path) -> None:
    assert len(server.manifests(job.state["dataset"])) == 18
    results = job.results()
    assert results["store"]["path"] == f"s3://{BUCKET}/served/datasets/{job.state['dataset']}.zarr"
    assert (results["splits"][0]["certified"], results["bytes"] > 0) == (60, True)
    assert sorted(path.name for path in server.data_dir.iterdir() if path.suffix == ".zarr") == []
    ours = pdemill.open(here)
    for theirs in (job.open(), pdemill.open(results["store"]["path"])):
        assert all(np.array_equal(theirs[5][name], ours[5][name]) for name in ("x", "y"))
    assert _content(job.download(tmp_path / "copy.zarr")) == _content(here)


def test_bytes_come_from_the_bucket(job: Any, client: Client) -> None:
    """By links to it, which need no key; what is short comes from the API."""
    link = job.link(seconds=600)
    data = link.replace("/store?", "/store/train/solution/c/0/0/0/0?")
    answer = httpx.get(data)
    assert (answer.status_code, answer.headers["cache-control"]) == (307, "no-store")
    place = answer.headers["location"]
    assert place.startswith(os.environ["AWS_ENDPOINT_URL"])
    assert "X-Amz-Expires=900" in place
    whole = httpx.get(place).content
    assert httpx.get(data, headers={"Range": "bytes=2-5"}, follow_redirects=True).content == whole[2:6]
    described = link.replace("/store?", "/store/zarr.json?")
    root = httpx.get(described)
    assert root.status_code == 200
    assert httpx.get(described, headers={"If-None-Match": root.headers["etag"]}).status_code == 304
    head = httpx.head(data)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(httpx.get(place).content)))
    assert httpx.get(link.replace("/store?", "/store/train/solution/c/9/9/9/9?")).status_code == 404


def test_pages_show_it(job: Any, server: Server) -> None:
    for path in ("", "/gallery", "/findings", "/use", "/delete", "/samples/train/3.png"):
        answer = httpx.get(f"{server.url}/jobs/{job.id}{path}", timeout=60)
        assert answer.status_code == 200, (path, answer.text)
    sample = httpx.get(f"{server.url}/v1/jobs/{job.id}/samples/3", timeout=60)
    assert sample.status_code == 200, sample.text


def test_workers_that_are_killed_lose_nothing(server: Server, client: Client, tmp_path: Path) -> None:
    spec = {**SPEC, "seed": 1, "problem": {**SPEC["problem"], "resolution": [64, 64]}}
    job = client.submit(spec)
    until(lambda: len(server.manifests(job.state["dataset"])) >= 2, what="shards")
    server.kill("pool")
    until(lambda: len(server.manifests(job.state["dataset"])) >= 6, what="more of them")
    server.kill("worker")
    job.wait(180)
    expected = pdemill.generate(spec, tmp_path / "peace.zarr", workers=0).store
    assert _content(job.download(tmp_path / "copy.zarr")) == _content(expected)


def test_a_worker_elsewhere_needs_the_bucket_and_the_broker_only(
    server: Server, client: Client, tmp_path: Path
) -> None:
    environment = {
        name: value for name, value in server.environment().items()
        if name not in ("PDEMILL_PARENT", "PDEMILL_STATE_DIR", "PDEMILL_DATA_ID")
    }  # fmt: skip
    server.kill("worker", with_signal=19)
    stopped = server.pids("worker")[0]
    command = [sys.executable, "-P", "-m", "pdemill.workers", "--concurrency", "1"]
    with (tmp_path / "log").open("wb") as log:
        worker = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        client.submit({**SPEC, "seed": 2}).wait(120)
    finally:
        os.kill(stopped, 18)
        worker.terminate()
        worker.wait(90)
    assert {path.name for path in tmp_path.iterdir()} == {"log"}
    assert "pdemill.shard" in (tmp_path / "log").read_text()


def test_users_arrays_lie_in_the_bucket_too(server: Server, client: Client) -> None:
    values = np.random.default_rng(0).lognormal(size=(4, 16, 16))
    problem = {
        "family": "darcy",
        "resolution": [16, 16],
        "coefficient": {"field": "array", "array": arrays.hold(values)},
    }
    job = client.submit({"problem": problem, "samples": 4}).wait(120)
    assert np.allclose(job.open()[2]["x"][0], values[2], rtol=1e-6)
    (upload,) = client.fetch("/v1/arrays").json()
    httpx.delete(f"{server.url}{upload['link']}").raise_for_status()
    assert httpx.get(f"{server.url}/v1/arrays/{upload['array']['id']}").status_code == 404


def test_a_larger_store_is_refused_to_grow_there(job: Any, client: Client) -> None:
    with pytest.raises(ServerError, match="grow: a store in a bucket cannot take over the shards of another"):
        client.submit({**SPEC, "splits": {"train": 80, "test": 10}}, grow=job.id)


def test_a_store_is_deleted_and_made_anew(client: Client) -> None:
    spec = {**SPEC, "seed": 3}
    job = client.submit(spec).wait(120)
    bucket = Bucket(f"s3://{BUCKET}/served/datasets/{job.state['dataset']}.zarr")
    assert list(bucket.names())
    job.delete_store()
    assert not list(bucket.names())
    assert client.submit(spec).wait(120).results()["splits"][0]["certified"] == 60


def test_damage_is_found_and_mended(client: Client, tmp_path: Path, here: Path) -> None:
    """When the spec is submitted again."""
    spec = {**SPEC, "seed": 4}
    job = client.submit(spec).wait(120)
    bucket = Bucket(f"s3://{BUCKET}/served/datasets/{job.state['dataset']}.zarr")
    bucket.delete("train/solution/c/0/0/0/0")
    again = client.submit(spec)
    again.wait(120)
    expected = pdemill.generate(spec, tmp_path / "expected.zarr", workers=0).store
    assert _content(again.download(tmp_path / "copy.zarr")) == _content(expected)


def test_the_ledger_is_rebuilt_from_the_bucket(server: Server, client: Client, job: Any, tmp_path: Path) -> None:
    """In a state directory that is new."""
    words = ("--data-dir", f"s3://{BUCKET}/served", "--state-dir", str(tmp_path / "new"))
    assert "data sets, which belong to bob now" in command("ledger", "rebuild", *words, "--owner", "bob").stdout
    assert (tmp_path / "new" / LEDGER).exists()
    assert (tmp_path / "new" / MARKER).read_text() == (server.data_dir / MARKER).read_text()
    state = tmp_path / "new"
    settings = Settings(data_dir=f"s3://{BUCKET}/served", state_dir=state, redis_url=f"unix://{tmp_path}/no.sock")
    with serving(settings) as api:
        found = {known["dataset"]: known for known in api.get("/v1/jobs?owner=*").json["jobs"]}
        known = found[job.state["dataset"]]
        assert (known["status"], known["samples_done"], known["owner"]) == ("successful", 70, "bob")
        assert api.get(f"/v1/jobs/{known['id']}/results").json["splits"][0]["certified"] == 60


# An API by itself


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    home = f"s3://{BUCKET}/{tmp_path.name}"
    settings = Settings(data_dir=home, state_dir=tmp_path / "state", redis_url=f"unix://{tmp_path}/no.sock")
    with serving(replace(settings, bucket_links=False)) as api:
        yield api


def _copied(api: Api, store: Path) -> tuple[str, str]:
    """A finished job on a copy of ``store``."""
    job, dataset = api.finished(store)
    disk = disk_at(api.settings.store(dataset))
    for path in sorted(store.rglob("*")):
        if path.is_file():
            write_once(disk, path.relative_to(store).as_posix(), path.read_bytes())
    return job, dataset


def test_bytes_come_through_the_api_where_that_is_wanted(api: Api, here: Path) -> None:
    _, dataset = _copied(api, here)
    name = "train/solution/c/0/0/0/0"
    path, whole = f"/v1/datasets/{dataset}/store/{name}", (here / name).read_bytes()
    assert api.get(path).body == whole
    for asked, first, last in (("5-24", 5, 24), ("5-", 5, len(whole) - 1), ("-4", len(whole) - 4, len(whole) - 1),
                               (f"3-{10**9}", 3, len(whole) - 1)):  # fmt: skip
        answer = api.get(path, (("Range", f"bytes={asked}"),))
        assert (answer.status, answer.body) == (206, whole[first : last + 1])
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(whole)}"
    api.get(path, (("Range", f"bytes={len(whole)}-"),)).problem(416)
    tag = answer.headers["etag"]
    assert api.get(path, (("Range", "bytes=0-3"), ("If-Range", tag))).status == 206
    assert api.get(path, (("Range", "bytes=0-3"), ("If-Range", '"other"'))).status == 200
    assert api.get(path, (("If-None-Match", tag),)).status == 304
    data = pdemill.open(f"{api.url}/v1/datasets/{dataset}/store")
    assert np.array_equal(data[7]["y"], pdemill.open(here)[7]["y"])
    for other in ("", "zarr.json/x", "..%2f..%2fpdemill-id", "../zarr.json", "_manifest", "train"):
        api.get(f"/v1/datasets/{dataset}/store/{other}").problem(404)


def test_a_process_that_dies_while_it_deletes_leaves_that_to_others(api: Api, here: Path) -> None:
    """Meanwhile the data set is not begun anew. What was not written off yet stays."""
    job, dataset = _copied(api, here)
    store, grave = Bucket(str(api.settings.store(dataset))), api.settings.graves / dataset
    grave.parent.mkdir(exist_ok=True)
    for content in (b"", BEGUN):
        grave.write_bytes(content)
        api.state.graves.clear()
        assert not grave.exists()
        assert len(list(store.names())) > 50
    assert api.state.ledger.give_up("anyone", job)
    grave.write_bytes(BEGUN)
    api.state.graves.clear()
    assert not list(store.names())
    assert not grave.exists()


def test_what_is_not_allowed_stays(api: Api, here: Path) -> None:
    _, dataset = _copied(api, here)
    bury(api.settings, dataset, lambda: False)
    assert disk_at(api.settings.store(dataset)).exists("zarr.json")
    assert not list(api.settings.graves.iterdir())


def test_a_store_expires(api: Api, here: Path) -> None:
    _, dataset = _copied(api, here)
    now = time.time() + 10 * 86_400
    bury(api.settings, dataset, partial(api.state.ledger.expire, dataset, now, "it expired"))
    assert not list(Bucket(str(api.settings.store(dataset))).names())


# Refusals


def test_a_bucket_needs_a_state_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran = command("serve", "--data-dir", f"s3://{BUCKET}/x", folder=tmp_path)
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert "with PDEMILL_DATA_DIR in a bucket, set PDEMILL_STATE_DIR" in ran.stderr


def test_what_is_wrong_with_a_bucket_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PdemillError, match=rf"^cannot use s3://{BUCKET}/none: the data directory is not there"):
        DataDirectory.made(f"s3://{BUCKET}/none", "0123", tmp_path)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(PdemillError, match=rf"^cannot use s3://{BUCKET}/none: .*refuses access"):
        DataDirectory.made(f"s3://{BUCKET}/none", "", tmp_path)


def test_a_state_directory_is_of_one_bucket(tmp_path: Path) -> None:
    DataDirectory.made(f"s3://{BUCKET}/one", state=tmp_path)
    with pytest.raises(PdemillError, match="is that of another data directory"):
        DataDirectory.made(f"s3://{BUCKET}/other", state=tmp_path)
    assert not DataDirectory.made(f"s3://{BUCKET}/one", state=tmp_path).trouble()
