"""A complex unknown as two real ones: waves in an absorbing line, -u'' - (κ² + iε) u = f."""

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
from pdemill.points import Array
from pdemill.solvers.discretisers.box import BoxPlace, OnBox
from pdemill.solvers.families.poisson import UNIT, UNIT_FUNCTION
from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.operators.discretisation import Discretisation
from pdemill.solvers.operators.system import Matrix, Pattern, System
from pdemill.spec import validate
from pdemill.spec.discretiser import Takes
from pdemill.spec.field import AnyField, Function, PositiveField
from pdemill.spec.problem import Problem, Terms
from pdemill.spec.unknowns import Unknown

CELLS = 64


@dataclass(frozen=True)
class ComplexUnknown(Unknown):
    """A complex number at every point; the channels ``name_re`` and ``name_im``."""

    def channels(self, dimension: int) -> tuple[str, ...]:
        return f"{self.name}_re", f"{self.name}_im"


@dataclass(frozen=True)
class AbsorbingTerms(Terms):
    """Also ``absorption`` ε of -iεu."""

    absorption: Function | None = None


class ToyWaves(Problem):
    """-∇²u - (κ² + iε) u = f with a real f."""

    family: Literal["toy_waves"]
    wavenumber: AnyField = UNIT
    absorption: PositiveField = UNIT
    source: AnyField = UNIT
    unknowns: ClassVar[tuple[Unknown, ...]] = (ComplexUnknown("u"),)
    operator_fields: ClassVar[tuple[str, ...]] = ("wavenumber", "absorption")

    @property
    def definite(self) -> bool:
        return False

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (wavenumber,), (absorption,), (source,) = drawn("wavenumber"), drawn("absorption"), drawn("source")
        reaction = wavenumber.map(lambda kappa: -np.square(kappa))
        return AbsorbingTerms((UNIT_FUNCTION,), source, reaction=reaction, absorption=absorption)


class ComplexPlace(BoxPlace):
    """A box with a complex number per cell."""

    def discretise(self, stored: Mapping[str, NDArray[Any]] | None = None) -> Discretisation:  # type: ignore[override]
        return ComplexGrid(super().discretise(stored))


class OnComplexBox(OnBox):
    """Finite volumes for a complex scalar."""

    name: ClassVar[str] = "toy_complex_box"
    place = ComplexPlace
    takes: ClassVar[Takes] = replace(
        OnBox.takes,
        terms=frozenset({"diffusion", "reaction", "source", "absorption"}),
        unknowns=frozenset({(ComplexUnknown,)}),
    )


class ComplexGrid(Discretisation):
    """(A - iε)(u + iv) = f as [A, ε; ε, -A] (u, v) = (f, 0), which is symmetric. All u, then all v."""

    order = 2

    def __init__(self, grid: BoxGrid) -> None:
        self.grid = grid
        self.points, self.side_points, self.axes = grid.points, grid.side_points, grid.axes
        self.weights = np.tile(grid.weights, 2)
        entries, cells = len(grid.pattern.indices), grid.pattern.size
        scalar = Matrix(grid.pattern, np.arange(1.0, 1.0 + entries), grid.properties).sparse()
        across = diags_array(1.0 + 2 * entries + np.arange(cells))
        negative = scalar.copy()
        negative.data = negative.data + entries
        numbers = csr_array(block_array([[scalar, across], [across, negative]]))
        numbers.sort_indices()
        self._take = numbers.data.astype(np.intp) - 1
        self.pattern = Pattern(numbers.indptr.astype(np.int32), numbers.indices.astype(np.int32))

    def assemble(self, instance: Instance) -> System:
        terms, grid = instance.terms, self.grid
        assert isinstance(terms, AbsorbingTerms)
        assert terms.absorption is not None
        one = grid.assemble(instance)
        absorption = np.broadcast_to(terms.absorption(self.points), grid.shape).reshape(-1)
        values = np.concatenate([one.matrix.values, -one.matrix.values, absorption])[self._take]
        rhs = np.concatenate([one.rhs, np.zeros_like(one.rhs)])
        return System(Matrix(self.pattern, values, grid.properties), rhs)

    def to_fields(self, unknowns: Array, instance: Instance) -> Array:
        return unknowns.reshape(2, *self.grid.shape)

    def from_fields(self, fields: Array) -> Array:
        return fields.reshape(-1)

    def spread(self, side: str, data: Function) -> Array:
        return self.grid.spread(side, data)

    def refined(self) -> Discretisation:
        return ComplexGrid(self.grid.refined())

    def restrict(self, fine: Array) -> Array:
        return self.grid.restrict(fine)

    def arrays(self) -> Mapping[str, tuple[tuple[str, ...], NDArray[np.float64] | NDArray[np.int32]]]:
        return self.grid.arrays()


def spec(method: str) -> dict[str, Any]:
    problem = {
        "family": "toy_waves",
        "discretiser": "toy_complex_box",
        "resolution": [CELLS],
        "wavenumber": {"uniform": [5, 20]},
        "absorption": {"uniform": [1, 10]},
        "source": {"field": "expression", "formula": "exp(-50*(x-0.3)**2)"},
    }
    solver = {"method": method, "rtol": 1e-10, **({"preconditioner": "jacobi"} if method == "minres" else {})}
    return {"problem": problem, "samples": 6, "solver": solver, "store": {"dtype": "float64", "shard": 6}}


def exact(wavenumber: float, absorption: float) -> NDArray[np.complex128]:
    """The discrete solution, by complex numbers."""
    h = 1.0 / CELLS
    x = (np.arange(CELLS) + 0.5) * h
    matrix = (2.0 * np.eye(CELLS) - np.eye(CELLS, k=1) - np.eye(CELLS, k=-1)).astype(complex)
    matrix[0, 0] = matrix[-1, -1] = 3.0
    matrix /= h**2
    matrix -= (wavenumber**2 + 1j * absorption) * np.eye(CELLS)
    return np.asarray(np.linalg.solve(matrix, np.exp(-50.0 * (x - 0.3) ** 2)))


@pytest.mark.parametrize("method", ["auto", "direct", "gmres", "skr", "minres"])
def test_the_whole_line(tmp_path: Path, method: str) -> None:
    out = tmp_path / "waves.zarr"
    summary = pdemill.generate(spec(method), out, workers=0)
    assert summary.ok, summary.failures
    verified = pdemill.verify(out)
    assert verified.ok, verified.faults
    data = pdemill.open(out)
    assert data.solution_channels == ("u_re", "u_im")
    stored: Any = zarr.open_group(out, mode="r")
    columns = data.columns(data.shards[0])
    assert (columns["method"] == 1).all()  # none by the fallback
    for sample, (wavenumber, absorption) in enumerate(columns["params"].tolist()):
        u, v = stored["train/solution"][sample]
        wanted = exact(wavenumber, absorption)
        np.testing.assert_allclose(u + 1j * v, wanted, atol=1e-7 * np.abs(wanted).max())
        assert np.abs(v).max() > 1e-2 * np.abs(u).max()
    assert 0.0 < np.nanmax(columns["error_estimate"]) < 0.3


@pytest.mark.parametrize("method", ["cg", "fft", "multigrid"])
def test_methods_for_definite_or_scalar_matrices_refuse_it(method: str) -> None:
    with pytest.raises(pdemill.errors.SpecError):
        validate(spec(method))
