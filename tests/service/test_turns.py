"""Whose turn it is, without a broker, a disk or a clock: the order in which units are handed out."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdemill.leases import FINISH, PREPARE
from pdemill.service.schedule import Track
from pdemill.service.shards import Shards
from pdemill.service.turns import CREDIT_SECONDS, QUICK_SECONDS, Turn, Turns, room


def _track(name: str, shards: int, *owners: str, each: float = 100.0) -> Track:
    """A prepared data set whose shards take ``each`` seconds."""
    track = Track(name, owners or (name,), each * shards)
    track.prepared(Shards({"train": shards}, 1))
    return track


def _hand_out(turns: Turns, tracks: Sequence[Track], slots: int, now: float = 0.0) -> list[Turn]:
    """The next units, handed out."""
    chosen = turns.choose(tracks, slots, now)
    for turn in chosen:
        next(track for track in tracks if track.dataset == turn.unit.dataset).issue(turn.unit.name, turn.issue)
    return chosen


def _one_by_one(turns: Turns, tracks: list[Track]) -> Iterator[Turn]:
    """Units as one worker does them, each done before it takes the next; finished data sets are taken out."""
    queue: deque[Turn] = deque()
    while True:
        chosen = _hand_out(turns, tracks, slots=1)
        queue.extendleft([turn for turn in chosen if turn.quick][::-1])
        queue.extend(turn for turn in chosen if not turn.quick)
        turn = queue.popleft()
        track = next(track for track in tracks if track.dataset == turn.unit.dataset)
        track.done(turn.unit.name)
        if turn.unit.name == FINISH:
            tracks.remove(track)
        yield turn


@settings(deadline=None)
@given(st.integers(0, 60), st.lists(st.integers(2, 60), max_size=5))
def test_the_queue_is_never_longer_than_workers_need(slots: int, sizes: list[int]) -> None:
    tracks, turns = [_track(str(number), size) for number, size in enumerate(sizes)], Turns()
    for now in (0.0, 1.0):
        _hand_out(turns, tracks, slots, now)
    assert sum(len(track.issued) for track in tracks) == min(sum(sizes), room(slots))
    assert room(slots) <= slots + 6


def test_owners_have_equal_shares_however_many_jobs_they_have() -> None:
    """Sixteen large jobs of one owner do not hold up the one job of another."""
    tracks = [*(_track(f"large-{number}", 50, "ann") for number in range(16)), _track("other", 50, "bob")]
    served = Counter(turn.issue.owner for turn, _ in zip(_one_by_one(Turns(), tracks), range(40), strict=False))
    assert served == {"ann": 20, "bob": 20}


def test_shares_are_of_time_and_not_of_units() -> None:
    tracks = [_track("coarse", 99, "ann", each=400.0), _track("fine", 999, "bob", each=100.0)]
    served = Counter(turn.issue.owner for turn, _ in zip(_one_by_one(Turns(), tracks), range(100), strict=False))
    assert served == {"ann": 20, "bob": 80}


def test_a_wrong_estimate_is_paid_for_afterwards() -> None:
    """A shard of ann takes ten times as long as it was estimated to."""
    tracks, turns = [_track("slow", 999, "ann"), _track("right", 999, "bob")], Turns()
    served: Counter[str] = Counter()
    for turn, _ in zip(_one_by_one(turns, tracks), range(110), strict=False):
        served[turn.issue.owner] += 1
        turns.settle(turn.issue, 1000.0 if turn.issue.owner == "ann" else 100.0)
    assert served["ann"] == pytest.approx(10, abs=1)


def test_of_an_owner_the_job_with_the_least_left_goes_first() -> None:
    tracks = [_track("long", 30, "ann"), _track("short", 3, "ann"), _track("middle", 9, "ann")]
    units = [turn.unit for turn, _ in zip(_one_by_one(Turns(), tracks), range(15), strict=False)]
    order = [unit.dataset for unit in units if unit.name != FINISH]
    assert order == ["short"] * 3 + ["middle"] * 9 + ["long"] * 2


def test_an_owner_may_have_so_many_slots_and_no_more() -> None:
    tracks = [_track("a", 50, "ann"), _track("b", 50, "ann"), _track("c", 50, "bob")]
    chosen = _hand_out(Turns({"ann": 2}.get), tracks, slots=8)
    assert Counter(turn.issue.owner for turn in chosen) == {"ann": 2, "bob": room(8) - 2}


def test_a_data_set_that_two_wait_for_is_solved_in_the_turns_of_both() -> None:
    tracks = [_track("common", 90, "ann", "bob"), _track("own", 90, "cid")]
    served = Counter(turn.unit.dataset for turn, _ in zip(_one_by_one(Turns(), tracks), range(30), strict=False))
    assert served == {"common": 20, "own": 10}


def test_who_had_nothing_to_do_has_saved_no_turns_up() -> None:
    turns, first = Turns(), [_track("a", 99, "ann")]
    for _ in zip(_one_by_one(turns, first), range(30), strict=False):
        pass
    tracks = [*first, _track("b", 99, "bob")]
    served = Counter(turn.issue.owner for turn, _ in zip(_one_by_one(turns, tracks), range(20), strict=False))
    assert served == {"ann": 10, "bob": 10}


def test_what_takes_no_longer_than_a_turn_goes_first_beyond_a_full_queue() -> None:
    turns, tracks = Turns(), [_track("large", 99, "ann")]
    assert not any(turn.quick for turn in _hand_out(turns, tracks, slots=2))
    tracks.append(_track("small", 1, "bob", each=QUICK_SECONDS))
    (turn,) = _hand_out(turns, tracks, slots=2)
    assert turn.quick
    assert turn.unit.dataset == "small"


def test_one_shard_that_takes_for_ever_is_not_short() -> None:
    turns, tracks = Turns(), [_track("large", 99, "ann"), _track("monster", 1, "bob", each=1e6)]
    assert not any(turn.quick for turn in _hand_out(turns, tracks, slots=2))


def test_many_small_jobs_of_one_owner_leave_the_others_their_share() -> None:
    """Ahead of its turn it gets so much and no more."""
    small = [_track(f"small-{number}", 1, "ann", each=QUICK_SECONDS) for number in range(99)]
    tracks, turns = [_track("large", 999, "bob", each=QUICK_SECONDS), *small], Turns()
    turns_taken = [turn for turn, _ in zip(_one_by_one(turns, tracks), range(200), strict=False)]
    served = Counter(turn.issue.owner for turn in turns_taken if turn.unit.name != FINISH)
    assert served["bob"] >= served["ann"] - CREDIT_SECONDS / QUICK_SECONDS - 1
    assert min(served.values()) > 50


class Crowd:
    """Users with jobs of mixed size on a few workers, in simulated time. Workers take from the queue's head."""

    def __init__(self, users: int, jobs: int, workers: int) -> None:
        self._turns, self._slots = Turns(), workers
        self._tracks: dict[str, Track] = {}
        self._queue: deque[Turn] = deque()
        self._busy: list[tuple[float, int, Turn | None]] = [(0.0, number, None) for number in range(workers)]
        self.taken: list[tuple[float, Turn]] = []
        self._left: dict[str, list[float]] = {}
        for user in range(users):
            self._left[f"user-{user}"] = [[0.4, 60.0, 600.0, 6000.0][(user + job) % 4] for job in range(jobs)]

    def submit(self, user: str, name: str, seconds: float) -> None:
        """A job whose shards take 60 s at most."""
        self._tracks[name] = Track(name, (user,), seconds)

    def run(self, until: float, probes: dict[float, tuple[str, str]]) -> None:
        """Work until then; ``probes``: small jobs, by when they are submitted."""
        for user, jobs in self._left.items():
            for number, seconds in enumerate(jobs):
                self.submit(user, f"{user}-{number}", seconds)
        waiting = sorted(probes.items())
        while self._busy[0][0] < until:
            now, worker, turn = heapq.heappop(self._busy)
            while waiting and waiting[0][0] <= now:
                self.submit(*waiting.pop(0)[1], 0.4)
            if turn is not None:
                self._end(turn)
            self._look(now)
            following = self._queue.popleft()
            self.taken.append((now, following))
            heapq.heappush(self._busy, (now + self._seconds(following), worker, following))

    def _look(self, now: float) -> None:
        """What the coordinator does."""
        chosen = _hand_out(self._turns, list(self._tracks.values()), self._slots, now)
        self._queue.extendleft([turn for turn in chosen if turn.quick][::-1])
        self._queue.extend(turn for turn in chosen if not turn.quick)

    def _seconds(self, turn: Turn) -> float:
        track = self._tracks[turn.unit.dataset]
        return 0.1 if turn.unit.name in (PREPARE, FINISH) else track.unit_seconds

    def _end(self, turn: Turn) -> None:
        track, name = self._tracks[turn.unit.dataset], turn.unit.name
        track.done(name)
        if name == PREPARE:
            track.prepared(Shards({"train": max(1, round(track.seconds / 60.0))}, 1))
        elif name == FINISH:
            del self._tracks[track.dataset]


def test_a_small_job_among_800_begins_within_two_turns() -> None:
    """40 users with 20 jobs each, two workers: from when a job of four samples is submitted until its shard is taken,
    no worker has begun more than two shards of others that take a whole turn."""
    crowd = Crowd(users=40, jobs=20, workers=2)
    probes = {2000.0 + 333.0 * number: (f"user-{number}", f"probe-{number}") for number in range(40)}
    crowd.run(20_000.0, probes)
    for then, (_, name) in probes.items():
        taken = [(at, turn) for at, turn in crowd.taken if turn.unit.dataset == name]
        begun = next(at for at, turn in taken if turn.unit.name not in (PREPARE, FINISH))
        before = [turn for at, turn in crowd.taken if then <= at < begun and turn.issue.seconds > 1.0]
        assert len(before) <= 2 * 2, name
        assert begun - then <= 2 * 60.0 + 5.0, name
