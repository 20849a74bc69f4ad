"""What the terms of an equation are on a periodic box: diagonal symbols, and products of fields.

u_t = L u + N(u) + f, L diagonal in the modes. A term that is linear with constant coefficients is one entry of LINEAR;
one that is quadratic, one of QUADRATIC. A new term is one function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import FamilyError
from pdemill.points import Array
from pdemill.solvers.spectral.grid import PeriodicGrid
from pdemill.solvers.spectral.layers import Layers
from pdemill.solvers.spectral.pointwise import Pointwise, pointwise_of
from pdemill.spec.field import Function
from pdemill.spec.terms import NOWHERE, Terms

type Complex = NDArray[np.complex128]
type Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Products:
    """Quadratic terms: for the unknown b, sum_p W_bp F(q_p(D_1 u_1, .., D_J u_J)), F the transform, D and W diagonal.

    factors   D, [J, modes]
    weights   W for the coefficient 1, [E, modes]
    terms     (p, i, j, c) for every c (D_i u_i) (D_j u_j) in q_p, ascending in p
    unknowns  the numbers of the unknowns u_1, .., u_J; by default that of the first
    targets   (p, b) of every W, ascending in p; by default one W for each p, and the first unknown
    origins   the number of the unknown and the name of the term that every W belongs to
    coupled   (b, a) of what is linear, C u_a in the equation of b
    """

    factors: Complex
    weights: Complex
    terms: tuple[tuple[int, int, int, float], ...]
    unknowns: tuple[int, ...] = ()
    targets: tuple[tuple[int, int], ...] = ()
    origins: tuple[tuple[int, str], ...] = ()
    coupled: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "unknowns", self.unknowns or (0,) * len(self.factors))
        object.__setattr__(self, "targets", self.targets or tuple((p, 0) for p in range(len(self.weights))))


def _diffusion(grid: PeriodicGrid, k: Numbers) -> Array:
    if len(k) == 1:
        return -k[0] * grid.squared
    return -np.asarray(sum(entry * np.square(wave) for entry, wave in zip(k, grid.waves, strict=True)))


def _convection(grid: PeriodicGrid, b: Numbers) -> Complex:
    return -1j * np.asarray(sum(entry * wave for entry, wave in zip(b, grid.waves, strict=True)))


def _reaction(grid: PeriodicGrid, c: Numbers) -> Array:
    return np.full(grid.modes, -c[0])


def _spectral_viscosity(grid: PeriodicGrid, values: Numbers) -> Array:
    k, most = values
    waves = sum(
        np.square(np.rint(wave * length / (2.0 * np.pi))) for wave, length in zip(grid.waves, grid.lengths, strict=True)
    )
    return np.where(waves > most * most, -k * grid.squared, 0.0)


def _dispersion(grid: PeriodicGrid, p: Numbers) -> Complex:
    return 1j * p[0] * np.asarray(sum(wave**3 for wave in grid.waves))


def _hyperdiffusion(grid: PeriodicGrid, q: Numbers) -> Array:
    return -q[0] * np.square(grid.squared)


def _planetary(grid: PeriodicGrid, beta: Numbers) -> Complex:
    """-beta v_y, v_y = -d_x psi of -Lap psi = u: Rossby waves, which go west at the speed beta / |k|^2."""
    return np.asarray(1j * beta[0] * grid.waves[0] * grid.inverse_squared, np.complex128)


LINEAR: Mapping[str, Callable[[PeriodicGrid, Numbers], Array | Complex]] = {
    "diffusion": _diffusion,
    "convection": _convection,
    "advection": _convection,  # the same, of numbers
    "reaction": _reaction,
    "spectral_viscosity": _spectral_viscosity,
    "dispersion": _dispersion,
    "hyperdiffusion": _hyperdiffusion,
    "planetary": _planetary,
}


def _self_advection(grid: PeriodicGrid, number: int) -> Products:
    """- sum_i d_i(u^2 / 2)."""
    slope = -0.5j * np.asarray(sum(grid.waves))
    one = np.ones((1, grid.modes), np.complex128)
    return Products(one, slope[None], ((0, 0, 0, 1.0),), (number,), ((0, number),))


def _flow(grid: PeriodicGrid) -> Complex:
    """What makes v = (d_y psi, -d_x psi), -Lap psi = w, of a vorticity w."""
    kx, ky = grid.waves
    return np.stack([1j * ky * grid.inverse_squared, -1j * kx * grid.inverse_squared])


def _vorticity_advection(grid: PeriodicGrid, number: int) -> Products:
    """-(v . grad) w = (d_yy - d_xx)(v_x v_y) + d_xy(v_x^2 - v_y^2): four transforms instead of five."""
    kx, ky = grid.waves
    weights = np.stack([kx * kx - ky * ky, -kx * ky]).astype(np.complex128)
    terms, targets = ((0, 0, 1, 1.0), (1, 0, 0, 1.0), (1, 1, 1, -1.0)), ((0, number), (1, number))
    return Products(_flow(grid), weights, terms, (number, number), targets)


def _passive_advection(grid: PeriodicGrid, number: int) -> Products:
    """-(v . grad) s = -sum_i d_i(v_i s), v the first unknowns in three dimensions, in two that of the first one as a
    vorticity."""
    if grid.dimension == 3:
        one = np.ones((4, grid.modes), np.complex128)
        weights = np.stack([-1j * wave for wave in grid.waves])
        targets = tuple((p, number) for p in range(3))
        return Products(one, weights, ((0, 0, 3, 1.0), (1, 1, 3, 1.0), (2, 2, 3, 1.0)), (0, 1, 2, number), targets)
    factors = np.concatenate([_flow(grid), np.ones((1, grid.modes))])
    weights = np.stack([-1j * wave for wave in grid.waves])
    terms, targets = ((0, 0, 2, 1.0), (1, 1, 2, 1.0)), ((0, number), (1, number))
    return Products(factors, weights, terms, (0, 0, number), targets)


def _velocity_advection(grid: PeriodicGrid, number: int) -> Products:
    """-P sum_m d_m(v_m v_l), P the projection to fields without divergence. The square of the last component is taken
    from those of the others, which adds a gradient to the sum, and saves a product (Basdevant 1983, "Technical
    improvements for direct numerical simulation of homogeneous three-dimensional turbulence", J. Comput. Phys. 50,
    209)."""
    axes, waves = range(grid.dimension), grid.waves
    last = grid.dimension - 1
    terms: list[tuple[int, int, int, float]] = []
    weights, targets = [], []
    pairs = [(i, i) for i in axes[:-1]] + [(i, j) for i in axes for j in axes[i + 1 :]]
    for p, (i, j) in enumerate(pairs):
        terms += [(p, i, i, 1.0), (p, last, last, -1.0)] if i == j else [(p, i, j, 1.0)]
        for b in axes:
            along = _projection(grid, b, i) * waves[j] + (_projection(grid, b, j) * waves[i] if i != j else 0.0)
            weights.append(-1j * along)
            targets.append((p, number + b))
    one = np.ones((grid.dimension, grid.modes), np.complex128)
    return Products(one, np.stack(weights), tuple(terms), tuple(number + b for b in axes), tuple(targets))


def _layered(grid: PeriodicGrid, number: int) -> Products:
    """-(v_i . grad) q_i = -d_x(v_ix q_i) - d_y(v_iy q_i) in both layers, with D but for what makes psi_i of q_1 and
    q_2, and the couplings."""
    one = np.ones((2, grid.modes), np.complex128)
    factors = np.concatenate([one, *(np.stack([turn, turn]) for _ in (0, 1) for turn in _turns(grid))])
    weights = np.stack([-1j * wave for _ in (0, 1) for wave in grid.waves])
    terms = tuple((p, 2 + 2 * p + a, p // 2, 1.0) for p in range(4) for a in (0, 1))
    targets = tuple((p, p // 2) for p in range(4))
    return Products(factors, weights, terms, (0, 1) * 5, targets, coupled=((0, 1), (1, 0)))


def _turns(grid: PeriodicGrid) -> tuple[Complex, Complex]:
    """What makes v = (d_y psi, -d_x psi) of psi."""
    return np.asarray(1j * grid.waves[1], np.complex128), np.asarray(-1j * grid.waves[0], np.complex128)


def layered_factors(terms: Terms, grid: PeriodicGrid) -> Complex | None:
    """D of one sample where its layers make them; else those of the products."""
    if not terms.layered:
        return None
    inversion = Layers.of(terms.layered).inversion(grid.squared)
    flows = [turn * inversion[i, a] for i in (0, 1) for turn in _turns(grid) for a in (0, 1)]
    return np.stack([*np.ones((2, grid.modes), np.complex128), *flows])


def layered_linear(terms: Terms, grid: PeriodicGrid) -> Complex:
    """What is linear in both layers, [2, 2, modes]: mean flows, what the flow to the north brings along, the drag at
    the bottom."""
    layers, kx = Layers.of(terms.layered), grid.waves[0]
    inversion = layers.inversion(grid.squared)
    found = np.stack([
        (1j * kx * layers.gradients[i] - i * layers.drag * grid.squared) * inversion[i] for i in (0, 1)
    ])  # fmt: skip
    for i in (0, 1):
        found[i, i] -= 1j * kx * layers.flows[i]
    return found


def layered_couplings(terms: Terms, grid: PeriodicGrid) -> Complex | None:
    """C of one sample, [2, modes], as its products name them."""
    if not terms.layered:
        return None
    found = layered_linear(terms, grid)
    return np.stack([found[0, 1], found[1, 0]])


def _projection(grid: PeriodicGrid, b: int, i: int) -> Array:
    return (1.0 if b == i else 0.0) - grid.waves[b] * grid.waves[i] * grid.inverse_squared


def projected(velocity: Complex, grid: PeriodicGrid) -> Complex:
    """A velocity [dimension, modes] without its divergence; more unknowns after it stay as they are."""
    flow, others = velocity[: grid.dimension], velocity[grid.dimension :]
    along = np.asarray(sum(wave * part for wave, part in zip(grid.waves, flow, strict=True))) * grid.inverse_squared
    return np.stack([*(part - wave * along for wave, part in zip(grid.waves, flow, strict=True)), *others])


def slowed(terms: Terms, grid: PeriodicGrid) -> Array | None:
    """k^2 / (k^2 + 1 / r^2), by which all that moves a vorticity above a radius of deformation r is slower."""
    if terms.deformation is None:
        return None
    (radius,) = numbers((terms.deformation,))
    return np.asarray(grid.squared / (grid.squared + radius**-2))


QUADRATIC: Mapping[str, Callable[[PeriodicGrid, int], Products]] = {
    "self_advection": _self_advection,
    "vorticity_advection": _vorticity_advection,
    "passive_advection": _passive_advection,
    "velocity_advection": _velocity_advection,
    "layered": _layered,
}
"""By the name of the term: the products of the unknown of that number, in whose equation it is."""


@dataclass(frozen=True)
class Symbols:
    """The equation of one sample, its ``terms``: ``linear`` L and ``forcing`` f, [unknowns x modes], ``weights`` of the
    products [P, modes]; ``pointwise``: the tendency at points; ``factors``: D where they are not those of the products;
    ``couplings`` C of unknowns [E, modes]; ``kept``: what marching has made of them."""

    terms: Terms
    linear: Array | Complex
    weights: Complex
    forcing: Complex
    pointwise: Pointwise | None = None
    factors: Complex | None = None
    couplings: Complex | None = None
    kept: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)


def numbers(functions: tuple[Function, ...]) -> Numbers:
    """The values of functions that do not vary in space."""
    return tuple(float(function(NOWHERE)) for function in functions)


def of_unknowns(terms: Terms) -> tuple[Terms, ...]:
    """The terms of every unknown by itself, in the order of the state."""
    return (replace(terms, others=()), *terms.others)


def products_of(terms: Terms, grid: PeriodicGrid) -> Products | None:
    """The quadratic terms of an equation. Raises FamilyError for several of one unknown."""
    parts = []
    for number, one in enumerate(of_unknowns(terms)):
        found = [name for name, _ in one.present() if name in QUADRATIC]
        if len(found) > 1:
            names = ", ".join(found)
            raise FamilyError(f"an equation may have one quadratic term on periodic boxes, and this has {names}")
        for name in found:
            made = QUADRATIC[name](grid, number)
            parts.append(replace(made, origins=((number, name),) * len(made.weights)))
    return _joined(parts) if len(parts) > 1 else parts[0] if parts else None


def _joined(parts: Sequence[Products]) -> Products:
    """Several as one; fields that are the same are made once."""
    fields: list[tuple[int, Complex]] = []
    terms: list[tuple[int, int, int, float]] = []
    targets: list[tuple[int, int]] = []
    for part in parts:
        begin, places = 1 + max((p for p, _ in targets), default=-1), []
        for a, factor in zip(part.unknowns, part.factors, strict=True):
            known = (j for j, (b, other) in enumerate(fields) if a == b and np.array_equal(factor, other))
            places.append(next(known, len(fields)))
            if places[-1] == len(fields):
                fields.append((a, factor))
        terms += [(begin + p, places[i], places[j], c) for p, i, j, c in part.terms]
        targets += [(begin + p, b) for p, b in part.targets]
    return Products(
        np.stack([factor for _, factor in fields]), np.concatenate([part.weights for part in parts]), tuple(terms),
        tuple(a for a, _ in fields), tuple(targets), tuple(one for part in parts for one in part.origins),
    )  # fmt: skip


def weights_of(terms: Terms, products: Products, grid: PeriodicGrid) -> Complex:
    """W of one sample."""
    each = of_unknowns(terms)
    values = {origin: getattr(each[origin[0]], origin[1]) for origin in dict.fromkeys(products.origins)}
    strengths = {origin: 1.0 if isinstance(value, tuple) else numbers((value,))[0] for origin, value in values.items()}
    slower = [slowed(one, grid) for one in each]
    if all(strength == 1.0 for strength in strengths.values()) and all(one is None for one in slower):
        return products.weights
    factors = {
        origin: strength if (slow := slower[origin[0]]) is None else strength * slow
        for origin, strength in strengths.items()
    }
    rows = zip(products.origins, products.weights, strict=True)
    return np.stack([factors[origin] * weight for origin, weight in rows])


def linear_symbol(terms: Terms, grid: PeriodicGrid) -> Array | Complex:
    """L of one sample, one unknown after the other."""
    parts = [_of_one(one, grid) for one in of_unknowns(terms)]
    if len(parts) == 1:
        return parts[0]
    joined: NDArray[Any] = np.concatenate(parts)
    if not terms.layered:
        return joined
    both = layered_linear(terms, grid)
    return np.asarray(joined + np.concatenate([both[0, 0], both[1, 1]]))


def _of_one(terms: Terms, grid: PeriodicGrid) -> Array | Complex:
    total: Array | Complex = np.zeros(grid.modes)
    for name, functions in terms.present():
        if name in LINEAR:
            total = total + LINEAR[name](grid, numbers(functions))
    slower = slowed(terms, grid)
    return total if slower is None else slower * total


def symbols_of(
    terms: Terms, grid: PeriodicGrid, products: Products | None, forcing: Complex, names: tuple[str, ...]
) -> Symbols:
    """The equation of one sample from its terms, its products, the coefficients of its sources, and the names of the
    components of its unknowns."""
    weights = weights_of(terms, products, grid) if products else np.empty((0, grid.modes), np.complex128)
    if (slower := slowed(terms, grid)) is not None:
        forcing = np.concatenate([forcing[: grid.modes] * slower, forcing[grid.modes :]])
    own = layered_factors(terms, grid), layered_couplings(terms, grid)
    return Symbols(terms, linear_symbol(terms, grid), weights, forcing, pointwise_of(terms, grid, names), *own)
