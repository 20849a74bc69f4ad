"""Audits of finite elements on polygons."""

from __future__ import annotations

import numpy as np
import pytest

from tests.audit.problems import Bench, Json

ELL = {"shape": "polygon", "outline": [[0, 0], [1, 0], [1, 0.5], [0.5, 0.5], [0.5, 1], [0, 1]]}
SQUARE = {"shape": "polygon", "outline": [[0, 0], [1, 0], [1, 1], [0, 1]]}


def thermal(domain: Json, h: float, **more: object) -> Json:
    return {"family": "thermal", "domain": domain, "resolution": {"h": h}, **more}


@pytest.mark.parametrize(("order", "tolerance"), [(1, 0.01), (2, 1e-4)])
def test_a_smooth_solution(order: int, tolerance: float) -> None:
    """u = sin πx sin πy in P1 and P2: the error over the nodes is within the interval."""
    source = {"field": "expression", "formula": "2*pi**2*sin(pi*x)*sin(pi*y)"}
    bench = Bench(thermal(SQUARE, 0.05, order=order, source=source), probes=64, walks=1024, tolerance=tolerance)
    label, exact = bench.label(0), bench.exact(0)
    verdict = bench.audit(0, label)
    inside = exact > 1e-9
    true = np.sqrt(np.mean((label - exact)[inside] ** 2) / np.mean(label[inside] ** 2))
    assert abs(verdict.error - true) <= verdict.interval
    assert not verdict.flagged
    assert bench.audit(0, 1.05 * label).flagged


def test_an_inward_corner() -> None:
    """The singular solution r^(2/3) sin(2θ/3), which is its own data: walks find the error that the corner makes."""
    formula = "((x - 0.5)**2 + (y - 0.5)**2)**0.3333333333333333 * sin(2/3*(atan2(x - y, 1 - x - y) + 3*pi/4))"
    problem = thermal(ELL, 0.04, boundary={"default": {"dirichlet": {"field": "expression", "formula": formula}}})
    bench = Bench(problem, probes=64, walks=8192, tolerance=0.02)  # many walks: few of them see the corner
    x, y = bench.job.discretisation.points.coordinates.values()
    exact = np.hypot(x - 0.5, y - 0.5) ** (2 / 3) * np.sin(2 / 3 * np.arctan2(x - y, 1 - x - y) + np.pi / 2)
    label = bench.label(0)
    verdict = bench.audit(0, label)
    chosen = bench.auditor.probes(0)
    scores = (verdict.differences - (label - exact)[chosen]) / verdict.stderr
    assert abs(scores.mean()) < 4 / np.sqrt(len(scores))
    assert 0.8 < np.sqrt(np.mean(scores**2)) < 1.2
    assert not verdict.flagged
