"""Links to stores: who has one reads that store without a key, until it expires or its maker's key goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import pdemill
from pdemill.client import Client
from pdemill.service.links import SECRET, Links, Signature
from tests.command import pdemill as command
from tests.service.api import Api, bearer, key_of, keys_file, serving, without_broker

type Keyed = tuple[Api, str, str]


@pytest.fixture
def keyed(tmp_path: Path, darcy_store: Path) -> Iterator[Keyed]:
    """An API with keys, and a job and its data set of ann's."""
    keys = keys_file(tmp_path / "keys.yaml", ann={}, bob={}, root={"role": "admin"}, pro={"role": "metrics"})
    with serving(without_broker(tmp_path / "data", api_keys=keys)) as api:
        yield api, *api.finished(darcy_store, "ann")


def _path(url: str, file: str = "/zarr.json") -> str:
    parts = urlsplit(url)
    return f"{parts.path}{file}?{parts.query}"


def _signature(url: str) -> Signature:
    found = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    return Signature(found["owner"], int(found["expires"]), found["signature"])


def test_who_has_one_reads_and_pulls_without_a_key(keyed: Keyed, darcy_store: Path, tmp_path: Path) -> None:
    api, job, _ = keyed
    made = command("link", job, "--hours", "2", "--server", api.url, "--api-key", key_of("ann"))
    address = made.stdout.strip()
    assert abs(_signature(address).expires - time.time() - 7200) < 60
    there, here = pdemill.open(address), pdemill.open(darcy_store)
    assert all((there[3][name] == here[3][name]).all() for name in ("x", "y"))
    command("pull", address, "--out", str(tmp_path / "copy.zarr"))
    assert pdemill.verify(tmp_path / "copy.zarr", samples=0).content == pdemill.verify(darcy_store, samples=0).content


def test_python_makes_them_too(keyed: Keyed) -> None:
    api, job, dataset = keyed
    with Client(api.url, key_of("root")) as client:
        address = client.job(job).link(seconds=60)
    assert address.startswith(f"{api.url}/v1/datasets/{dataset}/store?")
    assert api.get(_path(address)).status == 200


def test_it_opens_one_store_for_reading_and_nothing_else(keyed: Keyed, darcy_store: Path) -> None:
    api, job, dataset = keyed
    url = api.post(f"/v1/datasets/{dataset}/links", {}, bearer("ann")).json["url"]
    query = urlsplit(url).query
    other = api.finished(darcy_store, "ann", id="0" * 24)[1]
    api.get(f"/v1/datasets/{other}/store/zarr.json?{query}").problem(403, "none of this server's")
    for method, path in [
        ("GET", "/v1/jobs"), ("GET", f"/v1/jobs/{job}"), ("DELETE", f"/v1/jobs/{job}"), ("GET", "/metrics"),
    ]:  # fmt: skip
        api.ask(method, f"{path}?{query}").problem(401)
    api.post(f"/v1/datasets/{dataset}/links?{query}", {}).problem(401)
    good = _signature(url)
    for wrong in [
        good._replace(expires=good.expires + 1), good._replace(owner="root"), good._replace(signature="0" * 64),
        good._replace(signature=""),
    ]:  # fmt: skip
        query = "&".join(f"{name}={value}" for name, value in wrong._asdict().items())
        api.get(f"/v1/datasets/{dataset}/store/zarr.json?{query}").problem(403, "none of this server's")


def test_only_who_may_read_a_store_makes_one(keyed: Keyed) -> None:
    api, _, dataset = keyed
    place = f"/v1/datasets/{dataset}/links"
    assert api.post(place, {"seconds": 604_800}, bearer("root")).status == 201
    api.post(place, {}, bearer("bob")).problem(404)
    api.post(place, {}, bearer("pro")).problem(403)
    api.post(place, {}).problem(401)
    api.post(f"/v1/datasets/{'0' * 24}/links", {}, bearer("root")).problem(404)
    for seconds in (0, -1, 604_801, 1.5, "x", None):
        api.post(place, {"seconds": seconds}, bearer("ann")).problem(422)


def test_it_ends_in_time_with_the_key_of_its_maker_and_with_the_secret(keyed: Keyed) -> None:
    api, _, dataset = keyed
    links, ann = api.state.links, api.state.keys.owner(f"Bearer {key_of('ann')}")
    assert ann is not None
    api.get(f"/v1/datasets/{dataset}/store/zarr.json?{links.query(ann, dataset, int(time.time()) - 1)}").problem(403)
    path = f"/v1/datasets/{dataset}/store/zarr.json?{links.query(ann, dataset, int(time.time()) + 60)}"
    assert api.get(path).status == 200
    secret = api.settings.state / SECRET
    assert secret.stat().st_mode & 0o077 == 0
    secret.unlink()
    assert Links(api.state.keys, api.settings.state).maker(dataset, _signature(path)) is None
    assert api.settings.api_keys is not None
    keys_file(api.settings.api_keys, bob={}, root={"role": "admin"})
    api.get(path).problem(403)
