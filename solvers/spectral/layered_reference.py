"""Two layers once more, for checks: by their mean and their difference, and in the convective form."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.spec.terms import NOWHERE, Terms

type Complex = NDArray[np.complex128]


def _numbers(terms: Terms) -> tuple[float, ...]:
    return tuple(float(function(NOWHERE)) for function in terms.layered)


def layered_flow(functions: Sequence[float], parts: Sequence[Complex], squared: Array) -> list[Complex]:
    """The stream functions of both layers: the mean of q over the depth is -Lap psi of the mean flow, and q_1 - q_2 is
    -Lap psi + psi / radius^2 of the difference."""
    radius, ratio = functions[:2]
    upper = ratio / (1.0 + ratio)
    inverse = np.divide(1.0, squared, out=np.zeros(np.shape(squared)), where=squared > 0.0)
    both = inverse * (upper * parts[0] + (1.0 - upper) * parts[1])
    apart = np.where(squared > 0.0, 1.0 / (squared + 1.0 / radius**2), 0.0) * (parts[0] - parts[1])
    return [both + (1.0 - upper) * apart, both - upper * apart]


def layered_linear(functions: Sequence[float], parts: Sequence[Complex], waves: Sequence[Array]) -> list[Complex]:
    """What mean flows, the gradient of potential vorticity and the drag bring into u_t."""
    radius, ratio, beta, *flows, drag = functions
    squared = np.asarray(sum(np.square(wave) for wave in waves))
    psi = layered_flow(functions, parts, squared)
    shares = 1.0 / (1.0 + ratio), ratio / (1.0 + ratio)
    found = []
    for i, (q, stream) in enumerate(zip(parts, psi, strict=True)):
        north = beta + shares[i] / radius**2 * (flows[i] - flows[1 - i])
        found.append(-flows[i] * 1j * waves[0] * q + north * 1j * waves[0] * stream - (drag * i) * squared * stream)
    return found


def layered_rates(
    terms: Terms, parts: Sequence[Complex], waves: Sequence[Array], values: Callable[[Complex], Array],
    coefficients: Callable[[Array], Complex],
) -> list[Complex]:  # fmt: skip
    """All that the term brings into u_t, each layer carried by its own flow."""
    functions = _numbers(terms)
    squared = np.asarray(sum(np.square(wave) for wave in waves))
    found = []
    for q, stream, linear in zip(
        parts, layered_flow(functions, parts, squared), layered_linear(functions, parts, waves), strict=True
    ):
        x, y = values(1j * waves[1] * stream), -values(1j * waves[0] * stream)
        slopes = [values(1j * wave * q) for wave in waves]
        found.append(linear - coefficients(x * slopes[0] + y * slopes[1]))
    return found


def layered_norms(
    terms: Terms, waves: Sequence[Array], damping: Sequence[Complex]
) -> list[tuple[NDArray[np.complex128], float]]:
    """Of the potential enstrophy and the energy, which advection keeps: the weights W of the modes but the mean in the
    square u* W u, [modes, 2, 2], and the largest rate at which its root may grow by the linear terms."""
    functions, rest = _numbers(terms), [wave[1:] for wave in waves]
    squared = np.asarray(sum(np.square(wave) for wave in rest))
    units = [[np.full(len(squared), float(a == b), np.complex128) for b in (0, 1)] for a in (0, 1)]
    linear = np.stack([np.stack(layered_linear(functions, one, rest)) for one in units])  # [column, row, modes]
    flow = np.stack([np.stack(layered_flow(functions, one, squared)) for one in units])
    A = np.moveaxis(linear, (0, 1), (2, 1))
    for i in (0, 1):
        A[:, i, i] += damping[i][1:]
    depths = np.array([functions[1], 1.0]) / (1.0 + functions[1])
    found = []
    for W in (np.broadcast_to(np.diag(depths), A.shape), depths[:, None] * np.moveaxis(flow, (0, 1), (2, 1))):
        root = np.conj(np.swapaxes(np.linalg.cholesky(W), 1, 2))
        B = root @ A @ np.linalg.inv(root)
        rate = np.linalg.eigvalsh(0.5 * (B + np.conj(np.swapaxes(B, 1, 2))))
        found.append((np.asarray(W, np.complex128), float(rate.max())))
    return found
