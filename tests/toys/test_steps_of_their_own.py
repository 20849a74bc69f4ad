"""Samples side by side with steps of their own: u_t - ∇²u + u³ = f, marched to rest from u = 0, each sample with its
own step and for as long as it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import zarr
from numpy.typing import NDArray

import pdemill
from pdemill.points import Array
from pdemill.solvers.discretisers.box import BoxPlace, OnBox
from pdemill.solvers.families.poisson import UNIT, UNIT_FUNCTION
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.instance import Instance
from pdemill.solvers.job import FAILED
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.operators.equation import DiscreteEquation
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.solvers.schemes.scheme import Scheme
from pdemill.solvers.sequence import Label, Sequence
from pdemill.solvers.solution import Result, Solution, Solver, Stats
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import validate
from pdemill.spec.discretiser import Takes
from pdemill.spec.field import AnyField, Function
from pdemill.spec.method import LinearMethod
from pdemill.spec.problem import Problem, Properties, Terms

CELLS, SAMPLES, LANES, MOST = 32, 8, 4, 200


@dataclass(frozen=True)
class MarchedTerms(Terms):
    """Also ``cubic`` q of q u³, and ``speed``, the first step in time."""

    cubic: Function | None = None
    speed: Function | None = None


class ToyMarched(Problem):
    """u_t - ∇²u + u³ = f, of which the state of rest is wanted."""

    family: Literal["toy_marched"]
    source: AnyField = UNIT
    speed: AnyField = UNIT

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (source,), (speed,) = drawn("source"), drawn("speed")
        return MarchedTerms((UNIT_FUNCTION,), source, cubic=UNIT_FUNCTION, speed=speed)


class MarchedPlace(BoxPlace):
    """A box whose matrices change from step to step."""

    @cached_property
    def properties(self) -> Properties:
        return replace(super().properties, constant=False, separable=False)

    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> BoxGrid:
        return MarchedGrid(super().discretise(stored))

    def scheme(self) -> Scheme:
        return Marching()


class OnMarchedBox(OnBox):
    """Finite volumes for equations that come to rest."""

    name: ClassVar[str] = "toy_marched_box"
    place = MarchedPlace
    takes: ClassVar[Takes] = replace(OnBox.takes, terms=OnBox.takes.terms | {"cubic", "speed"})


class MarchedGrid(BoxGrid):
    """A box grid whose equations have a mass matrix, a cubic term and a first step of their own."""

    def __init__(self, grid: BoxGrid) -> None:
        super().__init__(grid.shape, grid.lengths, grid.periodic, grid.properties)
        self._diagonal = self.pattern.diagonal(np.arange(self.pattern.size))
        values = np.zeros(len(self.pattern.indices))
        values[self._diagonal] = 1.0
        self._mass = Matrix(self.pattern, values, self.properties)

    def equation(self, instance: Instance) -> DiscreteEquation:
        terms = instance.terms
        assert isinstance(terms, MarchedTerms)
        assert terms.speed is not None
        return MarchedEquation(self.assemble(instance), self._mass, self._diagonal, float(terms.speed(self.points)))

    def refined(self) -> BoxGrid:
        return MarchedGrid(super().refined())


class MarchedEquation(DiscreteEquation):
    """M du/dt + A u + u³ - b = 0."""

    linear = False

    def __init__(self, system: System, mass: Matrix, diagonal: NDArray[np.intp], first_step: float) -> None:
        self._system, self.mass, self._diagonal, self.first_step = system, mass, diagonal, first_step

    def start(self) -> Array:
        return np.zeros(self._system.matrix.pattern.size)

    def linearised(self, u: Array, t: float = 0.0) -> System:
        values = self._system.matrix.values.copy()
        values[self._diagonal] += 3.0 * u**2
        return System(Matrix(self._system.matrix.pattern, values, self._system.matrix.properties), self.residual(u))

    def residual(self, u: Array, t: float = 0.0) -> Array:
        return self._system.residual(u) - u**3

    def size(self) -> float:
        return float(np.linalg.norm(self._system.rhs))


@dataclass
class March:
    """A sample on its way: (M / dt + J(u)) d = -R(u), u ← u + d. The step grows as the residual falls."""

    equation: MarchedEquation
    u: Array
    residual: float
    label: Label
    steps: int = 0

    @property
    def system(self) -> System:
        system, mass = self.equation.linearised(self.u), self.equation.mass
        assert mass is not None
        step = self.equation.first_step / self.residual
        matrix = Matrix(mass.pattern, mass.values / step + system.matrix.values, mass.properties)
        return replace(system, matrix=matrix)


class Marching(Scheme):
    """Step k of all samples that are not at rest yet is one call for their systems. ``calls``: how many there were in
    each; ``steps``: those of each sample."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.steps: list[int] = []

    def labels(self, equations: list[DiscreteEquation], sequence: Sequence, watch: Stopwatch) -> list[Label]:
        marches = [self._begun(equation) for equation in equations]
        while going := [
            march
            for march in marches
            if march.label.result.ok and march.residual > sequence.method.rtol and march.steps < MOST
        ]:
            self.calls.append(len(going))
            found = sequence.labels([march.system for march in going], watch)
            for march, label in zip(going, found, strict=True):
                spent = march.label.iterations + label.iterations, march.label.seconds + label.seconds
                march.label = replace(label, iterations=spent[0], seconds=spent[1])
                march.steps += 1
                if label.unknowns is not None:
                    march.u = march.u + label.unknowns
                    march.residual = march.equation.relative_residual(march.u)
        self.steps += [march.steps for march in marches]
        return [self._ended(march, sequence) for march in marches]

    @staticmethod
    def _begun(equation: DiscreteEquation) -> March:
        assert isinstance(equation, MarchedEquation)
        u = equation.start()
        residual = equation.relative_residual(u)
        return March(equation, u, residual, Label(None, residual, 0, FAILED, Result.CONVERGED))

    @staticmethod
    def _ended(march: March, sequence: Sequence) -> Label:
        label = replace(march.label, residual=march.residual)
        if not label.result.ok:
            return label
        if march.residual > sequence.method.rtol:
            return replace(label, unknowns=None, method=FAILED, result=Result.MAX_ITERATIONS)
        return replace(label, unknowns=march.u)


