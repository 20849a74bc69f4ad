"""Forms as text: what is read, what is refused, and where."""

from __future__ import annotations

import json
import re
from time import perf_counter
from typing import Any

import pytest

from pdemill.errors import SpecError
from pdemill.solvers.weak.form import Coefficient, Unknown, WeakForm
from pdemill.spec import validate
from tests.weak.hostile import HOSTILE
from tests.weak.problems import POISSON


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """The catalogue is loaded before anything is timed."""
    validate({"problem": POISSON, "samples": 1})


@pytest.mark.parametrize(("text", "why"), HOSTILE, ids=[f"{text[:24]!r}" for text, _ in HOSTILE])
def test_hostile_forms_are_refused_with_a_path_and_at_once(text: str, why: str) -> None:
    begin = perf_counter()
    with pytest.raises(SpecError) as caught:
        validate({"problem": POISSON | {"form": text}, "samples": 1})
    assert perf_counter() - begin < 1.0
    assert [fault.path for fault in caught.value.faults] == [("problem", "form")]
    assert re.search(why, str(caught.value)), str(caught.value)


def test_definitions_do_not_grow_beyond_the_limit() -> None:
    names = {f"a{i}": f"a{i - 1}*a{i - 1}" if i else "1 + sin(x)" for i in range(20)}
    with pytest.raises(SpecError, match=r"problem\.definitions\.a\d+: .*(operations|degree)"):
        validate({"problem": POISSON | {"definitions": names, "form": "a19*u*v*dx"}, "samples": 1})


def _form(text: str, **definitions: str) -> WeakForm:
    unknowns = (Unknown("u", 2, 2, "v"), Unknown("p", 1, 0, "q"))
    known = (Coefficient("k", "nodes", 2, 0), Coefficient("f", "nodes", 2, 2))
    return WeakForm(2, ("left", "right"), unknowns, known, definitions, text)


@pytest.mark.parametrize(
    ("text", "linear", "in_operator"),
    [
        ("k*inner(grad(u), grad(v))*dx - inner(f, v)*dx - p*div(v)*dx - q*div(u)*dx", True, {"k"}),
        ("(inner(grad(u), grad(v)) - inner(f, v))*dx - k*p*q*dx", True, {"k"}),
        ("inner(u, v)*dx + k*f[0]*v[1]*ds('left') + p*q*dx", True, set()),
        ("inner(dot(grad(u), u), v)*dx + p*q*dx + k*q*dx - dot(f, v)*dx", False, set()),
        ("derivative(k*inner(u, u)*dx, u, v) + p*q*dx - dot(f, v)*dx", True, {"k"}),
        ("derivative(k*inner(u, u)**2*dx, u, v) + p*q*dx - dot(f, v)*dx", False, {"k"}),
        ("inner(u, v)/(1 + k)*dx + p*q*dx - dot(f, v)*dx", True, {"k"}),
        ("exp(p)*q*dx + inner(u, v)*dx - k*dot(f, v)*dx", False, set()),
    ],
)
def test_whether_it_is_linear_and_what_its_matrix_depends_on(text: str, linear: bool, in_operator: set[str]) -> None:
    form = _form(text)
    form.check()
    assert form.linear == linear
    assert form.in_operator >= in_operator
    assert not linear or form.in_operator == in_operator


@pytest.mark.parametrize(
    ("text", "degree"),
    [("inner(u, v)*dx", 4), ("inner(grad(u), grad(v))*dx", 2), ("k*p*q*dx", 4), ("x**3*p*q*dx", 5), ("sin(p)*q*dx", 4)],
)
def test_the_degree_of_a_quadrature(text: str, degree: int) -> None:
    assert _form(text).integrals[0].kind.degree == degree


