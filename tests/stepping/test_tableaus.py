"""Additive Runge-Kutta schemes fulfil the conditions of their order."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from pdemill.points import Array
from pdemill.solvers.tableaus import ARK3, ARK4, ARS2, Tableau

ALL = pytest.mark.parametrize("tableau", [ARK4, ARK3, ARS2], ids=lambda t: f"order {t.order}")


@ALL
def test_the_conditions_of_the_order_hold_for_all_ways_to_mix_both_tableaus(tableau: Tableau) -> None:
    parts = (tableau.implicit, tableau.explicit)
    c = tableau.explicit.sum(axis=1)
    np.testing.assert_allclose(tableau.implicit.sum(axis=1), c, atol=1e-14)
    found: list[tuple[Any, float]] = []
    for b in (tableau.weights, tableau.explicit_weights):
        found += [(b.sum(), 1.0), (b @ c, 1 / 2)]
        if tableau.order >= 3:
            found += [(b @ c**2, 1 / 3), *((b @ one @ c, 1 / 6) for one in parts)]
        if tableau.order >= 4:
            found += [(b @ c**3, 1 / 4)]
            for one in parts:
                found += [(b @ (c * (one @ c)), 1 / 8), (b @ one @ c**2, 1 / 12)]
            found += [(b @ one @ other @ c, 1 / 24) for one, other in product(parts, parts)]
    for value, wanted in found:
        assert value == pytest.approx(wanted, abs=1e-14)


@ALL
def test_what_is_stiff_is_damped(tableau: Tableau) -> None:
    """The stability function vanishes at minus infinity, and is at most 1 on the way."""
    ones, unit = np.ones(tableau.stages), np.eye(tableau.stages)
    for z in -np.logspace(-3, 9, 61):
        stages = np.linalg.solve(unit - z * tableau.implicit, ones)
        assert abs(1.0 + z * tableau.weights @ stages) <= 1.0 + 1e-12
    assert abs(1.0 - 1e9 * tableau.weights @ np.linalg.solve(unit + 1e9 * tableau.implicit, ones)) < 1e-7


@ALL
def test_defects_add_no_more_than_said(tableau: Tableau) -> None:
    rng = np.random.default_rng(0)
    for z in -np.logspace(-4, 7, 45):
        clean, defects = _step(tableau, z, np.zeros(tableau.stages)), 1e-3 * rng.standard_normal(tableau.stages)
        defects[0] = 0.0
        bound = float(tableau.amplification @ np.abs(defects))
        assert abs(_step(tableau, z, defects) - clean) <= 1.01 * bound


def _step(tableau: Tableau, z: float, defects: Array) -> float:
    """One step for u' = z u from 1, whose systems are solved up to defects."""
    slopes = np.zeros(tableau.stages)
    slopes[0] = z
    for i in range(1, tableau.stages):
        known = 1.0 + tableau.implicit[i, :i] @ slopes[:i]
        value = (known + defects[i]) / (1.0 - tableau.gamma * z)
        slopes[i] = (value - known) / tableau.gamma
    return float(1.0 + tableau.weights @ slopes)


@ALL
def test_a_slope_that_changes_evenly_is_predicted(tableau: Tableau) -> None:
    c = tableau.implicit.sum(axis=1)
    for stage in range(1, tableau.stages):
        row = tableau.predictor[stage]
        assert not row[stage:].any()
        assert row.sum() == pytest.approx(1.0, abs=1e-14)
        if stage > 1:
            assert row @ c == pytest.approx(c[stage], abs=1e-13)
