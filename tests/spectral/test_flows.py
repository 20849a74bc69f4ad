"""Tracers, and flows in three dimensions: exact solutions, orders, budgets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.points import Array
from pdemill.solvers.job import open_job
from pdemill.solvers.spectral.exponential import ETDRK4
from pdemill.solvers.spectral.grid import PeriodicGrid, Spectra
from pdemill.solvers.spectral.march import SpectralMarch
from pdemill.solvers.spectral.reference import OtherMarch
from pdemill.solvers.spectral.symbols import (
    Symbols,
    linear_symbol,
    of_unknowns,
    products_of,
    projected,
    weights_of,
)
from pdemill.spec import validate
from pdemill.spec.field import Function
from pdemill.spec.terms import Terms
from tests.evolving import formula
from tests.spectral.test_exact import NOTHING, error, number, vortices
from tests.spectral.test_trajectories import DUST, EDDIES, INKS, ROSSBY, arrays, changed

TURN = 2.0 * np.pi
SQUARE, CUBE = PeriodicGrid((32, 32), (TURN,) * 2), PeriodicGrid((16, 16, 16), (TURN,) * 3)
NU, KAPPA = 0.05, 0.02
INK = Terms(
    (number(NU),), NOTHING, vorticity_advection=number(1.0),
    others=(Terms((number(KAPPA),), NOTHING, passive_advection=number(1.0)),),
)  # fmt: skip


def flow(force: Callable[[PeriodicGrid], Array] | None = None, drag: float = 0.0) -> Terms:
    """The equations of a velocity in three dimensions, with a force on whatever grid."""

    def component(axis: int) -> Function:
        return Function(lambda points: force(PeriodicGrid(points.shape, CUBE.lengths))[axis] if force else 0.0)

    forces = [component(axis) for axis in range(3)]
    one, *others = (Terms((number(NU),), f, reaction=number(drag)) for f in forces)
    return replace(one, velocity_advection=number(1.0), others=tuple(others))


def march(terms: Terms, grid: PeriodicGrid, u: Spectra, end: float, steps: int) -> Spectra:
    """The state at ``end`` from the state u [numbers]."""
    products = products_of(terms, grid)
    assert products is not None
    sources = [np.broadcast_to(np.asarray(one.source(grid.points), float), grid.shape) for one in of_unknowns(terms)]
    symbols = Symbols(
        terms,
        linear_symbol(terms, grid),
        weights_of(terms, products, grid),
        grid.spectra(np.stack(sources)).ravel(),
    )
    found = u[None].copy()
    SpectralMarch(grid, ETDRK4(), products, [symbols]).advance(found, end, steps)
    return np.asarray(found[0])


def marched(terms: Terms, grid: PeriodicGrid, fields: Array, end: float, steps: int) -> Array:
    """The fields [unknowns, *shape] at ``end``."""
    return grid.fields(march(terms, grid, grid.spectra(fields).ravel(), end, steps).reshape(len(fields), -1))


def places(grid: PeriodicGrid) -> list[Array]:
    return list(np.meshgrid(*grid.nodes.values(), indexing="ij"))


def abc(grid: PeriodicGrid) -> Array:
    """A flow with v = rot v (Arnold, Beltrami, Childress): its advection is a gradient."""
    x, y, z = places(grid)
    return np.stack([
        np.sin(z) + 0.7 * np.cos(y), 0.9 * np.sin(x) + np.cos(z), 0.7 * np.sin(y) + 0.9 * np.cos(x)
    ])  # fmt: skip


def taylor_green(grid: PeriodicGrid) -> Array:
    """Taylor and Green 1937, "Mechanism of the production of small eddies from large ones"."""
    x, y, z = places(grid)
    return np.stack([np.sin(x) * np.cos(y) * np.cos(z), -np.cos(x) * np.sin(y) * np.cos(z), 0.0 * x])


def test_a_tracer_that_begins_as_the_vorticity_stays_it() -> None:
    """With one diffusivity, and the same spectral cut-off, both have the same equation."""
    short = (number(NU), number(3.5))
    cut = replace(
        INK, diffusion=(NOTHING,), spectral_viscosity=short,
        others=(Terms((NOTHING,), NOTHING, spectral_viscosity=short, passive_advection=number(1.0)),),
    )  # fmt: skip
    alike = replace(INK, others=(replace(INK.others[0], diffusion=INK.diffusion),))
    for terms in (alike, cut):
        w, s = marched(terms, SQUARE, np.stack([vortices(SQUARE)] * 2), 2.0, 100)
        assert error(w, vortices(SQUARE)) > 0.1
        assert error(s, w) < 1e-11


def test_a_tracer_along_stream_lines_decays_as_it_should() -> None:
    x, y = places(SQUARE)
    start = np.cos(x) * np.cos(y)
    w, s = marched(INK, SQUARE, np.stack([2.0 * start, 3.0 + start]), 3.0, 6)
    assert error(w, 2.0 * start * np.exp(-6.0 * NU)) < 1e-12
    assert error(s, 3.0 + start * np.exp(-6.0 * KAPPA)) < 1e-12


def test_a_tracer_does_nothing_to_the_flow() -> None:
    alone = replace(INK, others=())
    start = vortices(SQUARE)
    both = marched(INK, SQUARE, np.stack([start, np.sin(start)]), 1.0, 20)
    assert both[0].tobytes() == marched(alone, SQUARE, start[None], 1.0, 20)[0].tobytes()


@pytest.mark.parametrize("name", ["ink", "eddies"])
def test_steps_are_of_fourth_order(name: str) -> None:
    terms, grid = (INK, SQUARE) if name == "ink" else (flow(), CUBE)
    start = np.stack([vortices(SQUARE), np.cos(places(SQUARE)[0])]) if name == "ink" else taylor_green(CUBE)
    finest = marched(terms, grid, start, 2.0, 320)[-1]
    off = [error(marched(terms, grid, start, 2.0, steps)[-1], finest) for steps in (20, 40, 80)]
    assert [log2(off[i] / off[i + 1]) for i in (0, 1)] == pytest.approx([4.0, 4.0], abs=0.25)


@pytest.mark.parametrize("name", ["ink", "eddies"])
def test_the_reference_agrees(name: str) -> None:
    terms, grid = (INK, SQUARE) if name == "ink" else (flow(lambda grid: abc(grid) + 0.3, 0.1), CUBE)
    start = np.stack([vortices(SQUARE), np.sin(vortices(SQUARE))]) if name == "ink" else taylor_green(CUBE)
    start = grid.fields(grid.spectra(start))
    steps = 64 if name == "ink" else 16
    assert error(OtherMarch(terms, grid).march(start, 0.5, steps), marched(terms, grid, start, 0.5, steps)) < 1e-7


def rates(grid: PeriodicGrid, terms: Terms, fields: Array, h: float) -> tuple[Array, Spectra]:
    """d/dt <v^2>/2 of every unknown by differences of fourth order in h, and the states [unknowns, modes] there."""
    u = march(terms, grid, grid.spectra(fields).ravel(), 0.5, 50)

    def content(state: Spectra) -> Array:
        each = np.square(np.abs(state.reshape(len(fields), -1))) * grid.multiplicity
        return np.asarray(0.5 * each.sum(axis=1))

    steps = [content(march(terms, grid, u, sign * h, 1)) for sign in (-2.0, -1.0, 1.0, 2.0)]
    return (steps[0] - 8.0 * steps[1] + 8.0 * steps[2] - steps[3]) / (12.0 * h), u.reshape(len(fields), -1)


def test_the_variance_of_a_tracer_falls_by_its_gradients() -> None:
    """d/dt <s^2>/2 = -kappa <|grad s|^2>, and its mean stays."""
    fields = np.stack([vortices(SQUARE), 2.0 + np.cos(places(SQUARE)[0])])
    found, (_, s) = rates(SQUARE, INK, fields, 1e-3)
    assert found[1] == pytest.approx(
        -KAPPA * (np.square(np.abs(s)) * SQUARE.squared * SQUARE.multiplicity).sum(), rel=1e-9
    )
    assert s[0] == pytest.approx(2.0, abs=1e-15)


def test_the_energy_of_a_flow_has_its_budget() -> None:
    """dE/dt = -2 nu Z - 2 mu E + <f . v>, Z = <|rot v|^2>/2, in three dimensions."""
    drag = 0.1
    found, v = rates(CUBE, flow(abc, drag), taylor_green(CUBE), 1e-3)
    rot = 1j * np.cross(np.stack(CUBE.waves), v, axis=0)
    many = CUBE.multiplicity
    work = ((v.conj() * CUBE.spectra(abc(CUBE))).real * many).sum()
    lost = (NU * np.square(np.abs(rot)) + drag * np.square(np.abs(v))) * many
    assert found.sum() == pytest.approx(work - lost.sum(), rel=1e-9)


def test_a_beltrami_flow_decays_and_is_held_as_it_should() -> None:
    start = abc(CUBE)
    assert error(marched(flow(), CUBE, start, 2.0, 4), start * np.exp(-2.0 * NU)) < 1e-12
    assert error(marched(flow(lambda grid: NU * abc(grid)), CUBE, start, 2.0, 4), start) < 1e-12


def test_a_flow_that_is_flat_is_one_in_two_dimensions() -> None:
    """Of z nothing depends: by the vorticity, and by the velocity, in each plane of the axes."""
    grid = PeriodicGrid((32, 32, 8), (TURN,) * 3)
    flat = replace(INK, others=())
    w = SQUARE.spectra(vortices(SQUARE)[None])[0]
    end = SQUARE.fields(march(flat, SQUARE, w, 1.0, 20)[None])[0]
    kx, ky = SQUARE.waves
    x, y = (SQUARE.fields((1j * k * SQUARE.inverse_squared * w)[None])[0] for k in (ky, -kx))
    start = np.stack([np.repeat(part[:, :, None], 8, axis=2) for part in (x, y, 0.0 * x)])
    found = marched(flow(), grid, start, 1.0, 20)
    spectra = grid.spectra(found)
    rot = grid.fields((1j * (grid.waves[0] * spectra[1] - grid.waves[1] * spectra[0]))[None])[0]
    assert error(rot, np.repeat(end[:, :, None], 8, axis=2)) < 1e-11
    for turn in (1, 2):
        moved = PeriodicGrid(tuple(np.roll(grid.shape, turn)), grid.lengths)
        axes = (0, *(1 + np.roll(range(3), turn)))
        turned = np.roll(np.transpose(start, axes), turn, axis=0)
        again = marched(flow(), moved, np.ascontiguousarray(turned), 1.0, 20)
        assert error(again, np.roll(np.transpose(found, axes), turn, axis=0)) < 1e-11


def test_what_stands_on_a_flat_flow_is_a_tracer_of_it() -> None:
    """Where nothing depends on z, v_z is carried along: a tracer of the same diffusivity stays it."""
    grid = PeriodicGrid((24, 24, 8), (TURN,) * 3)
    x, y, z = places(grid)
    start = np.stack([np.sin(y) + 0.3, np.cos(2.0 * x), np.sin(x + y) + 2.0 * np.cos(x), 0.0 * z])
    start[3] = start[2]
    carried = Terms((number(NU),), NOTHING, passive_advection=number(1.0))
    terms = flow()
    found = marched(replace(terms, others=(*terms.others, carried)), grid, start, 2.0, 40)
    assert error(found[2], start[2]) > 0.1
    assert error(found[3], found[2]) < 1e-12
    assert found[:3].tobytes() == marched(terms, grid, start[:3], 2.0, 40).tobytes()


def test_a_uniform_flow_carries_a_tracer_in_three_dimensions() -> None:
    x, y, z = places(CUBE)
    speeds, waves = np.array([0.5, -1.0, 0.25]), np.array([1, 2, -1])
    carried = Terms((number(KAPPA),), NOTHING, passive_advection=number(1.0))
    terms = flow()
    start = np.stack([*(np.full(CUBE.shape, speed) for speed in speeds), 3.0 + np.sin(x + 2.0 * y - z)])
    found = marched(replace(terms, others=(*terms.others, carried)), CUBE, start, 1.0, 40)
    gone = float(speeds @ waves)
    assert error(found[3], 3.0 + np.sin(x + 2.0 * y - z - gone) * np.exp(-6.0 * KAPPA)) < 1e-6


def test_the_taylor_green_vortex_makes_small_eddies_as_its_series_says() -> None:
    """Without viscosity <|rot v|^2> = 3/4 (1 + 5/48 t^2 + ..): Taylor and Green 1937, here by differences in t."""
    grid = PeriodicGrid((24, 24, 24), (TURN,) * 3)
    still = flow()
    free = replace(
        still, diffusion=(NOTHING,), others=tuple(replace(one, diffusion=(NOTHING,)) for one in still.others)
    )
    content = []
    for t in (0.0, 0.05, 0.1):
        v = march(free, grid, grid.spectra(taylor_green(grid)).ravel(), t, 4) if t else grid.spectra(taylor_green(grid))
        rot = np.cross(np.stack(grid.waves), v.reshape(3, -1), axis=0)
        content.append((np.square(np.abs(rot)) * grid.multiplicity).sum())
    assert content[0] == pytest.approx(0.75, rel=1e-13)
    first, second = ((content[i] / content[0] - 1.0) / (0.05 * i) ** 2 for i in (1, 2))
    assert (4.0 * first - second) / 3.0 == pytest.approx(5.0 / 48.0, rel=1e-4)


@pytest.mark.parametrize("radius", [None, 0.3])
@pytest.mark.parametrize("waves", [(1, 0), (2, 1), (3, -2)])
def test_rossby_waves_go_west_as_they_should(waves: tuple[int, int], radius: float | None) -> None:
    """One wave carries itself nowhere: w = cos(k x + m y + beta k t / (k^2 + m^2)) e^(-(nu (k^2 + m^2) + mu) t)
    (Pedlosky 1987, "Geophysical Fluid Dynamics", section 3.10); above a radius of deformation r all of it is slower, by
    (k^2 + m^2) / (k^2 + m^2 + 1 / r^2)."""
    grid, beta, mu = PeriodicGrid((32, 24), (TURN, TURN / 2.0)), 5.0, 0.1
    terms = Terms((number(NU),), NOTHING, reaction=number(mu), vorticity_advection=number(1.0), planetary=number(beta))
    x, y = places(grid)
    k, m = waves[0], 2 * waves[1]
    square = k * k + m * m
    share = 1.0
    if radius is not None:
        terms, share = replace(terms, deformation=number(radius)), square / (square + radius**-2)

    def wave(t: float) -> Array:
        t *= share
        return np.asarray(np.cos(k * x + m * y + beta * k * t / square) * np.exp(-(NU * square + mu) * t))

    assert error(marched(terms, grid, wave(0.0)[None], 3.0, 4)[0], wave(3.0)) < 1e-12


def test_above_a_radius_of_deformation_energy_and_potential_enstrophy_are_kept() -> None:
    """<psi q> and <q^2>, q = w + psi / r^2; the enstrophy is not."""
    grid, radius = SQUARE, 0.5
    terms = Terms((NOTHING,), NOTHING, vorticity_advection=number(1.0), deformation=number(radius))
    kept = []
    for t in (0.0, 1.0):
        w = grid.spectra(marched(terms, grid, vortices(grid)[None], t, 200) if t else vortices(grid)[None])[0]
        psi = w * grid.inverse_squared
        q = w + psi / radius**2
        kept.append([((a.conj() * b).real * grid.multiplicity).sum() for a, b in ((psi, q), (q, q), (w, w))])
    assert kept[1][:2] == pytest.approx(kept[0][:2], rel=1e-8)
    assert abs(kept[1][2] / kept[0][2] - 1.0) > 1e-4


def test_without_rotation_it_is_navier_stokes(tmp_path: Path) -> None:
    flat = changed(ROSSBY, problem__family="navier_stokes", problem__beta=None)
    for name, spec in (("still", changed(ROSSBY, problem__beta=0)), ("flat", flat)):
        assert not pdemill.generate(spec, tmp_path / f"{name}.zarr", workers=0).failures
    still, alike = (arrays(tmp_path / f"{name}.zarr")["solution"] for name in ("still", "flat"))
    np.testing.assert_allclose(still, alike, atol=1e-6)


def test_a_stored_flow_has_no_divergence_whatever_was_drawn(tmp_path: Path) -> None:
    outputs = ["velocity", "vorticity", "pressure"]
    spec = changed(EDDIES, problem__outputs=outputs, samples=2, store={"dtype": "float64"})
    assert not pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
    data = pdemill.open(tmp_path / "s.zarr")
    assert data.solution_channels == (*(f"{name}_{axis}" for name in outputs[:2] for axis in "xyz"), "pressure")
    assert data.channels[:3] == ("initial_x", "initial_y", "initial_z")
    columns = arrays(tmp_path / "s.zarr")
    grid = PeriodicGrid((16, 12, 16), (TURN, TURN / 2.0, TURN))
    k = np.stack(grid.waves)
    for sample, drawn in zip(columns["solution"], columns["input"][:, :3], strict=True):
        np.testing.assert_array_equal(sample[:3, 0], drawn)
        v, rot, p = grid.spectra(sample[:3, -1]), grid.spectra(sample[3:6, -1]), grid.spectra(sample[6:, -1])[0]
        assert np.abs((k * v).sum(axis=0)).max() < 1e-15
        assert np.abs(1j * np.cross(k, v, axis=0) - rot).max() < 1e-14
        assert np.abs(projected(grid.spectra(drawn), grid) - grid.spectra(drawn)).max() < 1e-15
        fine = grid.refined

        def at_points(values: Spectra, fine: PeriodicGrid = fine) -> Array:
            wide = np.zeros((len(values), fine.modes), np.complex128)
            wide[:, grid.places_in_refined] = values
            return fine.fields(wide)

        pushed = np.stack([(at_points(v) * at_points(1j * k * part)).sum(axis=0) for part in v])
        made = fine.spectra(pushed)[:, grid.places_in_refined]
        assert np.abs(grid.squared * p - (1j * k * made).sum(axis=0)).max() < 1e-12
    assert pdemill.verify(tmp_path / "s.zarr").faults == ()


def test_a_stored_beltrami_flow_is_exact(tmp_path: Path) -> None:
    initial = [formula(text) for text in ("sin(z) + cos(y) + cos(x)", "sin(x) + cos(z)", "sin(y) + cos(x)")]
    spec: dict[str, Any] = changed(
        EDDIES, problem__initial=initial, problem__domain={"lengths": [TURN] * 3}, problem__source=None,
        problem__drag=None, problem__viscosity=NU, problem__resolution=[12] * 3, samples=1, store={"dtype": "float64"},
    )  # fmt: skip
    assert not pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
    found = arrays(tmp_path / "s.zarr")["solution"][0]
    x, y, z = places(PeriodicGrid((12, 12, 12), (TURN,) * 3))
    start = np.stack([np.sin(z) + np.cos(y), np.sin(x) + np.cos(z), np.sin(y) + np.cos(x)])  # cos(x) e_x is a gradient
    for frame, t in enumerate((0.0, 0.5, 1.0)):
        assert error(found[:, frame], start * np.exp(-NU * t)) < 1e-12


def test_a_tracer_of_a_flow_in_space_is_stored_last(tmp_path: Path) -> None:
    spec = changed(DUST, problem__outputs=["vorticity", "velocity"], samples=2, store={"dtype": "float64"})
    assert not pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
    data = pdemill.open(tmp_path / "s.zarr")
    assert data.channels == ("initial_x", "initial_y", "initial_z", "viscosity", "tracer", "diffusivity")
    assert data.solution_channels[-2:] == ("velocity_z", "tracer")
    columns = arrays(tmp_path / "s.zarr")
    tracer = columns["solution"][:, -1]
    assert np.abs(tracer.mean(axis=(2, 3, 4)) - 2.0).max() < 1e-14
    assert (np.diff(tracer.var(axis=(2, 3, 4)), axis=1) < 0.0).all()
    np.testing.assert_array_equal(columns["input"][:, [0, 1, 2, 4]], columns["solution"][:, 3:, 0])
    assert pdemill.verify(tmp_path / "s.zarr").faults == ()
    still = open_job(validate(changed(DUST, problem__initial=[formula("sin(z)"), 0, 0])))
    assert getattr(still, "channels", None) == ("viscosity", "tracer", "diffusivity")


def test_a_tracer_is_stored_last_and_keeps_its_mean(tmp_path: Path) -> None:
    spec = changed(INKS, problem__outputs=["velocity", "vorticity"], samples=2, store={"dtype": "float64"})
    assert not pdemill.generate(spec, tmp_path / "s.zarr", workers=0).failures
    data = pdemill.open(tmp_path / "s.zarr")
    assert data.channels[:2] == ("initial", "tracer")
    assert data.solution_channels == ("velocity_x", "velocity_y", "vorticity", "tracer")
    columns = arrays(tmp_path / "s.zarr")
    tracer = columns["solution"][:, 3]
    assert np.abs(tracer.mean(axis=(2, 3)) - 1.0).max() < 1e-14
    assert (np.diff(tracer.var(axis=(2, 3)), axis=1) < 0.0).all()
    np.testing.assert_array_equal(columns["input"][:, :2], columns["solution"][:, 2:, 0])
    assert pdemill.verify(tmp_path / "s.zarr").faults == ()
