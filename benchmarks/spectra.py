"""Poseidon's flows: moments and spectra of ours beside the numbers that are published of theirs.

Poseidon's generator is not published; what is known of its velocities are the constants by which its loader divides
them (camlab-ethz/poseidon, scOT/problems/fluids). Samples of the presets are marched on the grid of the files,
without certificates: moments need none. Energy is that of the velocity in shells of whole wave numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import pdemill
from benchmarks.shared.report import Report, arguments
from pdemill.points import Array
from pdemill.solvers.job import open_job
from pdemill.solvers.spectral.job import SpectralJob
from pdemill.solvers.threads import one_thread
from pdemill.solvers.trajectories.job import Start
from pdemill.solvers.trajectories.ladder import fields_of, marched, warmed
from pdemill.spec import validate

RULE = "Moments, not times: nothing here depends on how fast the machine is."
PRESETS = (*(f"poseidon-ns-{name}" for name in ("gauss", "pwc", "sl", "sines", "bb")), "fns-kf", "ns-tracer-pwc")
PUBLISHED: dict[str, dict[str, float]] = {
    "fns-kf": {"velocity_x": 0.22017328, "velocity_y": 0.22078253},
    "ns-tracer-pwc": {"mean of the tracer": 0.19586183, "tracer": 0.37},
}
"""Standard deviations, and a mean, by set: incompressible.py and normalization_constants.py."""
VELOCITY = ("velocity_x", "velocity_y")
SHELLS = ((1, 2), (3, 8), (9, 32))
FIRST, TRIED, INTERVALS = 1.0 / 200.0, 4, 4


@dataclass(frozen=True)
class Flows:
    """Samples of a preset: their channels at the stored times, [samples, C, T, n, n]."""

    preset: str
    channels: tuple[str, ...]
    times: tuple[float, ...]
    fields: Array

    def channel(self, name: str) -> Array:
        """[samples, T, n, n] of one channel."""
        return np.asarray(self.fields[:, self.channels.index(name)])

    def energy(self) -> Array:
        """The mean energy of the velocity in shells |k| = 0, 1, ... [T, shells]."""
        n = self.fields.shape[-1]
        k = np.fft.fftfreq(n, 1.0 / n)
        shells = np.hypot(k[:, None], k[None, :]).round().astype(int).ravel()
        power = sum(np.square(np.abs(np.fft.fft2(self.channel(name)))).mean(axis=0) / n**4 / 2.0 for name in VELOCITY)
        return np.stack([np.bincount(shells, one.ravel())[: n // 2] for one in np.asarray(power)])


def flows(preset: str, cells: int, count: int) -> Flows:
    """Samples of a preset on so many points along both axes, by half the longest of the steps 1/200, 1/400 and so on by
    which the first of them stay finite."""
    step = FIRST
    while not np.isfinite(_marched(preset, cells, TRIED, step).fields).all():
        step /= 2.0
    return _marched(preset, cells, count, step / 2.0)


def _marched(preset: str, cells: int, count: int, step: float) -> Flows:
    problem: dict[str, Any] = pdemill.preset(preset)["problem"]
    problem |= {"resolution": [cells, cells], "outputs": ["velocity", "vorticity"]}
    problem["time"] = {**problem["time"], "intervals": INTERVALS}
    spec = {"problem": problem, "samples": count, "solver": {"method": "etdrk4", "step": step}}
    job = open_job(validate(spec))
    assert isinstance(job, SpectralJob)
    drawn = [job.start_of(job.instance("train", number), number) for number in range(count)]
    starts = [one for one in warmed(job, drawn) if isinstance(one, Start)]
    if len(starts) < count:
        return Flows(preset, (), (), np.full(1, np.nan))
    fields = np.stack([fields_of(job, frames) for frames in marched(job, starts, 1).frames])
    return Flows(preset, tuple(job.problem.channels), job.times, fields)


def picture(found: Sequence[Flows]) -> Figure:
    """Spectra at the beginning and at the end."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes: Any = figure.subplots(1, 2, sharey=True)
    for ax, frame in zip(axes, (0, -1), strict=True):
        for one in found:
            energy = one.energy()[frame]
            kept = energy > 1e-16
            kept[0] = False
            ax.loglog(np.flatnonzero(kept), energy[kept], label=one.preset)
        ax.set_title(f"energy in shells of wave numbers, t = {found[0].times[frame]:g}", fontsize=9)
    axes[0].legend(fontsize=7)
    axes[0].set_ylim(1e-12, 1)
    return figure


def main(given: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=1)
    parser.add_argument("--cells", type=int, default=128, help="along an axis (128)")
    parser.add_argument("--samples", type=int, default=64, help="of each preset (64)")
    options = parser.parse_args(given)
    cells, count = (48, 3) if options.quick else (options.cells, options.samples)
    presets = ("poseidon-ns-sines", "ns-tracer-pwc") if options.quick else PRESETS
    with one_thread(), Report("spectra", {"cells": cells, "samples": count}, options.out, RULE) as report:
        shells = [f"{low} to {high}" for low, high in SHELLS]
        table = report.table(
            f"{count} samples each, {cells} x {cells}, t = 0 and t = 1", "preset", "t", "std u", "std v",
            "std ω", "flatness ω", *(f"energy in {shell}, %" for shell in shells), "beyond, %",
        )  # fmt: skip
        made = []
        for preset in presets:
            one = flows(preset, cells, count)
            made.append(one)
            for frame in (0, -1):
                vorticity, energy = one.channel("vorticity")[:, frame], one.energy()[frame]
                parts = [float(energy[low : high + 1].sum()) for low, high in SHELLS]
                shares = [100.0 * part / float(energy.sum()) for part in (*parts, float(energy[33:].sum()))]
                flatness = float(np.mean(vorticity**4) / np.mean(vorticity**2) ** 2)
                spread = [float(part[:, frame].std()) for part in map(one.channel, VELOCITY)]
                table.add(
                    preset if frame == 0 else "", one.times[frame], *spread, float(vorticity.std()), flatness, *shares
                )
                report.records.append(
                    {"preset": preset, "t": one.times[frame], "std": spread, "flatness": flatness, "shares": shares}
                )
        table = report.table(
            "Beside the constants of the loader, over all stored times", "preset", "of", "published", "here"
        )
        for one in made:
            for name, published in PUBLISHED.get(one.preset, {}).items():
                own = one.channel(name.removeprefix("mean of the "))
                here = float(own.mean() if name.startswith("mean") else own.std())
                table.add(one.preset, name, published, here)
                report.records.append({"preset": one.preset, "of": name, "published": published, "here": here})
        report.figure("energy", picture(made))


if __name__ == "__main__":
    main()
