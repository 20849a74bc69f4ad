"""The ledger: what becomes of a data set that ended well and is asked for again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pdemill.service.ledger import Dataset, Ledger
from pdemill.service.submission import queued
from pdemill.solvers.estimate import estimate
from pdemill.spec import validate

NEVER = pytest.fail


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "jobs.sqlite")
    yield made
    made.close()


@pytest.fixture
def ended(ledger: Ledger) -> Dataset:
    """A data set that ended well, asked for once with a key."""
    spec = validate({"problem": {"family": "poisson", "resolution": [8, 8]}, "samples": 4})
    dataset = queued(spec, estimate(spec))
    ledger.submit("ann", dataset, "once")
    ledger.ended(dataset.id, "successful", "", 4, 0)
    return dataset


def _status(ledger: Ledger, dataset: Dataset) -> str:
    found = ledger.dataset(dataset.id)
    assert found is not None
    return found.status


def test_what_is_whole_is_not_begun_again(ledger: Ledger, ended: Dataset) -> None:
    job, new = ledger.submit("ann", ended, None, gone=lambda: False)
    assert new
    assert job.status == _status(ledger, ended) == "successful"


def test_what_is_gone_is_begun_again(ledger: Ledger, ended: Dataset) -> None:
    job, new = ledger.submit("ann", ended, None, gone=lambda: True)
    assert new
    assert job.status == _status(ledger, ended) == "accepted"


def test_a_request_that_is_repeated_begins_nothing_again(ledger: Ledger, ended: Dataset) -> None:
    job, new = ledger.submit("ann", ended, "once", gone=lambda: NEVER("it looked"))
    assert not new
    assert job.status == _status(ledger, ended) == "successful"


def test_a_request_that_is_refused_begins_nothing_again(ledger: Ledger, ended: Dataset) -> None:
    def room() -> None:
        raise RuntimeError("full")

    with pytest.raises(RuntimeError, match="full"):
        ledger.submit("ann", ended, None, room, gone=lambda: True)
    assert _status(ledger, ended) == "successful"


def test_several_are_noted_together_or_not_at_all(ledger: Ledger, ended: Dataset) -> None:
    other = replace(ended, id="other", spec_sha256="other")

    def room() -> None:
        raise RuntimeError("full")

    def both() -> None:
        with ledger.together():
            ledger.submit("bob", other, "first")
            ledger.submit("bob", ended, "second", room)

    with pytest.raises(RuntimeError, match="full"):
        both()
    assert ledger.dataset("other") is None
    assert not ledger.knows("bob", "first")
    with ledger.together():
        first = ledger.submit("bob", other, "first")[0]
        assert ledger.submit("bob", other, "first") == (first, False)
        ledger.submit("bob", ended, "second")
    assert ledger.load("bob").jobs == 1  # the other one is there already
    assert ledger.stored("bob", other.id, ended.id) == 0


def test_what_is_solved_again_meanwhile_is_left_alone(ledger: Ledger, ended: Dataset) -> None:
    ledger.submit("ann", ended, None, gone=lambda: True)
    ledger.begun(ended.id)
    job, _ = ledger.submit("bob", ended, None, gone=lambda: NEVER("it looked"))
    assert job.status == _status(ledger, ended) == "running"
