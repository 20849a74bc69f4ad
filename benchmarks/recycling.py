"""Recycling against the solvers that one would pick instead: iterations and process CPU time per system.

Where it should pay (one matrix that converges slowly; indefinite waves with few parameters) and where it should not
(independent random fields). All methods solve the same systems in one process to 1e-8; time is the median over systems
of solve and set-up, iterations are means. The first table compares the kernels: repeated runs of both in turn, medians
over the repetitions, means over the systems; so does the second, for recycled CG. The third has blocks of right-hand
sides.
``python benchmarks/recycling.py [--samples N]``
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, replace
from functools import partial
from itertools import batched
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

from pathlib import Path  # noqa: E402
from time import process_time  # noqa: E402

import numpy as np  # noqa: E402

from pdemill.points import Array  # noqa: E402
from pdemill.solvers.field_job import FieldJob  # noqa: E402
from pdemill.solvers.krylov.solver import SkrSolver  # noqa: E402
from pdemill.solvers.operators.system import System  # noqa: E402
from pdemill.solvers.ordering.order import resolve_sort, solve_order  # noqa: E402
from pdemill.solvers.petsc import Preconditioned  # noqa: E402
from pdemill.spec import Spec, load_preset, load_spec, validate  # noqa: E402

WAVES = Path(__file__).with_name("waves.yaml")


def measure(spec: Spec, method: str, samples: int, carried: bool = True) -> tuple[float, float, int]:
    """Mean iterations, median milliseconds, and systems that missed the tolerance."""
    job = FieldJob(load_spec(spec, [f"solver={method}"]))
    sort = resolve_sort(job.method.sort, job.method.recycles)
    instances = [job.instance("train", i) for i in range(samples)]
    order = solve_order(sort, np.array([job.features(instance) for instance in instances]))
    solver = job.method.solver()
    state, iterations, seconds, missed = solver.start(), [], [], 0
    for i in order.tolist():
        system = job.discretisation.assemble(instances[i])
        begin = process_time()
        solution = solver.solve(system, state)
        seconds.append(process_time() - begin)
        iterations.append(solution.stats.iterations)
        missed += not solution.result.ok
        state = solution.state if carried else solver.start()
    return float(np.mean(iterations)), 1e3 * float(np.median(seconds)), missed


@dataclass(frozen=True)
class Run:
    """Milliseconds and iterations of every system of a sequence."""

    milliseconds: Array
    iterations: Array


def kernel(preconditioners: tuple[str, ...], systems: int = 12, repeats: int = 5) -> None:
    """skr-thermal: GCRO-DR against GMRES(40), over all systems, after the first six, and per iteration."""
    spec = load_preset("skr-thermal")
    job = FieldJob(spec)
    sequence = [job.discretisation.assemble(job.instance("train", i)) for i in range(systems)]
    print(f"\n### The kernel: skr-thermal, n = {sequence[0].matrix.pattern.size:,}, {systems} systems\n")
    print(
        "| preconditioner | method | ms | iterations | faster | fewer iterations | after six | cost of an iteration |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for preconditioner in preconditioners:
        methods = {"GMRES(40)": f"{{method: gmres, restart: 40, preconditioner: {preconditioner}}}"}
        for restart, recycle in ((40, 20), (60, 30)):
            options = f"method: skr, restart: {restart}, recycle: {recycle}, preconditioner: {preconditioner}"
            methods[f"GCRO-DR({restart}, {recycle})"] = f"{{{options}}}"
        jobs = {name: FieldJob(load_spec(spec, [f"solver={method}"])) for name, method in methods.items()}
        solvers = {name: job.method.solver for name, job in jobs.items()}
        library = [partial(Preconditioned, preconditioner=preconditioner)]
        solvers["GCRO-DR(40, 20), PETSc's products"] = partial(SkrSolver, library, 40, 20, 1e-8, 10_000)
        solve_all(solvers["GCRO-DR(40, 20)"](), sequence[:1])  # compiles, or loads what was compiled
        runs: dict[str, list[Run]] = {name: [] for name in solvers}
        for _ in range(repeats):
            for name, solver in solvers.items():
                runs[name].append(solve_all(solver(), sequence))
        found = {
            name: Run(np.median([run.milliseconds for run in some], axis=0), some[0].iterations)
            for name, some in runs.items()
        }
        base = found["GMRES(40)"]
        for name, run in found.items():
            mean, each = run.milliseconds.mean(), run.milliseconds.sum() / run.iterations.sum()
            late = base.milliseconds[6:].mean() / run.milliseconds[6:].mean()
            cost = each / (base.milliseconds.sum() / base.iterations.sum())
            fewer = base.iterations.mean() / run.iterations.mean()
            faster = base.milliseconds.mean() / mean
            print(
                f"| {preconditioner} | {name} | {mean:.1f} | {run.iterations.mean():.0f} | {faster:.1f} | {fewer:.1f} "
                f"| {late:.1f} | {cost:.2f} |",
                flush=True,
            )


def deflation(preconditioners: tuple[str, ...], systems: int = 12, repeats: int = 5) -> None:
    """skr-thermal: CG with recycling against PETSc's, over all systems and after the first six."""
    spec = load_preset("skr-thermal")
    job = FieldJob(spec)
    sequence = [job.discretisation.assemble(job.instance("train", i)) for i in range(systems)]
    print(f"\n### Recycled CG: skr-thermal, {systems} systems\n")
    print("| preconditioner | method | ms | iterations | faster | after six: ms | iterations | faster |")
    print("|---|---|---|---|---|---|---|---|")
    for preconditioner in preconditioners:
        solvers = {
            name: FieldJob(
                load_spec(spec, [f"solver={{method: cg, preconditioner: {preconditioner}, recycle: {k}}}"])
            ).method
            for name, k in (("CG", 0), ("recycled CG(10)", 10), ("recycled CG(20)", 20), ("recycled CG(30)", 30))
        }
        solve_all(solvers["recycled CG(10)"].solver(), sequence[:1])
        runs: dict[str, list[Run]] = {name: [] for name in solvers}
        for _ in range(repeats):
            for name, method in solvers.items():
                runs[name].append(solve_all(method.solver(), sequence))
        times = {name: np.median([run.milliseconds for run in some], axis=0) for name, some in runs.items()}
        for name, ms in times.items():
            counts, base = runs[name][0].iterations, times["CG"]
            print(
                f"| {preconditioner} | {name} | {ms.mean():.1f} | {counts.mean():.0f} | {base.mean() / ms.mean():.1f} "
                f"| {ms[6:].mean():.1f} | {counts[6:].mean():.0f} | {base[6:].mean() / ms[6:].mean():.1f} |",
                flush=True,
            )


