"""A clock on which every measured step takes one second, for tests of what is counted as whose time."""

from __future__ import annotations

from itertools import count

import pytest


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stopwatch of the solvers goes on by one second whenever it is read."""
    seconds = count()
    monkeypatch.setattr("pdemill.solvers.stopwatch.process_time", lambda: float(next(seconds)))
