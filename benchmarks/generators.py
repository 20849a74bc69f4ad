"""Wrong equations: what the discretisations of other public generators of Darcy data give against certified solutions.

Each is written anew from its formula and put on fields of its own kind. The truth is pdemill's certified solution on a
grid four times as fine; errors are relative, in L2 over the points. pdemill's own error on the coarse grid stands
beside, because it is what a discretisation of the right equation costs there. Trajectories of published generators
stand in a table of their own, and so does what they draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.interpolate import RegularGridInterpolator

from benchmarks.shared import drawn, trajectories
from benchmarks.shared.published import expanded, moved_inside, skr_as_published, snapshot
from benchmarks.shared.report import Report, arguments
from benchmarks.shared.sequences import FIELDS, darcy, threshold
from pdemill.points import Array, TensorPoints
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.sequence import Sequence as Solves
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.solvers.threads import one_thread
from pdemill.spec import validate

RULE = "Errors, not times: nothing here depends on how fast the machine is."
FINER = 4
TIME = 1.75
"""Of the snapshot that PDEBench stores."""
STARTS = (0.1, 10.0)
"""PDEBench begins at one value per sample out of this interval; its waves around it are gone long before."""
BUMPS = " + ".join(f"exp(-((x - a{i})**2 + (y - b{i})**2) / s{i})" for i in range(5))
UNIT, SPREADS = {"uniform": [0, 1]}, {"uniform": [1e-6, 0.5]}
PDEBENCH: dict[str, Any] = {
    "field": "threshold", "low": 0.1, "high": 1.0,
    "at": 1.85,  # the mean of the sum over places and samples
    "of": {
        "field": "expression", "formula": BUMPS,
        "where": {f"{name}{i}": SPREADS if name == "s" else UNIT for i in range(5) for name in "abs"},
    },
}  # fmt: skip
SKR_FIELD: dict[str, Any] = {"field": "lognormal", "alpha": 2.5, "tau": 7, "boundary": "periodic"}


@dataclass(frozen=True)
class Sample:
    """A coefficient on both kinds of points, and the certified truth as a function."""

    number: int
    centres: Array
    nodes: Array
    own: Array
    truth: RegularGridInterpolator

    def error(self, u: Array, on_nodes: bool = False) -> float:
        """Relative L2 error of values at the cell centres, or at the inner nodes."""
        x = _nodes(len(u)) if on_nodes else _centres(len(u))
        exact = self.truth(tuple(np.meshgrid(x, x, indexing="ij")))
        return float(np.linalg.norm(u - exact) / np.linalg.norm(exact))


def _centres(n: int) -> Array:
    return np.asarray((np.arange(n) + 0.5) / n)


def _nodes(n: int) -> Array:
    return np.asarray(np.arange(1, n + 1) / (n + 1))


def certified(job: FieldJob, sample: int) -> Array:
    """The solution of a sample, with its residual recomputed."""
    instance = job.instance("train", sample)
    (label,) = Solves(job.method).labels([job.discretisation.assemble(instance)], Stopwatch())
    assert label.unknowns is not None, label.reason
    return job.discretisation.to_field(label.unknowns, instance)


def samples(coefficient: dict[str, Any], cells: int, count: int) -> list[Sample]:
    """Fields of a kind; u is solved on ``cells`` squared and on a finer grid."""
    job, fine = (
        FieldJob(validate({"problem": darcy((n, n), coefficient), "samples": count})) for n in (cells, FINER * cells)
    )
    wide = np.concatenate([[0.0], _centres(FINER * cells), [1.0]])
    nodes = TensorPoints({"x": _nodes(cells), "y": _nodes(cells)}, {"x": 1.0, "y": 1.0})
    found = []
    for number in range(count):
        k = job.instance("train", number).terms.diffusion[0]
        truth = RegularGridInterpolator((wide, wide), np.pad(certified(fine, number), 1))
        at_centres, at_nodes = (np.array(np.broadcast_to(k(p), p.shape)) for p in (job.discretisation.points, nodes))
        found.append(Sample(number, at_centres, at_nodes, certified(job, number), truth))
    return found


def started(sample: Sample) -> float:
    """The value that PDEBench's evolution of this sample begins with."""
    low, high = STARTS
    return low + (high - low) * float(np.random.default_rng(sample.number).uniform())


def late(source: float) -> Callable[[Sample], float]:
    """How far PDEBench's snapshot is from the steady state of the same scheme; all divided by the source."""

    def error(sample: Sample) -> float:
        steady = snapshot(sample.centres, 1.0, 0.0, np.inf)
        found = snapshot(sample.centres, 1.0, started(sample) / source, TIME)
        return float(np.linalg.norm(found - steady) / np.linalg.norm(steady))

    return error


def settled(sample: Sample) -> float:
    """The error of what PDEBench's evolution ends in: that of its scheme in space alone."""
    return sample.error(snapshot(sample.centres, 1.0, 0.0, np.inf))


type Row = tuple[str, str, Callable[[Sample], float]]


