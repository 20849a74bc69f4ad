"""Nonlinear problems of tests: manufactured ones, and ways to solve one sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.job import open_job
from pdemill.solvers.schemes.in_step import in_step
from pdemill.solvers.schemes.newton import Forcing, Iteration, Newton
from pdemill.solvers.schemes.steps import Servant
from pdemill.solvers.sequence import Label
from pdemill.spec import validate
from pdemill.spec.domain import BOX_SIDES

LENGTHS = (1.0, 0.8, 1.3)
SHIFT = 0.4


def formula(text: str) -> dict[str, str]:
    return {"field": "expression", "formula": text}


def opened(problem: dict[str, Any], **keys: Any) -> FieldJob:
    job = open_job(validate({"problem": problem, "samples": 1, **keys}))
    assert isinstance(job, FieldJob)
    return job


def iterated(job: FieldJob, sample: int = 0, forcing: Forcing | None = None) -> tuple[Iteration, Label]:
    """The iteration of a sample, and its label."""
    sequence = job.sequence()
    servant = Servant(sequence.solver, sequence.method)
    equation = job.discretisation.equation(job.instance("train", sample))
    iteration = Newton(forcing).iteration(equation, sequence, servant)
    (label,) = in_step([iteration.label()], servant.serve)
    return iteration, label


def solved(problem: dict[str, Any], **keys: Any) -> tuple[FieldJob, Array]:
    """The solution of sample 0, on the grid."""
    job = opened(problem, **keys)
    _, label = iterated(job)
    assert label.unknowns is not None, label.reason
    return job, label.unknowns.reshape(job.discretisation.points.shape)


def wave(slopes: tuple[float, ...], shift: float) -> tuple[str, str]:
    """Sine and cosine of a plane wave."""
    phase = "+".join(f"{p!r}*{axis}" for p, axis in zip(slopes, "xyz", strict=False) if p) + f"+{shift!r}"
    return f"sin({phase})", f"cos({phase})"


def manufactured(family: str, sides: tuple[str, ...]) -> tuple[dict[str, Any], tuple[float, ...]]:
    """A problem without its resolution whose solution is u = 2 + sin(p.x + 0.4), and p; the sides along each axis are
    two letters of d, n, r, p. r(u) = u³ - 2 u and k = 2 + 0.5 sin(q.x), or k(u) = 1 + u² + x, without x where it would
    jump. With s = sin and P = |p|², div((1 + u²) grad u) = P (4 - 3 s - 8 s² - 3 s³)."""
    turns = tuple(2 * np.pi / length for length in LENGTHS)
    p = tuple(turn if kind == "pp" else own for turn, kind, own in zip(turns, sides, (2.9, 2.2, 1.7), strict=False))
    q = tuple(turn if kind == "pp" else own for turn, kind, own in zip(turns, sides, (1.1, 2.3), strict=False))
    (sin, cos), (bend, along) = wave(p, SHIFT), wave(q, 0.9)
    square, both = sum(x * x for x in p), 0.5 * sum(x * y for x, y in zip(p, q, strict=False))
    u = f"(2+{sin})"
    if family == "semilinear":
        k = f"(2+0.5*{bend})"
        problem: dict[str, Any] = {"coefficient": formula(k), "reaction": {"law": "u**3 - 2*u"}}
        rest = f"{k}*{square!r}*{sin} - {both!r}*{along}*{cos} + 4 + {sin}*(10 + {sin}*(6 + {sin}))"
    else:
        law, sloped = ("1 + u**2 + x", f"+ x*{square!r}*{sin} - {p[0]!r}*{cos}")
        if sides[0] == "pp":
            law, sloped = "1 + u**2", ""
        k = f"({law})".replace("u", u)
        problem = {"coefficient": {"law": law}, "reaction": 0.5}
        factors = [1 - 4 * square, 0.5 + 3 * square, 8 * square, 3 * square]
        one, two, three, four = map(repr, factors)
        rest = f"{one} + {sin}*({two} + {sin}*({three} + {four}*{sin})) {sloped}"
    boundary: dict[str, Any] = {}
    for axis, kinds in enumerate(sides):
        for name, kind, normal in zip(BOX_SIDES[axis], kinds, (-1, 1), strict=True):
            flux = f"{normal * p[axis]!r}*{k}*{cos}"
            boundary[name] = {
                "d": {"dirichlet": formula(u)},
                "n": {"neumann": formula(flux)},
                "r": {"robin": {"coefficient": formula("3+x"), "value": formula(f"(3+x)*{u}+{flux}")}},
                "p": "periodic",
            }[kind]
    lengths = {"shape": "box", "lengths": LENGTHS[: len(sides)]}
    return {"family": family, "domain": lengths, "source": formula(rest), "boundary": boundary, **problem}, p


def exact(p: tuple[float, ...], shape: tuple[int, ...]) -> Array:
    """That solution at the centres of cells."""
    steps = zip(shape, LENGTHS, p, strict=False)
    axes = [slope * (np.arange(n) + 0.5) * length / n for n, length, slope in steps]
    return np.asarray(2.0 + np.sin(sum(np.meshgrid(*axes, indexing="ij")) + SHIFT))
