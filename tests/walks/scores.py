"""What estimates must satisfy: their errors are what their standard errors say."""

from __future__ import annotations

import numpy as np

from pdemill.points import Array


def scores(values: Array, exact: Array) -> Array:
    """[P]: errors of the means of values [P, W] in standard errors."""
    error = values.mean(axis=1) - exact
    return np.asarray(error / (values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])))


def check_scores(z: Array, low: float = 0.9, high: float = 1.1) -> None:
    """|mean z| < 4 / √n and a root mean square about 1."""
    assert abs(z.mean()) < 4 / np.sqrt(z.size), f"mean z {z.mean():.3f} of {z.size}"
    assert low < np.sqrt((z**2).mean()) < high, f"rms z {np.sqrt((z**2).mean()):.3f} of {z.size}"


def slope(values: Array, exact: Array) -> float:
    """The exponent of the root mean square error in the number of walks, from means over 1, 2, 4, ... walks."""
    counts = 2 ** np.arange(int(np.log2(values.shape[1])) - 2)
    errors = []
    for count in counts:
        means = values[:, : values.shape[1] // count * count].reshape(len(values), -1, count).mean(axis=2)
        errors.append(np.sqrt(((means - exact[:, None]) ** 2).mean()))
    return float(np.polyfit(np.log(counts), np.log(errors), 1)[0])
