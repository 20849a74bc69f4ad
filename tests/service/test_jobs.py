"""Jobs on a real server: what is promised of submitting, following, cancelling, failing, and reading stores."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from shutil import copytree
from textwrap import dedent
from typing import Any

import httpx
import numpy as np
import pytest
import zarr

import pdemill
from pdemill.client import Client, Job
from pdemill.errors import JobError, ServerError, SpecError
from pdemill.progress import Tally
from pdemill.service.results import is_damaged
from pdemill.service.testing import Server, until
from tests.command import pdemill as command
from tests.sampling import slow

SMALL: dict[str, Any] = {
    "problem": {"family": "poisson", "resolution": [16, 12], "source": {"field": "bumps"}},
    "splits": {"train": 20, "test": 5},
    "store": {"shard": 8},
}
FLAME: dict[str, Any] = {
    "problem": {
        "family": "kuramoto_sivashinsky",
        "resolution": [48],
        "domain": {"lengths": [16]},
        "initial": {"field": "sines", "terms": 3, "waves": [1, 2]},
        "time": {"end": 0.5, "intervals": 2},
    },
    "samples": 2,
    "solver": {"method": "etdrk4", "first_step": 0.1},
    "store": {"states": True},
}
PLUGIN = '''
import os, signal, time
from typing import Literal
from pdemill.spec.field import Function, Scalar

class Deadly(Scalar):
    """A number that, when it is evaluated, kills the process, raises an error, or takes its time."""

    deadly: Literal["kill", "raise", "slow"]

    def realise(self, draw):
        return Function(lambda points: self.act(), True, lambda points: draw.normal(1), {"": 1.0})

    def act(self):
        if self.deadly == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.deadly == "raise":
            raise RuntimeError("this number is deadly")
        time.sleep(0.1)
        return 1.0

    def bounds(self):
        return 1.0, 1.0
'''


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a distribution that adds a deadly number to the catalogue."""
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "deadly.py").write_text(dedent(PLUGIN))
    info = folder / "deadly-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: deadly\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[pdemill.catalogue]\ndeadly = deadly\n")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, plugins: Path) -> Iterator[Server]:
    path = os.pathsep.join([str(plugins), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    with Server(tmp_path_factory.mktemp("server"), workers=2, PYTHONPATH=path) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with server.client() as found:
        yield found


@pytest.fixture(scope="module")
def finished(server: Server) -> Iterator[Job]:
    """A job on SMALL that has ended."""
    with server.client() as client:
        yield client.submit(SMALL).wait(180)


def _deadly(how: str, **changes: Any) -> dict[str, Any]:
    problem = {**SMALL["problem"], "source": {"deadly": how}}
    return {"problem": problem, "samples": 8, "solver": {"method": "direct"}, "certify": {"refine": 0}, **changes}


def test_a_job_gives_what_generate_gives(finished: Job, tmp_path: Path) -> None:
    pdemill.generate(SMALL, tmp_path / "here.zarr", workers=0)
    there = pdemill.verify(finished.results()["store"]["path"])
    assert there.ok
    assert there.content == pdemill.verify(tmp_path / "here.zarr").content


def test_the_answer_to_a_submission_says_where_to_go(server: Server) -> None:
    answer = httpx.post(f"{server.url}/v1/jobs", json={**SMALL, "seed": 1})
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
    assert answer.headers["Retry-After"] == "1"
    fields = {
        "id", "status", "progress", "samples_done", "samples_total", "created", "started", "finished", "eta_seconds",
        "message",
    }  # fmt: skip
    assert fields <= set(answer.json())


@pytest.mark.slow
def test_the_trajectories_of_a_job_go_on(client: Client, server: Server, finished: Job, tmp_path: Path) -> None:
    short = client.submit(FLAME).wait(180)
    longer = {**FLAME, "problem": {**FLAME["problem"], "time": {"end": 1.0, "intervals": 4}}}
    job = client.submit(longer, lengthen=short.id).wait(180)
    assert pdemill.generate(longer, tmp_path / "here.zarr", workers=0).lengthened == 0
    store = job.results()["store"]["path"]
    assert pdemill.verify(store).content == pdemill.verify(tmp_path / "here.zarr").content
    runs = [json.loads(path.read_text())["run"] for path in Path(store).glob("_manifest/train-*.json")]
    assert [run["lengthened"] for run in runs] == [2]
    for other in (finished.id, job.id, "nobody"):
        with pytest.raises(ServerError, match=r"cannot be lengthened|another spec|stored times|no such job"):
            client.submit({**longer, "seed": 5}, lengthen=other)


def test_a_job_takes_over_the_shards_of_one_with_smaller_splits(
    client: Client, server: Server, finished: Job, tmp_path: Path
) -> None:
    larger = {**SMALL, "splits": {"train": 29, "test": 5, "valid": 2}}
    job = client.submit(larger, grow=finished.id).wait(180)
    pdemill.generate(larger, tmp_path / "here.zarr", workers=0)
    store = Path(job.results()["store"]["path"])
    found = pdemill.verify(store)
    assert found.ok, found.faults
    assert found.content == pdemill.verify(tmp_path / "here.zarr").content
    small = Path(finished.results()["store"]["path"])
    shared = [path for path in small.glob("_manifest/*-*.json") if path.samefile(store / path.relative_to(small))]
    assert shared
    assert pdemill.verify(small).ok
    for wrong in ({**larger, "seed": 5}, SMALL):
        with pytest.raises(ServerError, match=r"same spec, or of one that differs in more"):
            client.submit(wrong, grow=finished.id)
    with pytest.raises(ServerError, match="splits can only grow"):
        client.submit(SMALL, grow=job.id)


@pytest.mark.slow
def test_a_stream_is_that_of_this_machine(client: Client) -> None:
    spec = {**SMALL, "solver": {"method": "direct"}, "certify": {"refine": 0}}
    with client.stream(spec, samples=6, ahead=1) as stream:
        for there, here in zip(stream, pdemill.stream(spec, workers=0, samples=6), strict=True):
            assert there.keys() == here.keys()
            assert all(np.array_equal(there[key], here[key]) for key in here)
    assert client.delete_stream(spec)


def test_progress_grows_to_a_hundred(client: Client) -> None:
    tallies: list[Tally] = []
    client.submit({**SMALL, "seed": 2}).wait(180, tallies.append, every=0.01)
    done = [tally.done for tally in tallies]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, 25)


def test_the_same_spec_is_solved_once(client: Client, server: Server, finished: Job) -> None:
    """Written otherwise, too; the second job is there at once, and no shard is touched."""
    before = server.manifests(finished.state["dataset"])
    same = {**SMALL, "splits": {"test": 5, "train": 20}, "seed": 0, "solver": {"method": "auto"}}
    second = client.submit(same)
    assert (second.status, second.state["progress"]) == ("successful", 100)
    assert second.id != finished.id
    assert second.state["dataset"] == finished.state["dataset"]
    assert server.manifests(finished.state["dataset"]) == before


def test_two_jobs_at_once_share_one_data_set(client: Client) -> None:
    """The first is cancelled; the second does not mind."""
    spec = _deadly("slow", samples=30, store={"shard": 5})
    first, second = client.submit(spec), client.submit(spec)
    until(lambda: second.refresh().status == "running")
    assert first.cancel().status == "dismissed"
    assert second.wait(180).state["samples_done"] == 30


def test_a_repeated_request_gives_the_same_job(server: Server) -> None:
    headers = {"Idempotency-Key": "once"}
    first, again = (httpx.post(f"{server.url}/v1/jobs", json=SMALL, headers=headers) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    other = httpx.post(f"{server.url}/v1/jobs", json={**SMALL, "seed": 9}, headers=headers)
    assert other.status_code == 422
    assert other.json()["errors"] == [{"detail": "was used for another spec", "header": "Idempotency-Key"}]


def test_a_spec_that_is_refused_comes_back_as_it_would_here(client: Client) -> None:
    bad = {**SMALL, "problem": {**SMALL["problem"], "resolution": [16, -1], "colour": "red"}, "seed": -1}
    with pytest.raises(SpecError) as there:
        client.submit(bad)
    with pytest.raises(SpecError) as here:
        pdemill.generate(bad, "nowhere.zarr")
    assert there.value.faults == here.value.faults


def test_an_unchanged_job_is_not_sent_twice(server: Server, finished: Job) -> None:
    url = f"{server.url}/v1/jobs/{finished.id}"
    first = httpx.get(url)
    assert httpx.get(url, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert httpx.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


def test_events_end_with_the_job_and_go_on_after_a_restart(server: Server, client: Client) -> None:
    job = client.submit(_deadly("slow", samples=40, seed=3, store={"shard": 10}))
    until(lambda: job.refresh().state["samples_done"] > 0)
    heard: list[tuple[str, dict[str, Any]]] = []

    def listen() -> None:
        for event in _events(server, job, ""):
            heard.append(event)
            if len(heard) == 2:
                server.kill("api")

    with pytest.raises(httpx.HTTPError):
        listen()
    until(server.ready)
    heard += _events(server, job, last=heard[-1][0])
    states = [state for _, state in heard]
    assert (states[-1]["status"], states[-1]["samples_done"]) == ("successful", 40)
    assert all(one != other for one, other in pairwise(states))


def _events(server: Server, job: Job, last: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a job: id and state."""
    headers = {"Last-Event-ID": last} if last else {}
    number = ""
    with httpx.stream("GET", f"{server.url}/v1/jobs/{job.id}/events", headers=headers, timeout=60) as stream:
        for line in stream.iter_lines():
            if line.startswith("id: "):
                number = line.removeprefix("id: ")
            elif line.startswith("data: "):
                data = line.removeprefix("data: ")
            elif not line and number:
                yield number, json.loads(data)
                number = ""


def test_pages_have_every_job_once(client: Client) -> None:
    ids = [client.submit({**SMALL, "seed": 100 + number, "splits": {"train": 1}}).id for number in range(7)]
    answer = client._ask("GET", "/v1/jobs", params={"limit": 3})
    seen = [job["id"] for job in answer.json()["jobs"]]
    while answer.json()["next"]:
        path = answer.headers["Link"].partition(">")[0].removeprefix("<")
        answer = client._ask("GET", path)
        seen += [job["id"] for job in answer.json()["jobs"]]
    assert len(seen) == len(set(seen))
    assert seen[:7] == ids[::-1]


def test_cancelling_stops_between_two_samples(client: Client, server: Server) -> None:
    """A shard is left long before its last sample; what is finished stays, and can be gone on with."""
    job = client.submit(_deadly("slow", samples=1000, store={"shard": 1000}))
    until(lambda: job.refresh().state["samples_done"] > 0)
    assert job.cancel().status == "dismissed"
    dataset = job.state["dataset"]
    until(lambda: f"cancelled dataset={dataset}" in server.log("worker"), what="the worker leaving the shard")
    assert job.refresh().state["samples_done"] < 1000
    assert not server.manifests(dataset)
    with pytest.raises(JobError, match="dismissed"):
        job.wait()


def test_what_is_finished_of_a_cancelled_job_is_counted(client: Client, server: Server) -> None:
    """By its manifests, for the job that waits for its turn again too."""
    spec = _deadly("slow", samples=400, seed=6, store={"shard": 5})
    job = client.submit(spec)
    dataset = job.state["dataset"]
    until(lambda: len(server.manifests(dataset)) >= 2)
    assert job.cancel().state["samples_done"] >= 10

    def at_work() -> bool:
        log = server.log("worker")  # a worker that was between two shards has nothing to leave
        return log.count(f"begun dataset={dataset}") > log.count(f"ended dataset={dataset}")

    until(lambda: not at_work(), what="the worker leaving the shard")
    until(lambda: job.refresh().state["samples_done"] == 5 * len(server.manifests(dataset)))
    ran = command("status", job.id, "--server", server.url)
    assert ran.returncode == 1
    assert f"samples: {5 * len(server.manifests(dataset))} of 400, 0 failed\n" in ran.stdout
    again = client.submit(spec)
    assert again.state["samples_done"] >= 10
    again.cancel()


def test_a_store_that_vanishes_is_made_anew(client: Client, server: Server) -> None:
    job = client.submit(_deadly("slow", samples=40, seed=4, store={"shard": 5}))
    until(lambda: len(server.manifests(job.state["dataset"])) >= 2)
    store = server.data_dir / "datasets" / f"{job.state['dataset']}.zarr"
    store.rename(server.data_dir / "moved-away.zarr")
    assert job.wait(180).open("train")[0:40]["y"].shape == (40, 1, 16, 12)


def test_a_damaged_store_is_repaired_by_submitting_again(client: Client) -> None:
    spec = {**SMALL, "seed": 6}
    job = client.submit(spec).wait(180)
    store = Path(job.results()["store"]["path"])
    before = pdemill.verify(store).content
    (store / "train" / "solution" / "c" / "1" / "0" / "0" / "0").unlink()
    assert not pdemill.verify(store).ok
    client.submit(spec).wait(180)
    assert pdemill.verify(store).content == before


def test_asking_whether_a_store_is_damaged_changes_nothing(darcy_store: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy.zarr"
    copytree(darcy_store, root)
    assert not is_damaged(root)
    (root / "train" / "solution" / "c" / "1" / "0" / "0" / "0").unlink()
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert is_damaged(root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_a_finished_shard_that_is_damaged_is_solved_again(client: Client, server: Server) -> None:
    """It is found out before the store is finished."""
    job = client.submit(_deadly("slow", samples=40, seed=5, store={"shard": 5}))
    dataset = job.state["dataset"]
    until(lambda: "train-00000" in server.manifests(dataset))
    file = server.data_dir / "datasets" / f"{dataset}.zarr" / "train" / "solution" / "c" / "0" / "0" / "0" / "0"
    file.write_bytes(file.read_bytes()[:100])
    assert job.wait(180).open("train")[0:40]["y"].shape == (40, 1, 16, 12)
    assert file.stat().st_size > 100


@pytest.mark.parametrize(
    ("how", "message"),
    [
        slow(("kill", "the process that worked on train-00000 ended 3 times; the worker's log tells its exit status")),
        ("raise", "train-00000: RuntimeError: this number is deadly"),
    ],
)
def test_a_shard_that_fails_three_times_ends_the_job(client: Client, server: Server, how: str, message: str) -> None:
    """Other jobs are none the worse."""
    job = client.submit(_deadly(how))
    with pytest.raises(JobError, match=message.replace("?", "\\?")):
        job.wait(180)
    begun = [line for line in server.log("worker").splitlines() if f"begun dataset={job.state['dataset']}" in line]
    assert len([line for line in begun if "unit=train-00000" in line]) == 3
    client.submit({**SMALL, "seed": 77}).wait(180)


def test_samples_without_a_solution_fail_the_job_and_keep_the_store(client: Client) -> None:
    """An indefinite coefficient is found out when it is drawn."""
    problem = {"family": "darcy", "resolution": [8, 8], "coefficient": {"field": "chebyshev"}}
    job = client.submit({"problem": problem, "samples": 4})
    with pytest.raises(JobError, match="4 of 4 samples have no certified solution; the store has the others"):
        job.wait(180)
    assert job.results()["splits"] == [{"split": "train", "samples": 4, "certified": 0, "failed": 4, "estimated": 0}]


def test_results_say_on_how_many_errors_were_estimated(finished: Job) -> None:
    results = finished.results()
    store: Any = zarr.open_group(results["store"]["path"], mode="r")
    columns = {split: np.asarray(store[split]["error_estimate"]) for split in ("train", "test")}
    known = {split: column[np.isfinite(column)] for split, column in columns.items()}
    assert {split["split"]: split["estimated"] for split in results["splits"]} == {s: len(v) for s, v in known.items()}
    assert results["worst_estimate"] == max(float(values.max()) for values in known.values())
    assert finished.open("train").estimated == len(known["train"]) >= 4


def test_zarr_reads_the_store_from_afar(server: Server, finished: Job) -> None:
    results = finished.results()
    there: Any = zarr.open_group(server.url + results["store"]["url"], mode="r")
    here: Any = zarr.open_group(results["store"]["path"], mode="r")
    for name in ("train/solution", "test/input", "train/rel_residual"):
        assert np.array_equal(there[name][...], here[name][...])
    assert there.attrs["complete"]


def test_ranges_of_a_file(server: Server, finished: Job) -> None:
    results = finished.results()
    name = "train/solution/c/0/0/0/0"
    whole = (Path(results["store"]["path"]) / name).read_bytes()
    url = f"{server.url}{results['store']['url']}/{name}"
    for header, part in (("bytes=0-9", whole[:10]), ("bytes=-20", whole[-20:]), ("bytes=100-", whole[100:])):
        answer = httpx.get(url, headers={"Range": header})
        assert (answer.status_code, answer.content) == (206, part)
    assert httpx.head(url).headers["Content-Length"] == str(len(whole))


def test_a_copy_is_the_store(finished: Job, tmp_path: Path) -> None:
    copy = finished.download(tmp_path / "copy.zarr")
    assert pdemill.verify(copy).content == pdemill.verify(finished.results()["store"]["path"]).content
    data = finished.open("test")
    assert np.array_equal(data[4]["y"], pdemill.open(copy, "test")[4]["y"])


def test_a_preview_has_the_certificate(server: Server, finished: Job) -> None:
    sample = httpx.get(f"{server.url}/v1/jobs/{finished.id}/samples/3?split=test").json()
    values = finished.open("test")[3]
    assert np.array_equal(np.array(sample["y"]["u"], dtype=np.float32), values["y"][0])
    assert 0 < sample["rel_residual"] <= 1e-8
    assert 0 <= sample["algebraic_error"] <= sample["stored_error"] <= 1e-5
    assert sample["method"] == finished.results()["plan"]["method"]


def test_samples_are_chosen_from_afar_as_from_here(server: Server, finished: Job) -> None:
    results, condition = finished.results(), "error_estimate < 1"
    here = finished.open("test", where=condition)
    there = pdemill.open(server.url + results["store"]["url"], "test", where=condition)
    assert 0 < len(there) < len(finished.open("test"))
    assert np.array_equal(here.numbers, there.numbers)
    assert np.array_equal(here[:]["y"], there[:]["y"])
    followed = list(finished.follow("test", patience=10, where=condition))
    assert np.array_equal(np.concatenate([batch["sample"] for batch in followed]), there.numbers)


POINTS: dict[str, Any] = {
    "problem": {
        "family": "poisson",
        "domain": {"shape": "disk"},
        "points": {"random": 30},
        "source": {"uniform": [1, 4]},
    },
    "samples": 6,
    "solver": {"method": "walks", "walks": 300},
}


def test_values_at_points_come_from_the_server_as_from_here(server: Server, client: Client, tmp_path: Path) -> None:
    job = client.submit(POINTS).wait()
    pdemill.generate(POINTS, tmp_path / "here.zarr", workers=0)
    here, there = pdemill.open(tmp_path / "here.zarr")[:], job.open("train")[:]
    assert all(np.array_equal(here[name], there[name]) for name in here)
    sample = httpx.get(f"{server.url}/v1/jobs/{job.id}/samples/2").json()
    assert len(sample["points"]) == len(sample["stderr"]) == len(sample["y"]["u"]) == 30
    assert sample["rel_residual"] is None
    assert sample["method"] == "walks"


def test_a_dry_run_tells_what_walks_and_whole_fields_would_cost(server: Server) -> None:
    found = httpx.post(f"{server.url}/v1/jobs/validate", json=POINTS).json()
    assert found["method"] == "walks"
    assert found["alternatives"]["walks"] == found["cpu_seconds"]
    assert set(found["alternatives"]) == {"walks", "direct, 17 cells per axis"}
    far = {**POINTS, "problem": {**POINTS["problem"], "domain": {"shape": "ball", "dimension": 6}}}
    assert set(httpx.post(f"{server.url}/v1/jobs/validate", json=far).json()["alternatives"]) == {"walks"}


def test_a_point_that_is_not_inside_ends_the_job_with_its_number(client: Client) -> None:
    spec = {**POINTS, "problem": {**POINTS["problem"], "points": {"list": [[0, 0], [0.9999, 0]]}}}
    with pytest.raises(JobError, match=r"problem.points: number 1, \[0.9999, 0.0\], is outside"):
        client.submit(spec).wait()


def test_a_store_is_deleted_on_request_only(client: Client) -> None:
    spec = {**SMALL, "seed": 50}
    first = client.submit(spec).wait(180)
    second = client.submit(spec)
    path = Path(first.results()["store"]["path"])
    with pytest.raises(ServerError, match="add \\?delete_store=true"):
        first.cancel()
    assert first.delete_store().state["message"] == "given up; another job is on its store, which stays"
    assert path.exists()
    assert second.delete_store().state["message"] == "its store was deleted"
    assert not path.exists()
    assert client.submit(spec).wait(180).open("test")[4]["y"].shape == (1, 16, 12)


def test_readiness_names_the_part_that_is_missing(server: Server) -> None:
    killed = server.kill("worker")
    (next_one,) = until(lambda: [pid for pid in server.pids("worker") if pid != killed], what="the next worker")
    os.kill(next_one, signal.SIGSTOP)  # else it may be there before anybody has looked
    try:
        found = until(lambda: _not_ready(server), what="an answer without workers")
    finally:
        os.kill(next_one, signal.SIGCONT)
    assert found["parts"] == {**found["parts"], "broker": "ok", "workers": "none is alive"}
    until(server.ready)


def _not_ready(server: Server) -> dict[str, Any]:
    """What is said of the parts while one is missing."""
    answer = httpx.get(f"{server.url}/readyz")
    return dict(answer.json()) if answer.status_code == 503 else {}


def test_metrics_count_what_was_done(server: Server, finished: Job) -> None:
    until(lambda: _metrics(server)["pdemill_worker_slots"] == 2)
    before = _metrics(server)
    finished._client.submit({**SMALL, "seed": 60, "solver": {"method": "cg"}}).wait(180)
    after = _metrics(server)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown['pdemill_samples_total{result="certified"}'] == 25
    assert grown["pdemill_shard_seconds_count"] == 4
    assert grown["pdemill_iterations_total"] > 25
    assert grown['pdemill_jobs{status="successful"}'] == 1
    spent, owned = (
        sum(value for name, value in grown.items() if name.startswith(f"pdemill_{kind}_seconds_total{{"))
        for kind in ("cpu", "owner_cpu")
    )
    assert 0 < spent == pytest.approx(owned)
    until(lambda: _metrics(server)["pdemill_queue_depth"] == 0)
    assert "pdemill_leases_lost_total" in after


def _metrics(server: Server) -> dict[str, float]:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


@pytest.mark.needs("petsc4py")
def test_what_the_planner_measured_is_in_the_results_and_the_dry_run(server: Server, client: Client) -> None:
    spec = {
        "problem": {"family": "darcy", "resolution": [24, 24], "coefficient": {"field": "lognormal"}},
        "samples": 8,
        "solver": {"trial": "always"},
    }
    results = client.submit(spec).wait(180).results()
    trial = results["trial"]
    assert results["plan"]["method"] in {c["method"]["method"] for c in trial["candidates"] if c["seconds"]}
    found = httpx.post(f"{server.url}/v1/jobs/validate", json=spec).json()
    assert found["trial"] == trial
    assert set(found["alternatives"]) == {c["name"] for c in trial["candidates"]}
