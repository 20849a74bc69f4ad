"""The coordinator's decisions, without a broker, a disk or a clock."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdemill.leases import FINISH, PREPARE, Unit, UnitFailure
from pdemill.store.layout import cut
from service.schedule import GRACE_SECONDS, Track, next_units


def _prepared(name: str, shards: int) -> Track:
    track = Track(name)
    track.prepared(cut({"train": shards}, 1))
    return track


def _names(units: list[Unit]) -> list[str]:
    return [f"{unit.dataset}:{unit.name}" for unit in units]


def test_a_data_set_is_prepared_then_solved_then_finished() -> None:
    track = Track("a")
    assert list(track.wanted()) == [PREPARE]
    track.prepared(cut({"train": 2}, 1))
    assert list(track.wanted()) == ["train-00000", "train-00001"]
    track.done(["train-00000"])
    assert list(track.wanted()) == ["train-00001"]
    track.done(["train-00001"])
    assert list(track.wanted()) == [FINISH]


def test_data_sets_take_turns() -> None:
    units = next_units([_prepared("a", 9), _prepared("b", 2), Track("c")], slots=4, now=0.0)
    assert _names(units) == [
        "a:train-00000", "b:train-00000", "c:prepare", "a:train-00001", "b:train-00001", "a:train-00002",
        "a:train-00003", "a:train-00004",
    ]  # fmt: skip


@settings(deadline=None)
@given(st.integers(0, 20), st.lists(st.integers(1, 30), max_size=5))
def test_the_queue_is_never_longer_than_workers_need(slots: int, sizes: list[int]) -> None:
    tracks = [_prepared(str(number), size) for number, size in enumerate(sizes)]
    for now in (0.0, 1.0):
        for unit in next_units(tracks, slots, now):
            tracks[int(unit.dataset)].issue(unit.name, now)
    assert sum(len(track.issued) for track in tracks) == min(sum(sizes), slots + 2 + min(slots, 2))


def test_nothing_is_handed_out_twice() -> None:
    track = _prepared("a", 3)
    first = next_units([track], slots=2, now=0.0)
    for unit in first:
        track.issue(unit.name, 0.0)
    assert not set(first) & set(next_units([track], slots=9, now=1.0))


def test_everyone_gets_a_turn() -> None:
    """One place becomes free at a time; a job that came later does not wait until those before it are done."""
    tracks = [_prepared(name, 100) for name in "abc"]
    served = []
    for now in range(30):
        unit, *_ = next_units(tracks, slots=1, now=float(now))
        track = tracks["abc".index(unit.dataset)]
        track.issue(unit.name, float(now))
        track.done([unit.name])
        served.append(unit.dataset)
    assert [served.count(name) for name in "abc"] == [10, 10, 10]


def test_a_unit_without_lease_is_lost_after_a_while() -> None:
    track = _prepared("a", 1)
    track.issue("train-00000", 0.0)
    unit = Unit("a", "train-00000")
    assert track.lost({unit}, set(), now=100.0) == []
    assert track.lost(set(), set(), now=100.0 + GRACE_SECONDS) == []
    assert track.lost(set(), set(), now=100.1 + GRACE_SECONDS) == ["train-00000"]
    assert _names(next_units([track], 1, 200.0)) == ["a:train-00000"]


def test_a_unit_that_waits_in_the_queue_is_not_lost() -> None:
    """But one that does not, and has never been leased, is, whatever else waits: its worker died as it took it."""
    track = _prepared("a", 2)
    for name in ("train-00000", "train-00001"):
        track.issue(name, 0.0)
    waiting = {Unit("a", "train-00000")}
    assert track.lost(set(), waiting, now=1000.0) == ["train-00001"]
    assert track.lost(set(), waiting, now=2000.0) == []
    assert track.lost(set(), set(), now=2000.1 + GRACE_SECONDS) == ["train-00000"]


@pytest.mark.parametrize(("failures", "pause"), [(1, 1.0), (2, 2.0), (4, 8.0), (10, 15.0)])
def test_a_blocked_unit_is_left_alone_for_longer_and_longer(failures: int, pause: float) -> None:
    track = _prepared("a", 1)
    for _ in range(failures):
        track.issue("train-00000", 0.0)
        track.failed("train-00000", UnitFailure("blocked", "the disk is full"), 0.0)
    assert not next_units([track], 1, pause - 0.1)
    assert next_units([track], 1, pause)
    track.done(["train-00000"])
    assert not track.blocked
