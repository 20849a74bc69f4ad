"""exponax beside pdemill on the equations that both have: how far apart they are, and what a step costs.

Both march the same samples by ETDRK4 in float64 on grids of the same points, exponax with its own dealiasing but for
products of two factors, where both keep the modes of the 2/3 rule. States are resolved, so that what is between them
is what one of them does otherwise. exponax: Koehler et al. 2024, arXiv 2411.00180.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import Any

import numpy as np

from benchmarks.shared.evolving import MISSING, has_exponax
from benchmarks.shared.report import Report, arguments
from pdemill.points import Array
from pdemill.solvers.job import open_job
from pdemill.solvers.spectral.job import SpectralJob
from pdemill.solvers.threads import one_thread
from pdemill.spec import validate

RULE = (
    "Process CPU time of one thread, after a run that does not count; both take turns for several rounds, and a figure "
    "is the median per step and sample. Differences are 2-norms at the end relative to what varies, the worst sample's."
)


@dataclass(frozen=True)
class Case:
    """An equation in both notations. ``stepper``: its name in exponax, with the numbers that it takes; ``products``: of
    how many factors."""

    problem: dict[str, Any]
    step: float
    steps: int
    stepper: str
    numbers: dict[str, Any]
    products: int = 2
    samples: int = 8


def line(family: str, points: int, length: float, end: float, **keys: Any) -> dict[str, Any]:
    """A problem on a periodic line with smooth initial states."""
    initial = {"field": "sines", "terms": 4, "waves": [1, 3], "amplitude": [-0.5, 0.5]}
    return {
        "family": family, "resolution": [points], "domain": {"lengths": [length]}, "initial": initial,
        "time": {"end": end, "intervals": 1}, **keys,
    }  # fmt: skip


UNIT = {"field": "rescaled", "of": {"field": "sines", "terms": 4, "waves": [1, 3]}}
SPOTS: dict[str, Any] = {
    "family": "reaction_diffusion", "resolution": [64, 64], "coefficient": [2e-3, 1e-3],
    "reaction": {"law": "gray_scott", "where": {"F": 0.04, "K": 0.06}},
    "initial": [1.0, {"field": "rescaled", "of": {"field": "fourier", "waves": 3}}],
    "time": {"end": 20, "intervals": 1},
}  # fmt: skip
CONSERVATIVE = {"conservative": True, "convection_scale": 1.0}
CASES = (
    Case(line("burgers", 256, 1.0, 0.5, viscosity=0.01), 5e-3, 100, "Burgers", {"diffusivity": 0.01, **CONSERVATIVE}),
    Case(line("kuramoto_sivashinsky", 256, 32.0, 10.0), 0.05, 200, "KuramotoSivashinskyConservative", {}),
    Case(
        line("korteweg_de_vries", 256, 32.0, 4.0), 0.01, 400, "KortewegDeVries",
        {"dispersivity": 1.0, "hyper_diffusivity": 0.0, **CONSERVATIVE},
    ),
    Case(
        line("reaction_diffusion", 256, 1.0, 1.0, coefficient=0.01, reaction={"law": "fisher_kpp"}, initial=UNIT),
        0.02, 50, "reaction.FisherKPP", {"diffusivity": 0.01, "reactivity": 1.0},
    ),
    Case(
        line("reaction_diffusion", 256, 1.0, 1.0, coefficient=0.01, reaction={"law": "allen_cahn"}),
        0.02, 50, "reaction.AllenCahn", {"diffusivity": 0.01}, 3,
    ),
    Case(
        line("swift_hohenberg", 256, 20.0, 2.0, growth=0.5), 0.02, 100, "reaction.SwiftHohenberg",
        {"reactivity": 0.5, "polynomial_coefficients": (0.0, 0.0, 0.0, -1.0)}, 3,
    ),
    Case(
        line("cahn_hilliard", 256, 1.0, 0.02, gradient_energy=1e-3), 1e-4, 200, "reaction.CahnHilliard",
        {"diffusivity": 1.0, "gamma": 1e-3}, 3,
    ),
    Case(
        SPOTS, 0.5, 40, "reaction.GrayScott",
        {"diffusivity_1": 2e-3, "diffusivity_2": 1e-3, "feed_rate": 0.04, "kill_rate": 0.06}, 3, 4,
    ),
)  # fmt: skip


def ours(case: Case) -> tuple[Array, Callable[[], Array]]:
    """The initial fields [samples, C, *shape], and a run from them."""
    spec = {"problem": case.problem, "samples": case.samples, "solver": {"method": "etdrk4"}}
    job = open_job(validate(spec))
    assert isinstance(job, SpectralJob)
    instances = [job.instance("train", number) for number in range(case.samples)]
    states = np.stack([job.start_of(one, number).state for number, one in enumerate(instances)])
    march = job.march([job.symbols(one) for one in instances])

    def run() -> Array:
        u = states.copy()
        march.advance(u, case.step * case.steps, case.steps)
        return job.fields(u)

    return job.fields(states), run


def theirs(case: Case, fields: Array) -> Callable[[], Array]:
    """The same by exponax, compiled, in Fourier space throughout."""
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    import exponax as ex
    import jax

    jax.config.update("jax_enable_x64", True)
    points, dimension = fields.shape[-1], fields.ndim - 2
    kind: Any = ex.stepper
    for name in case.stepper.split("."):
        kind = getattr(kind, name)
    kept = ((points - 1) // 3 + 1.5) / (points // 2)  # the modes of pdemill
    length = case.problem.get("domain", {"lengths": [1.0]})["lengths"][0]
    dealiased = {"dealiasing_fraction": kept} if case.products == 2 else {}
    stepper = kind(dimension, length, points, case.step, order=4, **case.numbers, **dealiased)

    def one(u: Any) -> Any:
        begin = ex.fft(u, num_spatial_dims=dimension)
        end = jax.lax.fori_loop(0, case.steps, lambda _, state: stepper.step_fourier(state), begin)
        return ex.ifft(end, num_spatial_dims=dimension, num_points=points)

    compiled = jax.jit(jax.vmap(one))
    return lambda: np.asarray(compiled(jax.numpy.asarray(fields)).block_until_ready())


def apart(one: Array, other: Array) -> float:
    """The largest relative difference over samples."""
    space = tuple(range(1, one.ndim))
    varies = other - other.mean(axis=space[1:], keepdims=True)
    return float(np.sqrt(np.square(one - other).sum(axis=space) / np.square(varies).sum(axis=space)).max())


def main(given: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=3)
    options = parser.parse_args(given)
    cases = CASES[:1] if options.quick else CASES
    with one_thread(), Report("beside", {"rounds": options.rounds}, options.out, RULE) as report:
        if not has_exponax():
            print(MISSING)
        table = report.table(
            "pdemill and exponax by ETDRK4, the same steps", "equation", "points", "steps", "apart",
            "µs a step, pdemill", "exponax", "exponax / pdemill",
        )  # fmt: skip
        for case in cases:
            fields, run = ours(case)
            runs = [run, *([theirs(case, fields)] if has_exponax() else [])]
            found = [one() for one in runs]
            seconds: list[list[float]] = [[] for _ in runs]
            for _ in range(options.rounds):
                for one, kept in zip(runs, seconds, strict=True):
                    begin = process_time()
                    one()
                    kept.append(process_time() - begin)
            each = [1e6 * median(kept) / case.steps / case.samples for kept in seconds]
            own, rival = each[0], each[1] if len(each) > 1 else float("nan")
            off = apart(found[1], found[0]) if len(found) > 1 else float("nan")
            shape = " x ".join(map(str, case.problem["resolution"]))
            table.add(
                case.problem["family"],
                shape,
                case.steps,
                f"{off:.1e}" if has_exponax() else None,
                own,
                rival,
                rival / own,
            )
            report.records.append(
                {
                    "family": case.problem["family"],
                    "stepper": case.stepper,
                    "apart": off,
                    "pdemill": own,
                    "exponax": rival,
                }
            )


if __name__ == "__main__":
    main()
