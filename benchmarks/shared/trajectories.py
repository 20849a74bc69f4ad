"""What published generators of trajectories give, against pdemill's on finer grids with smaller steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

import pdemill
from benchmarks.shared import published_steps
from benchmarks.shared.evolving import CrankNicolsonEuler, radau
from pdemill.points import Array
from pdemill.solvers.job import open_job
from pdemill.solvers.spectral.grid import PeriodicGrid, Spectra
from pdemill.solvers.spectral.job import SpectralJob
from pdemill.solvers.trajectories.ladder import trajectories
from pdemill.spec import validate
from pdemill.spec.method import methods

OWN, GRID = "pdemill", "the grid alone"


@dataclass(frozen=True)
class Flow:
    """Samples of a preset at the time ``end``. The truth is solved on ``truth`` points along every axis with steps of
    ``step``; ``changed``: keys of the problem."""

    preset: str
    end: float
    truth: int
    step: float
    samples: int = 2
    changed: dict[str, Any] = field(default_factory=dict)

    @property
    def problem(self) -> dict[str, Any]:
        """The preset's, until the end."""
        found = {**pdemill.preset(self.preset)["problem"], **self.changed}
        return {**found, "time": {"end": self.end, "intervals": 1}}

    @cached_property
    def job(self) -> SpectralJob:
        """The job on the grid of the truth."""
        return self._job("etdrk4")

    def _job(self, method: str) -> SpectralJob:
        problem = self.problem
        problem["resolution"] = [self.truth] * len(problem["resolution"])
        job = open_job(validate({"problem": problem, "samples": self.samples, "solver": {"method": method}}))
        assert isinstance(job, SpectralJob)
        return job

    def grid(self, points: int) -> PeriodicGrid:
        """A grid with so many points along every axis."""
        return PeriodicGrid((points,) * self.job.grid.dimension, self.job.grid.lengths)

    def _started(self, number: int, grid: PeriodicGrid) -> Spectra:
        """The initial state of a sample, [components, modes]."""
        start = self.job.start_of(self.job.instance("train", number), number)
        return np.asarray(start.state.reshape(-1, self.job.grid.modes)[:, grid.places_in(self.job.grid)])

    def begins(self, number: int, points: int) -> Array:
        """The initial state of the first unknown of a sample on a grid."""
        grid = self.grid(points)
        return np.asarray(grid.fields(self._started(number, grid))[0])

    def marched(self, number: int, points: int, step: float, method: str = "etdrk4") -> Array:
        """All unknowns by a scheme on a grid."""
        grid, job = self.grid(points), self.job if method == "etdrk4" else self._job(method)
        u = self._started(number, grid).reshape(1, -1)
        symbols = job.symbols(job.instance("train", number), grid)
        with np.errstate(over="ignore", invalid="ignore"):
            job.march([symbols], grid).advance(u, self.end, round(self.end / step))
            return np.asarray(grid.fields(u.reshape(-1, grid.modes)))

    @cached_property
    def exact(self) -> list[Spectra]:
        """The truth of every sample."""
        grid = self.grid(self.truth)
        found = [grid.spectra(self.marched(n, self.truth, self.step)) for n in range(self.samples)]
        if not all(np.isfinite(one).all() for one in found):
            raise ValueError(f"{self.preset}: the truth is not finite; take a smaller step")
        return found

    def error(self, number: int, found: Array) -> float:
        """The relative 2-norm of the error of a state on a coarser grid: of all unknowns [C, *shape], or the first."""
        fields = found if found.ndim > self.job.grid.dimension else found[None]
        grid, finer, exact = self.grid(fields.shape[-1]), self.grid(self.truth), self.exact[number][: len(fields)]
        whole = np.zeros_like(exact)
        whole[:, grid.places_in(finer)] = grid.spectra(fields)
        apart, size = (np.square(np.abs(part)) * finer.multiplicity for part in (whole - exact, exact))
        return float(np.sqrt((apart.sum(axis=1) / size[:, 1:].sum(axis=1)).max()))

    def script(self, number: int, points: int) -> Array:
        """By FNO's script."""
        grid = self.grid(points)
        forcing = self.job.symbols(self.job.instance("train", number), grid).forcing
        viscosity = float(self.problem["viscosity"])
        scheme = CrankNicolsonEuler(points, viscosity, grid.fields(forcing[None])[0])
        return scheme.run(self.begins(number, points), round(self.end / scheme.step), scheme.step)

    def certified(self, number: int, points: int) -> Array:
        """By pdemill on a grid, with steps that its trial and its estimates chose."""
        problem = {**self.problem, "resolution": [points] * self.job.grid.dimension}
        job = open_job(validate({"problem": problem, "samples": self.samples}))
        plan = job.plan().method
        chosen = job.using(methods[plan["method"]].model_validate(dict(plan)))
        assert isinstance(chosen, SpectralJob)
        start = chosen.start_of(chosen.instance("train", number), number)
        (made,) = trajectories(chosen, [start], stop=lambda _: False)
        assert made.reached
        return np.asarray(made.fields[:, -1])


