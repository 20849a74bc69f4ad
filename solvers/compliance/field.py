"""Fields: one function of space per draw, whatever it is drawn on."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from pdemill.draws import Draw
from pdemill.points import AXES, Array, CloudPoints, Points, TensorPoints, axis_names
from pdemill.solvers.threads import one_thread
from pdemill.spec.field import Field, Function, choose_field
from pdemill.testing.compliance import ComplianceError

LENGTHS = (2.0, 1.0, 0.5)
CELLS = {1: (12,), 2: (6, 5), 3: (4, 3, 5)}
ROUNDING = 1e-10
DRAWS = 200
VARIANCE = 0.1, 10.0
MEAN_CELLS = 160
ZOOM, STEPS = 400, 3


@one_thread()
def check_field(value: Any) -> None:
    """See ``pdemill.testing.check_field``."""
    field = choose_field(value)
    dimensions = [d for d in CELLS if field.objection(d, axis_names(d)) is None]
    if not dimensions:
        raise ComplianceError(f"{_named(field)} can be drawn in no dimension: {field.objection(2, axis_names(2))}")
    for dimension in dimensions:
        _one_function(field, CELLS[dimension])
    points = _grid(CELLS[dimensions[0]])
    _draws(field, points)
    _round_trip(field, points)
    _bounds(field, points)
    _features(field, points)
    _mean(field, dimensions)
    if field.is_smooth and 1 in dimensions:
        _no_jumps(field)


def _grid(cells: tuple[int, ...], centres: bool = True) -> TensorPoints:
    """Cell centres of a box."""
    axes = {n: (np.arange(c) + 0.5) * length / c for n, c, length in zip(AXES, cells, LENGTHS, strict=False)}
    return TensorPoints(axes, dict(zip(AXES, LENGTHS, strict=True)), centres=centres)


def _cloud(grid: TensorPoints) -> CloudPoints:
    places = np.stack([np.broadcast_to(x, grid.shape) for x in grid.coordinates.values()])
    return CloudPoints(places, (0.0,) * len(places), LENGTHS[: len(places)])


def _draw(field: Field, sample: int = 0, seed: int = 0, split: str = "train") -> Function:
    return field.realise(Draw(seed, split, sample, "/field"))


def _values(function: Function, points: Points) -> Array:
    return np.array(np.broadcast_to(function(points), points.shape), dtype=float)


def _one_function(field: Field, cells: tuple[int, ...]) -> None:
    coarse = _grid(cells)
    expected = _values(_draw(field), coarse)
    fine = _values(_draw(field), _grid(tuple(3 * n for n in cells)))[(slice(1, None, 3),) * len(cells)]
    other = {
        "a grid with cells of a third": fine,
        "the same places without fast transforms": _values(_draw(field), _grid(cells, centres=False)),
        "a cloud of the same places": _values(_draw(field), _cloud(coarse)),
    }
    for what, found in other.items():
        if not np.abs(found - expected).max() <= ROUNDING * max(1.0, float(np.abs(expected).max())):
            raise ComplianceError(
                f"{_named(field)} is another function on {what} than on {cells} cells: its values may depend on the "
                "coordinates and the draw alone, and numbers drawn by name must not move when there are more of them"
            )


def _draws(field: Field, points: Points) -> None:
    first = _values(_draw(field), points)
    _draw(field, 7)(points)
    if not np.array_equal(_values(_draw(field), points), first):
        raise ComplianceError(f"{_named(field)} differs when it is drawn again: draw from the given Draw alone")
    others = {"samples": _draw(field, 1)}
    if field.seeded:
        others |= {"seeds": _draw(field, seed=1), "splits": _draw(field, split="test")}
    for what, function in others.items():
        differs = not np.array_equal(_values(function, points), first)
        if differs != field.is_random or function.random != field.is_random:
            does = "differs" if differs else "does not differ"
            raise ComplianceError(
                f"{_named(field)} {does} between two {what}; is_random is {field.is_random}, and random of its draws "
                f"{function.random}: all three must agree"
            )


def _round_trip(field: Field, points: Points) -> None:
    type(field).model_json_schema()
    again = choose_field(json.loads(json.dumps(field.model_dump(mode="json"))))
    if again != field or not np.array_equal(_values(_draw(again), points), _values(_draw(field), points)):
        raise ComplianceError(f"{_named(field)} is another field after it was written to a spec and read again")


def _bounds(field: Field, points: Points) -> None:
    bounds = field.bounds()
    if bounds is None:
        return
    found = np.array([_values(_draw(field, sample), points) for sample in range(DRAWS)])
    if not bounds[0] <= found.min() <= found.max() <= bounds[1]:
        raise ComplianceError(
            f"{_named(field)} has values from {found.min():g} to {found.max():g}, and its bounds are {bounds}: "
            "widen bounds(), or return None"
        )


def _features(field: Field, points: Points) -> None:
    if not field.is_random:
        return
    found = np.array([_draw(field, sample).features(points) for sample in range(DRAWS)])
    total = float(found.var(axis=0).sum())
    if not VARIANCE[0] <= total <= VARIANCE[1]:
        raise ComplianceError(
            f"the features of {_named(field)} have a total variance of {total:.2g}, which should be about one: scale "
            "the few numbers that tell its draws apart"
        )


def _mean(field: Field, dimensions: list[int]) -> None:
    stated = field.fixed_mean()
    if stated is None:
        return
    points = _grid((MEAN_CELLS,) * min(dimensions[-1], 2))
    for sample in range(3):
        values = _values(_draw(field, sample), points)
        if abs(values.mean() - stated) > 1e-3 * float(np.ptp(values)) + ROUNDING * max(1.0, abs(stated)):
            raise ComplianceError(
                f"sample {sample} of {_named(field)} has the mean {values.mean():g}, and fixed_mean() is {stated:g}: "
                "return None where draws have means of their own"
            )


def _no_jumps(field: Field) -> None:
    """Zoom in on the steepest place: differences of a smooth function fall with the step, those of a jump do not."""
    for sample in range(3):
        function, low, high, steepest = _draw(field, sample), 0.0, LENGTHS[0], []
        for _ in range(STEPS):
            x = np.linspace(low, high, ZOOM + 1)
            difference = np.abs(np.diff(_values(function, TensorPoints({"x": x}, {"x": LENGTHS[0]}))))
            place = int(difference.argmax())
            low, high = x[place], x[place + 1]
            steepest.append(float(difference[place]))
        if steepest[-1] > 0.1 * steepest[0] > 0.0:
            raise ComplianceError(f"{_named(field)} jumps near x = {low:.4g} in sample {sample}: set smooth = False")


def _named(field: Field) -> str:
    return f"the field {field.model_dump(mode='json')}"
