"""A picture of a store: a few samples with their residuals, and how good all of them are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from matplotlib.tri import Triangulation
from numpy.typing import NDArray

from pdemill.errors import IncompleteStore
from pdemill.inspect import SplitReport, report

SAMPLES = 5
MAX_CHANNELS = 5
SEARCHED = 1000


def draw(store: str | Path, out: str | Path) -> Path:
    """Write a PNG: inputs and solution of the first samples, residuals, error estimates and costs of all."""
    attributes, reports = report(store)
    first = next((row for row in reports if row.certified), None)
    if first is None:
        raise IncompleteStore(f"{store} has no certified sample yet")
    root = zarr.open_group(store, mode="r")
    group: Any = root[first.split]
    chosen = np.flatnonzero(np.asarray(group["method"][:SEARCHED]) > 0)[:SAMPLES]
    channels = attributes["input_channels"][:MAX_CHANNELS]
    rows = len(channels) + 1
    figure = Figure(figsize=(2.6 * SAMPLES, 2.3 * rows + 2.8), layout="constrained")
    panels: Any = figure.subfigures(2, 1, height_ratios=[2.3 * rows, 2.8])
    above, below = panels
    axes = above.subplots(rows, SAMPLES, squeeze=False)
    for column, sample in enumerate(chosen.tolist()):
        fields = np.asarray(group["input"][sample])[: len(channels)]
        solution = np.asarray(group["solution"][sample, 0])
        for ax, values in zip(axes[:, column], [*fields, solution], strict=True):
            _field(above, ax, root, values, "magma" if values is solution else "viridis")
        axes[0, column].set_title(f"{first.split} {sample}", fontsize=9)
        axes[-1, column].set_xlabel(f"residual {group['rel_residual'][sample]:.1e}", fontsize=9)
    for ax, name in zip(axes[:, 0], [*channels, "u"], strict=True):
        ax.set_ylabel(name, fontsize=9)
    for ax in axes[:, len(chosen) :].flat:
        ax.set_axis_off()
    _certificates(below, attributes["plan"], reports)
    certified = sum(row.certified for row in reports)
    figure.suptitle(f"{attributes['spec']['problem']['family']}: {certified} certified samples")
    figure.savefig(out, dpi=100)
    return Path(out)


def _field(figure: Any, ax: Any, root: zarr.Group, values: NDArray[Any], colours: str) -> None:
    """One field: a plane, the middle plane of a volume, a line, a mesh; a number where it is constant."""
    ax.set_xticks([])
    ax.set_yticks([])
    if np.ptp(values) == 0:
        ax.text(0.5, 0.5, f"{values.flat[0]:.4g}", ha="center", va="center", fontsize=13, transform=ax.transAxes)
        return
    if "cells" in root:
        points, corners = _array(root, "points"), _array(root, "cells")[:, :3]
        triangles = Triangulation(points[:, 0], points[:, 1], corners)
        shown = ax.tripcolor(triangles, values, shading="gouraud", cmap=colours)
        ax.set_aspect("equal")
    elif values.ndim == 1:
        ax.plot(_array(root, "x"), values, color="tab:red" if colours == "magma" else "tab:blue")
        ax.set_yticks([values.min(), values.max()], [f"{values.min():.2g}", f"{values.max():.2g}"], fontsize=7)
        return
    else:
        plane = values[:, :, values.shape[2] // 2] if values.ndim == 3 else values
        x, y = _array(root, "x"), _array(root, "y")
        shown = ax.imshow(plane.T, origin="lower", extent=(0, x[0] + x[-1], 0, y[0] + y[-1]), cmap=colours)
    figure.colorbar(shown, ax=ax, shrink=0.75).ax.tick_params(labelsize=7)


def _array(root: zarr.Group, name: str) -> NDArray[Any]:
    found: Any = root[name]
    return np.asarray(found[...])


def _certificates(figure: Any, plan: dict[str, Any], reports: list[SplitReport]) -> None:
    """Distributions over all splits: residual against its tolerance, error estimate, iterations or time."""
    together = {name: np.concatenate([row.columns[name] for row in reports]) for name in reports[0].columns}
    cost = ("iterations", "iterations") if together["iterations"].any() else ("solve_seconds", "seconds per solve")
    shown = (("rel_residual", "relative residual"), ("error_estimate", "discretisation error (estimated)"), cost)
    for ax, (name, label) in zip(figure.subplots(1, len(shown)), shown, strict=True):
        values = together[name][np.isfinite(together[name]) & (together[name] > 0)].astype(float)
        ax.set_xlabel(label, fontsize=9)
        ax.set_ylabel("samples", fontsize=9)
        ax.tick_params(labelsize=8)
        ax.set_xscale("log")
        ax.xaxis.set_minor_formatter(NullFormatter())
        if values.size:
            low, high = np.log10(values.min()) - 0.5, np.log10(values.max()) + 0.5
            ax.hist(values, bins=list(np.logspace(low, high, 41)), color="0.4")
        if name == "rel_residual":
            ax.axvline(plan["rtol"], color="tab:red", linestyle="--", linewidth=1, label=f"rtol {plan['rtol']:g}")
            ax.legend(fontsize=8)
