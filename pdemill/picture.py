"""A picture of a store: a few samples, and how good all of them are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from matplotlib.figure import Figure
from matplotlib.tri import Triangulation

from pdemill.errors import IncompleteStore
from pdemill.inspect import report

ROWS = 3
MAX_CHANNELS = 4


def draw(store: str | Path, out: str | Path) -> Path:
    """Write a PNG: inputs and solution of the first samples, residuals, error estimates and iterations of all."""
    attributes, reports = report(store)
    first = next((row for row in reports if row.certified), None)
    if first is None:
        raise IncompleteStore(f"{store} has no certified sample yet")
    root = zarr.open_group(store, mode="r")
    methods: Any = root[f"{first.split}/method"]
    chosen = np.flatnonzero(np.asarray(methods[:1000]) > 0)[:ROWS]
    channels = attributes["input_channels"][:MAX_CHANNELS]
    columns = max(len(channels) + 1, 3)
    figure = Figure(figsize=(3.1 * columns, 2.7 * (len(chosen) + 1)), layout="constrained")
    axes = figure.subplots(len(chosen) + 1, columns, squeeze=False)
    residuals: Any = root[f"{first.split}/rel_residual"]
    for row, sample in enumerate(chosen):
        inputs: Any = root[f"{first.split}/input"]
        solution: Any = root[f"{first.split}/solution"]
        fields = [(name, inputs[int(sample), i]) for i, name in enumerate(channels)]
        fields.append((f"u, residual {residuals[int(sample)]:.1e}", solution[int(sample), 0]))
        for ax, (title, values) in zip(axes[row], fields, strict=False):
            _field(figure, ax, root, np.asarray(values), title, "viridis" if title in channels else "magma")
        axes[row][0].set_ylabel(f"{first.split} {sample}")
        for ax in axes[row][len(fields) :]:
            ax.set_axis_off()
    _certificates(axes[-1], attributes, reports)
    figure.suptitle(f"{attributes['spec']['problem']['family']}: {sum(r.certified for r in reports)} certified samples")
    figure.savefig(out, dpi=110)
    return Path(out)


def _field(figure: Figure, ax: Any, root: zarr.Group, values: np.ndarray[Any, Any], title: str, colours: str) -> None:
    ax.set_title(title, fontsize=9)
    if np.ptp(values) == 0:
        ax.text(0.5, 0.5, f"{values.flat[0]:.4g}", ha="center", va="center", fontsize=14, transform=ax.transAxes)
        ax.set_xticks([])
        ax.set_yticks([])
        return
    if "cells" in root:
        points: Any = np.asarray(root["points"][...])  # type: ignore[index]
        corners: Any = np.asarray(root["cells"][...])[:, :3]  # type: ignore[index]
        shown = ax.tripcolor(
            Triangulation(points[:, 0], points[:, 1], corners), values, shading="gouraud", cmap=colours
        )
        ax.set_aspect("equal")
    elif values.ndim == 1:
        ax.plot(np.asarray(root["x"][...]), values)  # type: ignore[index]
        return
    else:
        plane = values[:, :, values.shape[2] // 2] if values.ndim == 3 else values
        x, y = (np.asarray(root[name][...]) for name in ("x", "y"))  # type: ignore[index]
        extent = (
            1.5 * x[0] - 0.5 * x[1],
            1.5 * x[-1] - 0.5 * x[-2],
            1.5 * y[0] - 0.5 * y[1],
            1.5 * y[-1] - 0.5 * y[-2],
        )
        shown = ax.imshow(plane.T, origin="lower", extent=extent, cmap=colours)
    ax.set_xticks([])
    ax.set_yticks([])
    figure.colorbar(shown, ax=ax, shrink=0.8)


def _certificates(axes: Any, attributes: dict[str, Any], reports: list[Any]) -> None:
    together = {name: np.concatenate([r.columns[name] for r in reports]) for name in reports[0].columns}
    tolerance = attributes["plan"]["rtol"]
    for ax, (name, label) in zip(
        axes,
        (
            ("rel_residual", "relative residual"),
            ("error_estimate", "discretisation error (estimated)"),
            ("iterations", "iterations"),
        ),
        strict=False,
    ):
        values = together[name][np.isfinite(together[name])].astype(float)
        ax.set_title(label, fontsize=9)
        if name == "iterations" or not (values > 0).any():
            ax.hist(values, bins=30, color="0.4")
        else:
            exponents = np.log10(values[values > 0])
            ax.hist(
                10.0**exponents, bins=10.0 ** np.linspace(exponents.min() - 0.1, exponents.max() + 0.1, 31), color="0.4"
            )
            ax.set_xscale("log")
        if name == "rel_residual":
            ax.axvline(tolerance, color="tab:red", linestyle="--", linewidth=1, label=f"rtol {tolerance:g}")
            ax.legend(fontsize=8)
        ax.set_ylabel("samples")
    for ax in axes[3:]:
        ax.set_axis_off()
