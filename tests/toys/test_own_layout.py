"""An operator that is handed over in a solver's own layout: -(k u')' + c u = f on a line as bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import solve_banded

import pdemill
from pdemill.points import Array
from pdemill.solvers.discretisers.box import BoxPlace, OnBox
from pdemill.solvers.families.darcy import Darcy
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.operators.equation import DiscreteEquation, LinearEquation
from pdemill.solvers.operators.system import Matrix, MatrixOnDemand, System
from pdemill.solvers.solution import Result, Solution, Solver, Stats
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import validate
from pdemill.spec.method import LinearMethod
from pdemill.spec.problem import Problem

CELLS = 64


@dataclass(frozen=True)
class Bands:
    """A symmetric tridiagonal matrix: its diagonal, and what stands beside it."""

    diagonal: Array
    beside: Array

    def product(self, u: Array) -> Array:
        found = self.diagonal * u
        found[1:] += self.beside * u[:-1]
        found[:-1] += self.beside * u[1:]
        return np.asarray(found)

    def values(self) -> Array:
        """In the order of a tridiagonal pattern."""
        rows = np.zeros((len(self.diagonal), 3))
        rows[:, 1], rows[1:, 0], rows[:-1, 2] = self.diagonal, self.beside, self.beside
        return rows.reshape(-1)[1:-1]


@dataclass(frozen=True, eq=False)
class BandSystem(System):
    """A system whose residual needs the bands alone."""

    def residual(self, unknowns: Array) -> Array:
        bands = self.matrix.layout(Bands)
        assert bands is not None
        return np.asarray(self.rhs - bands.product(unknowns))


class ToyLayered(Darcy):
    """Darcy under a name of its own."""

    family: Literal["toy_layered"]  # type: ignore[assignment]


class BandPlace(BoxPlace):
    """A line."""

    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> BoxGrid:
        return BandGrid(super().discretise(stored))


class OnBands(OnBox):
    """Finite volumes on a line, as bands."""

    name: ClassVar[str] = "toy_bands"
    place = BandPlace


class BandGrid(BoxGrid):
    """A line, u = 0 at both ends. ``matrices``: all that there were; ``made``: how often values were asked for."""

    matrices: ClassVar[list[Matrix]] = []
    made: ClassVar[list[Matrix]] = []

    def __init__(self, grid: BoxGrid) -> None:
        super().__init__(grid.shape, grid.lengths, grid.periodic, grid.properties)

    def equation(self, instance: Instance) -> DiscreteEquation:
        terms, (h,) = instance.terms, self.spacing
        k, f = (self._spread(function(self.points)) for function in (*terms.diffusion, terms.source))
        beside = -2.0 * k[1:] * k[:-1] / (k[1:] + k[:-1]) / h**2
        diagonal = np.zeros(len(k))
        diagonal[1:] -= beside
        diagonal[:-1] -= beside
        diagonal[[0, -1]] += 2.0 * k[[0, -1]] / h**2
        if terms.reaction is not None:
            diagonal += self._spread(terms.reaction(self.points))
        bands = Bands(diagonal, beside)

        def make() -> Array:
            self.made.append(matrix)
            return bands.values()

        matrix = MatrixOnDemand(self.pattern, make, self.properties, layouts={Bands: bands})
        self.matrices.append(matrix)
        return LinearEquation(BandSystem(matrix, np.array(f)))

    def refined(self) -> BoxGrid:
        return BandGrid(super().refined())


class ToyBanded(LinearMethod):
    """Elimination in bands, which it reads from the values where it is given none."""

    method: Literal["toy_banded"]

    @classmethod
    def candidates(cls, problem: Problem, unknowns: int) -> Sequence[Mapping[str, Any]]:
        return ({},) if problem.dimension == 1 else ()

    def seconds(self, problem: Problem, unknowns: int) -> float:
        return 1e-9 * unknowns

    def solver(self) -> Any:
        return BandedSolver()


class BandedSolver(Solver[None]):
    """State: none."""

    def start(self) -> None:
        return None

    def solve(self, system: System, state: None) -> Solution[None]:
        bands = system.matrix.layout(Bands)
        if bands is None:
            sparse = system.matrix.sparse()
            bands = Bands(sparse.diagonal(), sparse.diagonal(1))
        rows = np.zeros((3, len(bands.diagonal)))
        rows[0, 1:], rows[1], rows[2, :-1] = bands.beside, bands.diagonal, bands.beside
        return Solution(solve_banded((1, 1), rows, system.rhs), Result.CONVERGED, Stats(), None)


def spec(method: str, discretiser: str = "toy_bands", cells: int = CELLS) -> dict[str, Any]:
    problem = {
        "family": "toy_layered",
        "discretiser": discretiser,
        "resolution": [cells],
        "coefficient": {"field": "lognormal", "modes": 16},
        "reaction": {"uniform": [0, 2]},
    }
    return {
        "problem": problem,
        "samples": 6,
        "solver": {"method": method, "rtol": 1e-9},
        "store": {"dtype": "float64", "shard": 6},
    }


@pytest.fixture(autouse=True)
def _counted() -> None:
    BandGrid.matrices.clear()
    BandGrid.made.clear()


def test_the_matrix_is_never_made() -> None:
    job = FieldJob(validate(spec("toy_banded")))
    equation = job.discretisation.equation(job.instance("train", 0))
    (label,) = job.scheme.labels([equation], job.sequence(), Stopwatch())
    assert label.result is Result.CONVERGED
    assert label.unknowns is not None
    assert equation.relative_residual(label.unknowns) == label.residual < 1e-9
    (matrix,) = BandGrid.matrices
    assert not matrix.made


def test_what_is_made_on_demand_is_the_matrix_of_boxes() -> None:
    job, other = (FieldJob(validate(spec("direct", by))) for by in ("toy_bands", "box"))
    bands, box = (one.discretisation.equation(one.instance("train", 1)) for one in (job, other))
    here, there = (equation.linearised(equation.start()) for equation in (bands, box))
    np.testing.assert_allclose(here.matrix.values, there.matrix.values, rtol=1e-13)
    np.testing.assert_allclose(here.rhs, there.rhs)
    assert here.matrix.made
    assert BandGrid.made == [here.matrix]


@pytest.mark.parametrize("method", ["toy_banded", "auto"])
def test_a_store_is_made_without_a_matrix(tmp_path: Path, method: str) -> None:
    out = tmp_path / "bands.zarr"
    assert pdemill.generate(spec(method), out, workers=0).ok
    assert len(BandGrid.matrices) >= 6 + 4  # four of them refined
    assert not any(matrix.made for matrix in BandGrid.matrices)
    assert pdemill.open(out).methods[1] == "toy_banded"
    verified = pdemill.verify(out)
    assert verified.ok, verified.faults


def test_other_methods_read_the_values(tmp_path: Path) -> None:
    stored = []
    for method, by in (("toy_banded", "toy_bands"), ("cg", "toy_bands"), ("direct", "box")):
        out = tmp_path / f"{method}.zarr"
        assert pdemill.generate(spec(method, by), out, workers=0).ok
        assert pdemill.verify(out).ok
        stored.append(pdemill.open(out)[:]["y"])
    np.testing.assert_allclose(stored[0], stored[2], rtol=1e-5)
    np.testing.assert_allclose(stored[1], stored[2], rtol=1e-5)
    assert BandGrid.made
