"""Histograms as geometry: bars, ticks and marks in the units of a small picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

import numpy as np
from numpy.typing import NDArray

from pdemill.service.pages.formats import count, figure, power

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
    """How many values lie where, and a sentence that says it; of a single value the sentence alone, without bars."""

    title: str
    summary: str
    bars: tuple[Bar, ...]
    beside: tuple[Bar, ...]
    ticks: tuple[Mark, ...]
    marks: tuple[Mark, ...]


def histogram(
    title: str, values: NDArray[np.floating], logarithmic: bool, marks: Sequence[tuple[str, float]] = (),
    counted: str = "samples", beside: tuple[str, NDArray[np.floating]] | None = None,
) -> Histogram | None:  # fmt: skip
    """The histogram of the finite values (on a logarithmic axis the positive ones); None where there is none.

    ``beside``: a name and other values on the same axis, each of the two as high as the picture.
    """
    kept, other = (_kept(v, logarithmic) for v in (values, beside[1] if beside else np.empty(0)))
    if logarithmic:
        marks = [mark for mark in marks if mark[1] > 0]
    if not kept.size:
        return None
    if np.ptp(np.concatenate([kept, other])) == 0:
        return _one_value(title, float(kept[0]), kept.size + other.size, logarithmic, counted, marks)
    seen = np.concatenate([kept, other, [value for _, value in marks]])
    low, high = _ends(float(seen.min()), float(seen.max()), logarithmic)
    span = high - low
    edges = np.linspace(low, high, (BINS if logarithmic else min(BINS, max(1, ceil(span)))) + 1)

    def place(value: float) -> float:
        return round(WIDTH * ((log10(value) if logarithmic else value) - low) / span, 2)

    def said(value: float) -> str:
        return figure(value) if logarithmic else f"{value:g}"

    def bars(values: NDArray[np.floating], words: str) -> Iterator[Bar]:
        counts, _ = np.histogram(np.log10(values) if logarithmic else values, edges)
        for number, begin, end in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            if number:
                x, width, height = (
                    WIDTH * (begin - low) / span,
                    WIDTH * (end - begin) / span,
                    HEIGHT * number / counts.max(),
                )
                ends = " to ".join(said(10**edge if logarithmic else edge) for edge in (begin, end))
                label = f"{ends}: {count(number)} {words}"
                yield Bar(round(x, 2), round(HEIGHT - height, 2), round(max(width - 1, 1), 2), round(height, 2), label)

    middle, least, most = (said(value) for value in np.quantile(kept, (0.5, 0, 1)).tolist())
    summary = f"median {middle}, from {least} to {most}"
    second: tuple[Bar, ...] = ()
    if beside is not None and other.size:
        summary += f"; {beside[0]}: median {said(float(np.median(other)))}"
        second = tuple(bars(other, f"{counted}, {beside[0]}"))
    drawn = tuple(Mark(place(at), name, "end" if place(at) > WIDTH / 2 else "start") for name, at in marks)
    return Histogram(title, summary, tuple(bars(kept, counted)), second, _ticks(low, high, logarithmic), drawn)


def _one_value(
    title: str, value: float, number: int, logarithmic: bool, counted: str, marks: Sequence[tuple[str, float]]
) -> Histogram:
    """No bar says more than the value."""
    shown = figure(value) if logarithmic else f"{value:g}"
    limits = "".join(f"; {name} {figure(at)}" for name, at in marks)
    return Histogram(title, f"{shown} for all {count(number)} {counted}{limits}", (), (), (), ())


def _kept(values: NDArray[np.floating], logarithmic: bool) -> NDArray[np.floating]:
    kept = values[np.isfinite(values)].astype(float)
    return kept[kept > 0] if logarithmic else kept


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
