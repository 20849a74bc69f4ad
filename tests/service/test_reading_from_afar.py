"""A store is read over HTTP in parts, with the key that it takes, and not in two versions at once."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.client import Client
from pdemill.errors import CorruptStore, IncompleteStore, ServerError, StoreError
from pdemill.reader.files import Changed
from pdemill.reader.http import HttpFiles
from tests.command import pdemill as command
from tests.service.api import Api, bearer, key_of, keys_file, serving, without_broker


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, darcy_store: Path) -> Iterator[tuple[Api, str, Path]]:
    """An API with keys, the address of a store of ann's, and its folder."""
    folder = tmp_path_factory.mktemp("keyed")
    keys = keys_file(folder / "keys.yaml", ann={}, bob={})
    with serving(without_broker(folder / "data", api_keys=keys)) as api:
        _, dataset = api.finished(darcy_store, "ann")
        yield api, f"{api.url}/v1/datasets/{dataset}/store", api.store(dataset)


def test_samples_and_batches_are_those_of_the_files(keyed: Any, darcy_store: Path) -> None:
    _, address, _ = keyed
    there, here = pdemill.open(address, "train", api_key=key_of("ann")), pdemill.open(darcy_store)
    assert np.array_equal(there[17]["y"], here[17]["y"])
    for order in (slice(3, 33), [39, 0, 16, 16, 2]):
        found, expected = there[order], here[order]
        assert all(np.array_equal(found[key], expected[key]) for key in expected)
    assert np.array_equal(pickle.loads(pickle.dumps(there))[5]["x"], here[5]["x"])
    assert there.normaliser("y") == here.normaliser("y")


@pytest.mark.parametrize(("key", "error", "message"), [
    (None, ServerError, "Authorization"), (key_of("bob"), StoreError, "is not a pdemill store"),
])  # fmt: skip
def test_a_store_opens_with_its_owners_key_only(keyed: Any, key: str | None, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        pdemill.open(keyed[1], api_key=key)


def test_only_the_bytes_of_the_sample_are_sent(keyed: Any) -> None:
    api, address, folder = keyed
    path = address.removeprefix(api.url) + "/train/solution/c/0/0/0/0"
    whole = (folder / "train/solution/c/0/0/0/0").read_bytes()
    first = api.get(path, (*bearer("ann"), ("Range", "bytes=5-24")))
    assert (first.status, first.body, first.headers["content-range"]) == (206, whole[5:25], f"bytes 5-24/{len(whole)}")
    tag = first.headers["etag"]
    same = api.get(path, (*bearer("ann"), ("Range", "bytes=-4"), ("If-Range", tag)))
    assert (same.status, same.body) == (206, whole[-4:])
    other = api.get(path, (*bearer("ann"), ("Range", "bytes=-4"), ("If-Range", '"other"')))
    assert (other.status, other.body) == (200, whole)
    known = api.get(path, (*bearer("ann"), ("If-None-Match", tag)))
    assert (known.status, known.body, known.headers["etag"]) == (304, b"", tag)
    assert api.get(path, (*bearer("ann"), ("If-None-Match", '"other"'))).status == 200


def test_a_store_is_exported_from_afar(keyed: Any, darcy_store: Path, tmp_path: Path) -> None:
    api, address, _ = keyed
    (job,) = api.get("/v1/jobs", bearer("ann")).json["jobs"]
    told = api.get(f"/v1/jobs/{job['id']}/results", bearer("ann")).json["snippets"]["export"].split()
    here = address.replace("127.0.0.1", "localhost").replace(f":{api.url.rpartition(':')[2]}", "")
    assert told[:7] == ["pdemill", "export", here, "OUT", "--to", "pt", "#"]
    ran = command("export", address, tmp_path / "there", "--to", "pdebench", "--api-key", key_of("ann"))
    assert (ran.returncode, ran.stderr) == (0, "")
    made = pdemill.export(darcy_store, tmp_path / "here", to="pdebench")
    for path in made.files:
        assert (tmp_path / "there" / path.name).read_bytes() == path.read_bytes()
    with pytest.raises(ServerError, match="Authorization"):
        pdemill.export(address, tmp_path / "other", to="pdebench")


def test_a_file_that_was_written_anew_is_not_mixed_with_the_old_one(keyed: Any, darcy_store: Path) -> None:
    _, address, folder = keyed
    data, here = pdemill.open(address, api_key=key_of("ann")), pdemill.open(darcy_store)
    assert np.array_equal(data[20]["y"], here[20]["y"])
    file = folder / "train" / "solution" / "c" / "1" / "0" / "0" / "0"
    file.write_bytes(file.read_bytes())
    files, name = HttpFiles(address, key_of("ann")), "train/solution/c/1/0/0/0"
    with pytest.raises(Changed):
        files.part(name, 0, 10, '"old"')
    assert np.array_equal(data[21]["y"], here[21]["y"])


def test_a_client_takes_its_key_from_the_environment(keyed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDEMILL_API_KEY", key_of("ann"))
    with Client(keyed[0].url) as client:
        assert len(next(client.jobs()).open("train")) == 40
        assert next(client.jobs()).open("train", sensors={"random": 3})[2]["observed"].shape == (1, 3)
    for other, jobs in ((key_of("bob"), 0), (key_of("ann"), 1)):
        with Client(keyed[0].url, other) as client:
            assert len(list(client.jobs())) == jobs
    with Client(keyed[0].url, api_key="") as client, pytest.raises(ServerError, match="Authorization"):
        next(client.jobs())


def test_a_client_names_its_jobs(keyed: Any) -> None:
    spec = {"problem": {"family": "poisson", "resolution": [8, 8]}, "samples": 1}
    with Client(keyed[0].url, key_of("bob")) as client:
        job = client.submit(spec, name="a first try")
        assert client.job(job.id).state["name"] == "a first try"
        again = command("submit", "--preset", "skr-poisson", "--name", "by hand", "--server", keyed[0].url,
                        "--api-key", key_of("bob"))  # fmt: skip
        assert client.job(again.stdout.strip()).state["name"] == "by hand"


def test_damage_and_what_is_missing_are_errors_from_afar_too(keyed: Any) -> None:
    """The last of these tests: the server may find the damage at any time, and begins to mend it then."""
    _, address, folder = keyed
    file = folder / "test" / "solution" / "c" / "0" / "0" / "0" / "0"
    data = bytearray(file.read_bytes())
    data[40] ^= 4
    file.write_bytes(data)
    test = pdemill.open(address, "test", api_key=key_of("ann"))
    with pytest.raises(CorruptStore, match=r"sample 0 of test, shard 0, .*: its chunk"):
        test[0]
    (folder / "_manifest" / "test-00000.json").unlink()
    with pytest.raises(IncompleteStore, match="shard 0 of test is not finished"):
        pdemill.open(address, "test", api_key=key_of("ann"))[0]
