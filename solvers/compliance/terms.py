"""Every field and every term is felt: a change of it changes u as it changes the reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.compliance.probes import Changed, keys_of, replaced, with_field, with_side, with_terms
from pdemill.solvers.compliance.solved import Solved, solved
from pdemill.solvers.fields.constant import Constant
from pdemill.spec.field import Field, Function, Scalar
from pdemill.spec.problem import Problem
from pdemill.testing.compliance import ComplianceError

TOLERANCE = 0.05
DEVIATIONS = 5.0
LEAST = 1e-3
"""Part of u that a change must make in the reference."""

type Probe = tuple[str, list[Problem | dict[str, Any]]]
"""A change, in words, and problems that have it: the first one that is accepted is solved."""


def check_terms(problem: Mapping[str, Any]) -> None:
    """Compare u with the reference, and its change for every change of a field or a term."""
    base = solved(problem)
    _compare(f"u of {_named(base)}", base.values, base.reference, base.noise())
    for what, choices in probes(base.job.problem):
        other = _first(what, choices)
        expected = other.reference - base.reference
        if _mean(expected) < LEAST * _mean(base.reference):
            raise ComplianceError(
                f"{what} of {_named(base)} is used in no term: the equation is the same whatever it is; use it in "
                "terms() or remove it"
            )
        _compare(f"a change of {what} of {_named(base)}", other.values - base.values, expected, other.noise(base))


def probes(problem: Problem) -> Iterator[Probe]:
    """One for every field of the equation, for the data of one side of each kind, for each term that is in no field."""
    for path, value in problem.slots():
        yield ".".join(map(str, path)), [with_field(problem, path, v) for v in _other(value)]
    seen = set()
    for side, path, value in problem.side_slots():
        if path not in seen:
            seen.add(path)
            yield f"{side}.{'.'.join(path)}", [with_side(problem, side, path, v) for v in _other(value)]
    for name, functions, _ in problem.asked():
        for number, function in enumerate(functions):
            if not function.origin:
                form = with_terms(type(problem), partial(replaced, name=name, number=number, change=_scaled))
                yield f"the {name} term", [form.model_validate(keys_of(problem))]


def _other(value: Field) -> list[Field]:
    """Stand-ins for a field that is changed; a number where only numbers are admitted."""
    if not isinstance(value, Scalar):
        return [Changed(of=value)]
    _, high = value.bounds() or (0.0, np.inf)
    return [Changed(of=value), Constant(constant=1.6 * high + 0.4 if np.isfinite(high) else 2.0)]


def _scaled(function: Function) -> Function:
    return function.map(lambda values: 1.6 * values + 0.4)


def _first(what: str, choices: list[Problem | dict[str, Any]]) -> Solved:
    refusals = []
    for problem in choices:
        try:
            return solved(problem)
        except SpecError as fault:
            refusals.append(str(fault))
    raise ComplianceError(f"{what} cannot be changed, so nothing is known of it: {refusals[0]}")


def _compare(what: str, found: Array, expected: Array, noise: Array) -> None:
    size = _mean(expected)
    beyond = np.maximum(np.abs(found - expected) - DEVIATIONS * noise, 0.0)
    if size <= DEVIATIONS * _mean(noise):
        raise ComplianceError(f"{what} is {size:.1e}, and noise is {_mean(noise):.1e}: nothing can be told from it")
    if _mean(beyond) <= TOLERANCE * size:
        return
    if _mean(found) < TOLERANCE * size:
        raise ComplianceError(f"{what} is not felt: what is solved leaves it out, and the reference is {size:.1e}")
    off = _mean(found - expected) / size
    raise ComplianceError(
        f"{what} differs by {100 * off:.0f} % from the reference, dense collocation of the equation that terms() states"
    )


def _mean(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _named(found: Solved) -> str:
    return f"{found.job.problem.family} on {found.job.problem.discretisation.name}"
