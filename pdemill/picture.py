"""A picture of a store: a few samples with what certifies them, and how good all of them are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from pdemill.addresses import home, on_disk
from pdemill.errors import IncompleteStore
from pdemill.inspect import SplitReport, Stated, report
from pdemill.picture_kinds import panels_of
from pdemill.picture_panels import MAX_CHANNELS, Distribution, Panels, below
from pdemill.store.groups import group_at

SAMPLES, MOST = 5, 16
SEARCHED = 1000


def draw(store: str | Path, out: str | Path, chosen: Sequence[Stated] = ()) -> Path:
    """Write a PNG: inputs and solution of the first samples, and distributions over all of them: residuals, error
    estimates and costs of whole fields; standard errors, walks and steps of values at points.

    ``chosen``: these samples instead of the first, up to MOST of them.
    """
    place, picture = home(store, "the store to draw"), on_disk(out, "the picture")
    attributes, reports = report(place)
    first = next((row for row in reports if row.certified), None)
    if first is None:
        raise IncompleteStore(f"{store} has no certified sample yet")
    root = group_at(place)
    splits = list(dict.fromkeys([first.split, *(stated.split for stated in chosen)]))
    every = {split: _panels(attributes, root, split, reports) for split in splits}
    panels = every[first.split]
    names = [*attributes["input_channels"][:MAX_CHANNELS], *panels.results]
    shown = [(stated.split, stated.sample, f"{stated.column} {stated.error:.1e}") for stated in chosen[:MOST]] or [
        (first.split, number, panels.caption(number)) for number in _good(root[first.split])[:SAMPLES].tolist()
    ]
    columns = max(SAMPLES, len(shown))
    figure = Figure(figsize=(2.6 * columns, 2.3 * len(names) + 2.8), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=[2.3 * len(names), 2.8])
    above, under = parts
    axes = above.subplots(len(names), columns, squeeze=False, subplot_kw=panels.kind)
    for column, (split, sample, caption) in enumerate(shown):
        every[split].draw(above, axes[:, column], sample)
        axes[0, column].set_title(f"{split} {sample}", fontsize=9)
        below(axes[-1, column], caption)
    for ax, name in zip(axes[:, 0], names, strict=True):
        panels.name(ax, name)
    for ax in axes[:, len(shown) :].flat:
        ax.set_axis_off()
    distributions = panels.distributions()
    for ax, distribution in zip(under.subplots(1, len(distributions)), distributions, strict=True):
        _histogram(ax, distribution)
    certified = sum(row.certified for row in reports)
    figure.suptitle(f"{attributes['spec']['problem']['family']}: {certified} certified samples")
    picture = picture if picture.suffix else picture.with_suffix(".png")
    figure.savefig(picture, dpi=100)
    return picture


def _good(group: Any) -> NDArray[np.intp]:
    """The certified samples among the first of a split."""
    return np.flatnonzero(np.asarray(group["method"][:SEARCHED]) > 0)


def _panels(attributes: dict[str, Any], root: zarr.Group, split: str, reports: list[SplitReport]) -> Panels:
    group: Any = root[split]
    return panels_of(attributes, root, group, _good(group), reports)


def _histogram(ax: Any, shown: Distribution) -> None:
    """A distribution on a logarithmic axis, with a line at a limit."""
    values = shown.values[np.isfinite(shown.values) & (shown.values > 0)].astype(float)
    ax.set_xlabel(shown.label, fontsize=9)
    ax.set_ylabel(shown.counted, fontsize=9)
    ax.tick_params(labelsize=8)
    ax.set_xscale("log")
    ax.xaxis.set_minor_formatter(NullFormatter())
    if values.size:
        low, high = np.log10(values.min()) - 0.5, np.log10(values.max()) + 0.5
        ax.hist(values, bins=list(np.logspace(low, high, 41)), color="0.4")
    if shown.limit is not None:
        name, limit = shown.limit
        ax.axvline(limit, color="tab:red", linestyle="--", linewidth=1, label=f"{name} {limit:g}")
        ax.legend(fontsize=8)