class ToyThomas(LinearMethod):
    """Elimination in tridiagonal matrices, ``lanes`` of them side by side. ``batches``: the sizes of all batches."""

    method: Literal["toy_thomas"]
    lanes: int = LANES
    batches: ClassVar[list[int]] = []

    def solver(self) -> Any:
        return ThomasSolver(self.lanes)


class ThomasSolver(Solver[None]):
    """State: none. Every lane is worked on by the same operations, whatever is in the others."""

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes

    def start(self) -> None:
        return None

    def batch(self, pattern: Pattern, constant: bool) -> int:
        return self._lanes

    def solve(self, system: System, state: None) -> Solution[None]:
        return self.solve_batch([system], state)[0]

    def solve_batch(self, systems: list[System], state: None) -> list[Solution[None]]:
        ToyThomas.batches.append(len(systems))
        parts = [system.matrix.sparse() for system in systems]
        lower, middle, upper = (np.stack([part.diagonal(k) for part in parts]) for k in (-1, 0, 1))
        x = np.stack([system.rhs for system in systems])
        for i in range(1, x.shape[1]):
            factor = lower[:, i - 1] / middle[:, i - 1]
            middle[:, i] -= factor * upper[:, i - 1]
            x[:, i] -= factor * x[:, i - 1]
        x[:, -1] /= middle[:, -1]
        for i in reversed(range(x.shape[1] - 1)):
            x[:, i] = (x[:, i] - upper[:, i] * x[:, i + 1]) / middle[:, i]
        return [Solution(row.copy(), Result.CONVERGED, Stats(1), None) for row in x]


def spec(lanes: int = LANES, **changes: Any) -> dict[str, Any]:
    source = {
        "field": "expression",
        "formula": "pi**2*a*sin(pi*x) + (a*sin(pi*x))**3",
        "where": {"a": {"uniform": [1, 20]}},
    }
    problem = {
        "family": "toy_marched",
        "discretiser": "toy_marched_box",
        "resolution": [CELLS],
        "source": source,
        "speed": {"uniform": [0.002, 0.2]},
    }
    return {
        "problem": problem,
        "samples": SAMPLES,
        "solver": {"method": "toy_thomas", "lanes": lanes, "rtol": 1e-10},
        "store": {"dtype": "float64", "shard": SAMPLES},
        "certify": {"refine": 0},
        **changes,
    }


def solved(numbers: list[int]) -> tuple[Marching, list[Label]]:
    job = FieldJob(validate(spec()))
    assert isinstance(job.scheme, Marching)
    equations = [job.discretisation.equation(job.instance("train", number)) for number in numbers]
    return job.scheme, job.scheme.labels(equations, job.sequence(), Stopwatch())


def test_step_k_of_all_samples_is_one_batch() -> None:
    ToyThomas.batches.clear()
    scheme, labels = solved(list(range(LANES)))
    assert all(label.result is Result.CONVERGED for label in labels)
    assert len(set(scheme.steps)) > 1
    assert scheme.calls == ToyThomas.batches
    assert scheme.calls == [sum(steps > k for steps in scheme.steps) for k in range(max(scheme.steps))]
    assert [label.iterations for label in labels] == scheme.steps


def test_a_sample_has_the_same_bits_alone_and_in_company() -> None:
    _, together = solved([5, 0, 3, 7])
    for number, label in zip([5, 0, 3, 7], together, strict=True):
        _, (alone,) = solved([number])
        assert alone.unknowns is not None
        assert label.unknowns is not None
        assert alone.unknowns.tobytes() == label.unknowns.tobytes()
        assert (alone.residual, alone.iterations) == (label.residual, label.iterations)


def test_the_whole_line(tmp_path: Path) -> None:
    stores = []
    for lanes in (1, LANES):
        out = tmp_path / f"{lanes}.zarr"
        ToyThomas.batches.clear()
        assert pdemill.generate(spec(lanes), out, workers=0).ok
        assert max(ToyThomas.batches) == lanes
        verified = pdemill.verify(out)
        assert verified.ok, verified.faults
        stores.append(out)
    one, many = (np.asarray(zarr.open_array(out / "train/solution", mode="r")[...]) for out in stores)
    assert one.tobytes() == many.tobytes()
    data = pdemill.open(stores[1])
    names = list(data.attributes["parameters"])
    sizes = data.columns(data.shards[0])["params"][:, names.index("source.a")]
    x = (np.arange(CELLS) + 0.5) / CELLS
    for size, u in zip(sizes, many[:, 0], strict=True):
        np.testing.assert_allclose(u, size * np.sin(np.pi * x), atol=0.01 * size)
