"""Problems as specs hold them: the equation of a family in the place of a discretiser."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field as Option
from pydantic import ValidationError

from pdemill.spec.discretiser import Discretiser, discretisers
from pdemill.spec.model import NOT_TAKEN, refusal, refuse
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
    for by in _of(families[name]):
        if by.may_take(families[name]) and (form := _form(families[name], by)) is not None:
            yield form


def _of(family: type[Problem]) -> list[type[Discretiser]]:
    """All discretisers as they take a family, those for more equations last."""
    return sorted((by.of(family) for by in discretisers.values()), key=lambda by: by.general)


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
        return _chosen(family, value)[1]


def _chosen(family: type[Problem], value: Mapping[str, Any]) -> tuple[type[Discretiser], Problem]:
    """The discretiser of a problem, and the problem in its place. Of those that its keys suit the first one that takes
    it; where none does, the last one, which is for the most equations, tells why."""
    refusals = []
    for by in _possible(family, value):
        try:
            return by, _formed(family, by, value)
        except ValidationError as error:
            if any(item["type"] != NOT_TAKEN for item in error.errors(include_url=False)):
                raise
            refusals.append(error)
    raise refusals[-1]


def _possible(family: type[Problem], value: Mapping[str, Any]) -> list[type[Discretiser]]:
    """The discretiser that a problem names, or else those that its keys suit."""
    name = value.get("discretiser", "auto")
    if name == "auto":
        found = [by for by in _of(family) if by.suits(value)] or [discretisers["box"].of(family)]
        return [by for by in found if by.may_take(family)] or found[:1]
    by = discretisers.pick(name, "discretiser", "auto").of(family)
    if complaint := by.misfit(value):
        raise refuse(("discretiser",), complaint, name)
    return [by]


def _formed(family: type[Problem], by: type[Discretiser], value: Mapping[str, Any]) -> Problem:
    form = _form(family, by)
    if form is None:
        known = " or ".join(place for name, place in bound if name == value["family"])
        message = f"{value['family']} is written for {known} only, and this asks for {by.name}"
        raise refuse(("family",), message, value["family"])
    return form.model_validate(dict(value))


def automatic(problem: Problem) -> type[Discretiser] | None:
    """The discretiser that a problem would have if it named none; None where it must name one."""
    given = {name: getattr(problem, name) for name in type(problem).model_fields}
    try:
        return _chosen(families[problem.family], {**given, "discretiser": "auto"})[0]
    except ValidationError:
        return None


AnyProblem = Annotated[Problem, _ProblemSlot(families, Problem, "Problem")]