def blocks(preconditioners: tuple[str, ...], systems: int = 40, repeats: int = 3, learnt: int = 16) -> None:
    """One matrix, many right-hand sides: skr and recycled CG one by one and in blocks, after the first systems."""
    print("\n### Blocks of right-hand sides: ms per system and iterations, after the first 16\n")
    print("| problem | preconditioner | method | one by one | in blocks | faster |")
    print("|---|---|---|---|---|---|")
    source = {"field": "gaussian", "alpha": 1, "tau": 3}
    wind = {"family": "convection_diffusion", "resolution": [96, 96], "coefficient": 0.02, "velocity": [1, 0.5]}
    waves = {"family": "helmholtz", "resolution": [64, 64], "wavenumber": 12}
    specs = {
        "skr-thermal": load_preset("skr-thermal", ["problem.source={field: gaussian, alpha: 1, tau: 3}"]),
        "skr-poisson": load_preset("skr-poisson"),
        "convection": validate({"problem": {**wind, "source": source}, "samples": systems}),
        "waves": validate({"problem": {**waves, "source": source}, "samples": systems}),
    }
    for name, spec in specs.items():
        job = FieldJob(spec)
        drawn = [job.discretisation.assemble(job.instance("train", i)) for i in range(systems)]
        drawn = [replace(system, matrix=drawn[0].matrix) for system in drawn]
        for preconditioner in preconditioners:
            for method in ("skr", "cg, recycle: 20"):
                options = f"solver={{method: {method}, preconditioner: {preconditioner}}}"
                definite = job.problem.properties.definite
                if (preconditioner == "icc" and not definite) or (
                    method != "skr" and (preconditioner == "ilu" or not definite)
                ):
                    continue
                solver = FieldJob(load_spec(spec, [options])).method.solver()
                state = solver.solve_batch(drawn[:learnt], solver.start())[-1].state
                found: dict[str, list[tuple[float, float]]] = {"alone": [], "together": []}
                for some in list(batched(drawn[learnt:], 8)) * (1 + repeats):
                    for way, times in found.items():
                        begin = process_time()
                        if way == "alone":
                            solutions = [solver.solve(system, state) for system in some]
                        else:
                            solutions = solver.solve_batch(list(some), state)
                        spent = 1e3 * (process_time() - begin) / len(some)
                        times.append((spent, float(np.mean([one.stats.iterations for one in solutions]))))
                first = (systems - learnt) // 8
                (a, i), (b, j) = (np.median(times[first:], axis=0) for times in found.values())
                row = f"| {name} | {preconditioner} | {method} | {a:.1f} / {i:.0f} | {b:.1f} / {j:.0f} | {a / b:.1f} |"
                print(row, flush=True)


