"""An equation in time and a scheme that steps: u_t = k u'' on a line by implicit Euler, whole trajectories stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp, sin
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, eye_array, kron
from scipy.sparse.linalg import splu

import pdemill
from pdemill.points import Array
from pdemill.solvers.discretisers.box import BoxPlace, OnBox
from pdemill.solvers.families.poisson import UNIT_FUNCTION, ZERO
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.operators.equation import DiscreteEquation, LinearEquation
from pdemill.solvers.operators.system import Matrix, MatrixOnDemand, Pattern, System
from pdemill.solvers.schemes.scheme import Scheme
from pdemill.solvers.sequence import Label, Sequence
from pdemill.solvers.solution import Result, Solution, Solver, Stats
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import validate
from pdemill.spec.discretiser import Takes
from pdemill.spec.field import AnyField, Function
from pdemill.spec.method import LinearMethod
from pdemill.spec.model import Positive
from pdemill.spec.problem import Problem, Terms


@dataclass(frozen=True)
class HeatTerms(Terms):
    """Also ``initial``, u at t = 0; ``storage`` s of s u_t."""

    initial: Function | None = None
    storage: Function | None = None


class ToyHeat(Problem):
    """u_t - ∇²u = f, u = u_0 at t = 0."""

    family: Literal["toy_heat"]
    initial: AnyField
    source: AnyField = ZERO

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (initial,), (source,) = drawn("initial"), drawn("source")
        return HeatTerms((UNIT_FUNCTION,), source, initial=initial, storage=UNIT_FUNCTION)


class TimePlace(BoxPlace):
    """A box, and ``steps`` steps of one length to the time ``end``."""

    end: Positive = 0.1
    steps: int = 10

    @property
    def size(self) -> int:
        return (self.steps + 1) * super().size

    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> BoxGrid:
        return TimeGrid(super().discretise(stored), self.steps, self.end)

    def scheme(self) -> Scheme:
        return ImplicitEuler()


class InTime(OnBox):
    """Finite volumes in space, implicit Euler in time."""

    name: ClassVar[str] = "toy_time"
    place = TimePlace
    takes: ClassVar[Takes] = replace(OnBox.takes, terms=OnBox.takes.terms | {"initial", "storage"})


class TimeGrid(BoxGrid):
    """A box grid whose equations are in time."""

    def __init__(self, grid: BoxGrid, steps: int, end: float) -> None:
        super().__init__(grid.shape, grid.lengths, grid.periodic, grid.properties)
        self.steps, self.end = steps, end
        self._mass: Matrix | None = None

    @property
    def solution_shape(self) -> tuple[int, ...]:
        return (self.steps + 1, *self.shape)

    @property
    def solution_axes(self) -> tuple[str, ...]:
        return ("t", *self.axes)

    def equation(self, instance: Instance) -> DiscreteEquation:
        terms = instance.terms
        assert isinstance(terms, HeatTerms)
        assert terms.initial is not None
        assert terms.storage is not None
        initial = self._spread(terms.initial(self.points)).reshape(-1)
        if self._mass is None:
            values = np.zeros(len(self.pattern.indices))
            places = self.pattern.diagonal(np.arange(self.pattern.size))
            values[places] = self._spread(terms.storage(self.points)).reshape(-1)
            self._mass = Matrix(self.pattern, values, self.properties)
        return Trajectory(Evolution(self.assemble(instance), self._mass, initial), self.steps, self.end / self.steps)

    def to_fields(self, unknowns: Array, instance: Instance) -> Array:
        return unknowns.reshape(1, *self.solution_shape)

    def from_fields(self, fields: Array) -> Array:
        return fields.reshape(-1)

    def refined(self) -> BoxGrid:
        return TimeGrid(super().refined(), self.steps, self.end)

    def restrict_fields(self, fine: Array) -> Array:
        return np.stack([self.restrict(frame) for frame in fine[0]])[None]

    def arrays(self) -> Mapping[str, tuple[tuple[str, ...], NDArray[np.float64] | NDArray[np.int32]]]:
        return {**super().arrays(), "t": (("t",), np.linspace(0.0, self.end, self.steps + 1))}


class Evolution(LinearEquation):
    """M du/dt + A u - b = 0 from the state ``initial``."""

    def __init__(self, system: System, mass: Matrix, initial: Array) -> None:
        super().__init__(system)
        self.mass, self._initial = mass, initial

    def start(self) -> Array:
        return self._initial


class Trajectory(DiscreteEquation):
    """All steps of implicit Euler at once: M (u_k+1 - u_k) + dt (A u_k+1 - b) = 0 and u_0 as given, for the states u_0,
    u_1, ... one behind the other. It is what trajectories are certified by; the scheme solves it step by step."""

    linear = True

    def __init__(self, evolution: Evolution, steps: int, step: float) -> None:
        self.evolution, self.steps, self.step = evolution, steps, step
        assert evolution.mass is not None
        self._mass = evolution.mass.sparse()

    def start(self) -> Array:
        return np.tile(self.evolution.start(), self.steps + 1)

    def stepping(self) -> Matrix:
        """M + dt A."""
        matrix, mass = self.evolution.system.matrix, self.evolution.mass
        assert mass is not None
        return Matrix(matrix.pattern, mass.values + self.step * matrix.values, matrix.properties)

    def stepped_from(self, state: Array) -> Array:
        """M u + dt b, which (M + dt A) times the next state must be."""
        return np.asarray(self._mass @ state + self.step * self.evolution.system.rhs)

    def linearised(self, u: Array, t: float = 0.0) -> System:
        blocks, size = self.steps + 1, self._mass.shape[0]
        after = diags_array(np.ones(blocks) * (np.arange(blocks) > 0))
        whole = csr_array(
            kron(after, self.stepping().sparse())
            + kron(eye_array(blocks) - after, eye_array(size))
            - kron(eye_array(blocks, k=-1), self._mass)
        )
        whole.sort_indices()
        properties = replace(self.evolution.system.matrix.properties, symmetric=False)
        pattern = Pattern(whole.indptr.astype(np.int32), whole.indices.astype(np.int32))
        return System(MatrixOnDemand(pattern, lambda: whole.data, properties), self._rhs())

    def _rhs(self) -> Array:
        force = self.step * self.evolution.system.rhs
        return np.concatenate([self.evolution.start(), np.tile(force, self.steps)])

    def residual(self, u: Array, t: float = 0.0) -> Array:
        states = u.reshape(self.steps + 1, -1)
        found = [self.evolution.start() - states[0]]
        for before, after in pairwise(states):
            found.append(self.step * self.evolution.residual(after) - self._mass @ (after - before))
        return np.concatenate(found)

    def size(self) -> float:
        return float(np.linalg.norm(self._rhs()))


class ImplicitEuler(Scheme):
    """Step k of all samples is one call for their systems. All share the matrix M + dt A where their A is the same."""

    def labels(self, equations: list[DiscreteEquation], sequence: Sequence, watch: Stopwatch) -> list[Label]:
        trajectories = [equation for equation in equations if isinstance(equation, Trajectory)]
        made: dict[Matrix, Matrix] = {}
        for one in trajectories:
            made.setdefault(one.evolution.system.matrix, one.stepping())
        matrices = [made[one.evolution.system.matrix] for one in trajectories]
        states = [[one.evolution.start()] for one in trajectories]
        last = [Label(None, 0.0, 0, sequence.method.method, Result.CONVERGED) for _ in trajectories]
        for _ in range(max(one.steps for one in trajectories)):
            going = [number for number, label in enumerate(last) if label.result.ok]
            if not going:
                break
            systems = [System(matrices[i], trajectories[i].stepped_from(states[i][-1])) for i in going]
            for i, label in zip(going, sequence.labels(systems, watch), strict=True):
                spent = last[i].iterations + label.iterations, last[i].seconds + label.seconds
                last[i] = replace(label, iterations=spent[0], seconds=spent[1])
                if label.unknowns is not None:
                    states[i].append(label.unknowns)
        return [
            self._certified(one, path, label) if label.result.ok else label
            for one, path, label in zip(trajectories, states, last, strict=True)
        ]

    def _certified(self, trajectory: Trajectory, states: list[Array], label: Label) -> Label:
        u = np.concatenate(states)
        return replace(label, unknowns=u, residual=trajectory.relative_residual(u))


class ToyLu(LinearMethod):
    """SciPy's LU. ``factorised`` lists the matrices of all its solvers."""

    method: Literal["toy_lu"]
    within: ClassVar[float | None] = 0.0
    factorised: ClassVar[list[Matrix]] = []

    def solver(self) -> Any:
        return ToyLuSolver()


