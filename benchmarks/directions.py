"""Deep conjugate directions: iterations and CPU time of a trained network, beside CG with icc and GAMG, and multigrid.

On systems of the preset `dcdm-pressure` that the network was not trained on; the test of Kaneda et al. 2023 at 32³.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from benchmarks.shared.report import Report, arguments
from pdemill import arrays
from pdemill.solvers.directions.beginning import begun
from pdemill.solvers.directions.network import Network
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.operators.system import System
from pdemill.solvers.solution import Solution, Solver
from pdemill.solvers.threads import one_thread
from pdemill.spec import load_preset
from pdemill.spec.method import LinearMethod, methods

NET = Path(__file__).parents[1] / "examples" / "directions" / "dcdm-pressure.npz"
RULE = (
    "Means over the first samples of the split test, solver alone, preconditioner and features of the network "
    "included, one thread. Methods take turns, and of several rounds the fastest counts. All solutions are recomputed "
    "to meet the tolerance."
)
RTOLS = (1e-4, 1e-8)


def contestants(net: Path) -> dict[str, dict[str, Any]]:
    """Methods by their names in the table."""
    id = arrays.register(net)
    found = arrays.find(id)
    architecture = Network.of(found.row(0), found.facts.shape).architecture
    before = arrays.hold(architecture.packed(begun(architecture)))
    return {
        "cg": {"method": "cg", "preconditioner": "none"},
        "cg, icc": {"method": "cg"},
        "cg, ssor, omega 1.5": {"method": "cg", "preconditioner": "ssor", "omega": 1.5},
        "cg, gamg": {"method": "cg", "preconditioner": "gamg"},
        "multigrid, one by one": {"method": "multigrid"},
        "multigrid, side by side": {"method": "multigrid"},
        "dcdm, not trained": {"method": "dcdm", "directions": {"array": before}},
        "dcdm, trained": {"method": "dcdm", "directions": {"array": id}},
    }


def solved(solver: Solver[Any], systems: Sequence[System], together: bool) -> list[Solution[Any]]:
    """Solutions, the state going from one to the next."""
    if together:
        return solver.solve_batch(list(systems), solver.start())
    state, found = solver.start(), []
    for system in systems:
        found.append(solver.solve(system, state))
        state = found[-1].state
    return found


def measure(
    options: Mapping[str, Any], systems: Sequence[System], rtol: float, together: bool, solver: Solver[Any] | None
) -> tuple[float, list[Solution[Any]], Solver[Any]]:
    """CPU seconds of all systems, their solutions, and the solver, which may be asked again."""
    if solver is None:
        made = methods[options["method"]].model_validate({**options, "rtol": rtol})
        assert isinstance(made, LinearMethod)
        solver = made.solver()
    begin = process_time()
    found = solved(solver, systems, together)
    spent = process_time() - begin
    for system, one in zip(systems, found, strict=True):
        left = system.measured(system.residual(one.value))[1]
        if not (one.result.ok and left <= rtol):
            raise RuntimeError(f"{dict(options)}: {one.result.value}, residual {left:.1e}")
    return spent, found, solver


def main(given: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--systems", type=int, default=8, help="systems that are solved")
    parser.add_argument("--net", type=Path, default=NET, help="a network of pdemill train-directions")
    options = parser.parse_args(given)
    cells, count, rounds = (8, 2, 1) if options.quick else (32, options.systems, options.rounds)
    spec = load_preset("dcdm-pressure", [f"problem.resolution=[{cells}, {cells}, {cells}]"])
    job = FieldJob(spec)
    systems = [job.discretisation.assemble(job.instance("test", number)) for number in range(count)]
    told = {"cells": cells, "systems": count, "rounds": rounds, "network": options.net.name}
    with one_thread(), Report("directions", told, options.out, RULE) as report:
        for rtol in RTOLS:
            table = report.table(
                f"To {rtol:g}", "method", "iterations", "least", "most", "ms per system", "fell back"
            )  # fmt: skip
            known = contestants(options.net)
            best = dict.fromkeys(known, float("inf"))
            last: dict[str, list[Solution[Any]]] = {}
            made: dict[str, Solver[Any]] = {}
            for _ in range(rounds + 1):
                for name, method in known.items():
                    together = name.endswith("side by side")
                    spent, last[name], made[name] = measure(method, systems, rtol, together, made.get(name))
                    best[name] = min(best[name], spent)
            for name in known:
                counts = [one.stats.iterations for one in last[name]]
                fell = sum(bool(one.by) for one in last[name])
                each = 1e3 * best[name] / count
                table.add(name, float(np.mean(counts)), min(counts), max(counts), each, fell)
                report.records.append({"rtol": rtol, "method": name, "iterations": counts, "ms": each, "fell": fell})


if __name__ == "__main__":
    main()
