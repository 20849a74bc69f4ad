"""The base of ready families: weak forms that users choose by name, and whose keys are those of their field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator
from pydantic import Field as Limits

from pdemill.errors import FamilyError
from pdemill.solvers.families.of_form import Known, ProblemOfForm, UnknownOfForm, Written
from pdemill.solvers.weak.form import Misread
from pdemill.solvers.weak.said import Said, SaidSides
from pdemill.solvers.weak.sides import GivenValues
from pdemill.spec.condition import Condition
from pdemill.spec.field import AnyField, Field
from pdemill.spec.model import as_tuple, refusal, refuse

Forces = Annotated[tuple[AnyField, ...], Limits(max_length=3), BeforeValidator(as_tuple)]
"""One field per axis; none of them is no force."""

WHERE_ASKED: Any = Limits(exclude_if=lambda value: not value)
"""Keeps a key out of specs that do not ask for what it says."""


def key(title: str, unit: str = "", default: Any = ...) -> Any:
    """A key of a family: what it is, in which unit."""
    return Limits(default, title=title, description=f"{title}, {unit}" if unit else title)


def between(low: float, high: float) -> AfterValidator:
    """Refuse fields whose values are known to reach the ends of an open interval."""

    def check(value: Field) -> Field:
        least, most = value.bounds() or (inf, -inf)
        if least <= low or most >= high:
            raise refusal(f"must be between {low:g} and {high:g}, but reaches {least if least <= low else most:g}")
        return value

    return AfterValidator(check)


class ReadyForm(ProblemOfForm):
    """Base of ready families. A subclass declares its keys, says what its sides may say, and gives ``equation`` by
    ``as_form``. ``keys``: those that are coefficients of the form, by their own names."""

    boundary: SaidSides
    keys: ClassVar[tuple[str, ...]] = ()

    def as_form(
        self, unknowns: Mapping[str, UnknownOfForm], text: str, definitions: Mapping[str, str] | None = None,
        forces: Mapping[str, str] | None = None,
    ) -> Written:  # fmt: skip
        """The form ``text``, with what keys and sides bring in; ``forces``: terms of keys, by key, where these are
        given."""
        known, terms = list[Known](), [text]
        for name in self.keys:
            value = getattr(self, name)
            fields = value if isinstance(value, tuple) else () if value is None else (value,)
            if fields:
                known.append(Known(name, name, (name,), fields))
                terms += [forces[name]] if forces and name in forces else []
        for side, name, term, fields in self.side_terms():
            symbol = f"load{len(known)}"
            if fields:
                known.append(Known(symbol, f"{side}_{name}", (*self.side_path(side), name), fields, side))
            terms.append(f"({term.format(symbol)})*ds('{side}')")
        return Written(unknowns, " + ".join(terms), tuple(known), definitions or {})

    def side_terms(self) -> Iterator[tuple[str, str, str, tuple[Field, ...]]]:
        """What sides bring into the form: the side, the key of a load or a word, its term, and the load."""
        return self.boundary.terms(self.sides)

    @property
    def conditions(self) -> dict[str, Condition]:
        return self.boundary.expanded(self.sides, self.dimension)

    def _fits(self, side: str, condition: GivenValues) -> None:
        super()._fits(side, condition)
        assert isinstance(condition, Said)
        for name, values in condition.loads.items():
            load = self.boundary.loads[name]
            wanted = self.dimension if load.vector else 1
            if len(values) != wanted:
                raise refuse(("boundary", side, name), f"needs {wanted} entries in brackets", None)
            given = condition.given.get(load.on, (None,) * wanted)
            for place, value in enumerate(values):
                held = given[place] is not None if load.vector else None not in given
                if held and value.bounds() != (0.0, 0.0):
                    path = ("boundary", side, name, place) if load.vector else ("boundary", side, name)
                    raise refuse(path, f"does nothing where {load.on} is given: write 0, or leave it out", None)

    def check_domain(self) -> None:
        super().check_domain()
        for name in self.keys:
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) not in (0, self.dimension):
                raise refuse((name,), f"needs {self.dimension} entries, one per axis", None)
        self.check_keys()

    def check_keys(self) -> None:
        """Refuse keys that do not go together."""

    def _misread(self, fault: Misread) -> Exception:
        if fault.path[0] in ("degree", "outputs"):
            return refuse(fault.path, fault.message)
        if self.boundary.root and len(self.equation.text) > 5000:
            return refuse(("boundary",), f"says too much for one form, which {fault.message}: give sides one name")
        return FamilyError(f"the form of {self.family} is wrong: {fault.message}")
