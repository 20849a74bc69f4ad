"""The grid operators against an assembly from the formulas alone: the flux balance of every cell, face by face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pdemill.points import Array, TensorPoints
from pdemill.solvers.instance import Instance
from pdemill.spec.domain import BOX_SIDES

if TYPE_CHECKING:
    from tests.operators.conftest import Begin

GAUSSIAN = {"field": "gaussian", "alpha": 2, "tau": 3, "modes": 8}
LOGNORMAL = {"field": "lognormal", "alpha": 2, "tau": 3, "std": 1, "modes": 8}
RANDOM = {"uniform": [-1, 1]}

SIDES: dict[str, dict[str, Any]] = {
    "dirichlet": {"dirichlet": GAUSSIAN},
    "neumann": {"neumann": GAUSSIAN},
    "robin": {"robin": {"coefficient": LOGNORMAL, "value": GAUSSIAN}},
    "number": {"dirichlet": RANDOM},
    "flux": {"neumann": RANDOM},
    "exchange": {"robin": {"coefficient": {"uniform": [0, 2]}, "value": RANDOM}},
    "periodic": {},
}
BOXES: dict[str, tuple[tuple[int, ...], tuple[float, ...], tuple[tuple[str, str], ...]]] = {
    "line": ((7,), (1.3,), (("exchange", "flux"),)),
    "ring": ((6,), (1.3,), (("periodic", "periodic"),)),
    "rectangle": ((5, 7), (1.3, 0.6), (("dirichlet", "neumann"), ("robin", "number"))),
    "other rectangle": ((7, 5), (0.4, 1.1), (("robin", "robin"), ("neumann", "dirichlet"))),
    "tube": ((5, 7), (1.3, 0.6), (("neumann", "robin"), ("periodic", "periodic"))),
    "torus": ((5, 7), (1.3, 0.6), (("periodic", "periodic"), ("periodic", "periodic"))),
    "closed": ((5, 7), (1.3, 0.6), (("flux", "neumann"), ("neumann", "flux"))),
    "brick": ((4, 5, 6), (0.7, 1.3, 0.9), (("dirichlet", "robin"), ("flux", "neumann"), ("robin", "dirichlet"))),
    "channel": ((4, 5, 6), (0.7, 1.3, 0.9), (("neumann", "dirichlet"), ("periodic", "periodic"), ("robin", "neumann"))),
}
EQUATIONS: dict[str, dict[str, Any]] = {
    "poisson": {"family": "poisson"},
    "screened_poisson": {"family": "screened_poisson", "screening": LOGNORMAL},
    "darcy": {"family": "darcy", "coefficient": LOGNORMAL},
    "darcy, diagonal tensor": {"family": "darcy", "coefficient": {"diagonal": [LOGNORMAL] * 3}},
    "helmholtz": {"family": "helmholtz", "coefficient": LOGNORMAL, "wavenumber": GAUSSIAN},
    "convection_diffusion": {
        "family": "convection_diffusion",
        "coefficient": {"diagonal": [LOGNORMAL] * 3},
        "velocity": [GAUSSIAN] * 3,
        "reaction": {"uniform": [1, 2]},
        "flux": "central",
    },
}
ROWS = [(equation, box) for equation in EQUATIONS for box in BOXES]


def _problem(equation: str, box: str) -> dict[str, Any]:
    shape, lengths, kinds = BOXES[box]
    problem = EQUATIONS[equation] | {"source": GAUSSIAN, "resolution": shape, "domain": {"lengths": lengths}}
    if "diagonal" in problem.get("coefficient", {}):
        problem["coefficient"] = {"diagonal": [LOGNORMAL] * len(shape)}
    if "velocity" in problem:
        problem["velocity"] = [GAUSSIAN] * len(shape)
    named: dict[str, Any] = {}
    for pair, names in zip(kinds, BOX_SIDES, strict=False):
        named |= {side: SIDES[kind] or "periodic" for side, kind in zip(names, pair, strict=True)}
    return problem | {"boundary": named, "compatibility": "project"}


def _face(data: Mapping[str, Array], place: tuple[int, ...], k: float, h: float) -> tuple[float, float]:
    """alpha and beta of u_face = alpha u_P + beta, from the flux k (u_face - u_P) / (h / 2) into the cell."""
    values = {name: float(value[place]) for name, value in data.items()}
    transmission = 2 * k / h
    if "dirichlet" in values:
        return 0.0, values["dirichlet"]
    if "neumann" in values:
        return 1.0, values["neumann"] / transmission
    a = values["coefficient"]
    return transmission / (a + transmission), values["value"] / (a + transmission)


def _truth(instance: Instance, shape: tuple[int, ...], lengths: tuple[float, ...]) -> tuple[Array, Array]:
    """Matrix and right-hand side of sum_faces (outward flux + b . n u_face) area + c u volume = f volume."""
    dimension, steps = len(shape), [length / n for length, n in zip(lengths, shape, strict=True)]
    axes = {"xyz"[a]: np.asarray((np.arange(shape[a]) + 0.5) * steps[a], dtype=np.float64) for a in range(dimension)}
    sizes = dict(zip("xyz", lengths, strict=False))
    centres = TensorPoints(axes, sizes)
    terms = instance.terms
    k = [np.broadcast_to(function(centres), shape) for function in terms.diffusion]
    k = k * dimension if len(k) == 1 else k
    b = [np.broadcast_to(function(centres), shape) for function in terms.convection] or [np.zeros(shape)] * dimension
    c = np.broadcast_to(terms.reaction(centres) if terms.reaction else 0.0, shape)
    f = np.broadcast_to(terms.source(centres), shape)
    faces: dict[str, tuple[TensorPoints, dict[str, Array]]] = {}
    for axis in range(dimension):
        for side, at in zip(BOX_SIDES[axis], (0.0, lengths[axis]), strict=True):
            along = {name: x for name, x in axes.items() if name != "xyz"[axis]}
            points = TensorPoints(along, sizes, {"xyz"[axis]: at})
            data = instance.condition(side)[1]
            faces[side] = points, {name: np.broadcast_to(g(points), points.shape) for name, g in data.items()}
    size, volume = int(np.prod(shape)), float(np.prod(steps))
    A, rhs = np.zeros((size, size)), np.zeros(size)
    for cell in np.ndindex(shape):
        row = int(np.ravel_multi_index(cell, shape))
        A[row, row] += c[cell] * volume
        rhs[row] += f[cell] * volume
        for axis, h in enumerate(steps):
            area = volume / h
            for side, n in zip(BOX_SIDES[axis], (-1, 1), strict=True):
                inside = 0 <= cell[axis] + n < shape[axis]
                wind = n * b[axis][cell] * area
                if inside or not faces[side][1]:
                    other = (*cell[:axis], (cell[axis] + n) % shape[axis], *cell[axis + 1 :])
                    column = int(np.ravel_multi_index(other, shape))
                    flux = 2 / (1 / k[axis][cell] + 1 / k[axis][other]) / h * area
                    A[row, row] += flux + wind / 2
                    A[row, column] -= flux - wind / 2
                else:
                    alpha, beta = _face(faces[side][1], cell[:axis] + cell[axis + 1 :], float(k[axis][cell]), h)
                    flux = k[axis][cell] / (h / 2) * area
                    A[row, row] += flux * (1 - alpha) + wind * alpha
                    rhs[row] += (flux - wind) * beta
    return A / volume, rhs / volume


@pytest.mark.parametrize(("equation", "box"), ROWS)
def test_matrix_and_rhs_are_the_flux_balance(equation: str, box: str, begin: Begin) -> None:
    job = begin(_problem(equation, box))
    shape, lengths, _ = BOXES[box]
    for sample in range(3):
        instance = job.instance("train", sample)
        system = job.discretisation.assemble(instance)
        A, rhs = _truth(instance, shape, lengths)
        if job.problem.singular:
            rhs -= rhs.mean()
        dense = system.matrix.sparse().toarray()
        np.testing.assert_allclose(dense, A, rtol=1e-12, atol=1e-12 * np.abs(A).max())
        np.testing.assert_allclose(system.rhs, rhs, rtol=1e-12, atol=1e-12 * np.abs(rhs).max())
        assert len(system.matrix.values) == np.count_nonzero(A)
        assert np.all(np.diff(system.matrix.pattern.indptr) > 0)


@pytest.mark.parametrize(("equation", "box"), ROWS)
def test_properties_hold(equation: str, box: str, begin: Begin) -> None:
    job = begin(_problem(equation, box))
    first, second = (job.discretisation.assemble(job.instance("train", sample)).matrix for sample in (0, 1))
    properties, dense = first.properties, first.sparse().toarray()
    assert properties is second.properties
    assert first.pattern is second.pattern is job.discretisation.pattern
    assert (first is second) is properties.constant
    assert properties.constant or not np.array_equal(first.values, second.values)
    assert bool(np.allclose(dense, dense.T, rtol=1e-14, atol=0)) is properties.symmetric
    scale = np.abs(dense).max()
    assert bool(np.abs(dense.sum(axis=1)).max() < 1e-13 * scale) is first.singular
    if properties.definite:
        assert np.linalg.eigvalsh(dense)[int(first.singular)] > 1e-12 * scale


def test_rows_of_a_pattern_are_sorted_and_hold_the_diagonal(begin: Begin) -> None:
    for box in BOXES:
        pattern = begin(_problem("poisson", box)).discretisation.pattern
        for row, (start, stop) in enumerate(zip(pattern.indptr, pattern.indptr[1:], strict=False)):
            columns = pattern.indices[start:stop]
            assert np.all(np.diff(columns) > 0)
            assert row in columns


def test_a_matrix_of_one_sample_outlives_the_next(begin: Begin) -> None:
    job = begin(_problem("darcy", "rectangle"))
    first = job.discretisation.assemble(job.instance("train", 0))
    values, rhs = first.matrix.values.copy(), first.rhs.copy()
    job.discretisation.assemble(job.instance("train", 1))
    assert np.array_equal(first.matrix.values, values)
    assert np.array_equal(first.rhs, rhs)


def test_a_drawn_function_is_evaluated_where_it_is_asked(begin: Begin) -> None:
    """Also at points that are made for the question and gone after it."""
    source = {"field": "expression", "formula": "3*x"}
    job = begin(_problem("poisson", "line") | {"source": source})
    f = job.instance("train", 0).terms.source
    for place in range(20):
        assert np.array_equal(f(TensorPoints({"x": np.array([place / 20])}, {"x": 1.3})), [3 * (place / 20)])
