"""Problems as specs hold them: the equation of a family in the place of a discretiser."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field as Option

from pdemill.spec.discretiser import Discretiser, discretisers
from pdemill.spec.model import refusal, refuse
from pdemill.spec.problem import Problem, bound, families
from pdemill.spec.registry import Slot


@cache
def form_of(family: type[Problem], by: type[Discretiser]) -> type[Problem]:
    """The model of a family's problems in the place of a discretiser: the keys of both."""
    choice = Option(default="auto", exclude_if=lambda name: name == "auto")
    namespace = {
        "__module__": family.__module__,
        "__doc__": inspect.getdoc(family),
        "__annotations__": {"discretiser": Literal["auto", by.name]},
        "discretiser": choice,
        "discretised_by": by,
    }
    kind: Any = type(family)
    made: type[Problem] = kind(f"{family.__name__}{by.suffix}", (family, by.place), namespace)
    return made


def forms(name: str) -> Iterator[type[Problem]]:
    """The models of a family, one for each discretiser that may take it."""
    for by in discretisers.values():
        if by.may_take(families[name]) and (form := _form(families[name], by)) is not None:
            yield form


def _form(family: type[Problem], by: type[Discretiser]) -> type[Problem] | None:
    if family.discretised_by is None:
        return form_of(family, by)
    return bound.get((family.family_name(), by.name))


class _ProblemSlot(Slot):
    def _validate(self, value: Any) -> Any:
        if isinstance(value, Problem):
            return value
        if not isinstance(value, Mapping):
            example = value if isinstance(value, str) and value in families else next(iter(families))
            raise refusal(f"should be an object with the key 'family', such as {{family: {example}}}")
        if "points" in value and "resolution" in value:
            raise refuse(("points",), "give either points (values at points) or resolution (whole fields)", None)
        if "family" not in value:
            raise refuse(("family",), f"is missing; choose one of {', '.join(families)}", value)
        family = families.pick(value["family"], "family")
        by = _choose(value)
        form = _form(family, by)
        if form is None:
            known = " or ".join(place for name, place in bound if name == value["family"])
            message = f"{value['family']} is written for {known} only, and this asks for {by.name}"
            raise refuse(("family",), message, value["family"])
        return form.model_validate(dict(value))


def _choose(value: Mapping[str, Any]) -> type[Discretiser]:
    """The discretiser that a problem names, or else the one whose keys it has."""
    name = value.get("discretiser", "auto")
    if name == "auto":
        return chosen_by_keys(value)
    by = discretisers.pick(name, "discretiser", "auto")
    if complaint := by.misfit(value):
        raise refuse(("discretiser",), complaint, name)
    return by


def chosen_by_keys(problem: Mapping[str, Any]) -> type[Discretiser]:
    """The discretiser whose keys a problem has."""
    return next((by for by in discretisers.values() if by.suits(problem)), discretisers["box"])


AnyProblem = Annotated[Problem, _ProblemSlot(families, Problem, "Problem")]
