"""What published generators of trajectories give, against pdemill's on finer grids with smaller steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

import pdemill
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
    ``step``."""

    preset: str
    end: float
    truth: int
    step: float
    samples: int = 2

    @cached_property
    def job(self) -> SpectralJob:
        """The job on the grid of the truth."""
        problem = pdemill.preset(self.preset)["problem"]
        problem["resolution"] = [self.truth] * len(problem["resolution"])
        problem["time"] = {"end": self.end, "intervals": 1}
        job = open_job(validate({"problem": problem, "samples": self.samples, "solver": {"method": "etdrk4"}}))
        assert isinstance(job, SpectralJob)
        return job

    def grid(self, points: int) -> PeriodicGrid:
        """A grid with so many points along every axis."""
        return PeriodicGrid((points,) * self.job.grid.dimension, self.job.grid.lengths)

    def begins(self, number: int, points: int) -> Array:
        """The initial state of a sample on a grid."""
        grid = self.grid(points)
        start = self.job.start_of(self.job.instance("train", number), number)
        return np.asarray(grid.fields(start.state[grid.places_in(self.job.grid)][None])[0])

    def marched(self, number: int, points: int, step: float) -> Array:
        """By ETDRK4 on a grid."""
        grid = self.grid(points)
        u = grid.spectra(self.begins(number, points)[None])
        symbols = self.job.symbols(self.job.instance("train", number), grid)
        with np.errstate(over="ignore", invalid="ignore"):
            self.job.march([symbols], grid).advance(u, self.end, round(self.end / step))
            return np.asarray(grid.fields(u)[0])

    @cached_property
    def exact(self) -> list[Spectra]:
        """The truth of every sample."""
        grid = self.grid(self.truth)
        found = [grid.spectra(self.marched(n, self.truth, self.step)[None])[0] for n in range(self.samples)]
        if not all(np.isfinite(one).all() for one in found):
            raise ValueError(f"{self.preset}: the truth is not finite; take a smaller step")
        return found

    def error(self, number: int, found: Array) -> float:
        """The relative 2-norm of the error of a state on a coarser grid."""
        grid, finer = self.grid(len(found)), self.grid(self.truth)
        whole = np.zeros(finer.modes, np.complex128)
        whole[grid.places_in(finer)] = grid.spectra(found[None])[0]
        parts = np.square(np.abs(np.stack([whole - self.exact[number], self.exact[number]]))) * finer.multiplicity
        return float(np.sqrt(parts[0].sum() / parts[1, 1:].sum()))

    def script(self, number: int, points: int) -> Array:
        """By FNO's script."""
        grid = self.grid(points)
        forcing = self.job.symbols(self.job.instance("train", number), grid).forcing
        viscosity = float(pdemill.preset(self.preset)["problem"]["viscosity"])
        scheme = CrankNicolsonEuler(points, viscosity, grid.fields(forcing[None])[0])
        return scheme.run(self.begins(number, points), round(self.end / scheme.step), scheme.step)

    def certified(self, number: int, points: int) -> Array:
        """By pdemill on a grid, with steps that its trial and its estimates chose."""
        problem = {**pdemill.preset(self.preset)["problem"], "time": {"end": self.end, "intervals": 1}}
        problem["resolution"] = [points] * self.job.grid.dimension
        job = open_job(validate({"problem": problem, "samples": self.samples}))
        plan = job.plan().method
        chosen = job.using(methods[plan["method"]].model_validate(dict(plan)))
        assert isinstance(chosen, SpectralJob)
        start = chosen.start_of(chosen.instance("train", number), number)
        (made,) = trajectories(chosen, [start], stop=lambda _: False)
        assert made.reached
        return np.asarray(made.fields[0, -1])


type Row = tuple[str, str, str, list[float]]
"""The data set, the generator, what it does, and the errors of its samples."""


def rows(quick: bool, wanted: Callable[[str], bool]) -> Iterator[Row]:
    """The rows of the presets that are wanted; the quick ones are of short trajectories."""
    part = 0.02 if quick else 1.0
    coarse, middle = Flow("fno-ns-1e-3", 20.0 * part, 128, 0.02), Flow("fno-ns-1e-4", 30.0 * part, 256, 0.004)
    fine = Flow("fno-ns-1e-5", 20.0 * part, 128 if quick else 512, 0.0025, samples=1)
    fronts, flames = Flow("fno-burgers-script", part, 2048, 1e-3), Flow("lpsda-ks", 100.0 * part, 512, 0.02)
    length = flames.job.grid.lengths[0]
    lines: list[tuple[str, str, str, Flow, Callable[[Flow, int], Array]]] = [
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
    for data, generator, what, flow, made in (line for line in lines if wanted(line[3].preset)):
        yield data, generator, what, [flow.error(number, made(flow, number)) for number in range(flow.samples)]