TWO = {"u": {"shape": "vector", "test": "v"}, "u_x": {"test": "w"}}
GIVEN = {"u": {"dirichlet": [None, 0.0]}, "u_x": {"dirichlet": 7.0}}
TWICE = [{"uniform": [1, 2]}, {"uniform": [1, 2]}]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"unknowns": TWO, "form": "inner(grad(u), grad(v))*dx + u_x*w*dx", "boundary": {"default": GIVEN}},
            r"problem\.unknowns\.u_x: another channel is called u_x too",
        ),
        (
            {"coefficients": {"k": TWICE, "k_x": {"uniform": [5, 6]}}, "form": "u*v*dx - (k[0] + k_x)*v*dx"},
            r"problem\.coefficients\.k_x: another channel is called k_x too",
        ),
        (
            {"coefficients": {"left_u": {"uniform": [5, 6]}}, "form": "u*v*dx - left_u*v*dx"},
            r"problem\.boundary\.default\.u: another channel is called left_u too",
        ),
    ],
)  # fmt: skip
def test_channels_of_one_name_are_refused(change: dict[str, object], why: str) -> None:
    with pytest.raises(SpecError, match=why):
        validate({"problem": POISSON | change, "samples": 1})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"form": "inner(grad(u), v)*dx"}, r"problem\.form: at character 1: calls inner with values whose shapes"),
        ({"form": "inner(grad(u), grad(v))*dx - v"}, r"problem\.form: at character 28: adds a value to an integral"),
        ({"form": "u*v*dx - w*v*dx"}, r"problem\.form: at character 10: has the unknown name 'w'; give it a value"),
        ({"form": "v*dx"}, r"problem\.form: does not hold u"),
        ({"coefficients": {"k": 1.0}}, r"problem\.coefficients\.k: the form does not hold k"),
        ({"coefficients": {"x": 1.0}}, r"problem\.coefficients\.x: the name x stands for something else"),
        ({"coefficients": {"k": [1.0, 2.0, 3.0]}}, r"problem\.coefficients\.k"),
        ({"cellwise": ["k"]}, r"problem\.cellwise.*there is no coefficient 'k'"),
        ({"unknowns": {"u": "P3"}}, r"problem\.unknowns\.u\.element"),
        ({"unknowns": {"u": "P1", "p": "P1"}}, r"problem\.unknowns\.u\.test: is missing"),
        ({"boundary": {"left": "natural"}}, r"problem\.boundary\.right: is missing"),
        ({"boundary": {"default": {"dirichlet": 0.0}}}, r"default\.dirichlet: needs the unknown that is given"),
        (
            {"boundary": {"default": {"u": {"dirichlet": [0.0, 0.0]}}}},
            r"boundary\.default\.u\.dirichlet: should be one",
        ),
        ({"boundary": {"default": {"u": {"neumann": 0.0}}}}, r"boundary\.default\.u: .* terms of the form"),
        ({"boundary": {"default": {"w": {"dirichlet": 0.0}}}}, r"boundary\.default\.w: no such unknown"),
        ({"boundary": {"inlet": "natural", "default": "natural"}}, r"boundary\.inlet: no such side"),
        ({"compatibility": "project"}, r"problem\.compatibility: means nothing"),
        (
            {
                "coefficients": {"k": {"field": "threshold", "low": 1, "high": 9, "of": {"field": "gaussian"}}},
                "form": "inner(grad(u), grad(v))*dx - dot(grad(k), grad(v))*dx",
            },
            r"problem\.form: at character .*calls grad with k, which has one value in each cell",
        ),
        (
            {"coefficients": {"k": {"field": "gaussian"}}, "form": "inner(grad(u), grad(v))*dx - div(grad(k))*v*dx"},
            r"problem\.form: at character .*calls div with a derivative, and second ones jump",
        ),
        ({"degree": 21}, r"problem\.degree"),
        ({"resolution": [8]}, r"problem\.resolution"),
        ({"discretiser": "box"}, r"problem\.discretiser|problem\.family"),
        ({"points": {"random": 3}}, r"problem\.points"),
    ],
)
def test_mistakes_are_told_with_their_path(change: dict[str, object], why: str) -> None:
    with pytest.raises(SpecError, match=why):
        validate({"problem": POISSON | change, "samples": 1})


def test_specs_survive_being_written_and_read() -> None:
    problem = POISSON | {
        "unknowns": {"u": {"element": "P2", "shape": "vector"}},
        "form": "inner(grad(u), grad(v))*dx - dot(f, v)*dx",
        "coefficients": {"f": [{"uniform": [0, 1]}, {"field": "gaussian"}]},
        "boundary": {"left": {"u": {"dirichlet": [0.0, None]}}, "default": "natural"},
    }
    spec = validate({"problem": problem, "samples": 1})
    again = validate(spec.model_dump(mode="json"))
    assert again.sha256() == spec.sha256()
    assert spec.problem.channels == ("u_x", "u_y")
    plain = validate({"problem": problem | {"domain": {"lengths": [1, 1]}}, "samples": 1})
    assert plain.sha256() == spec.sha256()


def test_definitions_may_stand_in_any_order() -> None:
    """As they do in a spec whose keys were sorted; not in a circle."""
    told = {"definitions": {"b": "2*c", "c": "1 + x"}, "form": "b*inner(grad(u), grad(v))*dx - v*dx"}
    problem: Any = validate({"problem": POISSON | told, "samples": 1}).problem
    described = json.loads(problem.weak_form.described())
    assert [name for name, _ in described["definitions"]] == ["c", "b"]
    with pytest.raises(SpecError, match=r"problem\.definitions\.b: is defined by itself"):
        validate({"problem": POISSON | told | {"definitions": {"b": "2*c", "c": "1 + b"}}, "samples": 1})


def test_channels_are_in_the_order_of_unknowns_wherever_a_spec_goes() -> None:
    unknowns = {"u": {"element": "P2", "test": "v"}, "a": {"element": "P1", "test": "b"}}
    problem = POISSON | {"unknowns": unknowns, "form": "inner(grad(u), grad(v))*dx + a*b*dx - v*dx - u*b*dx",
                         "boundary": {"default": {"u": {"dirichlet": 0.0}}}}  # fmt: skip
    spec = validate({"problem": problem, "samples": 1})
    assert validate(json.loads(spec.written())).problem.channels == spec.problem.channels == ("u", "a")