type Row = tuple[str, str, str, list[float]]
"""The data set, the generator, what it does, and the errors of its samples."""
type Line = tuple[str, str, str, Flow, Callable[[Flow, int], Array]]


def rows(quick: bool, wanted: Callable[[str], bool]) -> Iterator[Row]:
    """The rows of the presets that are wanted; the quick ones are of short trajectories."""
    for data, generator, what, flow, made in _lines(quick):
        if wanted(flow.preset):
            yield data, generator, what, [flow.error(number, made(flow, number)) for number in range(flow.samples)]


def _lines(quick: bool) -> Iterator[Line]:
    part = 0.02 if quick else 1.0
    coarse, middle = Flow("fno-ns-1e-3", 20.0 * part, 128, 0.02), Flow("fno-ns-1e-4", 30.0 * part, 256, 0.004)
    fine = Flow("fno-ns-1e-5", 20.0 * part, 128 if quick else 512, 0.0025, samples=1)
    fronts, flames = Flow("fno-burgers-script", part, 2048, 1e-3), Flow("lpsda-ks", 100.0 * part, 512, 0.02)
    length = flames.job.grid.lengths[0]
    yield from [
        ("fno-ns-1e-3, t = 20", OWN, "64²", coarse, lambda flow, n: flow.certified(n, 64)),
        ("", "FNO's script", "Crank-Nicolson and Euler, 1e-4, on 64²", coarse, lambda flow, n: flow.script(n, 64)),
        ("fno-ns-1e-4, t = 30", OWN, "160²", middle, lambda flow, n: flow.certified(n, 96 if quick else 160)),
        ("", GRID, "64², as stored", middle, lambda flow, n: flow.marched(n, 64, 0.02)),
        ("fno-ns-1e-5, t = 20", OWN, "320²", fine, lambda flow, n: flow.certified(n, 96 if quick else 320)),
        ("", GRID, "64², as stored", fine, lambda flow, n: flow.marched(n, 64, 0.01)),
        ("", GRID, "256², of which the script stores every fourth point", fine,
         lambda flow, n: flow.marched(n, 96 if quick else 256, 0.005)),
        ("fno-burgers-script, t = 1", OWN, "1024", fronts, lambda flow, n: flow.certified(n, 1024)),
        ("", "the script's chebfun", "ETDRK4, 1/200, 1024", fronts, lambda flow, n: flow.marched(n, 1024, 0.005)),
        ("lpsda-ks, t = 100", OWN, "256, steps of 0.05; not asked to be right so late", flames,
         lambda flow, n: flow.marched(n, 256, 0.05)),
        ("", "LPSDA's script", "Radau, 1e-9, 256 points without the 2/3 rule", flames,
         lambda flow, n: radau(flow.begins(n, 256), length, flow.end)),
    ]  # fmt: skip
    yield from _of_lines(part)
    yield from _of_boxes(quick)