def rows(cells: int, count: int, wanted: Callable[[str], bool]) -> Iterator[tuple[str, list[Sample], list[Row]]]:
    """The kinds of fields that are wanted, with what is solved on them."""
    ones = np.ones((cells, cells))
    thinner = FieldJob(validate({"problem": darcy((cells, cells), threshold(4, 12)), "samples": count}))
    wrong, right = "k ∇²u + ∇k·∇u, second term over 2h", "the same over 4h², as it should be"
    nemo: list[Row] = [
        ("PhysicsNeMo", wrong, lambda s: s.error(expanded(s.nodes, 1.0, "2h"), on_nodes=True)),
        ("", right, lambda s: s.error(expanded(s.nodes, 1.0, "4h²"), on_nodes=True)),
    ]
    known: list[tuple[str, dict[str, Any], list[Row]]] = [
        ("lognormal, SKR", SKR_FIELD,
         [("SKR", "its matrix as published", lambda s: s.error(skr_as_published(s.centres))),
          ("", "L diag(k): k inside the derivatives", lambda s: s.error(moved_inside(s.centres, ones)))]),
        ("0.5 and 2", threshold(0.5, 2), nemo),
        ("lognormal, std 1", FIELDS["lognormal"], nemo),
        ("0.1 and 1, PDEBench", PDEBENCH,
         [("PDEBench", "its scheme, steady: the right equation", settled),
          *(("", f"its state at t = {TIME} against its steady one, f = {f:g}", late(f)) for f in (1.0, 0.1, 0.01))]),
        ("3 and 12", FIELDS["3 and 12"],
         [("FNO's script", "4 and 12, where the paper has 3 and 12", lambda s: s.error(certified(thinner, s.number)))]),
    ]  # fmt: skip
    yield from ((kind, samples(field, cells, count), solved) for kind, field, solved in known if wanted(kind))


def percent(error: float) -> str:
    """Two digits, or all of a large number."""
    return f"{100 * error:,.0f} %" if error >= 0.0995 else f"{100 * error:#.2g} %"


def picture(cells: int) -> Figure:
    """One field: the truth, and what two discretisations make of it."""
    sample = samples(FIELDS["lognormal"], cells, 1)[0]
    x = _centres(cells)
    shown = {
        "k": sample.centres, "certified u": sample.truth(tuple(np.meshgrid(x, x, indexing="ij"))),
        "SKR's matrix": skr_as_published(sample.centres),
        "PhysicsNeMo's stencil": expanded(sample.nodes, 1.0, "2h"),
    }  # fmt: skip
    figure = Figure(figsize=(13, 3), layout="constrained")
    axes: Any = figure.subplots(1, len(shown))
    for ax, (name, values) in zip(axes, shown.items(), strict=True):
        figure.colorbar(ax.imshow(values.T, origin="lower", extent=(0, 1, 0, 1)), ax=ax)
        ax.set_title(name, fontsize=9)
        ax.set_axis_off()
    return figure


def main(given: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=1)
    parser.add_argument("--cells", type=int, default=64, help="along an axis (64)")
    parser.add_argument("--samples", type=int, default=20, help="fields of each kind (20)")
    parser.add_argument("--only", action="append", metavar="TEXT", help="only data with this in their names")
    options = parser.parse_args(given)
    cells, count = (16, 2) if options.quick else (options.cells, options.samples)

    def wanted(name: str) -> bool:
        return not options.only or any(part in name for part in options.only)

    with one_thread(), Report("generators", {"cells": cells, "samples": count}, options.out, RULE) as report:
        title = f"Relative L2 errors of u, {cells} x {cells}, {count} fields of each kind"
        table = report.table(title, "field k", "generator", "what it solves", "median", "worst")
        for kind, chosen, solved in rows(cells, count, wanted):
            own: Row = ("pdemill", "finite volumes", lambda s: s.error(s.own))
            for generator, equation, error in [own, *solved]:
                errors = [error(sample) for sample in chosen]
                table.add(
                    kind,
                    generator,
                    equation,
                    percent(median(errors)),
                    percent(max(errors)),
                )
                report.records.append({"field": kind, "generator": generator, "equation": equation, "errors": errors})
                kind = ""
        if not options.only:
            report.figure("fields", picture(cells))
        title = "Relative L2 errors of trajectories at their end, one or two of each set, five of lpsda-kdv"
        table = report.table(title, "data set", "generator", "what it does", "better", "worse")
        for data, generator, what, errors in trajectories.rows(options.quick, wanted):
            worse = f"{max(errors):.1e}" if len(errors) > 1 else ""
            table.add(data, generator, what, f"{min(errors):.1e}", worse)
            report.records.append({"data": data, "generator": generator, "method": what, "errors": errors})
        table = report.table("What is drawn", "data set", "what is said", "what is done", "in numbers", "")
        for data, said, done, unit, number in drawn.rows(options.quick, wanted):
            table.add(data, said, done, unit, f"{number:.2g}")
            report.records.append({"data": data, "said": said, "done": done, "unit": unit, "number": number})


if __name__ == "__main__":
    main()
