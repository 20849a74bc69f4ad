"""Residuals of tensors: ``pdemill.residual`` and its gradient against a flux stencil that is written in PyTorch.

``make consumers`` makes the environment that has PyTorch: ``.venv-consumers/bin/python -m benchmarks.residuals``. Darcy
flow on the unit square with a random k, u = 0 on the sides: the mean square of f + div(k grad u) and its gradient in u,
by harmonic means of k that are made anew in every step. Milliseconds of the fastest and the median of interleaved
rounds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import pdemill

SIZES = (64, 32), (128, 16), (256, 8)
"""Cells along an axis, and samples of a batch."""


def written_in_torch(k: Any, u: Any, h: float) -> Any:
    """1 + div(k grad u) with u = 0 on the sides: the five-point flux stencil with harmonic means."""
    torch: Any = import_module("torch")
    across = 2 * k[:, 1:] * k[:, :-1] / (k[:, 1:] + k[:, :-1]) * (u[:, 1:] - u[:, :-1]) / h
    upwards = 2 * k[..., 1:] * k[..., :-1] / (k[..., 1:] + k[..., :-1]) * (u[..., 1:] - u[..., :-1]) / h
    ends = 2 * k[:, :1] * u[:, :1] / h, -2 * k[:, -1:] * u[:, -1:] / h
    across = torch.cat([ends[0], across, ends[1]], 1)
    ends = 2 * k[..., :1] * u[..., :1] / h, -2 * k[..., -1:] * u[..., -1:] / h
    upwards = torch.cat([ends[0], upwards, ends[1]], 2)
    return 1 + (across[:, 1:] - across[:, :-1]) / h + (upwards[..., 1:] - upwards[..., :-1]) / h


def seconds(made: Callable[[], Any], u: Any) -> float:
    """Of one loss with its gradient."""
    begin = perf_counter()
    u.grad = None
    made().square().mean().backward()
    return perf_counter() - begin


def main() -> None:
    """Print a row for every type and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if find_spec("torch") is None:
        raise SystemExit("needs PyTorch: make consumers")
    torch: Any = import_module("torch")
    torch.set_num_threads(options.threads)
    print(f"PyTorch {torch.__version__}, {options.threads} threads, {options.rounds} rounds\n")
    print("| type | cells | batch | residual [ms] | median | stencil [ms] | median | ratio | of medians |")
    print("|---|---|---|---|---|---|---|---|---|")
    for kind in (torch.float32, torch.float64):
        for cells, samples in SIZES:
            problem = {"family": "darcy", "resolution": [cells, cells], "coefficient": {"field": "lognormal"}}
            residual = pdemill.residual({"problem": problem, "samples": 1})
            k = 0.5 + torch.rand(samples, 1, cells, cells, dtype=kind)
            u = torch.randn(samples, cells, cells, dtype=kind, requires_grad=True)
            ours, theirs = partial(residual, k, u), partial(written_in_torch, k[:, 0], u, 1 / cells)
            assert torch.allclose(ours(), theirs(), rtol=1e-3, atol=1e-4 * cells**2)
            times = np.array([[seconds(way, u) for way in (ours, theirs)] for _ in range(options.rounds)]) * 1e3
            a, b = times.min(axis=0)
            c, d = (median(column) for column in times.T)
            name = str(kind).removeprefix("torch.")
            print(f"| {name} | {cells} x {cells} | {samples} | {a:.2f} | {c:.2f} | {b:.2f} | {d:.2f} "
                  f"| {a / b:.2f} | {c / d:.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
