"""Every registered field: one function at every resolution, in every order, with the law that its docstring states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.polynomial.chebyshev import chebval, chebval2d
from pydantic import ValidationError
from scipy import stats

from pdemill import arrays
from pdemill.draws import Draw
from pdemill.points import AXES, Array, CloudPoints, TensorPoints, axis_names
from pdemill.solvers.fields.modes import by_shells
from pdemill.spec.field import Field, Function, choose_field, fields, scalars

type Options = dict[str, Any]

GAUSSIAN: Options = {"field": "gaussian", "modes": 16}
ARRAY = arrays.hold(np.clip(np.random.default_rng(0).normal(0.0, 3.0, (4096, 6, 5)), -1.0, 1.0))
ROWS: dict[str, list[Any]] = {
    "constant": [2.5, 0],
    "uniform": [{"uniform": [-1, 3]}],
    "normal": [{"normal": [2, 0.5]}],
    "gaussian": [
        {"field": "gaussian"},
        GAUSSIAN | {"boundary": "periodic", "alpha": 2.5, "tau": 7, "mean": 3},
        GAUSSIAN | {"boundary": "dirichlet", "std": 2, "mean": -1},
        GAUSSIAN | {"alpha": 0, "std": 1},
    ],
    "lognormal": [{"field": "lognormal", "std": 0.7}, {"field": "lognormal", "modes": 8, "boundary": "periodic"}],
    "threshold": [
        {"field": "threshold", "low": 3, "high": 12, "of": GAUSSIAN},
        {"field": "threshold", "low": 1, "high": -1, "at": 0.5, "of": {"uniform": [0, 1]}},
        {"field": "threshold", "low": 1, "high": 2, "of": 5},
    ],
    "chebyshev": [
        {"field": "chebyshev"},
        {"field": "chebyshev", "terms": 3, "scale": 2, "argument": [0, 1], "along": "x"},
        {"field": "chebyshev", "terms": 1},
    ],
    "sines": [{"field": "sines"}, {"field": "sines", "terms": 3, "amplitude": [0.5, 1], "waves": [2, 3]}],
    "multisine": [{"field": "multisine"}, {"field": "multisine", "absolute": 0.5, "window": 0.5, "constants": False}],
    "vortices": [{"field": "vortices", "count": 5, "width": [0.1, 0.3]}],
    "tiles": [{"field": "tiles", "count": 4}, {"field": "tiles", "count": 8, "values": [0, 2]}],
    "shear_layer": [{"field": "shear_layer", "thickness": [0.2, 0.4]}],
    "shear_flow": [
        {"field": "shear_flow", "thickness": [0.2, 0.4]},
        {"field": "shear_flow", "quantity": "velocity_x", "layers": [2], "speed": 3},
        {"field": "shear_flow", "layers": [2], "waves": [1, 1], "thickness": [0.3, 0.3]},
    ],
    "vortex_sheet": [{"field": "vortex_sheet", "waves": 16, "smoothing": 0.8, "perturbation": [-0.01, 0.02]}],
    "crossed_sines": [{"field": "crossed_sines", "waves": 4}],
    "brownian_bridge": [{"field": "brownian_bridge", "waves": 8}],
    "fourier": [{"field": "fourier"}, {"field": "fourier", "waves": 2, "decay": 0, "scale": 3, "mean": 1}],
    "white_noise": [
        {"field": "white_noise", "resolution": 7},
        {"field": "white_noise", "resolution": 5, "std": 2, "mean": 1, "between": "linear"},
        {"field": "white_noise", "resolution": 1, "between": "linear"},
    ],
    "rescaled": [
        {"field": "rescaled", "of": {"field": "sines", "terms": 2, "waves": [1, 4]}},
        {"field": "rescaled", "of": GAUSSIAN, "low": -2, "high": 1},
    ],
    "sine_series": [{"field": "sine_series"}, {"field": "sine_series", "waves": [2, 3], "decay": [1, 1], "scale": 9}],
    "array": [{"field": "array", "array": ARRAY, "interpolate": how} for how in ("linear", "nearest")]
    + [{"field": "array", "array": ARRAY, "points": "periodic"}],
    "bumps": [
        {"field": "bumps"},
        {"field": "bumps", "count": [1, 6], "amplitude": [-1, 2], "width": [0.1, 0.4]},
        {"field": "bumps", "count": {"geometric": 0.3}},
    ],
    "expression": [
        {"field": "expression", "formula": "a * sin(pi * x) + b", "where": {"a": {"uniform": [0, 1]}, "b": 2}},
        {"field": "expression", "formula": "x**2 - 1"},
    ],
}
TABLE = [pytest.param(options, id=f"{name}-{i}") for name, rows in ROWS.items() for i, options in enumerate(rows)]
LENGTHS = {"x": 2.0, "y": 1.0, "z": 0.5}
every_field = pytest.mark.parametrize("options", TABLE)


def fits(options: Any, dimension: int) -> bool:
    """Whether a field can be drawn in so many dimensions."""
    return choose_field(options).objection(dimension, axis_names(dimension)) is None


def every_field_on(*shapes: tuple[int, ...]) -> pytest.MarkDecorator:
    """Every field on the grids that it can be drawn on."""
    rows = [(f"{name}-{i}", options) for name, several in ROWS.items() for i, options in enumerate(several)]
    return pytest.mark.parametrize(
        ("options", "cells"),
        [pytest.param(options, cells, id=f"{name}-{cells}")
         for name, options in rows for cells in shapes if fits(options, len(cells))],
    )  # fmt: skip


def fitting(options: Any, *cells: int) -> TensorPoints:
    """The grid, or its first axis where the field is one of a line."""
    return grid(*cells) if fits(options, len(cells)) else grid(cells[0])


def grid(*cells: int, centres: bool = True) -> TensorPoints:
    """Cell centres of a box with sides 2, 1, 1/2."""
    axes = {name: (np.arange(n) + 0.5) * LENGTHS[name] / n for name, n in zip(AXES, cells, strict=False)}
    return TensorPoints(axes, LENGTHS, centres=centres)


def line(positions: Any, length: float = 2.0) -> TensorPoints:
    return TensorPoints({"x": np.asarray(positions, dtype=float)}, {"x": length})


def drawn(options: Any, sample: int = 0, seed: int = 0) -> Function:
    return choose_field(options).realise(Draw(seed, "train", sample, "/f"))


def values(options: Any, points: TensorPoints, sample: int = 0) -> Array:
    return np.array(np.broadcast_to(drawn(options, sample)(points), points.shape))


def test_the_table_covers_the_registry() -> None:
    assert set(ROWS) | {"regions"} == set(fields) | set(scalars)  # of inclusions: tests/weak/test_morphs.py


@every_field_on((12,), (6, 5), (43, 44), (4, 3, 5))
def test_a_sample_is_one_function_at_every_resolution(options: Any, cells: tuple[int, ...]) -> None:
    coarse, fine = values(options, grid(*cells)), values(options, grid(*(3 * n for n in cells)))
    nested = fine[(slice(1, None, 3),) * len(cells)]
    np.testing.assert_allclose(nested, coarse, rtol=1e-12, atol=1e-12 * np.abs(fine).max())


@every_field_on((20,), (16, 20), (130, 128), (16, 17, 16))
def test_fast_transforms_on_cell_centres_change_nothing(options: Any, cells: tuple[int, ...]) -> None:
    slow = values(options, grid(*cells, centres=False))
    fast = values(options, grid(*cells))
    np.testing.assert_allclose(fast, slow, rtol=1e-12, atol=1e-12 * np.abs(slow).max())


@every_field
def test_a_sample_is_one_function_on_grids_and_clouds(options: Any) -> None:
    box = fitting(options, 7, 5)
    places = np.stack(np.broadcast_arrays(*box.coordinates.values()))
    cloud = CloudPoints(places, (0.0,) * len(places), (2.0, 1.0)[: len(places)])
    found = np.broadcast_to(drawn(options)(cloud), cloud.shape)
    np.testing.assert_allclose(found, values(options, box), rtol=1e-12, atol=1e-12)


@every_field
def test_samples_do_not_depend_on_the_order_of_drawing(options: Any) -> None:
    points, other = fitting(options, 6, 5), fitting(options, 9, 4)
    ahead = [values(options, points, sample) for sample in range(12)]
    for sample in (11, 1, 0, 5, 1):
        function = drawn(options, sample)
        features = function.features(other)
        function(other)
        assert np.array_equal(np.broadcast_to(function(points), points.shape), ahead[sample])
        assert np.array_equal(function.features(points), features)
    field = choose_field(options)
    assert field.is_random == (not all(np.array_equal(ahead[0], one) for one in ahead))
    assert drawn(options).random == field.is_random


@every_field
def test_values_belong_to_the_points_they_were_asked_for(options: Any) -> None:
    """Points that were thrown away must not lend their values to new ones at the same address."""
    function = drawn(options)
    for n in range(4, 40):
        cells = (n,) if fits(options, 1) else (n, 4)
        assert np.array_equal(np.broadcast_to(function(grid(*cells)), cells), values(options, grid(*cells)))


@every_field
def test_bounds_hold_and_are_reached_for(options: Any) -> None:
    field, points = choose_field(options), fitting(options, 8, 6)
    bounds = field.bounds()
    if bounds is None:
        return
    found = np.array([values(options, points, sample) for sample in range(300)])
    assert bounds[0] <= found.min() <= found.max() <= bounds[1]
    if np.isfinite(bounds).all():
        assert np.ptp(found) >= 0.97 * (bounds[1] - bounds[0]) or not field.is_random


@every_field
def test_a_fixed_mean_is_the_mean_of_every_sample(options: Any) -> None:
    """Cell averages are exact for the modes that a grid of twice as many cells carries."""
    mean = choose_field(options).fixed_mean()
    if mean is None:
        return
    for sample in range(3):
        found = values(options, grid(144, 144), sample)
        assert found.mean() == pytest.approx(mean, abs=1e-12 * max(1.0, np.abs(found).max()))


@every_field_on((8,), (8, 8))
def test_features_tell_random_samples_apart(options: Any, cells: tuple[int, ...]) -> None:
    points = grid(*cells)
    features = np.array([drawn(options, sample).features(points) for sample in range(50)])
    assert np.isfinite(features).all()
    assert len(np.unique(features, axis=0)) == (50 if choose_field(options).is_random else 1)


@every_field
def test_features_have_a_total_variance_of_about_one(options: Any) -> None:
    """So that no field drowns the others when samples are compared; white noise has little of it in its low modes."""
    if not choose_field(options).is_random or (isinstance(options, dict) and options.get("alpha") == 0):
        return
    points = fitting(options, 8, 8)
    features = np.array([drawn(options, sample).features(points) for sample in range(400)])
    assert 0.5 < features.var(axis=0).sum() < 2.0


@pytest.mark.parametrize("std", [1e-200, 1e200])
def test_features_of_a_gaussian_field_do_not_go_by_its_size(std: float) -> None:
    """Squares of its amplitudes are not numbers."""
    small, one = (drawn(GAUSSIAN | {"std": size}).features(grid(8, 8)) for size in (std, 1.0))
    assert small == pytest.approx(one, rel=1e-12)


def test_parameters_are_the_numbers_that_define_a_draw() -> None:
    points = grid(4, 4)
    for options in ({"uniform": [-1, 3]}, {"normal": [2, 0.5]}):
        function = drawn(options, 3)
        assert function.parameters == {"": function(points)}
    assert drawn(2.5).parameters == {}
    assert drawn({"field": "gaussian"}).parameters == {}


def test_scalars_have_their_distribution() -> None:
    points = grid(4)
    uniform = [float(drawn({"uniform": [-1, 3]}, i)(points)) for i in range(4000)]
    normal = [float(drawn({"normal": [2, 0.5]}, i)(points)) for i in range(4000)]
    assert stats.kstest(uniform, stats.uniform(-1, 4).cdf).pvalue > 1e-3
    assert stats.kstest(normal, stats.norm(2, 0.5).cdf).pvalue > 1e-3


# --- gaussian


def wave_numbers(boundary: str, modes: int, length: float) -> Array:
    """|k_m| of the eigenfunctions of the Laplacian on an interval."""
    if boundary == "periodic":
        return np.array([2 * np.pi * ((m + 1) // 2) / length for m in range(modes)])
    return np.asarray(np.pi * (np.arange(modes) + (boundary == "dirichlet")) / length, dtype=np.float64)


def functions(boundary: str, modes: int, length: float, x: Array) -> Array:
    """Those eigenfunctions, orthonormal in the mean over the interval, shape (modes, points)."""
    rows = []
    for m, k in enumerate(wave_numbers(boundary, modes, length)):
        sine = boundary == "dirichlet" or (boundary == "periodic" and m % 2 == 0)
        rows.append(np.ones_like(x) if k == 0 else np.sqrt(2) * (np.sin(k * x) if sine else np.cos(k * x)))
    return np.asarray(rows, dtype=np.float64)


def covariance(options: Options, points: TensorPoints) -> Array:
    """Sum over modes of a_m^2 phi_m(x) phi_m(x') by the formula in the field's docstring."""
    modes, alpha, tau = options["modes"], options["alpha"], options["tau"]
    basis, squares = np.ones((1, 1)), np.zeros(1)
    for name, x in points.axes.items():
        phi = functions(options["boundary"], modes, LENGTHS[name], x)
        basis = np.einsum("mp,nq->mnpq", basis, phi).reshape(len(basis) * modes, -1)
        squares = np.add.outer(squares, wave_numbers(options["boundary"], modes, LENGTHS[name]) ** 2).ravel()
    amplitudes = tau ** (alpha - points.dimension / 2) * (squares + tau**2) ** (-alpha / 2)
    amplitudes[squares == 0] = 0
    if "std" in options:
        amplitudes *= options["std"] / np.sqrt(np.sum(amplitudes**2))
    return np.asarray((basis.T * amplitudes**2) @ basis)


LAWS = [
    {"alpha": 1.0, "tau": 3.0, "modes": 6},
    {"alpha": 2.0, "tau": 3.0, "modes": 5, "std": 1.7},
    {"alpha": 0.0, "tau": 2.0, "modes": 4},
]


@pytest.mark.parametrize("boundary", ["neumann", "periodic", "dirichlet"])
@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("cells", [(12,), (5, 4)], ids=str)
def test_gaussian_has_the_covariance_of_its_spectrum(boundary: str, law: Options, cells: tuple[int, ...]) -> None:
    options = law | {"boundary": boundary}
    points, draws = grid(*cells), 4000
    field = choose_field({"field": "gaussian", "mean": 0.5, **options})
    samples = np.array([np.ravel(field.realise(Draw(1, "train", i)).evaluate(points)) for i in range(draws)]) - 0.5
    wanted = covariance(options, points)
    variances = wanted.diagonal()
    spread = np.sqrt((np.outer(variances, variances) + wanted**2) / draws)
    assert np.abs(samples.T @ samples / draws - wanted).max() < 5 * spread.max()
    assert np.abs(samples.mean(axis=0)).max() < 5 * np.sqrt(variances.max() / draws)
    level = samples[:, 1] / np.sqrt(variances[1])
    assert stats.kstest(level, stats.norm().cdf).pvalue > 1e-3


@pytest.mark.parametrize("boundary", ["neumann", "periodic", "dirichlet"])
def test_std_is_the_standard_deviation_averaged_over_the_box(boundary: str) -> None:
    options = GAUSSIAN | {"boundary": boundary, "std": 2.0}
    variance = np.mean([np.mean(values(options, grid(20, 20), i) ** 2) for i in range(1500)])
    assert variance == pytest.approx(4.0, rel=0.05)


@pytest.mark.parametrize("sample", range(5))
def test_gaussian_meets_the_conditions_on_the_sides(sample: int) -> None:
    step, far = 1e-5, 2.0
    ends = line([0, step, 2 * step, far - 2 * step, far - step, far])
    inner = line(np.linspace(0.1, 1.9, 50))

    def slopes(options: Options) -> tuple[float, float, float]:
        f = values(options, ends, sample)
        typical = np.abs(np.gradient(values(options, inner, sample), inner.axes["x"])).max()
        left, right = (-3 * f[0] + 4 * f[1] - f[2]) / (2 * step), (3 * f[5] - 4 * f[4] + f[3]) / (2 * step)
        return left, right, float(typical)

    left, right, typical = slopes(GAUSSIAN | {"boundary": "neumann"})
    assert max(abs(left), abs(right)) < 1e-5 * typical
    left, right, typical = slopes(GAUSSIAN | {"boundary": "periodic"})
    assert abs(left - right) < 1e-5 * typical
    assert abs(left) > 1e-3 * typical
    f = values(GAUSSIAN | {"boundary": "periodic"}, ends, sample)
    assert f[0] == pytest.approx(f[5], abs=1e-12)
    f = values(GAUSSIAN | {"boundary": "dirichlet", "mean": 3.0}, ends, sample)
    assert f[[0, 5]] == pytest.approx([3.0, 3.0], abs=1e-12)


@pytest.mark.parametrize("boundary", ["neumann", "periodic", "dirichlet"])
@pytest.mark.parametrize("cells", [(64,), (32, 32), (24, 24, 24)], ids=str)
def test_more_modes_leave_the_lower_ones_as_they_are(boundary: str, cells: tuple[int, ...]) -> None:
    """The difference of two cut-offs has no part in the modes that both keep."""
    points, few, many = grid(*cells), 5, 11
    parts = [values({"field": "gaussian", "boundary": boundary, "modes": n}, points, 2) for n in (few, many)]
    change = parts[1] - parts[0]
    assert np.abs(change).max() > 1e-4
    for axis, name in enumerate(AXES[: len(cells)]):
        phi = functions(boundary, few, LENGTHS[name], points.axes[name]) / cells[axis]
        change = np.moveaxis(np.tensordot(phi, change, axes=(1, axis)), 0, axis)
    assert np.abs(change).max() < 1e-12 * np.abs(parts[0]).max() + 1e-14


def test_default_modes_do_not_depend_on_the_grid() -> None:
    for cells, modes in (((8,), 1024), ((8, 6), 128), ((4, 4, 5), 32)):
        assert np.array_equal(
            values({"field": "gaussian"}, grid(*cells)), values({"field": "gaussian", "modes": modes}, grid(*cells))
        )


@pytest.mark.parametrize("extreme", [{"alpha": 700.0}, {"alpha": 20.0}, {"tau": 1e160}, {"tau": 1e-160}], ids=str)
def test_a_spectrum_is_refused_or_can_be_drawn(extreme: Options) -> None:
    """tau^alpha and tau^2 may leave the range of a double; that must not end a worker."""
    try:
        choose_field(GAUSSIAN | extreme)
    except ValidationError:
        return
    assert np.isfinite(values(GAUSSIAN | extreme, grid(8, 8))).all()


def test_lognormal_is_the_exponential_of_the_gaussian_of_the_same_draw() -> None:
    options = {"alpha": 2.5, "tau": 7, "mean": 0.3, "modes": 16, "boundary": "periodic"}
    gaussian = values({"field": "gaussian", **options}, grid(9, 7), 4)
    assert np.array_equal(values({"field": "lognormal", **options}, grid(9, 7), 4), np.exp(gaussian))


def test_threshold_cuts_the_field_it_is_of() -> None:
    points, draw = grid(16, 12), Draw(0, "train", 3, "/f")
    options = {"field": "threshold", "low": 3, "high": 12, "at": 0.1, "of": GAUSSIAN}
    level = choose_field(GAUSSIAN).realise(draw.at("of"))(points)
    found = choose_field(options).realise(draw)(points)
    assert np.array_equal(found, np.where(np.asarray(level) >= 0.1, 12.0, 3.0))
    assert set(np.unique(found)) == {3.0, 12.0}


def test_threshold_takes_the_high_value_at_the_level_itself() -> None:
    ramp = {"field": "expression", "formula": "x"}
    options = {"field": "threshold", "low": 0, "high": 1, "at": 1.0, "of": ramp}
    assert values(options, line([0.5, 1.0, 1.5])).tolist() == [0.0, 1.0, 1.0]


# --- series and bumps


def test_chebyshev_is_the_series_of_numpy() -> None:
    points, draw = grid(9, 7), Draw(0, "train", 2, "/f")
    x, y = 2 * points.axes["x"] / 2.0 - 1, 2 * points.axes["y"] / 1.0 - 1
    coefficients = 1.5 * (2 * draw.uniform(16).reshape(4, 4) - 1)
    found = choose_field({"field": "chebyshev", "terms": 4, "scale": 1.5}).realise(draw)(points)
    np.testing.assert_allclose(found, chebval2d(*np.meshgrid(x, y, indexing="ij"), coefficients), atol=1e-13)


@pytest.mark.parametrize(("along", "axis"), [("x", 0), ("y", 1)])
def test_chebyshev_along_one_axis(along: str, axis: int) -> None:
    points, draw = grid(9, 7), Draw(0, "train", 2, "/f")
    options = {"field": "chebyshev", "terms": 6, "argument": [0, 1], "along": along}
    series = chebval(points.axes[along] / LENGTHS[along], 2 * draw.uniform(6) - 1)
    found = np.asarray(choose_field(options).realise(draw)(points))
    np.testing.assert_allclose(found, np.broadcast_to(np.expand_dims(series, 1 - axis), (9, 7)), atol=1e-13)


def test_chebyshev_along_an_axis_is_one_number_on_a_side_across_it() -> None:
    options = {"field": "chebyshev", "terms": 6, "along": "x"}
    side = TensorPoints({"y": grid(4, 4).axes["y"]}, LENGTHS, {"x": 2.0})
    end = values(options, line([2.0]))
    np.testing.assert_allclose(values(options, side), np.full(4, end[0]), atol=1e-13)


def test_fourier_has_no_constant_part_and_the_stated_variance() -> None:
    waves, decay, scale = 3, 1.5, 2.0
    options = {"field": "fourier", "waves": waves, "decay": decay, "scale": scale, "mean": 1.0}
    numbers = [(n + 1) // 2 for n in range(2 * waves + 1)]
    wanted = scale**2 * sum((1 + max(i, j)) ** (-2 * decay) for i in numbers for j in numbers if max(i, j))
    found = np.array([values(options, grid(12, 12), i) - 1.0 for i in range(3000)])
    assert np.mean(found**2) == pytest.approx(wanted, rel=0.05)
    assert np.abs(found.mean(axis=(1, 2))).max() < 1e-12


def test_one_bump_is_a_gaussian_bell_about_a_point_of_the_box() -> None:
    options = {"field": "bumps", "count": 1, "amplitude": [2, 2], "width": [0.4, 0.4]}
    points, corners = grid(8, 6), TensorPoints({"x": np.array([0.0, 2.0]), "y": np.array([0.0, 1.0])}, LENGTHS)
    centres = []
    for sample in range(200):
        at = -2 * 0.4**2 * np.log(values(options, corners, sample) / 2)
        x, y = (at[0, 0] - at[1, 0] + 4) / 4, (at[0, 0] - at[0, 1] + 1) / 2
        distance = (points.coordinates["x"] - x) ** 2 + (points.coordinates["y"] - y) ** 2
        np.testing.assert_allclose(values(options, points, sample), 2 * np.exp(-distance / (2 * 0.4**2)), atol=1e-10)
        centres.append((x / 2, y))
    for coordinate in np.array(centres).T:
        assert stats.kstest(coordinate, stats.uniform().cdf).pvalue > 1e-3


def counts(count: Any, draws: int = 4000) -> Array:
    return np.array([drawn({"field": "bumps", "count": count}, i).parameters["count"] for i in range(draws)])


def test_bumps_are_counted_by_the_geometric_law() -> None:
    p, most = 0.4, 6
    found = counts({"geometric": p, "most": most})
    law = [p * (1 - p) ** (n - 1) for n in range(1, most)] + [(1 - p) ** (most - 1)]
    seen = [int(np.sum(found == n)) for n in range(1, most + 1)]
    assert sum(seen) == found.size
    assert stats.chisquare(seen, np.array(law) * found.size).pvalue > 1e-3
    assert set(counts({"geometric": 1.0}, 50)) == {1.0}


def test_bumps_are_counted_uniformly_in_an_interval() -> None:
    found = counts([2, 5])
    seen = [int(np.sum(found == n)) for n in range(2, 6)]
    assert sum(seen) == found.size
    assert stats.chisquare(seen).pvalue > 1e-3
    assert set(counts(4, 50)) == {4.0}


# --- initial states


def periodic(options: Options, shift: tuple[int, int]) -> None:
    """The field is the same a whole number of box lengths away."""
    points = grid(9, 7)
    moved = {name: x + n * LENGTHS[name] for (name, x), n in zip(points.axes.items(), shift, strict=True)}
    for sample in range(3):
        found = values(options, TensorPoints(moved, LENGTHS), sample)
        np.testing.assert_allclose(found, values(options, points, sample), rtol=1e-9, atol=1e-9 * np.abs(found).max())


@pytest.mark.parametrize(
    "name", ["vortices", "shear_layer", "shear_flow", "vortex_sheet", "crossed_sines", "brownian_bridge"]
)
def test_vorticities_are_periodic(name: str) -> None:
    periodic(ROWS[name][0], (1, 0))
    periodic(ROWS[name][0], (-1, 1))


def draws_of(options: Options, name: str, count: int, sample: int = 0) -> Array:
    """The uniform draws that a field makes by a name."""
    return Draw(0, "train", sample, "/f").at(name).uniform(count)


def test_a_multisine_is_that_of_pdebench() -> None:
    """Folded, cut and turned as its draws say; numbers that are not drawn leave constants, and it is periodic."""
    x = np.linspace(0.0, 2.0, 201)
    options, seen = {"field": "multisine", "terms": 2, "waves": 4, "absolute": 0.3, "window": 0.4}, []
    for sample in range(400):
        a, phi = draws_of(options, "amplitude", 4, sample), 2 * np.pi * draws_of(options, "phase", 4, sample)
        first, second = (int(4 * u) + 1 for u in draws_of(options, "wave", 2, sample))
        v = np.zeros_like(x)
        for m in range(1, 5):
            number = m * ((first == m) + (second == m))
            v += a[m - 1] * np.sin(np.pi * number * x + phi[m - 1])
        turned, folded, cut = (
            draws_of(options, name, 1, sample)[0] < share
            for name, share in (("sign", 0.5), ("absolute", 0.3), ("window", 0.4))
        )
        lower, upper = draws_of(options, "edge", 2, sample) * 0.35 + np.array([0.1, 0.55])
        window = 0.5 * (np.tanh((x / 2 - lower) / 0.01) - np.tanh((x / 2 - upper) / 0.01)) if cut else 1.0
        wanted = (1 if turned else -1) * (np.abs(v) if folded else v) * window
        found = values(options, line(x), sample)
        np.testing.assert_allclose(found, wanted, atol=1e-7)
        assert found[0] == pytest.approx(found[-1], abs=1e-12)
        seen.append((turned, folded, cut))
    assert np.abs(np.mean(seen, axis=0) - [0.5, 0.3, 0.4]).max() < 0.08
    assert np.abs(np.corrcoef(np.array(seen, dtype=float).T) - np.eye(3)).max() < 0.15


def test_a_share_of_multisines_is_folded() -> None:
    x = line(np.linspace(0.0, 2.0, 101))
    plain, folded = ({"field": "multisine", "absolute": p, "window": 0} for p in (0, 0.25))
    differ = [not np.array_equal(values(plain, x, i), values(folded, x, i)) for i in range(400)]
    kept = [np.ptp(np.sign(values(plain, x, i))) == 0 for i in range(400)]
    assert abs(np.mean(differ) - 0.25 * (1 - np.mean(kept))) < 0.08
    for i in (i for i, other in enumerate(differ) if other):
        assert np.array_equal(np.abs(values(folded, x, i)), np.abs(values(plain, x, i)))


def test_a_vortex_is_a_gaussian_with_its_images_less_its_mean() -> None:
    options = {"field": "vortices", "count": 1, "strength": [2, 2], "width": [0.3, 0.3]}
    points = grid(8, 6)
    for sample in range(3):
        cx, cy = draws_of(options, "centre", 2, sample) * np.array([2.0, 1.0])
        x, y = points.coordinates["x"], points.coordinates["y"]
        wanted = sum(
            2 / 0.3 * np.exp(-((x - cx + 2 * i) ** 2 + (y - cy + j) ** 2) / (2 * 0.3**2))
            for i in range(-4, 5) for j in range(-4, 5)
        ) - 2 * 2 * np.pi * 0.3 / 2  # fmt: skip
        np.testing.assert_allclose(values(options, points, sample), wanted, atol=1e-12)


def test_vortices_have_the_moments_of_their_law() -> None:
    """The mean over the box of the square of one: a^2 / w^2 (pi w^2 / |box| - (2 pi w^2 / |box|)^2)."""
    options = {"field": "vortices", "count": 20, "strength": [-1, 1], "width": [0.1, 0.1]}
    wanted = 20 / 3 * (np.pi / 2 - 4 * np.pi**2 * 0.01 / 4)
    found = np.mean([np.mean(values(options, grid(40, 20), i) ** 2) for i in range(600)])
    assert found == pytest.approx(wanted, rel=0.06)


def test_tiles_are_flat_and_uniform() -> None:
    options = {"field": "tiles", "count": 10}
    tiles = np.array([values(options, grid(30, 20), i).reshape(10, 3, 10, 2) for i in range(40)])
    assert np.ptp(tiles, axis=(2, 4)).max() == 0.0
    assert np.abs(tiles.mean(axis=(1, 2, 3, 4))).max() < 1e-14
    level = tiles[:, :, 0, :, 0].ravel() / np.sqrt(1 - 1 / 100)
    assert np.mean(level**2) == pytest.approx(1 / 3, rel=0.05)
    assert stats.kstest(level, stats.uniform(-1, 2).cdf).pvalue > 1e-3


def slope(values_at: Any, axis: int, points: TensorPoints) -> Array:
    """Centred differences of a function of x and y."""
    x, y = (np.asarray(c) for c in np.broadcast_arrays(*points.coordinates.values()))
    h = 1e-4
    moved = [(x + s * h * (axis == 0), y + s * h * (axis == 1)) for s in (-2, -1, 1, 2)]
    a, b, c, d = (values_at(*place) for place in moved)
    return np.asarray((a - 8 * b + 8 * c - d) / (12 * h))


def test_a_shear_layer_is_the_curl_of_its_velocity() -> None:
    options = {"field": "shear_layer", "thickness": [0.08, 0.12], "speed": 3.0}
    points = grid(30, 41)
    for sample in range(4):
        rho = 0.08 + 0.04 * draws_of(options, "thickness", 1, sample)[0]
        xi = 0.0625 * (2 * draws_of(options, "shift", 1, sample)[0] - 1)
        p = 7 + int(6 * draws_of(options, "waves", 1, sample)[0])
        alpha, beta = draws_of(options, "alpha", p, sample), 2 * np.pi * draws_of(options, "beta", p, sample)

        def speed(
            x: Array, y: Array, rho: float = rho, xi: float = xi, alpha: Array = alpha, beta: Array = beta
        ) -> Array:
            waves = sum(a * np.sin(np.pi * k * x - b) for k, (a, b) in enumerate(zip(alpha, beta, strict=True), 1))
            place = np.mod(y + xi + 0.025 * waves, 1.0)
            low = np.tanh(2 * np.pi * (place - 0.25) / rho)
            return np.asarray(3.0 * np.where(place <= 0.5, low, np.tanh(2 * np.pi * (0.75 - place) / rho)))

        found = values(options, points, sample)
        np.testing.assert_allclose(found, -slope(speed, 1, points), atol=1e-5 * np.abs(found).max())


def test_a_shear_flow_is_that_of_the_well() -> None:
    """The curl of its velocity, and the first component, of the same draw under other keys; for thin layers, of which
    no image counts, as the script has them."""
    options = {"field": "shear_flow", "thickness": [0.025, 0.05]}
    points, seen = grid(30, 48), set()
    for sample in range(24):
        draws = [
            float(Draw(0, "train", sample, "/shear_flow").at(key).uniform(1)[0])
            for key in ("layers", "waves", "thickness")
        ]
        n, m = (2, 4)[draws[0] >= 0.5], 1 + (draws[1] >= 0.5)
        width = 10.0 * 0.025 * 2.0 ** draws[2]

        def velocity(x: Array, y: Array, n: int = n, m: int = m, width: float = width) -> tuple[Array, Array]:
            shear, waves = np.full(x.shape, 0.5), np.zeros(x.shape)
            for i, z1 in enumerate(np.linspace(-1, 1, n, endpoint=False) + 1 / n):
                sign, zs = 2 * (i % 2) - 1, n * (2.0 * y - 1.0 - z1) / 2 / width
                shear += sign * 0.5 * np.tanh(zs / 0.1)
                waves += 0.1 * np.sin(sign * 2 * m * np.pi * x / 2.0) * np.exp(-(zs**2) / 0.01)
            return shear, waves

        wanted = slope(lambda x, y: velocity(x, y)[1], 0, points) - slope(lambda x, y: velocity(x, y)[0], 1, points)
        found = values(options, points, sample)
        np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())
        x, y = np.broadcast_arrays(*points.coordinates.values())
        profile = choose_field(options | {"quantity": "velocity_x"}).realise(Draw(0, "train", sample, "/other"))
        np.testing.assert_allclose(profile(points), velocity(x, y)[0], atol=1e-7)
        seen.add((n, m))
    assert len(seen) == 4


def test_a_vortex_sheet_is_its_curve_smoothed() -> None:
    """By a sum along the curve, in space; its circulation is the length of the curve."""
    options: Options = {
        "field": "vortex_sheet",
        "terms": 3,
        "perturbation": [0.01, 0.03],
        "smoothing": 0.2,
        "waves": 100,
    }
    points, rho, s = grid(24, 20), 0.2, (np.arange(4000) + 0.5) / 4000
    for sample in range(3):
        alpha, beta = 0.01 + 0.02 * draws_of(options, "alpha", 3, sample), draws_of(options, "beta", 3, sample)
        waves = [(0.2, 0.0), *zip(alpha, beta, strict=True)]
        height = 0.5 + sum(a * np.sin(2 * np.pi * (s + b)) for a, b in waves)
        slopes = sum(2 * np.pi * a * np.cos(2 * np.pi * (s + b)) for a, b in waves)
        length = np.sqrt(4.0 + slopes**2) / len(s)
        wanted = np.full((24, 20), -length.sum() / 2.0)
        for i, j in np.ndindex(24, 20):
            x, y = (i + 0.5) / 24 - s, (j + 0.5) / 20 - height
            r = np.hypot(2.0 * (x - np.rint(x)), y - np.rint(y)) / rho
            spline = np.maximum(1 - r, 0) ** 3 - 4 * np.maximum(0.5 - r, 0) ** 3
            wanted[i, j] += 80 / (7 * np.pi * rho**2) * (spline * length).sum()
        np.testing.assert_allclose(values(options, points, sample), wanted, atol=1e-5 * np.abs(wanted).max())


def test_crossed_sines_are_the_curl_of_their_velocity() -> None:
    options, n = {"field": "crossed_sines", "waves": 3}, 3
    points = grid(13, 11)
    alpha = 2 * draws_of(options, "amplitude", n * n).reshape(n, n) - 1
    beta, gamma = (2 * np.pi * draws_of(options, name, n * n).reshape(n, n) for name in ("beta", "gamma"))

    def velocity(f: Any) -> Any:
        def of(x: Array, y: Array) -> Array:
            return np.asarray(sum(
                alpha[i, j] / np.sqrt(2 * np.pi * (i + j + 2))
                * f(np.pi * (i + 1) * x + beta[i, j]) * f(2 * np.pi * (j + 1) * y + gamma[i, j])
                for i in range(n) for j in range(n)
            ))  # fmt: skip

        return of

    wanted = slope(velocity(np.cos), 0, points) - slope(velocity(np.sin), 1, points)
    np.testing.assert_allclose(values(options, points), wanted, atol=1e-9 * np.abs(wanted).max())


def test_a_brownian_bridge_is_the_curl_of_its_velocity() -> None:
    """And keeps its long waves as it gets more short ones."""
    options, n = {"field": "brownian_bridge", "waves": 4, "scale": 2.0}, 4
    points = grid(13, 11)
    draws = {c: 2 * by_shells(draws_of(options, c, (2 * n + 1) ** 2), 2 * n + 1, 2) - 1 for c in "uv"}

    def velocity(table: Array) -> Any:
        def factor(m: int, angle: Array) -> Array:
            wave = (m + 1) // 2
            return np.asarray(np.cos(wave * angle) if m % 2 or m == 0 else np.sin(wave * angle))

        def of(x: Array, y: Array) -> Array:
            total = np.zeros(x.shape)
            for i, j in np.ndindex(*table.shape):
                if i or j:
                    size = 2.0 / np.hypot((i + 1) // 2, (j + 1) // 2) ** 1.5
                    total += size * table[i, j] * factor(i, np.pi * x) * factor(j, 2 * np.pi * y)
            return total

        return of

    wanted = slope(velocity(draws["v"]), 0, points) - slope(velocity(draws["u"]), 1, points)
    np.testing.assert_allclose(values(options, points), wanted, atol=1e-9 * np.abs(wanted).max())
    more = np.fft.fft2(values({**options, "waves": 9}, grid(40, 40)))
    few = np.fft.fft2(values(options, grid(40, 40)))
    assert np.abs((more - few)[:5, :5]).max() < 1e-9 * np.abs(few).max()


@pytest.mark.parametrize("name", ["shear_layer", "shear_flow", "vortex_sheet", "crossed_sines", "brownian_bridge"])
def test_vorticities_of_flows_stand_in_two_dimensions(name: str) -> None:
    assert "two dimensions" in str(choose_field({"field": name}).objection(3, ("x", "y", "z")))


# --- expression


def expression(formula: str, **where: Any) -> Field:
    return choose_field({"field": "expression", "formula": formula, "where": where})


def test_expression_is_the_formula() -> None:
    points = grid(5, 4, 3)
    x, y, z = (points.coordinates[name] for name in AXES)
    function = expression(
        "a*sin(pi*x)*cos(y/2) - -b*max(x, y)**2 + exp(-z) - min(x, abs(y - 0.5))/e + atan2(y, x) + tanh(log(1 + x))"
        " + sqrt(z)*sign(x - 1) + tan(y/3) + +2**-2",
        a={"uniform": [1, 2]}, b={"normal": [0, 1]},
    ).realise(Draw(0, "train", 1, "/f"))  # fmt: skip
    a, b = function.parameters["a"], function.parameters["b"]
    wanted = (
        a * np.sin(np.pi * x) * np.cos(y / 2) + b * np.maximum(x, y) ** 2 + np.exp(-z)
        - np.minimum(x, np.abs(y - 0.5)) / np.e + np.arctan2(y, x) + np.tanh(np.log1p(x))
        + np.sqrt(z) * np.sign(x - 1) + np.tan(y / 3) + 0.25
    )  # fmt: skip
    np.testing.assert_allclose(function(points), wanted, rtol=1e-13)


def test_scalars_of_an_expression_are_parameters() -> None:
    function = expression("a + b + c", a={"uniform": [1, 2]}, b={"normal": [5, 1]}, c=7).realise(Draw(0, "train", 1))
    assert set(function.parameters) == {"a", "b"}
    assert 1 < function.parameters["a"] < 2
    total = 7 + function.parameters["a"] + function.parameters["b"]
    np.testing.assert_allclose(function(grid(4)), np.full(4, total), rtol=1e-15)


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("1/(x - x)", np.inf),
        ("-1/(x*0)", -np.inf),
        ("(x - x)/(x - x)", np.nan),
        ("log(0)", -np.inf),
        ("sqrt(-1)", np.nan),
        ("0**-1", np.inf),
        ("exp(1e5)*x", np.inf),
        ("1e100**4", np.inf),
        ("1/0", np.inf),
        ("(-x)**0.5", np.nan),
    ],
)
def test_impossible_arithmetic_gives_values_that_are_not_finite(formula: str, value: float) -> None:
    found = expression(formula).realise(Draw(0, "train", 0))(grid(4, 3))
    np.testing.assert_array_equal(found, np.full((4, 3), value))


FINE = ["2", "pi", "-e", "x", "(" * 100 + "x" + ")" * 100, "+".join(["x"] * 40), "  x ", "x**0.5", "x**-64"]
FINE += ["2**3**2", "x**(1/2)", "x**(2*3 - 4)", "x**(-(2))", "x**--2", "x**pi", "(1 + x)**2**0.5", "x**2**-1"]


@pytest.mark.parametrize("formula", FINE, ids=lambda text: text[:12])
def test_formulas_that_are_fine(formula: str) -> None:
    found = expression(formula).realise(Draw(0, "train", 0))(grid(4, 3))
    names = {"pi": np.pi, "e": np.e, "x": grid(4, 3).coordinates["x"]}
    np.testing.assert_allclose(found, np.broadcast_to(eval(formula.strip(), {}, names), (4, 3)), rtol=1e-14)
