"""A nonlinear equation and a scheme that iterates: -u'' + u³ = f on a line, by damped Newton."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
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
from pdemill.solvers.operators.system import Matrix, System
from pdemill.solvers.schemes.scheme import Scheme
from pdemill.solvers.schemes.steady import Steady
from pdemill.solvers.sequence import Label, Sequence
from pdemill.solvers.solution import Result
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import validate
from pdemill.spec.discretiser import Takes
from pdemill.spec.field import AnyField, Function
from pdemill.spec.problem import Problem, Properties, Terms

MOST, SHORTEST = 30, 2.0**-10


@dataclass(frozen=True)
class CubicTerms(Terms):
    """Also ``cubic`` q of q u³."""

    cubic: Function | None = None


class ToyCubic(Problem):
    """-∇²u + u³ = f."""

    family: Literal["toy_cubic"]
    source: AnyField = UNIT

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (source,) = drawn("source")
        return CubicTerms((UNIT_FUNCTION,), source, cubic=UNIT_FUNCTION)


class CubicPlace(BoxPlace):
    """A box whose matrices are Jacobians: they change from one iteration to the next."""

    @cached_property
    def properties(self) -> Properties:
        return replace(super().properties, constant=False, separable=False)

    def discretise(self, stored: Any = None) -> BoxGrid:
        grid = super().discretise(stored)
        return CubicGrid(grid.shape, grid.lengths, grid.periodic, self.properties)

    def scheme(self) -> Scheme:
        return Newton()


class OnCubicBox(OnBox):
    """Finite volumes that also take a cubic term."""

    name: ClassVar[str] = "toy_cubic_box"
    place = CubicPlace
    takes: ClassVar[Takes] = replace(OnBox.takes, terms=OnBox.takes.terms | {"cubic"})


class CubicGrid(BoxGrid):
    """A box grid whose equations have a cubic term, at the cell centres."""

    def equation(self, instance: Instance) -> DiscreteEquation:
        terms = instance.terms
        assert isinstance(terms, CubicTerms)
        assert terms.cubic is not None
        return CubicEquation(self.assemble(instance), np.broadcast_to(terms.cubic(self.points), self.shape).ravel())

    def refined(self) -> BoxGrid:
        fine = super().refined()
        return CubicGrid(fine.shape, fine.lengths, fine.periodic, self.properties)


class CubicEquation(DiscreteEquation):
    """R(u) = A u + q u³ - b."""

    linear = False

    def __init__(self, system: System, cubic: Array) -> None:
        self._system, self._cubic = system, cubic
        pattern = system.matrix.pattern
        self._diagonal = pattern.diagonal(np.arange(pattern.size))

    def start(self) -> Array:
        return np.zeros(self._system.matrix.pattern.size)

    def linearised(self, u: Array, t: float = 0.0) -> System:
        matrix = self._system.matrix
        values = matrix.values.copy()
        values[self._diagonal] += 3.0 * self._cubic * u**2
        return System(Matrix(matrix.pattern, values, matrix.properties), self.residual(u))

    def residual(self, u: Array, t: float = 0.0) -> Array:
        return self._system.residual(u) - self._cubic * u**3

    def size(self) -> float:
        return float(np.linalg.norm(self._system.rhs))


class Newton(Scheme):
    """u ← u + λ d with J(u) d = -R(u); λ is halved until the residual falls. Ends when that is below ``rtol`` of the
    method, which is also the tolerance of the linear systems. ``history``: the residuals of the last sample."""

    def __init__(self) -> None:
        self.history: list[float] = []

    def labels(self, equations: list[DiscreteEquation], sequence: Sequence, watch: Stopwatch) -> list[Label]:
        return [self._label(equation, sequence, watch) for equation in equations]

    def _label(self, equation: DiscreteEquation, sequence: Sequence, watch: Stopwatch) -> Label:
        u = equation.start()
        residual = equation.relative_residual(u)
        label = Label(None, residual, 0, FAILED, Result.MAX_ITERATIONS)
        self.history = [residual]
        while residual > sequence.method.rtol and len(self.history) <= MOST:
            (step,) = sequence.labels([equation.linearised(u)], watch)
            label = replace(step, iterations=label.iterations + step.iterations, seconds=label.seconds + step.seconds)
            if step.unknowns is None:
                return label
            damping = 1.0
            while equation.relative_residual(u + damping * step.unknowns) >= residual and damping > SHORTEST:
                damping /= 2.0
            u = u + damping * step.unknowns
            residual = equation.relative_residual(u)
            self.history.append(residual)
        if residual > sequence.method.rtol:
            return replace(label, unknowns=None, method=FAILED, residual=residual, result=Result.MAX_ITERATIONS)
        return replace(label, unknowns=u, residual=residual, method=sequence.method.method, result=Result.CONVERGED)


class Forgetful(Sequence):
    """Every system is the first one."""

    def labels(self, systems: list[System], watch: Stopwatch) -> list[Label]:
        return Sequence(self.method).labels(systems, watch)


def spec(cells: int, method: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """u = a sin πx."""
    source = {
        "field": "expression",
        "formula": "pi**2*a*sin(pi*x) + (a*sin(pi*x))**3",
        "where": {"a": {"uniform": [5, 20]}},
    }
    problem = {"family": "toy_cubic", "discretiser": "toy_cubic_box", "resolution": [cells], "source": source}
    return {"problem": problem, "samples": 6, "solver": {"rtol": 1e-11, **method}, **changes}


def solve(cells: int, method: dict[str, Any]) -> tuple[FieldJob, Newton, Instance, Label]:
    job = FieldJob(validate(spec(cells, method)))
    assert isinstance(job.scheme, Newton)
    instance = job.instance("train", 0)
    (label,) = job.scheme.labels([job.discretisation.equation(instance)], job.sequence(), Stopwatch())
    return job, job.scheme, instance, label


def exact(job: FieldJob, instance: Instance) -> NDArray[np.float64]:
    x = job.discretisation.points.coordinates["x"]
    return np.asarray(instance.parameters()["source.a"] * np.sin(np.pi * x))


def test_the_residual_is_squared_by_every_iteration() -> None:
    _, scheme, _, label = solve(64, {"method": "direct"})
    assert label.result is Result.CONVERGED
    logs = np.log(scheme.history)
    assert len(logs) > 5
    orders = np.diff(logs[1:])[1:] / np.diff(logs[1:])[:-1]
    fast = [order for order, after in zip(orders, scheme.history[3:], strict=True) if 1e-11 < after < 1e-2]
    assert fast
    assert min(fast) > 1.8


def test_the_error_is_of_second_order() -> None:
    errors = []
    for cells in (32, 64, 128):
        job, _, instance, label = solve(cells, {"method": "direct"})
        assert label.unknowns is not None
        errors.append(np.abs(label.unknowns - exact(job, instance)).max())
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 4.0, rtol=0.1)


@pytest.mark.parametrize("method", [{"method": "skr"}, {"method": "cg", "recycle": 10}], ids=lambda m: m["method"])
def test_what_a_method_has_learnt_goes_along_from_iteration_to_iteration(method: dict[str, Any]) -> None:
    job, _, instance, label = solve(256, {**method, "preconditioner": "jacobi"})
    equation = job.discretisation.equation(instance)
    (fresh,) = job.scheme.labels([equation], Forgetful(job.method), Stopwatch())
    assert label.method == fresh.method == method["method"]
    assert label.iterations < 0.9 * fresh.iterations


def test_the_whole_line(tmp_path: Path) -> None:
    out = tmp_path / "cubic.zarr"
    assert pdemill.generate(spec(64, {"method": "auto"}), out, workers=0).ok
    assert pdemill.verify(out).ok
    data = pdemill.open(out)
    job = FieldJob(validate(spec(64, {"method": "auto"})))
    for sample in range(len(data)):
        wanted = exact(job, job.instance("train", sample))
        np.testing.assert_allclose(data[sample]["y"][0], wanted, atol=1e-3 * wanted.max())
    estimates = data.columns(data.shards[0])["error_estimate"]
    assert np.nanmax(estimates) < 1e-3
    assert np.isfinite(estimates).sum() == 4


def test_the_steady_scheme_and_other_discretisers_refuse_it() -> None:
    job = FieldJob(validate(spec(16, {"method": "direct"})))
    with pytest.raises(pdemill.errors.SolverError, match="linear equations"):
        Steady().labels([job.discretisation.equation(job.instance("train", 0))], job.sequence(), Stopwatch())
    elsewhere = spec(16, {"method": "direct"})
    elsewhere["problem"]["discretiser"] = "box"
    with pytest.raises(pdemill.errors.SpecError, match="cubic term, which the discretiser box does not take"):
        validate(elsewhere)
