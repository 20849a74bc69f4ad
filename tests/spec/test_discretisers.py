"""Which discretiser a problem gets, and what is said of families that are written wrongly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import pytest

from pdemill.errors import FamilyError
from pdemill.spec import validate
from pdemill.spec.field import AnyField, Function
from pdemill.spec.forms import forms
from pdemill.spec.problem import Problem, Terms
from pdemill.spec.unknowns import ScalarUnknown, VectorUnknown
from pdemill.testing import temporary_parts
from solvers.fields.constant import Constant

POLYGON = {"shape": "polygon", "outline": [[0, 0], [1, 0], [1, 1]]}


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"resolution": [8, 8]}, "box"),
        ({"resolution": {"h": 0.2}}, "elements"),
        ({"resolution": {"h": 0.2}, "domain": POLYGON}, "elements"),
        ({"points": {"random": 4}, "domain": POLYGON}, "walks"),
    ],
)
def test_the_keys_choose_and_a_choice_that_they_make_anyway_changes_no_hash(keys: dict[str, Any], name: str) -> None:
    spec: dict[str, Any] = {"problem": {"family": "poisson", **keys}, "samples": 2}
    forced = {**spec, "problem": {**spec["problem"], "discretiser": name}}
    chosen, asked = validate(spec), validate(forced)
    assert chosen.problem.discretisation.name == asked.problem.discretisation.name == name
    assert chosen.sha256() == asked.sha256()
    assert "discretiser" not in chosen.canonical()


def test_families_are_not_offered_where_they_are_always_refused() -> None:
    assert [form.place_of().name for form in forms("poisson")] == ["box", "elements", "walks"]
    assert [form.place_of().name for form in forms("convection_diffusion")] == ["box", "elements"]


def test_unknowns_have_a_channel_per_component() -> None:
    assert ScalarUnknown("p").channels(3) == ("p",)
    assert VectorUnknown("u").channels(2) == ("u_x", "u_y")
    assert VectorUnknown("u").channels(3) == ("u_x", "u_y", "u_z")


type Drawn = Callable[[str], tuple[Function, ...]]


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (lambda drawn: None, "should return Terms, not None"),
        (
            lambda drawn: Terms(cast(Any, None), drawn("source")[0]),
            "diffusion of Terms should be a tuple",
        ),
        (
            lambda drawn: Terms(drawn("source"), cast(Any, drawn("source"))),
            "source of Terms should be one function",
        ),
        (lambda drawn: Terms(drawn("sorce"), drawn("source")[0]), "terms.. of misstated fails: .*sorce"),
        (lambda drawn: Terms((), *drawn("source")), "diffusion of Terms should be a tuple"),
    ],
)
def test_what_a_family_states_wrongly_is_said(terms: Callable[[Drawn], Any], message: str) -> None:
    with temporary_parts():

        class Misstated(Problem):
            """-∇²u = f, stated wrongly."""

            family: Literal["misstated"]
            source: AnyField = Constant(constant=1.0)

            def terms(self, drawn: Drawn) -> Terms:
                stated: Terms = terms(drawn)
                return stated

        with pytest.raises(FamilyError, match=message):
            validate({"problem": {"family": "misstated", "resolution": [8, 8]}, "samples": 1})
