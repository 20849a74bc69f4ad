"""What the coordinator knows of a data set under way, without a broker, a disk or a clock."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdemill.leases import FINISH, PREPARE, Unit
from pdemill.service.schedule import GRACE_SECONDS, MOST_BLOCKED, Issue, Track
from pdemill.service.shards import Shards
from pdemill.store.layout import cut


def _prepared(shards: int) -> Track:
    track = Track("a")
    track.prepared(Shards({"train": shards}, 1))
    return track


def _ready(track: Track, now: float = 0.0) -> list[str]:
    return list(track.ready(now))


@given(
    st.dictionaries(st.sampled_from(["train", "valid", "a-b", "test"]), st.integers(1, 9), min_size=1),
    st.integers(1, 4),
)
def test_shards_are_those_of_the_layout(splits: Mapping[str, int], each: int) -> None:
    shards, laid_out = Shards(splits, each), list(cut(splits, each))
    assert [shards[number] for number in range(len(shards))] == laid_out
    assert [shards.number(shard.name) for shard in laid_out] == list(range(len(laid_out)))
    assert [shards.number(name) for name in ("train-99999", "other-00000", "train-0", "prepare", "")] == [None] * 5


def test_shards_take_no_more_room_when_they_are_finished() -> None:
    """A byte each."""
    shards = Shards({"train": 1_000_000}, 1)
    for number in shards.waiting():
        shards.take(number)
        shards.finish(number)
    assert (shards.finished, shards.left, len(vars(shards)["_states"])) == (1_000_000, 0, 1_000_000)
    assert all(not isinstance(value, list | dict | set) or len(value) <= 2 for value in vars(shards).values())


def test_a_data_set_is_prepared_then_solved_then_finished() -> None:
    track = Track("a")
    assert _ready(track) == [PREPARE]
    track.issue(PREPARE, Issue())
    assert _ready(track) == []
    track.prepared(Shards({"train": 2}, 1))
    assert _ready(track) == ["train-00000", "train-00001"]
    assert track.done("train-00000")
    assert not track.done("train-00000")
    assert _ready(track) == ["train-00001"]
    track.done("train-00001")
    assert _ready(track) == [FINISH]


def test_nothing_is_handed_out_twice() -> None:
    track = _prepared(3)
    track.issue("train-00001", Issue())
    assert _ready(track, 1.0) == ["train-00000", "train-00002"]


def test_a_store_that_is_read_again_keeps_what_is_handed_out() -> None:
    track = _prepared(3)
    for name in ("train-00000", "train-00001"):
        track.issue(name, Issue())
    again = Shards({"train": 3}, 1)
    again.finish(1)
    track.prepared(again)
    assert list(track.issued) == ["train-00000"]
    assert _ready(track) == ["train-00002"]
    track.prepared(None)
    assert not track.issued
    assert _ready(track) == [PREPARE]


def test_a_unit_without_lease_is_lost_after_a_while() -> None:
    track = _prepared(1)
    track.issue("train-00000", Issue())
    assert track.lost({Unit("a", "train-00000")}, set(), now=99.0) == []
    assert track.lost(set(), set(), now=100.0) == []
    assert track.lost(set(), set(), now=100.0 + GRACE_SECONDS) == []
    assert track.lost(set(), set(), now=100.1 + GRACE_SECONDS) == ["train-00000"]
    track.take_back("train-00000")
    assert _ready(track, 200.0) == ["train-00000"]


def test_a_pause_of_whoever_looks_loses_nothing() -> None:
    """Looked at again after a pause, a unit may be on its way from the queue to its lease."""
    track, late = _prepared(1), 2 * GRACE_SECONDS
    track.issue("train-00000", Issue())
    assert track.lost({Unit("a", "train-00000")}, set(), now=0.0) == []
    assert track.lost(set(), set(), now=late) == []
    assert track.lost({Unit("a", "train-00000")}, set(), now=late + 1) == []
    assert track.lost(set(), set(), now=2 * late) == []


def test_a_unit_that_waits_in_the_queue_is_not_lost() -> None:
    """But one that does not, and has never been leased, is, whatever else waits: its worker died as it took it."""
    track = _prepared(2)
    for name in ("train-00000", "train-00001"):
        track.issue(name, Issue())
    waiting = {Unit("a", "train-00000")}
    assert track.lost(set(), waiting, now=0.0) == []
    assert track.lost(set(), waiting, now=1000.0) == ["train-00001"]
    track.take_back("train-00001")
    assert track.lost(set(), waiting, now=2000.0) == []
    assert track.lost(set(), set(), now=2000.0) == []
    assert track.lost(set(), set(), now=2000.1 + GRACE_SECONDS) == ["train-00000"]


@pytest.mark.parametrize(("failures", "pause"), [(1, 1.0), (2, 2.0), (4, 8.0), (10, 15.0)])
def test_a_blocked_unit_is_left_alone_for_longer_and_longer(failures: int, pause: float) -> None:
    track = _prepared(1)
    for _ in range(failures):
        track.issue("train-00000", Issue())
        track.failed("train-00000", 0.0)
    assert not _ready(track, pause - 0.1)
    assert _ready(track, pause)
    track.done("train-00000")
    assert not track.blocked


def test_a_store_that_cannot_be_read_is_prepared_again_less_and_less_often() -> None:
    track, now, times = Track("a"), 0.0, []
    while now < 60.0:
        if _ready(track, now):
            times.append(now)
            track.issue(PREPARE, Issue())
            track.done(PREPARE)
            track.prepared(None)
            track.failed(PREPARE, now)
        now += 0.5
    assert times == [0.0, 1.0, 3.0, 7.0, 15.0, 30.0, 45.0]


def test_where_everything_is_blocked_no_more_is_tried() -> None:
    """A full disk must not make the coordinator remember every shard of a store."""
    track = _prepared(1000)
    for turn in range(100):
        for name in _ready(track, 20.0 * turn)[:50]:
            track.issue(name, Issue())
            track.failed(name, 20.0 * turn)
    assert len(track.blocked) <= 50
    assert len(_ready(track, 1e6)) == len(track.blocked) >= MOST_BLOCKED
    for name in list(track.blocked):
        track.done(name)
    assert len(_ready(track, 1e6)) == 950
