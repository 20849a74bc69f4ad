"""How far trajectories are apart."""

from __future__ import annotations

import numpy as np
import pytest

from pdemill.solvers.trajectories.differences import differences


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_infinitely_far_from_everything(bad: float) -> None:
    """From itself too: two runs that both overflow agree on nothing."""
    good = np.array([[[1.0, 2.0], [1.0, 3.0]]])
    wrong = good.copy()
    wrong[0, 1] = bad
    for one, other in ((wrong, good), (good, wrong), (wrong, wrong)):
        assert differences(one, other).tolist() == [0.0, np.inf]
    partly = good.copy()
    partly[0, 1, 0] = bad
    assert differences(partly, partly).tolist() == [0.0, np.inf]


def test_what_does_not_vary_is_compared_with_what_did() -> None:
    still = np.array([[[1.0, -1.0], [0.0, 0.0]]])
    assert differences(still, still).tolist() == [0.0, 0.0]
    moved = still + np.array([[[0.0], [1e-3]]])
    assert differences(moved, still)[1] == pytest.approx(1e-3 / 1e-3)
