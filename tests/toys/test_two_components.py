"""Two unknowns: u and v that diffuse and exchange on a rectangle, in one linear system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from scipy.sparse import block_array, csr_array, diags_array

import pdemill
from benchmarks.shared.truth import solution
from pdemill.errors import SpecError
from pdemill.points import Array, Points
from pdemill.solvers.discretisers.box import BoxPlace, OnBox
from pdemill.solvers.families.poisson import UNIT, UNIT_FUNCTION
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.instance import Instance
from pdemill.solvers.methods.candidates import candidates
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.operators.discretisation import Discretisation
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.spec import validate
from pdemill.spec.discretiser import Takes
from pdemill.spec.field import AnyField, Function, NonNegativeField
from pdemill.spec.problem import Problem, Terms
from pdemill.spec.unknowns import ScalarUnknown, Unknown
from pdemill.store.layout import Shard

CELLS = 16, 12


@dataclass(frozen=True)
class ExchangeTerms(Terms):
    """Also ``second``, the source of v, and ``exchange`` c of c (u - v)."""

    second: Function | None = None
    exchange: Function | None = None


class ToyExchange(Problem):
    """-∇²u + c (u - v) = f, -∇²v + c (v - u) = g."""

    family: Literal["toy_exchange"]
    exchange: NonNegativeField = UNIT
    source: AnyField
    second: AnyField
    unknowns: ClassVar[tuple[Unknown, ...]] = (ScalarUnknown("u"), ScalarUnknown("v"))
    operator_fields: ClassVar[tuple[str, ...]] = ("exchange",)
    not_negative: ClassVar[tuple[str, ...]] = ("exchange",)

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (source,), (second,), (exchange,) = drawn("source"), drawn("second"), drawn("exchange")
        return ExchangeTerms((UNIT_FUNCTION,), source, second=second, exchange=exchange)


class PairPlace(BoxPlace):
    """A box with two numbers per cell."""

    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> Discretisation:  # type: ignore[override]
        return PairGrid(super().discretise(stored))


class OnPairBox(OnBox):
    """Finite volumes for two scalars."""

    name: ClassVar[str] = "toy_pair_box"
    place = PairPlace
    takes: ClassVar[Takes] = replace(
        OnBox.takes,
        terms=frozenset({"diffusion", "source", "second", "exchange"}),
        unknowns=frozenset({(ScalarUnknown, ScalarUnknown)}),
    )


class PairGrid(Discretisation):
    """Two unknowns per cell of a box grid: all u, then all v."""

    order = 2

    def __init__(self, grid: BoxGrid) -> None:
        self.grid = grid
        self.points, self.side_points, self.axes = grid.points, grid.side_points, grid.axes
        self.weights = np.tile(grid.weights, 2)
        self.channels = slice(0, grid.pattern.size), slice(grid.pattern.size, None)
        entries, cells = len(grid.pattern.indices), grid.pattern.size
        scalar = Matrix(grid.pattern, np.arange(1.0, 1.0 + entries), grid.properties).sparse()
        across = diags_array(1.0 + entries + np.arange(cells))
        numbers = csr_array(block_array([[scalar, across], [across, scalar]]))
        numbers.sort_indices()
        self._take = numbers.data.astype(np.intp) - 1
        self.pattern = Pattern(numbers.indptr.astype(np.int32), numbers.indices.astype(np.int32))
        self._diagonal = grid.pattern.diagonal(np.arange(cells))

    def assemble(self, instance: Instance) -> System:
        terms, grid = instance.terms, self.grid
        assert isinstance(terms, ExchangeTerms)
        assert terms.second is not None
        assert terms.exchange is not None
        one = grid.assemble(instance)
        exchange = np.broadcast_to(terms.exchange(self.points), grid.shape).reshape(-1)
        scalar = one.matrix.values.copy()
        scalar[self._diagonal] += exchange
        values = np.concatenate([scalar, -exchange])[self._take]
        second = np.broadcast_to(terms.second(self.points), grid.shape).reshape(-1)
        return System(Matrix(self.pattern, values, grid.properties), np.concatenate([one.rhs, second]))

    def to_fields(self, unknowns: Array, instance: Instance) -> Array:
        return unknowns.reshape(2, *self.grid.shape)

    def from_fields(self, fields: Array) -> Array:
        return fields.reshape(-1)

    def spread(self, side: str, data: Function) -> Array:
        return self.grid.spread(side, data)

    def refined(self) -> Discretisation:
        return PairGrid(self.grid.refined())

    def restrict(self, fine: Array) -> Array:
        return self.grid.restrict(fine)

    def arrays(self) -> Mapping[str, tuple[tuple[str, ...], NDArray[np.float64] | NDArray[np.int32]]]:
        return self.grid.arrays()


def wave(name: str, m: int, n: int) -> dict[str, Any]:
    formula = f"{name}*sin({m}*pi*x)*sin({n}*pi*y)"
    return {"field": "expression", "formula": formula, "where": {name: {"uniform": [1, 2]}}}


def spec(**solver: Any) -> dict[str, Any]:
    problem = {
        "family": "toy_exchange",
        "discretiser": "toy_pair_box",
        "resolution": list(CELLS),
        "exchange": {"uniform": [5, 10]},
        "source": wave("a", 1, 2),
        "second": wave("b", 3, 1),
    }
    store = {"dtype": "float64", "shard": 8}
    return {"problem": problem, "samples": 8, "solver": {"method": "auto", "rtol": 1e-11, **solver}, "store": store}


def eigenvalue(m: int, n: int) -> float:
    return float(
        sum((2 * cells * np.sin(k * np.pi / (2 * cells))) ** 2 for k, cells in zip((m, n), CELLS, strict=True))
    )


def exact(points: Points, a: float, b: float, c: float) -> NDArray[np.float64]:
    """The discrete solution: modes stay apart, and each has a two by two system of its own."""
    x, y = (points.coordinates[name] for name in "xy")
    found = np.zeros((2, *CELLS))
    for (m, n), load in {(1, 2): (a, 0.0), (3, 1): (0.0, b)}.items():
        k = eigenvalue(m, n)
        u, v = np.linalg.solve([[k + c, -c], [-c, k + c]], load)
        found += np.array([u, v])[:, None, None] * (np.sin(m * np.pi * x) * np.sin(n * np.pi * y))
    return found


@pytest.mark.parametrize("method", ["auto", "direct", "cg", "skr", "amg"])
def test_the_whole_line(tmp_path: Path, method: str) -> None:
    out = tmp_path / "exchange.zarr"
    assert pdemill.generate(spec(method=method), out, workers=0).ok
    verified = pdemill.verify(out)
    assert verified.ok, verified.faults
    data = pdemill.open(out)
    assert data.solution_channels == ("u", "v")
    assert data.channels == ("source", "second", "exchange")
    grid = validate(spec()).problem.discretise()  # type: ignore[attr-defined]
    stored: Any = zarr.open_group(out, mode="r")
    columns = data.columns(data.shards[0])
    assert (columns["method"] == 1).all()  # none by the fallback
    names = list(data.attributes["parameters"])
    for sample, row in enumerate(columns["params"]):
        a, b, c = (float(row[names.index(name)]) for name in ("source.a", "second.b", "exchange"))
        np.testing.assert_allclose(stored["train/solution"][sample], exact(grid.points, a, b, c), atol=1e-11)
    assert 0.0 < np.nanmax(columns["error_estimate"]) < 0.05
    assert set(data.attributes["stats"]) == {
        "input/source", "input/second", "input/exchange", "solution/u", "solution/v",
    }  # fmt: skip


@pytest.mark.parametrize("method", ["cg", "gmres", "skr", "amg", "direct"])
def test_no_channel_is_further_off_than_is_said(method: str) -> None:
    """v is a millionth of u: what is said is not the error of both together."""
    given = spec(method=method, rtol=1e-6)
    given["problem"] |= {"exchange": {"uniform": [1e-6, 2e-6]}, "second": 1e-6}
    job = FieldJob(validate({**given, "certify": {"refine": 0}}))
    data, _ = job.solve(Shard("train", 0, 0, 8), lambda progress: None)
    assert not data.failures
    for number, stored in enumerate(data.arrays["solution"]):
        exact = solution(job.discretisation.assemble(job.instance("train", number)))
        assert exact is not None
        for u, true in zip(stored.reshape(2, -1), exact.reshape(2, -1), strict=True):
            error = np.linalg.norm(u - true) / np.linalg.norm(true - true.mean())
            assert error <= 3.0 * data.arrays["algebraic_error"][number] + 1e-14


@pytest.mark.parametrize("method", ["fft", "multigrid"])
def test_methods_for_one_scalar_on_a_grid_refuse_it(method: str) -> None:
    with pytest.raises(SpecError, match="couples a cell with its neighbours") as caught:
        validate(spec(method=method))
    assert [fault.path for fault in caught.value.faults] == [("solver", "method")]
    problem = validate(spec()).problem
    assert method not in {one.method for one in candidates(problem, problem.size, 1e-8)}


def test_discretisers_of_one_scalar_refuse_it() -> None:
    wrong = spec()
    wrong["problem"]["discretiser"] = "box"
    with pytest.raises(SpecError, match="solved for u, v, which the discretiser box does not take"):
        validate(wrong)
