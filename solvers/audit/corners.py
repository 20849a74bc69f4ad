"""Singular functions of corners that turn inwards: what splines cannot follow, and solutions have there.

In polar coordinates about a corner of opening ω, with α = j π / ω < 2 for j = 1, 2, ...,

    s(x) = (1 - r²/R²)^5 r^α sin(α θ) for r < R, else 0,

is smooth in the domain but for the corner, 0 on both edges that meet there, and harmonic but for the factor that ends
it (Grisvard 1985, "Elliptic problems in nonsmooth domains", section 4.4). R is the distance to the other edges, so that
the branch of r^α is cut outside the domain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.spec.domain import Polygon, signed_area

type Complex = NDArray[np.complex128]

LEAST_OPENING = 1.15 * pi
"""From here on a corner has singular functions; those of a rounded rim are hardly singular."""


@dataclass(frozen=True)
class Singular:
    """One singular function. ``corner``: x + i y; ``turn``: the unit number that turns the bisector to the x axis."""

    corner: complex
    turn: complex
    opening: float
    reach: float
    power: float

    def value(self, places: Array) -> Array:
        """s at places [n, 2]."""
        z, w = self._local(places)
        return np.asarray(w**5 * self._harmonic(z))

    def derivatives(self, places: Array) -> tuple[Array, Array, Array]:
        """s [n], ∇s [n, 2] and Δs [n]; the gradient is infinite at the corner itself."""
        z, w = self._local(places)
        r2, reach2, alpha = np.abs(z) ** 2, self.reach**2, self.power
        f = self._harmonic(z)
        g, g1, g2 = w**5, -5.0 * w**4 / reach2, 20.0 * w**3 / reach2**2
        slope = alpha * z ** (alpha - 1.0) * np.exp(0.5j * alpha * self.opening) * self.turn
        outward = z / self.turn
        gradient = np.stack(
            [2.0 * g1 * f * outward.real + g * slope.imag, 2.0 * g1 * f * outward.imag + g * slope.real], axis=-1
        )
        return np.asarray(g * f), gradient, np.asarray(f * (4.0 * g1 * (1.0 + alpha) + 4.0 * r2 * g2))

    def _local(self, places: Array) -> tuple[Complex, Array]:
        z = (places[..., 0] + 1j * places[..., 1] - self.corner) * self.turn
        return z, np.maximum(1.0 - (np.abs(z) / self.reach) ** 2, 0.0)

    def _harmonic(self, z: Complex) -> Array:
        return np.asarray((z**self.power * np.exp(0.5j * self.power * self.opening)).imag)


def singular_functions(domain: Polygon) -> list[Singular]:
    """Those of all inward corners of a polygon."""
    loops = [_turned(domain.outline, inner=False), *(_turned(hole, inner=True) for hole in domain.holes)]
    return [function for number in range(len(loops)) for function in _of_loop(loops, number)]


def _turned(loop: tuple[tuple[float, float], ...], inner: bool) -> Array:
    """The loop with the domain to its left."""
    corners = np.array(loop)
    return corners if (signed_area(loop) > 0) != inner else corners[::-1]


def _of_loop(loops: list[Array], number: int) -> Iterator[Singular]:
    loop = loops[number]
    starts = np.concatenate(loops)
    ends = np.concatenate([np.roll(corners, -1, axis=0) for corners in loops])
    offset = sum(len(corners) for corners in loops[:number])
    for i, corner in enumerate(loop):
        before, after = loop[i - 1] - corner, loop[(i + 1) % len(loop)] - corner
        along, back = complex(*after), complex(*before)
        opening = float(np.angle(back / along) % (2.0 * pi))
        if opening < LEAST_OPENING:
            continue
        other = np.ones(len(starts), dtype=bool)
        other[[offset + i, offset + (i - 1) % len(loop)]] = False
        reach = min(abs(along), abs(back), float(_distances(corner, starts[other], ends[other]).min(initial=np.inf)))
        turn = np.exp(-0.5j * opening) * abs(along) / along
        for power in np.arange(1, 4) * pi / opening:
            if power < 2.0 - 1e-6:
                yield Singular(complex(*corner), complex(turn), opening, reach, float(power))


def _distances(place: Array, starts: Array, ends: Array) -> Array:
    """Distances of a place to segments."""
    steps = ends - starts
    t = np.clip(((place - starts) * steps).sum(axis=1) / (steps**2).sum(axis=1), 0.0, 1.0)
    return np.asarray(np.linalg.norm(place - starts - t[:, None] * steps, axis=1))
