"""Every field and scalar passes the compliance suite, and broken ones do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

from pdemill import arrays
from pdemill.draws import Draw
from pdemill.spec.field import Field, Function, fields, scalars
from pdemill.testing import ComplianceError, check_field, temporary_parts

GAUSSIAN = {"field": "gaussian", "modes": 16}
VALUES = np.random.default_rng(0).standard_normal((1024, 8, 8))
ARRAY = arrays.hold(VALUES)
ROWS: dict[str, list[Any]] = {
    "constant": [2.5, 0],
    "uniform": [{"uniform": [-1, 3]}],
    "normal": [{"normal": [2, 0.5]}],
    "gaussian": [
        {"field": "gaussian"}, GAUSSIAN | {"boundary": "periodic", "mean": 3}, GAUSSIAN | {"boundary": "dirichlet"},
    ],
    "lognormal": [{"field": "lognormal", "std": 0.7}],
    "threshold": [{"field": "threshold", "low": 3, "high": 12, "of": GAUSSIAN}],
    "chebyshev": [{"field": "chebyshev"}, {"field": "chebyshev", "terms": 3, "argument": [0, 1], "along": "x"}],
    "fourier": [{"field": "fourier", "mean": 1}],
    "sines": [{"field": "sines", "terms": 4, "waves": [1, 3]}],
    "white_noise": [
        {"field": "white_noise", "resolution": 7}, {"field": "white_noise", "resolution": 3, "between": "linear"},
    ],
    "rescaled": [{"field": "rescaled", "of": {"field": "sines", "terms": 2}, "low": -1}],
    "sine_series": [{"field": "sine_series", "waves": [3, 5]}],
    "multisine": [{"field": "multisine"}, {"field": "multisine", "absolute": 1, "window": 1, "constants": False}],
    "vortices": [{"field": "vortices", "count": 4, "width": [0.1, 0.3]}],
    "tiles": [{"field": "tiles", "count": 4}],
    "shear_layer": [{"field": "shear_layer", "thickness": [0.2, 0.4]}],
    "shear_flow": [
        {"field": "shear_flow", "thickness": [0.2, 0.4]}, {"field": "shear_flow", "quantity": "velocity_x"},
    ],
    "vortex_sheet": [{"field": "vortex_sheet", "waves": 16, "smoothing": 0.8}],
    "crossed_sines": [{"field": "crossed_sines", "waves": 3}],
    "brownian_bridge": [{"field": "brownian_bridge", "waves": 6}],
    "array": [{"field": "array", "array": ARRAY}, {"field": "array", "array": ARRAY, "points": "periodic"}],
    "bumps": [{"field": "bumps"}, {"field": "bumps", "count": [1, 6], "amplitude": [-1, 2], "width": [0.1, 0.4]}],
    "expression": [
        {"field": "expression", "formula": "a * sin(pi * x) + b", "where": {"a": {"uniform": [0, 1]}, "b": 2}},
        {"field": "expression", "formula": "x**2 - 1"},
    ],
}  # fmt: skip
TABLE = [pytest.param(row, id=f"{name}-{i}") for name, rows in ROWS.items() for i, row in enumerate(rows)]


@pytest.fixture(autouse=True)
def _parts() -> Iterator[None]:
    arrays.hold(VALUES)
    with temporary_parts():
        yield


def test_every_field_has_a_row() -> None:
    of_meshes = {"regions"}  # with inclusions: tests/weak/test_morphs.py
    assert set(ROWS) == (set(fields) | set(scalars)) - of_meshes


@pytest.mark.parametrize("options", TABLE)
def test_every_field_is_what_it_says(options: Any) -> None:
    check_field(options)


class Wave(Field):
    """a sin(7 x), a uniform in (0, 1), for tests to break."""

    def realise(self, draw: Draw) -> Function:
        a = draw.uniform(1)
        return Function(lambda p: a * np.sin(7 * p.coordinates["x"]) + np.zeros(p.shape), True, lambda p: 3 * a)

    def bounds(self) -> tuple[float, float] | None:
        return -1.0, 1.0


def test_the_wave_that_others_break_is_right() -> None:
    class Right(Wave):
        field: Literal["right"]

    check_field({"field": "right"})


def test_a_field_that_depends_on_the_grid_is_caught() -> None:
    class Gridded(Wave):
        field: Literal["gridded"]

        def realise(self, draw: Draw) -> Function:
            return Function(lambda points: draw.normal(int(np.prod(points.shape))).reshape(points.shape), True)

    with pytest.raises(ComplianceError, match="is another function on a grid with cells of a third"):
        check_field({"field": "gridded"})


def test_a_field_that_draws_on_its_own_is_caught() -> None:
    class Loose(Wave):
        field: Literal["loose"]
        numbers: ClassVar[Iterator[float]] = iter(np.linspace(0.0, 1.0, 100))

        def realise(self, draw: Draw) -> Function:
            a = next(self.numbers) if draw.sample != 0 else 1.0
            return Function(lambda points: a * np.ones(points.shape), draw.sample > 0, lambda points: np.array([a]))

    with pytest.raises(ComplianceError, match="all three must agree"):
        check_field({"field": "loose"})


def test_wrong_bounds_are_caught() -> None:
    class Narrow(Wave):
        field: Literal["narrow"]

        def bounds(self) -> tuple[float, float]:
            return 0.0, 0.5

    with pytest.raises(ComplianceError, match="widen bounds"):
        check_field({"field": "narrow"})


def test_a_wrong_mean_is_caught() -> None:
    class Centred(Wave):
        field: Literal["centred"]

        def fixed_mean(self) -> float:
            return 0.5

    with pytest.raises(ComplianceError, match="fixed_mean"):
        check_field({"field": "centred"})


def test_features_without_scale_are_caught() -> None:
    class Large(Wave):
        field: Literal["large"]

        def realise(self, draw: Draw) -> Function:
            wave = super().realise(draw)
            return Function(wave.evaluate, True, lambda points: 100 * draw.uniform(1))

    with pytest.raises(ComplianceError, match="total variance"):
        check_field({"field": "large"})


def test_a_jump_in_a_field_that_is_declared_smooth_is_caught() -> None:
    class Jump(Wave):
        field: Literal["jump"]

        def realise(self, draw: Draw) -> Function:
            a = draw.uniform(1)
            values = Function(lambda p: np.where(p.coordinates["x"] > 0.3 + a, 1.0, 0.0) + np.zeros(p.shape))
            return Function(values.evaluate, True, lambda points: 3 * a)

    with pytest.raises(ComplianceError, match="set smooth = False"):
        check_field({"field": "jump"})