class ToyLuSolver(Solver[None]):
    """State: none; the factors of the last matrix are kept."""

    def __init__(self) -> None:
        self._last: Matrix | None = None

    def start(self) -> None:
        return None

    def batch(self, pattern: Pattern, constant: bool) -> int:
        return 4

    def solve(self, system: System, state: None) -> Solution[None]:
        if system.matrix is not self._last:
            self._last, self._factors = system.matrix, splu(system.matrix.sparse().tocsc())
            ToyLu.factorised.append(system.matrix)
        return Solution(self._factors.solve(system.rhs), Result.CONVERGED, Stats(), None)


def spec(method: str = "direct", cells: int = 32, **place: Any) -> dict[str, Any]:
    """u_0 = a sin 3πx, a mode of the discrete operator as well."""
    initial = {"field": "expression", "formula": "a*sin(3*pi*x)", "where": {"a": {"uniform": [1, 2]}}}
    problem = {"family": "toy_heat", "discretiser": "toy_time", "resolution": [cells], "initial": initial, **place}
    solver = {"method": method, "rtol": 1e-12}
    return {"problem": problem, "samples": 6, "solver": solver, "store": {"dtype": "float64", "shard": 6}}


def rate(cells: int) -> float:
    """The eigenvalue of sin 3πx."""
    return 4.0 * cells**2 * sin(3 * np.pi / (2 * cells)) ** 2


