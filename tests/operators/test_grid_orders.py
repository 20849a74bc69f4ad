"""Second order for every grid family, every kind of side and every dimension, on plane waves.

The solution is u = sin(p.x + 0.4), the coefficients are plane waves and polynomials. With k_i = 2 + s_i sin(q_i.x),

    f = (sum_i p_i^2 k_i + c) sin(p.x + 0.4) + (sum_i p_i (b_i - dk_i/dx_i)) cos(p.x + 0.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.spec.domain import BOX_SIDES
from pdemill.spec.problem import families

if TYPE_CHECKING:
    from tests.operators.conftest import Begin, Solve

LENGTHS = (1.0, 0.8, 1.3)
GRIDS = {
    1: ((16,), (32,), (64,)),
    2: ((16, 12), (32, 24), (64, 48)),
    3: ((16, 12, 20), (20, 15, 25), (24, 18, 30)),
}
EXPECTED = 1.85  # of an order of 2


@dataclass(frozen=True)
class Equation:
    """A family with the coefficients of a row: ``k`` is absent, "scalar" or "diagonal"; the rest are formulas of x."""

    family: str
    k: str = ""
    screening: str = ""
    wavenumber: str = ""
    reaction: str = ""
    velocity: tuple[str, ...] = ()
    order: float = 2.0


EQUATIONS = {
    "poisson": Equation("poisson"),
    "screened_poisson": Equation("screened_poisson", screening="3+x**2"),
    "darcy": Equation("darcy", k="scalar"),
    "darcy, diagonal tensor": Equation("darcy", k="diagonal"),
    "thermal": Equation("thermal", k="scalar", reaction="0.4+x**2"),
    "helmholtz, definite": Equation("helmholtz", k="scalar", wavenumber="1+0.5*x"),
    "helmholtz, indefinite": Equation("helmholtz", k="diagonal", wavenumber="9+x"),
    "convection_diffusion": Equation(
        "convection_diffusion", k="scalar", velocity=("1.2+0.5*x", "0.8-x", "x-3"), reaction="0.7"
    ),
    "convection_diffusion, variable c": Equation(
        "convection_diffusion", k="scalar", velocity=("-2-x", "1+x**2", "x"), reaction="1+x"
    ),
}
SIDES = {  # low and high side of each axis
    "dirichlet": ("dd", "dd", "dd"),
    "neumann": ("nn", "nn", "nn"),
    "robin": ("rr", "rr", "rr"),
    "periodic": ("pp", "pp", "pp"),
    "mixed": ("dn", "rd", "nr"),
    "mixed with periodic": ("rn", "pp", "dr"),
}
NO_HOLD = {"neumann", "periodic"}
ROWS = [
    (equation, sides, dimension)
    for equation, sides, dimension in product(EQUATIONS, SIDES, GRIDS)
    if not (
        equation in ("convection_diffusion, variable c", "thermal") and sides in NO_HOLD
    )  # c > 0 is not known: refused
]


@dataclass(frozen=True)
class Wave:
    """sin(p.x + shift) and its cosine, as formulas; the solution also as numbers."""

    p: tuple[float, ...]
    shift: float

    @property
    def phase(self) -> str:
        return "+".join(f"{p!r}*{axis}" for p, axis in zip(self.p, "xyz", strict=False) if p) + f"+{self.shift!r}"

    @property
    def sin(self) -> str:
        return f"sin({self.phase})"

    @property
    def cos(self) -> str:
        return f"cos({self.phase})"

    def at(self, shape: tuple[int, ...]) -> Array:
        """Values at the cell centres of a grid."""
        steps = zip(shape, LENGTHS, self.p, strict=False)
        axes = [p * (np.arange(n) + 0.5) * length / n for n, length, p in steps]
        return np.asarray(np.sin(sum(np.meshgrid(*axes, indexing="ij")) + self.shift))


def _wave(sides: tuple[str, ...], slopes: tuple[float, ...], shift: float) -> Wave:
    """A plane wave of the given slopes; one whole turn along a periodic axis instead."""
    axes = zip(LENGTHS, sides, slopes, strict=False)
    return Wave(tuple(2 * np.pi / length if kind == "pp" and p else p for length, kind, p in axes), shift)


def _expression(formula: str) -> dict[str, str]:
    return {"field": "expression", "formula": formula}


def _sum(terms: list[tuple[float, str]]) -> str:
    """sum of factor * formula, each formula once; what is zero is left out."""
    factors: dict[str, float] = {}
    for factor, formula in terms:
        factors[formula] = factors.get(formula, 0.0) + factor
    return "+".join(f"{factor!r}*({formula})" for formula, factor in factors.items() if factor and formula != "0")


def _problem(equation: Equation, sides: tuple[str, ...], dimension: int) -> tuple[dict[str, Any], Wave]:
    """The section ``problem`` of a spec without its resolution, and the exact solution."""
    sides, axes = sides[:dimension], range(dimension)
    u = _wave(sides, (2.9, 2.2, 1.7), 0.4)
    bends = [(_wave(sides, (1.1, 2.3, 0.7), 0.9), 0.8)] * dimension
    if equation.k == "diagonal":
        bends = [(_wave(sides, (0.0,) * i + (1.5 + 0.4 * i,) + (0.0, 0.0), 0.2), 0.5 + 0.2 * i) for i in axes]
    k = [f"2+{size!r}*{bend.sin}" for bend, size in bends] if equation.k else ["1"] * dimension
    slope = [(size * bend.p[i], bend.cos) for i, (bend, size) in enumerate(bends)] if equation.k else []
    c = equation.screening or equation.reaction or f"-({equation.wavenumber or 0})**2"
    along = [(p, b) for p, b in zip(u.p, equation.velocity, strict=False)]
    along += [(-p * factor, cos) for p, (factor, cos) in zip(u.p, slope, strict=False)]
    stretch = _sum([(p * p, k_i) for p, k_i in zip(u.p, k, strict=True)] + [(1.0, c)])
    problem: dict[str, Any] = {
        "family": equation.family,
        "domain": {"shape": "box", "lengths": LENGTHS[:dimension]},
        "source": _expression(f"({stretch})*{u.sin}+({_sum(along) or 0})*{u.cos}"),
        "boundary": _boundary(sides, u, k),
        "compatibility": "project",
    }
    if equation.k:
        entries = [_expression(k_i) for k_i in k]
        problem["coefficient"] = entries[0] if equation.k == "scalar" else {"diagonal": entries}
    if equation.velocity:
        problem["velocity"] = [_expression(b) for b in equation.velocity[:dimension]]
    for name in ("screening", "wavenumber", "reaction"):
        if formula := getattr(equation, name):
            problem[name] = _expression(formula) if "x" in formula else float(formula)
    return problem, u


def _boundary(sides: tuple[str, ...], u: Wave, k: list[str]) -> dict[str, Any]:
    exchange = "1+" + "+".join("xyz"[: len(sides)])
    boundary: dict[str, Any] = {}
    for axis, kinds in enumerate(sides):
        for name, kind, normal in zip(BOX_SIDES[axis], kinds, (-1, 1), strict=True):
            flux = f"{normal * u.p[axis]!r}*({k[axis]})*{u.cos}"
            robin = {"coefficient": _expression(exchange), "value": _expression(f"({exchange})*{u.sin}+{flux}")}
            boundary[name] = {
                "d": {"dirichlet": _expression(u.sin)},
                "n": {"neumann": _expression(flux)},
                "r": {"robin": robin},
                "p": "periodic",
            }[kind]
    return boundary


@pytest.mark.parametrize(("equation", "sides", "dimension"), ROWS)
def test_order(equation: str, sides: str, dimension: int, begin: Begin, solve: Solve) -> None:
    problem, u = _problem(EQUATIONS[equation], SIDES[sides], dimension)
    mean, worst = [], []
    for shape in GRIDS[dimension]:
        job = begin(problem | {"resolution": shape})
        solved = solve(job, job.discretisation)
        exact = u.at(shape)
        if job.problem.singular:
            assert abs(solved.field.mean()) < 1e-12
            exact -= exact.mean()
        error = solved.field - exact
        mean.append(np.linalg.norm(error) / np.linalg.norm(exact))
        worst.append(np.abs(error).max() / np.abs(exact).max())
    steps = np.log([1 / shape[0] for shape in GRIDS[dimension]])
    slopes = [float(np.polyfit(steps, np.log(errors), 1)[0]) for errors in (mean, worst)]
    assert min(slopes) >= EXPECTED, f"slopes {slopes}, errors {mean}, {worst}"


def test_every_grid_family_has_rows() -> None:
    assert {EQUATIONS[equation].family for equation, _, _ in ROWS} == {
        n for n, kind in families.items() if kind.linear and not kind.evolves
    }


def test_singular_rows_are_singular(begin: Begin) -> None:
    for equation, sides in product(("poisson", "darcy", "screened_poisson"), SIDES):
        problem, _ = _problem(EQUATIONS[equation], SIDES[sides], 2)
        singular = equation != "screened_poisson" and sides in NO_HOLD
        assert begin(problem | {"resolution": [8, 8]}).problem.singular is singular


@pytest.mark.parametrize("compatibility", ["refuse", "project"])
def test_exchange_of_nothing_holds_nothing(compatibility: str, begin: Begin, solve: Solve) -> None:
    """A Robin side with a = 0 is a Neumann side: alone it is refused, or solved as the singular problem that it is."""
    nothing = {"robin": {"coefficient": 0, "value": 0}}
    problem = {"family": "poisson", "resolution": [8, 8], "boundary": {"default": nothing}}
    try:
        job = begin(problem | {"compatibility": compatibility})
    except SpecError:
        return
    assert np.abs(solve(job, job.discretisation).field).max() < 1e-12


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize(("equation", "negative"), [("helmholtz, definite", False), ("helmholtz, indefinite", True)])
def test_helmholtz_rows_are_what_they_say(equation: str, negative: bool, dimension: int, begin: Begin) -> None:
    problem, _ = _problem(EQUATIONS[equation], SIDES["dirichlet"], dimension)
    job = begin(problem | {"resolution": (16, 12, 9)[:dimension]})
    matrix = job.discretisation.assemble(job.instance("train", 0)).matrix
    eigenvalues = np.linalg.eigvalsh(matrix.sparse().toarray())
    assert eigenvalues[-1] > 0
    assert bool(eigenvalues[0] < 0) is negative


LAYERED = [(dimension, axis) for dimension in (1, 2, 3) for axis in range(dimension)]


@pytest.mark.parametrize(("dimension", "axis"), LAYERED)
def test_layers_along_faces_are_exact(dimension: int, axis: int, begin: Begin, solve: Solve) -> None:
    """k = 1 up to the middle, 3 behind it; u = 0 and 1 at the ends: the flux is 1 / (1/2 + 1/6) over unit length."""
    name, shape = "xyz"[axis], tuple(8 if i == axis else 5 + i for i in range(dimension))
    low, high = BOX_SIDES[axis]
    problem = {
        "family": "darcy",
        "resolution": shape,
        "coefficient": _expression(f"2+sign({name}-0.5)"),
        "source": 0,
        "boundary": {"default": {"neumann": 0}, low: {"dirichlet": 0}, high: {"dirichlet": 1}},
    }
    job = begin(problem)
    field = np.moveaxis(solve(job, job.discretisation).field, axis, -1)
    s = (np.arange(8) + 0.5) / 8
    exact = np.where(s < 0.5, 1.5 * s, 0.5 + 0.5 * s)
    np.testing.assert_allclose(field, np.broadcast_to(exact, field.shape), rtol=1e-13)