def solve_all(solver: Any, sequence: list[System]) -> Run:
    """One system after another; each must converge."""
    state, milliseconds, iterations = solver.start(), [], []
    for system in sequence:
        begin = process_time()
        solution = solver.solve(system, state)
        milliseconds.append(1e3 * (process_time() - begin))
        if not solution.result.ok:
            raise RuntimeError(solution.result.value)
        iterations.append(solution.stats.iterations)
        state = solution.state
    return Run(np.array(milliseconds), np.array(iterations))


def table(title: str, spec: Spec, rows: list[tuple[str, str, bool]], samples: int) -> None:
    """One table, ratios against its first row."""
    print(f"\n### {title}, {samples} systems\n")
    print("| method | iterations | ms per system | fewer iterations | faster |")
    print("|---|---|---|---|---|")
    base: tuple[float, float, int] | None = None
    for name, method, carried in rows:
        found = measure(spec, method, samples, carried)
        base = base or found
        its = f"{base[0] / found[0]:.1f}" if found[0] else "-"
        note = f" ({found[2]} not converged)" if found[2] else ""
        print(f"| {name}{note} | {found[0]:.0f} | {found[1]:.2f} | {its} | {base[1] / found[1]:.1f} |", flush=True)


def rows(preconditioner: str, *others: tuple[str, str]) -> list[tuple[str, str, bool]]:
    """GMRES(40), the three ways of skr, and others."""
    common = f"preconditioner: {preconditioner}"
    return [
        (f"GMRES(40) + {preconditioner}", f"{{method: gmres, {common}, restart: 40}}", True),
        (f"deflated restarts + {preconditioner}", f"{{method: skr, {common}, sort: none}}", False),
        (f"recycled, as drawn + {preconditioner}", f"{{method: skr, {common}, sort: none}}", True),
        (f"recycled, sorted + {preconditioner}", f"{{method: skr, {common}, sort: greedy}}", True),
        *((name, method, True) for name, method in others),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=20)
    samples = parser.parse_args().samples
    mumps = ("MUMPS", "{method: direct}")
    cg = ("CG + icc", "{method: cg, preconditioner: icc}")
    recycled = ("recycled CG + icc", "{method: cg, preconditioner: icc, recycle: 20}")
    minres = ("MINRES + jacobi", "{method: minres, preconditioner: jacobi}")
    gamg = ("CG + gamg", "{method: cg, preconditioner: gamg}")
    kernel(("none", "jacobi", "sor", "icc", "ilu"))
    deflation(("none", "jacobi", "sor", "icc"))
    blocks(("none", "sor", "icc", "ilu"))
    thermal = load_preset("skr-thermal")
    for preconditioner in ("none", "jacobi", "sor", "icc", "ilu"):
        table(f"skr-thermal, n = 11,024, {preconditioner}", thermal, rows(preconditioner), samples)
    table("skr-thermal: the others", thermal, [(*cg, True), (*recycled, True), (*gamg, True), (*mumps, True)], samples)
    table("indefinite waves, 64 x 64, two parameters", load_spec(WAVES), rows("ilu", minres, mumps), samples)
    table(
        "skr-darcy: independent fields, 100 x 100",
        load_preset("skr-darcy"),
        rows("ilu", cg, recycled, gamg, mumps),
        samples,
    )
    table(
        "fno-darcy: independent fields, 128 x 128",
        load_preset("fno-darcy"),
        rows("ilu", cg, recycled, gamg, mumps),
        samples,
    )


if __name__ == "__main__":
    main()
