"""Several data directories on one broker: each has its own keys, queue and workers."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from redis import Redis

import pdemill
from pdemill.data_directory import MARKER, DataDirectory
from pdemill.leases import FINISH, QUEUE, Leases, Presence, Report, Unit, UnitFailure, prefix_of
from pdemill.service.queue import Queue, Task
from pdemill.service.testing import Server, until
from pdemill.settings import Settings
from tests.service.api import Api, serving
from tests.service.broker import valkey

SPEC: dict[str, Any] = {
    "problem": {"family": "darcy", "resolution": [24, 24], "coefficient": {"field": "lognormal", "modes": 32}},
    "samples": 30, "store": {"shard": 4}, "solver": {"method": "direct"},
}  # fmt: skip


def test_nothing_of_one_is_seen_by_another() -> None:
    """Leases, attempts, progress, reports, cancellations, workers, leaders, the queue."""
    unit = Unit("0" * 24, "train-00000")
    with valkey() as broker:
        one, two = (Leases.at(broker.settings, data) for data in ("one", "two"))
        assert one.take(unit, "worker/1") is None
        one.begin(unit, "worker", "first")
        one.report(unit, {"done": 1})
        one.put_report(Report(*unit, UnitFailure("blocked", "no")))
        one.cancel(unit.dataset)
        one.beat(Presence("worker", "host", 1, 1, "0"), [])
        Queue(one).put([Task(unit), Task(Unit(unit.dataset, FINISH))])
        assert one.lead("here", {unit.dataset: "{}"}, [])
        assert two.take(unit, "worker/2") is None
        assert two.begin(unit, "worker", "first").begun == 1
        assert not two.cancelled(unit.dataset)
        assert two.progress([unit.dataset]) == {unit.dataset: {}}
        assert two.take_reports(0.01) == []
        assert two.workers() == []
        assert two.waiting() == set()
        assert two.live() is None
        two.close_dataset(unit.dataset)
        assert len(one.waiting()) == 2
        assert one.progress([unit.dataset])[unit.dataset]
        (kept,) = {key for key in two.redis.keys("*") if not key.startswith(prefix_of("one"))}
        assert kept == f"{prefix_of('two')}lease:{unit.dataset}:{unit.name}"


def test_what_is_said_again_after_a_lost_answer_counts_once() -> None:
    """A broker that paused has heard what nobody saw it answer: no run is begun twice, and no failure counts twice."""
    unit = Unit("0" * 24, "train-00000")
    with valkey() as broker:
        leases = Leases.at(broker.settings, "one")
        leases.beat(Presence("worker", "host", 1, 1, "0"), [])
        for _ in range(2):
            begun = leases.begin(unit, "worker", "first")
            assert (begun.begun, begun.failures) == (1, 0)
        for _ in range(2):
            assert leases.end(unit, "first", failed=True).failures == 1
        again = leases.begin(unit, "worker", "second")
        assert (again.begun, again.failures) == (2, 1)
        lost = leases.begin(unit, "worker", "third")  # the second never ended, and its worker is alive
        assert (lost.begun, lost.failures) == (3, 2)
        for _ in range(2):
            leases.end(unit, "third")
        assert leases.begin(unit, "worker", "fourth").begun == 4


def test_a_copy_of_a_data_directory_does_not_share_the_work(tmp_path: Path) -> None:
    """It has the same id; whoever was there first goes on, and the other one says what to do."""
    with valkey() as broker:
        first, copy = (Settings(data_dir=tmp_path / name, redis_url=broker.url) for name in ("first", "copy"))
        with serving(first) as api:
            until(lambda: parts(api)["coordinator"] == "ok", what="the first coordinator")
            copytree(first.data_dir, copy.data_dir)
            with serving(copy) as other:
                until(lambda: "a copy of the data directory" in parts(other)["coordinator"], what="the refusal")
                assert MARKER in parts(other)["coordinator"]
                other.post("/v1/jobs", SPEC)
                assert parts(api)["coordinator"] == "ok"
            api.post("/v1/jobs", SPEC)
            until(lambda: len(api.state.leases.waiting()) == 1, what="the first unit")
        (copy.state / MARKER).unlink()
        with serving(copy) as other:
            until(lambda: len(other.state.leases.waiting()) == 1, what="the first unit of the copy")
            assert other.state.leases.data != DataDirectory.made(first.data_dir).id


def parts(api: Api) -> dict[str, str]:
    found: dict[str, str] = api.get("/readyz").json["parts"]
    return found


@pytest.mark.slow
def test_two_servers_work_side_by_side(tmp_path: Path) -> None:
    """On the same specs; what is cancelled on one goes on on the other, and nothing lands in the wrong folder."""
    with valkey() as broker:
        one, two = (Server(tmp_path / name, 1, PDEMILL_REDIS_URL=broker.url) for name in ("one", "two"))
        with one, two, one.client() as here, two.client() as there:
            both = [client.submit({**SPEC, "seed": seed}) for seed in (1, 2) for client in (here, there)]
            assert both[0].state["dataset"] == both[1].state["dataset"]
            both[2].cancel()
            for job in (both[0], both[1], both[3]):
                job.wait(timeout=200)
            assert both[2].refresh().status == "dismissed"
            places = [Path(job.results()["store"]["path"]) for job in (both[0], both[1], both[3])]
            assert [place.parents[1].name for place in places] == ["one", "two", "two"]
            found = [pdemill.verify(place, samples=1) for place in places]
            assert all(one.ok for one in found)
            assert found[0].content == found[1].content
            ids = [DataDirectory.made(tmp_path / name).id for name in ("one", "two")]
            keys = Leases.at(broker.settings, "").redis.keys("*")
            assert all(key.startswith(tuple(map(prefix_of, ids))) for key in keys), keys
            stray(broker.redis, ids[0], ids[1])
            until(lambda: "left alone: it is meant for another" in one.log("worker"), what="the refusal")


def stray(redis: Redis, to: str, meant_for: str) -> None:
    """Put a unit of one data directory into the queue of another."""
    leases = Leases(redis, to)
    leases.data = meant_for
    Queue(leases).put([Task(Unit("0" * 24, FINISH))])


def test_a_message_says_for_which_directory_it_is() -> None:
    with valkey() as broker:
        Queue(leases := Leases.at(broker.settings, "this one")).put([Task(Unit("0" * 24, FINISH))])
        (text,) = leases.redis.lrange(f"{leases.prefix}{QUEUE}", 0, -1)
        arguments, named, _ = json.loads(b64decode(json.loads(text)["body"]))
        assert (arguments, named) == (["0" * 24, FINISH], {"data": "this one"})
