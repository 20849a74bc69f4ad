"""Which discretiser a problem gets, and what is said of families that are written wrongly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import pytest

import pdemill
from pdemill.errors import FamilyError, SpecError
from pdemill.solvers.fields.constant import Constant
from pdemill.spec import validate
from pdemill.spec.field import AnyField, Function
from pdemill.spec.forms import forms
from pdemill.spec.problem import Problem, Terms, Vector
from pdemill.spec.unknowns import ScalarUnknown, VectorUnknown
from pdemill.testing import temporary_parts

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
        (lambda drawn: Terms(drawn("source") * 3, drawn("source")[0]), "should give 1 or 2 functions of diffusion"),
        (lambda drawn: Terms(drawn("source"), drawn("source")[0], drawn("source")), "and 0 or 2 of convection"),
        (lambda drawn: Terms((), drawn("source")[0]), "diffusion of Terms should be a tuple"),
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


def test_a_term_is_zero_only_if_its_function_of_a_zero_field_is() -> None:
    with temporary_parts():

        class Shifted(Problem):
            """-∇²u + (s - 5) u + 2 w·∇u = f."""

            family: Literal["shifted"]
            source: AnyField = Constant(constant=1.0)
            shift: AnyField = Constant(constant=0.0)
            wind: Vector
            symmetric: ClassVar[bool] = False
            operator_fields: ClassVar[tuple[str, ...]] = ("shift", "wind")

            def terms(self, drawn: Drawn) -> Terms:
                wind = tuple(part.map(lambda values: 2.0 * values) for part in drawn("wind"))
                (shift,) = drawn("shift")
                reaction = shift.map(lambda values: values - 5.0)
                return Terms(drawn("source"), drawn("source")[0], wind, reaction)

        keys: dict[str, Any] = {"family": "shifted", "resolution": [8, 8]}
        calm = validate({"problem": {**keys, "wind": [0, 0]}, "samples": 1}).problem
        assert [term for term, _, _ in calm.asked()] == ["diffusion", "source", "reaction"]
        windy = validate({"problem": {**keys, "wind": [0, 1]}, "samples": 1}).problem
        assert [term for term, _, _ in windy.asked()] == ["diffusion", "source", "convection", "reaction"]
        with pytest.raises(SpecError, match=r"problem\.shift: may make the reaction negative"):
            validate({"problem": {"family": "shifted", "points": {"random": 4}, "domain": POLYGON, "wind": [0, 0]},
                      "samples": 1})  # fmt: skip


def test_a_convection_of_zero_is_none_at_points(tmp_path: Path) -> None:
    problem = {"family": "convection_diffusion", "velocity": [0, 0], "points": {"random": 4}, "domain": POLYGON}
    spec = {"problem": problem, "samples": 1, "solver": {"method": "walks", "walks": 256}}
    assert pdemill.generate(spec, tmp_path / "still.zarr", workers=0).ok


def test_a_family_without_a_source_cannot_be_balanced() -> None:
    with temporary_parts():

        class Sourceless(Problem):
            """-∇²u = q."""

            family: Literal["sourceless"]
            heat: AnyField = Constant(constant=1.0)

            def terms(self, drawn: Drawn) -> Terms:
                return Terms((Function(lambda points: 1.0),), drawn("heat")[0])

        closed = {"family": "sourceless", "resolution": [8, 8], "boundary": {"default": {"neumann": 0}}}
        with pytest.raises(SpecError, match="u is not fixed on any side"):
            validate({"problem": closed, "samples": 1})