def first_trajectory(**options: Any) -> tuple[FieldJob, NDArray[np.float64]]:
    job = FieldJob(validate(spec(**options)))
    instance = job.instance("train", 0)
    (label,) = job.scheme.labels([job.discretisation.equation(instance)], job.sequence(), Stopwatch())
    assert label.unknowns is not None
    return job, job.discretisation.to_fields(label.unknowns, instance)[0]


def test_modes_decay_as_the_discrete_operator_says() -> None:
    _, path = first_trajectory(steps=10, end=0.1)
    assert path.shape == (11, 32)
    decay = (1.0 + 0.01 * rate(32)) ** -np.arange(11.0)
    np.testing.assert_allclose(path, decay[:, None] * path[0], rtol=1e-11)


def test_the_error_is_of_first_order_in_the_step() -> None:
    errors = []
    for steps in (40, 80, 160):
        _, path = first_trajectory(steps=steps, end=0.02)
        errors.append(np.abs(path[-1] / path[0] - exp(-0.02 * rate(32))).max())
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 2.0, rtol=0.02)


@pytest.mark.parametrize("method", ["toy_lu", "direct", "cg"])
def test_the_whole_line(tmp_path: Path, method: str) -> None:
    out = tmp_path / "heat.zarr"
    ToyLu.factorised.clear()
    assert pdemill.generate(spec(method), out, workers=0).ok
    if method == "toy_lu":
        assert len(ToyLu.factorised) == 1  # for six samples of ten steps each
    verified = pdemill.verify(out)
    assert verified.ok, verified.faults
    data = pdemill.open(out)
    y = data[:]["y"]
    assert y.shape == (6, 1, 11, 32)
    decay = (1.0 + 0.01 * rate(32)) ** -np.arange(11.0)
    np.testing.assert_allclose(y[:, 0], decay[None, :, None] * y[:, 0, :1], rtol=1e-5)
    stored: Any = zarr.open_group(out, mode="r")
    assert stored["train/solution"].metadata.dimension_names == ("sample", "solution_channel", "t", "x")
    np.testing.assert_allclose(stored["t"][:], 0.01 * np.arange(11))
    assert np.nanmax(data.columns(data.shards[0])["error_estimate"]) < 0.05


def test_a_wrong_frame_is_found(tmp_path: Path) -> None:
    out = tmp_path / "heat.zarr"
    pdemill.generate(spec(), out, workers=0)
    stored: Any = zarr.open_group(out, mode="r+")
    stored["train/solution"][2, 0, 5] *= 1.001
    job = FieldJob(validate(spec()))
    (shard,) = job.layout.shards()
    (fault,) = job.check(stored, shard, np.arange(len(shard)))
    assert fault.startswith("sample 2 of train: residual")
