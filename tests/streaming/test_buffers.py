"""Buffers between a stream and its loop: what is drawn how often, and the same again from a state."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Mapping
from itertools import chain, islice
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pdemill
from pdemill.streaming.buffer import Buffer, Reservoir
from tests.streaming.test_stream import SPEC, same, taken

RESERVOIR: dict[str, Any] = {"policy": "reservoir", "size": 6, "watermark": 3, "repeats": 2}


class Numbers:
    """Fresh samples that are their numbers; ``every``: one is ready at every so-many-th look."""

    def __init__(self, every: int = 1) -> None:
        self.next, self._every, self._looks = 0, every, 0

    def take(self) -> tuple[int, Mapping[str, NDArray[Any]]]:
        self.next += 1
        return self.next - 1, {"x": np.array([self.next - 1.0])}

    def ready(self) -> bool:
        self._looks += 1
        return self._looks % self._every == 0


@pytest.mark.parametrize("repeats", [2.0, 5.0])
def test_a_sample_of_a_reservoir_is_seen_a_geometric_number_of_times(repeats: float) -> None:
    """In the steady state P(n) = (1 - 1/r)^(n - 1) / r, n from 1 on: none is lost, r is the mean. All samples have the
    same law, so that means over draws are those of the samples; their variance is 2 r - 1 times that of as many fresh
    ones (E n^2 / E n)."""
    fresh, buffer = Numbers(), Buffer("reservoir", 50, 50, repeats)
    reservoir = Reservoir(buffer)
    seen = Counter(reservoir.draw(fresh)[0] for _ in range(20_000))
    gone = set(range(200, fresh.next)) - {one.number for one in reservoir.kept}
    times = [seen[number] for number in gone]
    found, many = Counter(times), len(times)
    assert found[0] == 0
    assert np.mean(times) == pytest.approx(repeats, abs=4 * np.sqrt((repeats**2 - repeats) / many))
    for n in range(1, 5):
        share = (1 - 1 / repeats) ** (n - 1) / repeats
        assert found[n] / many == pytest.approx(share, abs=4 * np.sqrt(share / many))
    assert np.mean(np.square(times)) / np.mean(times) == pytest.approx(2 * repeats - 1, rel=0.15)


def test_a_reservoir_favours_the_samples_that_it_began_with() -> None:
    """While it fills from w to n samples, the first w of them are drawn r ln(n / w) times, and r - 1 times after that,
    as every sample that was seen."""
    fresh, begin, later = Numbers(), [], []
    for seed in range(20):
        fresh.next = 0
        reservoir = Reservoir(Buffer("reservoir", 80, 20, 3.0, seed))
        seen = Counter(reservoir.draw(fresh)[0] for _ in range(2400))
        begin.append(np.mean([seen[n] for n in range(20)]))
        later.append(np.mean([seen[n] for n in range(200, 500)]))
    assert np.mean(later) == pytest.approx(3.0, rel=0.05)
    assert np.mean(begin) == pytest.approx(3.0 * np.log(4) + 2, rel=0.06)


def test_a_reservoir_without_repeats_takes_what_is_ready_and_never_waits() -> None:
    fresh = Numbers(every=7)
    reservoir = Reservoir(Buffer("reservoir", 30, 10))
    seen = Counter(reservoir.draw(fresh)[0] for _ in range(7000))
    kept = {one.number for one in reservoir.kept}
    assert 1000 <= fresh.next <= 1.2 * 1000 + 10
    assert set(range(fresh.next)) - kept <= set(seen)


def test_a_full_reservoir_of_unseen_samples_takes_no_more() -> None:
    fresh = Numbers()
    reservoir = Reservoir(Buffer("reservoir", 4, 4, 1.0))
    draws = [reservoir.draw(fresh)[0] for _ in range(400)]
    assert Counter(draws).keys() | {one.number for one in reservoir.kept} == set(range(fresh.next))


def test_a_reservoir_goes_on_from_its_state() -> None:
    stream = pdemill.stream(SPEC, workers=0, buffer=RESERVOIR)
    begin = taken(stream, 13)
    state = json.loads(json.dumps(stream.state_dict()))
    whole = taken(pdemill.stream(SPEC, workers=0, buffer=RESERVOIR), 40)
    other = pickle.loads(pickle.dumps(pdemill.stream(SPEC, workers=0, buffer=RESERVOIR)))
    other.load_state_dict(state)
    assert same(begin + taken(other, 27), whole)
    assert other.statistics()["given"] == 40
    assert same(taken(pdemill.stream(SPEC, workers=1, buffer=RESERVOIR), 20), whole[:20])
    with pytest.raises(ValueError, match="the state is of a stream with a reservoir"):
        pdemill.stream(SPEC, workers=0).load_state_dict(state)


def test_a_state_of_another_buffer_is_refused() -> None:
    stream = pdemill.stream(SPEC, workers=0, buffer=RESERVOIR)
    taken(stream, 5)
    other = pdemill.stream(SPEC, workers=0, buffer={**RESERVOIR, "repeats": 7})
    with pytest.raises(ValueError, match="another buffer: "):
        other.load_state_dict(stream.state_dict())
    with pytest.raises(ValueError, match="no state of a stream: it has no next"):
        other.load_state_dict({})


def test_the_share_of_waiting_is_none_of_starting_again() -> None:
    stream = pdemill.stream(SPEC, workers=0)
    for _ in range(3):
        taken(stream, 9)
        stream.close()
    assert 0 <= stream.statistics()["waiting_share"] <= 1
    other = pdemill.stream(SPEC, workers=0)
    other.load_state_dict(stream.state_dict())
    taken(other, 1)
    assert other.statistics()["waiting_share"] == 0


def test_ranks_have_reservoirs_of_their_own_samples() -> None:
    each = []
    for rank in range(2):
        stream = pdemill.stream(SPEC, workers=0, samples=31, rank=rank, world_size=2, buffer=RESERVOIR)
        each.append([[sample["sample"] for sample in stream] for _ in range(2)])
    assert [[len(epoch) for epoch in epochs] for epochs in each] == [[16, 16], [15, 15]]
    assert not set(chain(*each[0])) & set(chain(*each[1]))


def test_fifo_may_be_further_ahead() -> None:
    plain = taken(pdemill.stream(SPEC, workers=0), 10)
    with pdemill.stream(SPEC, workers=1, buffer={"policy": "fifo", "size": 15}) as stream:
        assert same(list(islice(stream, 10)), plain)
        assert stream.statistics()["waiting"] <= 16


def test_statistics_are_those_of_the_samples_that_came() -> None:
    stream = pdemill.stream(SPEC, workers=0)
    with pytest.raises(ValueError, match="no sample has come yet"):
        stream.normaliser("x")
    came = taken(stream, 7)
    found = stream.statistics()
    assert (found["produced"], found["given"], found["failed"]) == (7, 7, 0)
    for key in "xy":
        values = np.stack([sample[key] for sample in came]).astype(float)
        assert found[key]["mean"] == pytest.approx([values.mean()], rel=1e-12)
        assert found[key]["std"] == pytest.approx([values.std()], rel=1e-12)
        assert stream.normaliser(key).encode(values).std() == pytest.approx(1, rel=1e-9)
    assert 0 < found["waiting_share"] <= 1
    other = pdemill.stream(SPEC, workers=0)
    other.load_state_dict(stream.state_dict())
    taken(other, 2)
    assert other.statistics()["produced"] == 9


@pytest.mark.parametrize(
    ("buffer", "message"),
    [
        ({"policy": "lifo", "size": 3}, "policy fifo or reservoir"),
        ({"policy": "fifo", "size": 3, "repeats": 2}, "has no 'repeats'"),
        ({"policy": "reservoir", "size": 0}, "buffer size should be a whole number from 1 on"),
        ({"policy": "reservoir", "size": 3, "watermark": 4}, "at most its size, 3, not 4"),
        ({"policy": "reservoir", "size": 3, "repeats": 0.5}, "repeats should be a number from 1 on"),
        ({"policy": "reservoir", "size": 3}, "needs processes that work ahead"),
    ],
)
def test_buffers_that_are_none_are_refused(buffer: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pdemill.stream(SPEC, workers=0, buffer=buffer)


def test_a_reservoir_has_no_numbered_epochs() -> None:
    with pytest.raises(ValueError, match="a reservoir goes on where it was"):
        pdemill.stream(SPEC, workers=0, samples=4, buffer=RESERVOIR).set_epoch(1)
