"""Histograms as geometry: bars, ticks and marks in the units of a small picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

import numpy as np
from numpy.typing import NDArray

from service.pages.formats import count, figure, power

WIDTH, HEIGHT, FOOT = 320.0, 110.0, 22.0
BINS = 32


@dataclass(frozen=True)
class Bar:
    """A bin; x, y, width and height in the picture, and what it says."""

    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True)
class Mark:
    """A place on the axis: a tick, or a vertical line with a name."""

    x: float
    label: str
    anchor: str


@dataclass(frozen=True)
class Histogram:
    """How many values lie where, and a sentence that says it."""

    title: str
    summary: str
    bars: tuple[Bar, ...]
    ticks: tuple[Mark, ...]
    marks: tuple[Mark, ...]


def histogram(
    title: str, values: NDArray[np.floating], logarithmic: bool, marks: Sequence[tuple[str, float]] = (),
    counted: str = "samples",
) -> Histogram | None:  # fmt: skip
    """The histogram of the finite values (on a logarithmic axis the positive ones); None where there is none."""
    kept = values[np.isfinite(values)].astype(float)
    if logarithmic:
        kept, marks = kept[kept > 0], [mark for mark in marks if mark[1] > 0]
    if not kept.size:
        return None
    seen = np.concatenate([kept, [value for _, value in marks]])
    low, high = _ends(float(seen.min()), float(seen.max()), logarithmic)
    scaled, span = (np.log10(kept) if logarithmic else kept), high - low
    bins = BINS if logarithmic else min(BINS, max(1, ceil(span)))
    counts, edges = np.histogram(scaled, bins, (low, high))

    def place(value: float) -> float:
        return round(WIDTH * ((log10(value) if logarithmic else value) - low) / span, 2)

    def value(edge: float) -> str:
        return figure(10**edge) if logarithmic else f"{edge:g}"

    bars, tall = [], HEIGHT / counts.max()
    for number, begin, end in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if number:
            x, width = WIDTH * (begin - low) / span, WIDTH * (end - begin) / span
            label = f"{value(begin)} to {value(end)}: {count(number)} {counted}"
            bars.append(
                Bar(
                    round(x, 2),
                    round(HEIGHT - tall * number, 2),
                    round(max(width - 1, 1), 2),
                    round(tall * number, 2),
                    label,
                )
            )
    middle, least, most = (figure(v) if logarithmic else f"{v:g}" for v in np.quantile(kept, (0.5, 0, 1)).tolist())
    summary = f"median {middle}, from {least} to {most}"
    drawn = tuple(Mark(place(at), name, "end" if place(at) > WIDTH / 2 else "start") for name, at in marks)
    return Histogram(title, summary, tuple(bars), _ticks(low, high, logarithmic), drawn)


def _ends(low: float, high: float, logarithmic: bool) -> tuple[float, float]:
    """The ends of the axis: powers of ten, or whole steps around the values."""
    if logarithmic:
        least = floor(log10(low))
        return float(least), float(max(ceil(log10(high)), least + 1))
    first = floor(low) - 0.5 if high - low < BINS else low
    return first, max(high + (0.5 if high - low < BINS else 0), first + 1)


def _ticks(low: float, high: float, logarithmic: bool) -> tuple[Mark, ...]:
    if logarithmic:
        places = [float(exponent) for exponent in range(int(low), int(high) + 1, max(1, ceil((high - low) / 4)))]
    else:
        step = _round_step((high - low) / 4)
        places = [number * step for number in range(ceil(low / step), floor(high / step) + 1)]
    found = []
    for at in places:
        x = round(WIDTH * (at - low) / (high - low), 2)
        anchor = "start" if x < 12 else "end" if x > WIDTH - 12 else "middle"
        found.append(Mark(x, power(int(at)) if logarithmic else f"{at:g}", anchor))
    return tuple(found)


def _round_step(wanted: float) -> float:
    """1, 2 or 5 times a power of ten, at least 1: what is counted is whole."""
    unit = 10.0 ** floor(log10(wanted))
    return max(1.0, next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= wanted))
