"""One sample as a PNG: its inputs and its solution."""

from __future__ import annotations

from collections import OrderedDict
from io import BytesIO
from threading import Lock
from typing import Any, Literal, NamedTuple

from pdemill.addresses import Place
from pdemill.service.stores import identity
from pdemill.store.groups import group_at
from pdemill.store.root import read_attributes

type Theme = Literal["light", "dark"]
INK = {"light": "#3c4043", "dark": "#c9c6bf"}
REMEMBERED = 300
PANEL, NARROW, TALL = 2.3, 1.2, 2.15
"""Inches; narrow is a panel that shows one number."""
DPI = 110


class Plan(NamedTuple):
    """What a picture of a sample shows: its panels with their names and widths."""

    panels: Any
    names: list[str]
    widths: list[float]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return int(DPI * sum(self.widths)), int(DPI * TALL)


def plan(store: Place, split: str, sample: int, frame: int | None = None) -> Plan:
    """How a certified sample is drawn; ``frame``: a trajectory at this stored time."""
    import numpy as np

    from pdemill.picture_kinds import panels_of  # late: the API loads matplotlib only once somebody looks
    from pdemill.picture_panels import MAX_CHANNELS

    attributes, root = read_attributes(store), group_at(store)
    group: Any = root[split]
    panels = panels_of(attributes, root, group, np.array([sample]), [], frame)
    inputs = np.asarray(group["input"][sample])[:MAX_CHANNELS]
    widths = [NARROW if np.ptp(values) == 0 else PANEL for values in inputs] + [PANEL] * len(panels.results)
    return Plan(panels, [*attributes["input_channels"][:MAX_CHANNELS], *panels.results], widths)


def paint(store: Place, split: str, sample: int, theme: Theme, frame: int | None = None) -> bytes:
    """A transparent PNG of a certified sample, with writing for a light or a dark page."""
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    panels, names, widths = planned = plan(store, split, sample, frame)
    width, height = planned.size
    figure = Figure(figsize=(width / DPI, height / DPI), layout="constrained")
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
    figure.savefig(out, format="png", dpi=DPI, transparent=True)
    return out.getvalue()


class Painter:
    """Draws one picture at a time, since matplotlib is not made for several, and remembers the last ones."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()
        self._lock = Lock()

    def picture(self, store: Place, split: str, sample: int, theme: Theme, frame: int | None = None) -> bytes:
        """The PNG of a sample, of a trajectory perhaps at one stored time."""
        key = (store, identity(store), split, sample, theme, frame)
        with self._lock:
            if key not in self._known:
                self._known[key] = paint(store, split, sample, theme, frame)
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
            self._known.move_to_end(key)
            return self._known[key]
