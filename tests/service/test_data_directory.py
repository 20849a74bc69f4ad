"""A data directory that is moved away, empty, another one or a copy: it is told, nothing is made in its place, and work
goes on when it is back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

import pdemill
from pdemill.data_directory import LEDGER, MARKER, DataDirectory
from pdemill.errors import DirectoryAway, PdemillError
from pdemill.service.testing import Server, until
from tests.command import pdemill as command
from tests.service.api import Api, serving, without_broker

GONE = f"the data directory is not there, for it has no file {MARKER}; is its disk mounted?"
SPEC: dict[str, Any] = {
    "problem": {"family": "helmholtz", "resolution": [40, 32], "wavenumber": {"uniform": [3, 9]},
                "coefficient": {"field": "lognormal", "std": 0.3, "modes": 32}},
    "samples": 60, "store": {"shard": 4}, "solver": {"method": "skr", "restart": 20, "recycle": 8},
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


def _moved(root: Path) -> Path:
    return root.rename(root.with_name("moved"))


def test_it_is_known_again_once_it_is_back(root: Path) -> None:
    for found in (DataDirectory.made(root), DataDirectory(root)):
        assert not found.trouble()
        moved = _moved(root)
        assert found.trouble() == GONE
        root.mkdir()
        assert found.trouble() == GONE
        root.rmdir()
        moved.rename(root)
        assert not found.trouble()


def test_another_one_in_its_place_is_not_taken_for_it(root: Path) -> None:
    pinned, by_id = DataDirectory.made(root), DataDirectory(root)
    assert not by_id.trouble()
    shutil.copytree(_moved(root), root)
    assert pinned.trouble() == "the data directory was replaced by a copy; start the server again"
    assert not by_id.trouble()
    shutil.rmtree(root)
    DataDirectory.made(root)
    for found in (pinned, by_id, DataDirectory(root, pinned.id)):
        with pytest.raises(DirectoryAway, match="another data directory is in its place"):
            found.require()


def test_who_knows_its_id_makes_none(root: Path) -> None:
    with pytest.raises(PdemillError, match="has no file"):
        DataDirectory.made(root, "0123")
    assert not root.exists()


def test_a_folder_that_cannot_be_one_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(PdemillError, match=r"^cannot use .*/file/data: Not a directory$"):
        DataDirectory.made(tmp_path / "file" / "data")


@pytest.fixture
def api(root: Path) -> Iterator[Api]:
    with serving(without_broker(root)) as made:
        yield made


def test_submissions_are_refused_while_it_is_away(api: Api, root: Path) -> None:
    spec = {"problem": {"family": "poisson", "resolution": [8, 8]}, "samples": 4}
    accepted = api.post("/v1/jobs", spec).json
    moved = _moved(root)
    api.post("/v1/jobs", spec).problem(503, GONE)
    api.ask("DELETE", f"/v1/jobs/{accepted['id']}").problem(503, GONE)
    until(lambda: api.get("/readyz").json["parts"]["data directory"] == GONE, what="the missing part")
    assert not root.exists()
    moved.rename(root)
    until(lambda: api.get("/readyz").json["parts"]["data directory"] == "ok", what="its return")
    assert api.post("/v1/jobs", spec).status == 202


@pytest.mark.slow
def test_a_job_goes_on_when_it_is_back(root: Path, tmp_path: Path) -> None:
    """With the same numbers; the API, killed meanwhile, is started again then, and not before."""
    assert pdemill.generate(SPEC, tmp_path / "peace.zarr", workers=1).ok
    with Server(root, workers=2) as server, server.client() as client:
        job = client.submit(SPEC)
        until(lambda: len(server.manifests(job.state["dataset"])) >= 2, what="shards")
        moved = _moved(root)
        until(lambda: GONE in _refusal(server).get("parts", {}).get("data directory", ""), what="a refusal")
        assert httpx.post(f"{server.url}/v1/jobs", json=SPEC).status_code == 503
        server.kill("api")
        log = moved / "logs" / "worker.log"
        until(lambda: "is its disk mounted?; waiting" in log.read_text(), what="the workers' word")
        assert not root.exists()
        assert not server.pids("api")
        moved.rename(root)
        until(server.ready, what="readiness")
        store = job.refresh().wait(180).results()["store"]["path"]
    assert pdemill.verify(store).content == pdemill.verify(tmp_path / "peace.zarr", samples=0).content
    assert not list(root.rglob("*.tmp"))


def _refusal(server: Server) -> Any:
    answer = httpx.get(f"{server.url}/readyz")
    return answer.json() if answer.status_code == 503 else {}


# The state directory


def test_the_state_may_lie_elsewhere(root: Path, tmp_path: Path, darcy_store: Path) -> None:
    """Stores and arrays are in the data directory, and nothing else is."""
    state = tmp_path / "state"
    with serving(replace(without_broker(root), state_dir=state)) as api:
        api.finished(darcy_store)
        api.post("/v1/arrays", {"bytes": 100})
        assert {path.name for path in root.iterdir()} == {MARKER, "datasets"}
        assert {MARKER, LEDGER, "uploads", "coordinator.lock"} <= {path.name for path in state.iterdir()}
        moved = _moved(state)
        api.post("/v1/jobs", SPEC).problem(503, "the state directory is not there")
        moved.rename(state)
        until(lambda: api.post("/v1/jobs", SPEC).status == 202, what="its return")


def test_a_state_directory_is_of_one_data_directory(root: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    DataDirectory.made(root, state=state)
    for place in (tmp_path / "other", _moved(root).with_name("another")):
        with pytest.raises(PdemillError, match=r"PDEMILL_STATE_DIR\) is that of another data directory"):
            DataDirectory.made(place, state=state)


def test_a_ledger_is_not_begun_anew_beside_one_that_is_there(root: Path, tmp_path: Path) -> None:
    DataDirectory.made(root)
    (root / LEDGER).write_text("jobs")
    with pytest.raises(PdemillError, match=r"it holds jobs\.sqlite, .* move jobs\.sqlite\* to .*/state first"):
        DataDirectory.made(root, state=tmp_path / "state")
    (tmp_path / "state").mkdir(exist_ok=True)
    (root / LEDGER).rename(tmp_path / "state" / LEDGER)
    assert not DataDirectory.made(root, state=tmp_path / "state").trouble()


def test_a_ledger_in_a_state_directory_is_rebuilt(root: Path, tmp_path: Path, darcy_store: Path) -> None:
    state = tmp_path / "state"
    DataDirectory.made(root, state=state)
    shutil.copytree(darcy_store, root / "datasets" / f"{'0' * 24}.zarr")
    words = ["ledger", "rebuild", "--data-dir", str(root), "--state-dir", str(state)]
    assert "from stores alone: 1 data sets" in command(*words).stdout
    assert not (root / LEDGER).exists()
    with serving(replace(without_broker(root), state_dir=state)) as api:
        assert [job["samples_done"] for job in api.get("/v1/jobs").json["jobs"]] == [47]
