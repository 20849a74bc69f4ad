"""Certified labels against exact solutions: how far off they are, and how far off they say that they are.

Hundreds of small specs in groups: contrasts to 1e8, scales from 1e-30 to 1e30, levels to 1e7, thin boxes, screens,
waves, flows and meshes, each with every method that takes it. The truth is in ``shared/truth.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.shared.report import Report, arguments
from benchmarks.shared.truth import errors, true_solution
from pdemill.errors import SpecError
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.job import FAILED
from pdemill.solvers.sequence import FALLBACK
from pdemill.solvers.threads import one_thread
from pdemill.spec import validate
from pdemill.store.layout import Shard

type Json = dict[str, Any]

RULE = "Errors, not times: nothing here depends on how fast the machine is."
LEVEL: Json = {"field": "gaussian", "alpha": 2, "tau": 3, "modes": 16}
SIDES: dict[str, Json] = {
    "Dirichlet": {"left": {"dirichlet": 1}},
    "one side": {"left": {"dirichlet": 1}, "default": {"neumann": 0}},
    "weak Robin": {"default": {"robin": {"coefficient": 1e-6, "value": 1e-6}}},
    "periodic": {"default": "periodic"},
    "mixed": {
        "left": "periodic", "right": "periodic", "bottom": {"neumann": {"field": "fourier", "waves": 2}},
        "top": {"dirichlet": {"uniform": [0, 1]}},
    },
}  # fmt: skip
ALL = ("auto", "direct", "multigrid", "cg", "gmres", "skr", "amg", "minres")
WAVES = ("auto", "direct", "gmres", "skr", "minres")
CORNER = [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]]


def threshold(contrast: float, scale: float = 1.0) -> Json:
    """A coefficient of two values."""
    return {"field": "threshold", "low": scale * contrast**-0.5, "high": scale * contrast**0.5, "of": LEVEL}


def darcy(**problem: Any) -> Json:
    return {"family": "darcy", "resolution": [20, 16], "compatibility": "project", "source": LEVEL, **problem}


def rows() -> Iterator[tuple[str, Json, str]]:
    """Group, problem, store type; every one with all methods of its group."""
    for contrast in (1e2, 1e4, 1e6, 1e8):
        for sides in SIDES.values():
            yield f"contrast {contrast:.0e}", darcy(coefficient=threshold(contrast), boundary=sides), "float64"
    for scale in (1e-30, 1e-10, 1e10, 1e30):
        source, k = {**LEVEL, "std": scale}, threshold(100, 1 / scale)
        yield "scale of f", darcy(source=source, coefficient=threshold(100)), "float64"
        yield "scale of k", darcy(coefficient=k), "float64"
        yield "scale of the box", darcy(domain={"lengths": [scale**0.5, 2 * scale**0.5]}), "float64"
    for level in (1e1, 1e3, 1e5, 1e7):
        for dtype in ("float32", "float64"):
            held = {"default": {"dirichlet": level}, "right": {"robin": {"coefficient": 2, "value": 2 * level}}}
            yield f"level, {dtype}", darcy(coefficient=threshold(100), boundary=held), dtype
    for thin in (1e-2, 1e-4, 1e4):
        for name in ("one side", "mixed"):
            box = {"lengths": [1, thin]}
            yield (
                "thin box",
                darcy(domain=box, boundary=SIDES[name], coefficient={"diagonal": [1, threshold(30)]}),
                "float64",
            )
    for c in (1e4, 1.0, 1e-4, 1e-8, 1e-10, 1e-12):
        problem = {"family": "screened_poisson", "screening": c, "boundary": {"default": {"neumann": 0}}}
        yield "screen", darcy(**problem), "float64"
    for sides in SIDES.values():
        yield "one matrix", darcy(family="poisson", boundary=sides), "float64"
    for cells in ([64], [8, 7, 6]):
        for contrast in (1e2, 1e6):
            yield "one and three axes", darcy(resolution=cells, coefficient=threshold(contrast)), "float64"
    for kappa in (3.0, 12.0, {"uniform": [4, 20]}):
        yield "waves", darcy(family="helmholtz", wavenumber=kappa), "float64"
    for speed in (1.0, 1e3):
        flow = [{"uniform": [-speed, speed]}, speed]
        yield "flow", darcy(family="convection_diffusion", velocity=flow, coefficient=threshold(100)), "float64"
    for order in (1, 2):
        for contrast in (1.0, 1e4):
            domain, sides = (
                {"shape": "polygon", "outline": CORNER},
                {"edge0": {"dirichlet": 1}, "default": {"neumann": 1}},
            )
            place = {"domain": domain, "resolution": {"h": 0.2}, "order": order, "boundary": sides}
            yield "mesh", {"family": "thermal", "source": 1, "coefficient": threshold(contrast), **place}, "float64"


def chosen(quick: bool) -> Iterator[tuple[str, Json]]:
    """Specs with their groups; ``quick``: one problem of every group."""
    seen: set[str] = set()
    for group, problem, dtype in rows():
        if quick and group in seen:
            continue
        seen.add(group)
        methods = WAVES if group in ("waves", "flow") else (*ALL, "fft") if group == "one matrix" else ALL
        for method in methods:
            yield group, {
                "problem": problem, "samples": 3, "solver": {"method": method}, "store": {"dtype": dtype},
                "certify": {"refine": 0}, "seed": 1,
            }  # fmt: skip


@dataclass
class Group:
    """What was found in the specs of a group."""

    specs: int = 0
    certified: int = 0
    helped: int = 0
    unknown: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    error: float = 0.0
    ratio: float = 0.0
    share: float = 0.0
    """The largest error in units of the limit, ``certify.algebraic_rtol`` or, rounded, ``stored_rtol``."""

    def add(self, spec: Json) -> list[dict[str, Any]]:
        """Solve a spec and measure its labels; nothing where it is refused."""
        try:
            job = FieldJob(validate(spec))
        except SpecError:
            return []
        self.specs += 1
        data, _ = job.solve(Shard("train", 0, 0, spec["samples"]), lambda progress: None)
        self.failures.update(failure["result"] for failure in data.failures)
        names, found = job.method_names(), []
        for number, code in enumerate(data.arrays["method"].tolist()):
            if names[code] == FAILED:
                continue
            self.certified += 1
            self.helped += names[code] == FALLBACK != job.method.method
            truth = true_solution(job, number)
            if truth is None:
                self.unknown += 1
                continue
            error, rounding = errors(job, data, number, truth)
            stated = float(data.arrays["stored_error"][number])
            ratio = max(0.0, error - rounding - 1e-14) / stated if stated > 0.0 else float(error > rounding)
            rounded = bool(truth.level) or spec["store"]["dtype"] == "float32"
            limit = job.spec.certify.stored_rtol if rounded else job.spec.certify.algebraic_rtol
            self.error, self.ratio = max(self.error, error), max(self.ratio, ratio)
            self.share = max(self.share, error / limit)
            found.append({"spec": spec, "sample": number, "error": error, "stated": stated, "ratio": ratio})
        return found

    @property
    def samples(self) -> int:
        return self.certified + self.failures.total()


def measured(report: Report, quick: bool) -> dict[str, Group]:
    """All groups, with every single measurement in the report."""
    groups: dict[str, Group] = {}
    for name, spec in chosen(quick):
        group = groups.setdefault(name, Group())
        report.records += [{"group": name, **found} for found in group.add(spec)]
    return groups


def main(given: Sequence[str] | None = None) -> None:
    options = arguments(__doc__, rounds=1).parse_args(given)
    with one_thread(), Report("trust", {"quick": options.quick}, options.out, RULE) as report:
        groups = measured(report, options.quick)
        columns = "group", "specs", "samples", "true / stated", "true error", "true / limit"
        title = "Certified labels against the exact discrete solution: the largest of each group, and shares of samples"
        table = report.table(title, *columns, "by direct in the end", "failed", "why")
        for name, group in groups.items():
            why = ", ".join(f"{reason} {count}" for reason, count in group.failures.items())
            row = group.ratio, group.error, group.share, group.helped / group.samples
            table.add(name, group.specs, group.samples, *row, group.failures.total() / group.samples, why)
        specs, unknown = sum(g.specs for g in groups.values()), sum(g.unknown for g in groups.values())
        print(f"\n{specs} specs, {unknown} labels whose exact solution was not found")


if __name__ == "__main__":
    main()
