"""No owner waits for more than what is theirs: who is handed units between two of the same owner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from benchmarks.coordinator import Crowd, broker, submit
from benchmarks.shares import Asked, Cut, Happening, Turn, Work, judge, watching, work_of
from pdemill.leases import FINISH, PREPARE, Report, Unit, UnitFailure
from pdemill.service.schedule import LEAST_SECONDS
from pdemill.service.testing import until
from pdemill.settings import Settings
from tests.service.test_coordinator import _await_end, coordinating, leases_of, working

WORKS = {"a": Work("ann", 9, 1.0), "b": Work("bob", 9, 1.0)}


def handed(text: str) -> list[Happening]:
    """Shards of the data sets named, one after the other, by ticks that know all that was reported before."""
    units = [(Unit(name, f"train-{number:05d}"),) for number, name in enumerate(text) if name != " "]
    return [one for each in units for one in (Asked(), Asked(), Turn(each))]


def together(*units: str) -> Turn:
    """Shards that one tick hands out, such as a3."""
    return Turn(tuple(Unit(unit[0], f"train-{int(unit[1:]):05d}") for unit in units))


def took(name: str, number: int, seconds: float) -> Report:
    return Report(name, f"train-{number:05d}", cpu_seconds={"solve": seconds})


@pytest.mark.parametrize(("order", "most", "beyond"), [("abababab", 1, 0), ("aabbaabb", 2, 0), ("abbba", 3, 1)])
def test_units_between_two_of_the_same_owner_are_counted(order: str, most: int, beyond: int) -> None:
    found = judge(handed(order), WORKS)
    assert (found.most, len(found.beyond)) == (most, beyond)


def test_who_uses_more_waits_longer() -> None:
    """A unit of ann that took four times its estimate is worth five of bob; one that waits for nothing waits not."""
    assert not judge([*handed("a"), took("a", 0, 4.0), *handed(" bbbbb    a")], WORKS).beyond
    assert judge([*handed("a"), *handed(" bbbbb    a")], WORKS).beyond
    failed = Report("a", "x", UnitFailure("blocked", "no disk"))
    between: list[Happening] = [Cut(), Turn((Unit("a", PREPARE),)), failed]
    for one in between:
        assert not judge([*handed("a"), one, *handed(" bbbbb    a")], WORKS).beyond
    assert not judge([*handed("a"), *handed(" bbbbb"), *handed("a")], WORKS).beyond


def test_what_is_reported_is_charged_when_the_coordinator_hears_of_it() -> None:
    """In a soak two reports came while a tick was about to hand out two units of their owner: charged after these, they
    were waited for then, and nobody was handed too much. What a tick before knew of was waited for already."""
    late = [took("a", 0, 3.0), took("a", 1, 2.0)]
    others = [Asked(), Asked(), together("b4", "b5", "b6", "b7"), *handed("        a")]
    assert not judge([*handed("aa"), *late, together("a2", "b2", "a3"), *others], WORKS).beyond
    assert judge([*handed("aa"), together("a2", "b2", "a3"), *others], WORKS).beyond
    heard: list[Happening] = [Asked(), Asked(), together("b1"), together("a2", "b2", "a3")]
    assert judge([*handed("aa"), *late, *heard, *others], WORKS).beyond


def test_a_unit_that_was_under_way_when_the_coordinator_began_anew_was_not_waited_for() -> None:
    """Its lease lasts longer: the host that had it is gone, and until that shows it cannot be handed out again."""
    first, second, third = ([together(unit)] for unit in ("a0", "a1", "a2"))
    others = handed("   bbbbb")
    assert not judge([*first, *second, Cut(), *third, *others, *second], WORKS).beyond
    assert judge([*first, Cut(), *second, *others, *third], WORKS).beyond


def test_a_unit_that_was_handed_out_during_a_fault_is_known_afterwards() -> None:
    """In a soak one was handed out again when its host had been gone for 45 s, and all others of its owner were done.
    A store that is prepared once more is the same, unless it was finished."""
    first, lost, third = handed("a"), handed(" a"), handed("  a")
    others = handed("   bbbbb")
    prepared = Report("a", PREPARE)
    assert not judge([prepared, *first, Cut((*lost, *others)), *third, *others, *lost], WORKS).beyond
    assert judge([prepared, *first, Cut(), *third, *others, *lost], WORKS).beyond
    again = [prepared, *first, *third, prepared, *others]
    assert not judge([*again, *first], WORKS).beyond
    assert judge([*again, *lost], WORKS).beyond
    assert judge([prepared, *first, *third, Turn((Unit("a", FINISH),)), prepared, *others, *first], WORKS).beyond


def test_who_is_handed_nothing_waits_too() -> None:
    """From when the coordinator has heard that there is a store to fill."""
    begun = Report("b", PREPARE)
    assert len(judge([begun, *handed("aaaa")], WORKS).beyond) == 1
    assert len(judge([begun, *handed("aaaa"), Cut(), *handed("b")], WORKS).beyond) == 1
    assert not judge([begun, together("a0", "a1", "a2", "a3"), *handed("    b")], WORKS).beyond


def test_to_prepare_a_store_is_a_use_of_ones_own() -> None:
    """As the coordinator charges it; here it is worth as much as a shard of ann. The first of ann is handed out before
    it is heard that the store is there."""
    works = {"a": Work("ann", 9, LEAST_SECONDS), "b": Work("bob", 9, LEAST_SECONDS)}
    prepared: list[Happening] = [Turn((Unit("b", PREPARE),)), Report("b", PREPARE)]
    assert not judge([*prepared, *handed("aaaab")], works).beyond
    assert judge([*prepared, *handed("aaaaab")], works).beyond


def _has_done(crowd: Crowd, units: int) -> bool:
    return len(crowd.done) > units


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    with broker(tmp_path) as url:
        yield Settings(data_dir=tmp_path / "data", redis_url=url)


def test_what_was_handed_out_while_the_broker_was_not_watched_is_known(settings: Settings) -> None:
    """Be it in the queue still, or begun."""
    leases = leases_of(settings)
    with coordinating(settings) as (coordinator, ledger):
        name = submit(ledger, "owner", 0, 4, 1.0)
        coordinator.wake()
        until(leases.waiting, what="units in the queue")
        (unit, *_) = leases.waiting()
        leases.begin(Unit(name, "train-00003"), "worker", "run")
        with watching(settings.redis_url, leases.prefix) as happened:
            (cut,) = happened
    assert isinstance(cut, Cut)
    (turn,) = cut.meanwhile
    assert isinstance(turn, Turn)
    assert {unit, Unit(name, "train-00003")} <= set(turn.units)


def test_faults_delay_nobody_by_more_than_their_share(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under way is lost with the broker's lists, again and again; workers go, and leave their leases behind;
    another coordinator takes over. All is done, and whoever waited saw at most two units of each other in between."""
    monkeypatch.setattr("pdemill.service.schedule.GRACE_SECONDS", 0.5)
    shards, hold = 150, 0.02
    leases = leases_of(settings)
    with watching(settings.redis_url, leases.prefix) as happened, coordinating(settings) as (first, ledger):
        names = [submit(ledger, f"owner-{number}", number, shards, hold * shards) for number in range(3)]
        first.wake()
        with working(settings, 2, hold) as crowd:
            for goal in (30, 60, 90):
                until(partial(_has_done, crowd, goal), what="some units")
                leases.redis.delete(f"{leases.prefix}work", f"{leases.prefix}reports")
        with ExitStack() as held:
            second, other = held.enter_context(coordinating(settings))
            held.enter_context(working(settings, 2, hold))
            first.stop()
            until(lambda: second.leads, what="the second's turn")
            happened.append(Cut())
            _await_end(other, *names)
    works = {name: work_of(f"owner-{number}", hold * shards, shards) for number, name in enumerate(names)}
    found = judge(happened, works)
    assert found.waits > shards
    assert found.most <= 2
    assert not found.beyond
