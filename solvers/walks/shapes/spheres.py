"""Shared by balls and shells: areas, even points on a sphere, uniform points between two spheres."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammainc, ndtri

from pdemill.points import Array
from pdemill.solvers.walks.philox import levels

GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def sphere_area(dimension: int, radius: float) -> float:
    """Area of a sphere in d dimensions, 2 pi^(d/2) R^(d-1) / Gamma(d/2)."""
    half = dimension / 2
    return float(2.0 * math.pi**half * radius ** (dimension - 1) / math.gamma(half))


def sphere_points(dimension: int, count: int) -> Array:
    """Points [count, d] spread over the unit sphere, the same at every call.

    Equal angles in the plane, a Fibonacci lattice in space (Gonzalez 2010, "Measurement of areas on a sphere using
    Fibonacci and latitude-longitude lattices"), and random directions with a fixed key in higher dimensions.
    """
    i = np.arange(count)
    if dimension == 2:
        angle = 2.0 * np.pi * i / count
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if dimension == 3:
        z = 1.0 - (2.0 * i + 1.0) / count
        longitude, ring = 2.0 * np.pi * GOLDEN * i, np.sqrt(1.0 - z * z)
        return np.stack([ring * np.cos(longitude), ring * np.sin(longitude), z], axis=1)
    drawn: Array = np.asarray(ndtri(levels((0, 0), 0, count, dimension)), np.float64)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def in_shell(uniforms: Array, inner: float, outer: float) -> Array:
    """Numbers [n, d] in (0, 1) to points uniform in inner < |x| < outer.

    Normal numbers give the direction; the law of their length gives a uniform number for the radius.
    """
    d = uniforms.shape[1]
    normals: Array = np.asarray(ndtri(uniforms), np.float64)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    low = (inner / outer) ** d
    radius = outer * (low + (1.0 - low) * gammainc(d / 2, length**2 / 2)) ** (1.0 / d)
    return np.asarray(radius / length * normals)