def _of_lines(part: float) -> Iterator[Line]:
    """In one dimension."""
    frames = max(round(200 * part), 1) * published_steps.FRAME
    slow, fast = (Flow("pdebench-advection", frames, 2048, frames, changed={"velocity": [c]}) for c in (0.1, 4.0))
    wide, thin = (
        Flow("pdebench-burgers", frames, points, 0.5 / points, changed={"viscosity": nu / np.pi})
        for nu, points in ((0.01, 2048), (0.001, 4096))
    )
    mixed = Flow("pdebench-reaction-diffusion", 0.1 * part, 1024, 1e-3 * part)
    solitons = Flow("lpsda-kdv", 100.0 * part, 1024, 0.004, samples=5, changed={"stretch": 1.0})
    bench = Flow("apebench", max(50.0 * part, 1.0), 1024, 0.05)
    yield from [
        ("pdebench-advection, t = 2", OWN, "1024", slow, lambda flow, n: flow.certified(n, 1024)),
        ("", "PDEBench", "van Leer's limiter, float32, 1024", slow,
         lambda flow, n: published_steps.advection(flow.begins(n, 1024), 0.1, flow.end)),
        ("the same, speed 4", "PDEBench", "van Leer's limiter, float32, 1024", fast,
         lambda flow, n: published_steps.advection(flow.begins(n, 1024), 4.0, flow.end)),
        ("pdebench-burgers, t = 2", OWN, "1024", wide, lambda flow, n: flow.certified(n, 1024)),
        ("", "PDEBench", "Roe's flux, explicit diffusion, float32, 1024", wide,
         lambda flow, n: published_steps.burgers(flow.begins(n, 1024), 0.01 / np.pi, flow.end)),
        ("the same, ν = 0.001 / π", "PDEBench", "Roe's flux, explicit diffusion, float32, 1024", thin,
         lambda flow, n: published_steps.burgers(flow.begins(n, 1024), 0.001 / np.pi, flow.end)),
        ("pdebench-reaction-diffusion, t = 0.1", OWN, "1024", mixed, lambda flow, n: flow.certified(n, 1024)),
        ("", "PDEBench", "reaction and diffusion in turn, float32, 1024", mixed,
         lambda flow, n: published_steps.fisher(flow.begins(n, 1024), 0.5, 1.0, flow.end)),
        ("", "PDEBench", "the same in float64", mixed,
         lambda flow, n: published_steps.fisher(flow.begins(n, 1024), 0.5, 1.0, flow.end, np.float64)),
        ("lpsda-kdv, t = 100", OWN, "512, steps of 0.01", solitons, lambda flow, n: flow.marched(n, 512, 0.01)),
        ("", "LPSDA's script", "Radau, 1e-9, 256 points without the 2/3 rule", solitons,
         lambda flow, n: published_steps.radau_kdv(flow.begins(n, 256), 128.0, flow.end)),
        ("apebench, t = 50", OWN, "480", bench, lambda flow, n: flow.certified(n, 480)),
        ("", "APEBench", "ETDRK2, one step per unit of time, 160", bench,
         lambda flow, n: flow.marched(n, 160, 1.0, "etdrk2")),
    ]  # fmt: skip


def _of_boxes(quick: bool) -> Iterator[Line]:
    """In two dimensions."""
    truth = 128 if quick else 384
    early, late = (
        Flow("well-gray-scott", t, 64 if quick else 192, 0.5, samples=1) for t in (10.0, 20.0 if quick else 200.0)
    )
    whole = {"outputs": ["vorticity"]}
    tiles, sines = (
        Flow(f"poseidon-ns-{name}", 0.1 if quick else t, truth, t / 500.0, samples=1, changed=whole)
        for name, t in (("pwc", 0.05), ("sines", 1.0))
    )
    yield from [
        ("poseidon-ns-pwc, t = 0.05", GRID, "128², as published", tiles,
         lambda flow, n: flow.marched(n, 64 if quick else 128, flow.step)),
        ("poseidon-ns-sines, t = 1", GRID, "128², as published", sines,
         lambda flow, n: flow.marched(n, 64 if quick else 128, flow.step)),
        ("well-gray-scott, t = 10", GRID, "64 points a unit, as published", early,
         lambda flow, n: flow.marched(n, 32 if quick else 64, 1.0)),
        ("t = 200", GRID, "64 points a unit, as published", late,
         lambda flow, n: flow.marched(n, 32 if quick else 64, 1.0)),
        ("", GRID, "96 points a unit", late, lambda flow, n: flow.marched(n, 48 if quick else 96, 1.0)),
    ]  # fmt: skip
