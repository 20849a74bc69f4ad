"""One sample as a PNG: its inputs and its solution."""

from __future__ import annotations

from collections import OrderedDict
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import zarr

from pdemill.store.root import read_attributes

type Theme = Literal["light", "dark"]
INK = {"light": "#3c4043", "dark": "#c9c6bf"}
REMEMBERED = 300
PANEL, NARROW, TALL = 2.3, 1.2, 2.15
"""Inches; narrow is a panel that shows one number."""


def paint(store: Path, split: str, sample: int, theme: Theme) -> bytes:
    """A transparent PNG of a certified sample, with writing for a light or a dark page."""
    import numpy as np
    from matplotlib.figure import Figure  # late: the API draws only once somebody looks
    from matplotlib.text import Text

    from pdemill.picture_kinds import panels_of
    from pdemill.picture_panels import MAX_CHANNELS

    attributes, root = read_attributes(store), zarr.open_group(store, mode="r")
    group: Any = root[split]
    panels = panels_of(attributes, root, group, np.array([sample]), [])
    names = [*attributes["input_channels"][:MAX_CHANNELS], *panels.results]
    inputs = np.asarray(group["input"][sample])[:MAX_CHANNELS]
    widths = [NARROW if np.ptp(values) == 0 else PANEL for values in inputs] + [PANEL] * len(panels.results)
    figure = Figure(figsize=(sum(widths), TALL), layout="constrained")
    axes = figure.subplots(1, len(names), squeeze=False, subplot_kw=panels.kind, width_ratios=widths)[0]
    panels.draw(figure, axes, sample)
    for ax, name in zip(axes, names, strict=True):
        ax.set_title(name, fontsize=9)
    for text in figure.findobj(Text):
        text.set_color(INK[theme])
    for ax in figure.axes:
        ax.tick_params(color=INK[theme], labelcolor=INK[theme])
        for spine in ax.spines.values():
            spine.set_edgecolor(INK[theme])
    out = BytesIO()
    figure.savefig(out, format="png", dpi=110, transparent=True)
    return out.getvalue()


class Painter:
    """Draws one picture at a time, since matplotlib is not made for several, and remembers the last ones."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()
        self._lock = Lock()

    def picture(self, store: Path, split: str, sample: int, theme: Theme) -> bytes:
        """The PNG of a sample."""
        key = (store, (store / "zarr.json").stat().st_ino, split, sample, theme)
        with self._lock:
            if key not in self._known:
                self._known[key] = paint(store, split, sample, theme)
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
            self._known.move_to_end(key)
            return self._known[key]
