"""A sequence of matrices within one sample: -∇²u + c u = f on a line for one c after another, all of them stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from pydantic import BeforeValidator
from scipy.sparse import block_diag, csr_array

import pdemill
from pdemill.points import Array
from pdemill.solvers.cholesky.ordering import Fronts, fronts_of
from pdemill.solvers.discretisers.box import BoxPlace, OnBox
from pdemill.solvers.families.poisson import UNIT, UNIT_FUNCTION
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.instance import Instance
from pdemill.solvers.job import FAILED
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.operators.equation import DiscreteEquation, LinearEquation
from pdemill.solvers.operators.system import Matrix, MatrixOnDemand, Pattern, System
from pdemill.solvers.schemes.scheme import Scheme
from pdemill.solvers.sequence import Label, Sequence
from pdemill.solvers.solution import Result
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import validate
from pdemill.spec.field import AnyField, Function
from pdemill.spec.model import Positive, as_tuple
from pdemill.spec.problem import Problem, Properties, Terms

CELLS = 200
SCREENINGS = (1.0, 10.0, 20.0, 50.0, 100.0)


class ToySweep(Problem):
    """-∇²u + c u = f for the numbers c that the place gives."""

    family: Literal["toy_sweep"]
    source: AnyField = UNIT

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (source,) = drawn("source")
        return Terms((UNIT_FUNCTION,), source)


class SweepPlace(BoxPlace):
    """A box, and the ``screenings`` c."""

    screenings: Annotated[tuple[Positive, ...], BeforeValidator(as_tuple)] = SCREENINGS

    @cached_property
    def properties(self) -> Properties:
        return replace(super().properties, constant=False)

    @property
    def size(self) -> int:
        return len(self.screenings) * super().size

    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> BoxGrid:
        return SweepGrid(super().discretise(stored), self.screenings)

    def scheme(self) -> Scheme:
        return Continuation()


class OnSweptBox(OnBox):
    """Finite volumes, for one c after another."""

    name: ClassVar[str] = "toy_sweep_box"
    place = SweepPlace


class SweepGrid(BoxGrid):
    """A box grid whose solutions have an axis ``screening``."""

    def __init__(self, grid: BoxGrid, screenings: tuple[float, ...]) -> None:
        super().__init__(grid.shape, grid.lengths, grid.periodic, grid.properties)
        self.screenings = screenings

    @property
    def solution_shape(self) -> tuple[int, ...]:
        return (len(self.screenings), *self.shape)

    @property
    def solution_axes(self) -> tuple[str, ...]:
        return ("screening", *self.axes)

    def equation(self, instance: Instance) -> DiscreteEquation:
        return Swept(self.assemble(instance), self.screenings)

    def to_fields(self, unknowns: Array, instance: Instance) -> Array:
        return unknowns.reshape(1, *self.solution_shape)

    def from_fields(self, fields: Array) -> Array:
        return fields.reshape(-1)

    def refined(self) -> BoxGrid:
        return SweepGrid(super().refined(), self.screenings)

    def restrict_fields(self, fine: Array) -> Array:
        return np.stack([self.restrict(part) for part in fine[0]])[None]

    def arrays(self) -> Mapping[str, tuple[tuple[str, ...], NDArray[np.float64] | NDArray[np.int32]]]:
        return {**super().arrays(), "screening": (("screening",), np.array(self.screenings))}


class Swept(DiscreteEquation):
    """(A + c) u = b for every c, one behind the other."""

    linear = True

    def __init__(self, system: System, screenings: tuple[float, ...]) -> None:
        pattern = system.matrix.pattern
        diagonal = pattern.diagonal(np.arange(pattern.size))
        self.parts = []
        for screening in screenings:
            values = system.matrix.values.copy()
            values[diagonal] += screening
            matrix = Matrix(pattern, values, system.matrix.properties)
            self.parts.append(LinearEquation(System(matrix, system.rhs)))

    def start(self) -> Array:
        return np.concatenate([part.start() for part in self.parts])

    def linearised(self, u: Array, t: float = 0.0) -> System:
        whole = csr_array(block_diag([part.system.matrix.sparse() for part in self.parts], format="csr"))
        whole.sort_indices()
        pattern = Pattern(whole.indptr.astype(np.int32), whole.indices.astype(np.int32))
        matrix = MatrixOnDemand(pattern, lambda: whole.data, self.parts[0].system.matrix.properties)
        return System(matrix, np.concatenate([part.system.rhs for part in self.parts]))

    def residual(self, u: Array, t: float = 0.0) -> Array:
        states = u.reshape(len(self.parts), -1)
        return np.concatenate([part.residual(state) for part, state in zip(self.parts, states, strict=True)])

    def size(self) -> float:
        return float(np.linalg.norm([part.size() for part in self.parts]))


class Continuation(Scheme):
    """One system after the other, sample by sample. ``iterations``: those of every system."""

    def __init__(self) -> None:
        self.iterations: list[int] = []

    def labels(self, equations: list[DiscreteEquation], sequence: Sequence, watch: Stopwatch) -> list[Label]:
        return [self._label(equation, sequence, watch) for equation in equations]

    def _label(self, equation: DiscreteEquation, sequence: Sequence, watch: Stopwatch) -> Label:
        assert isinstance(equation, Swept)
        found: list[Array] = []
        label = Label(None, np.nan, 0, FAILED, Result.INVALID)
        for part in equation.parts:
            (one,) = sequence.labels([part.system], watch)
            self.iterations.append(one.iterations)
            label = replace(one, iterations=label.iterations + one.iterations, seconds=label.seconds + one.seconds)
            if one.unknowns is None:
                return label
            found.append(one.unknowns)
        u = np.concatenate(found)
        return replace(label, unknowns=u, residual=equation.relative_residual(u))


def spec(**solver: Any) -> dict[str, Any]:
    source = {"field": "expression", "formula": "exp(-a*(x-0.4)**2)", "where": {"a": {"uniform": [10, 100]}}}
    problem = {
        "family": "toy_sweep",
        "discretiser": "toy_sweep_box",
        "resolution": [CELLS],
        "source": source,
    }
    store = {"dtype": "float64", "shard": 4}
    return {"problem": problem, "samples": 4, "solver": {"rtol": 1e-10, **solver}, "store": store}


@pytest.mark.parametrize("options", [{"method": "skr"}, {"method": "cg", "recycle": 10}], ids=lambda o: o["method"])
def test_later_systems_of_a_sample_take_fewer_iterations(options: dict[str, Any]) -> None:
    job = FieldJob(validate(spec(**options, preconditioner="jacobi")))
    equation = job.discretisation.equation(job.instance("train", 0))
    assert isinstance(job.scheme, Continuation)
    assert isinstance(equation, Swept)
    (label,) = job.scheme.labels([equation], job.sequence(), Stopwatch())
    fresh = [job.sequence().labels([part.system], Stopwatch())[0].iterations for part in equation.parts]
    assert label.method == options["method"]
    assert job.scheme.iterations[0] == fresh[0]
    assert all(later < alone for later, alone in zip(job.scheme.iterations[1:], fresh[1:], strict=True))
    assert sum(job.scheme.iterations[1:]) < 0.8 * sum(fresh[1:])


def test_the_pattern_is_analysed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analysed: list[Pattern] = []

    def noted(pattern: Pattern) -> Fronts:
        analysed.append(pattern)
        return fronts_of(pattern)

    monkeypatch.setattr("pdemill.solvers.cholesky.ordering.fronts_of", noted)
    out = tmp_path / "sweep.zarr"
    assert pdemill.generate({**spec(method="direct"), "certify": {"refine": 0}}, out, workers=0).ok
    assert len(analysed) == 1  # for four samples of five matrices each


@pytest.mark.parametrize("options", [{"method": "auto"}, {"method": "skr", "preconditioner": "jacobi"}], ids=str)
def test_the_whole_line(tmp_path: Path, options: dict[str, Any]) -> None:
    out = tmp_path / "sweep.zarr"
    assert pdemill.generate(spec(**options), out, workers=0).ok
    verified = pdemill.verify(out)
    assert verified.ok, verified.faults
    data = pdemill.open(out)
    stored: Any = zarr.open_group(out, mode="r")
    assert stored["train/solution"].metadata.dimension_names == ("sample", "solution_channel", "screening", "x")
    np.testing.assert_array_equal(stored["screening"][:], SCREENINGS)
    columns = data.columns(data.shards[0])
    assert (columns["method"] == 1).all()
    x = (np.arange(CELLS) + 0.5) / CELLS
    line = 2.0 * np.eye(CELLS) - np.eye(CELLS, k=1) - np.eye(CELLS, k=-1)
    line[0, 0] = line[-1, -1] = 3.0
    for sample, (a,) in enumerate(columns["params"].tolist()):
        for number, screening in enumerate(SCREENINGS):
            matrix = CELLS**2 * line + screening * np.eye(CELLS)
            wanted = np.linalg.solve(matrix, np.exp(-a * (x - 0.4) ** 2))
            np.testing.assert_allclose(stored["train/solution"][sample, 0, number], wanted, atol=1e-6 * wanted.max())
    assert np.nanmax(columns["error_estimate"]) < 1e-3
