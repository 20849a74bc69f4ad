"""Texts that are no equations pdemill can march are refused with a path, and with words that say what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from pdemill.errors import SpecError
from pdemill.spec import validate

GOOD = "u_t = d(u, x, 2)"


def spec(equations: Any, dimension: int = 1, **problem: Any) -> dict[str, Any]:
    return {
        "problem": {
            "family": "spectral",
            "resolution": [16] * dimension,
            "equations": equations,
            "initial": {"field": "gaussian", "boundary": "periodic"},
            "time": {"end": 1.0, "intervals": 1},
        }
        | problem,
        "samples": 1,
    }


HOSTILE: dict[str, tuple[Any, str, str]] = {
    "no unknown": ("d(u, x, 2)", "", "should begin with the unknown"),
    "empty": ("", "[0]", "at least 1 character"),
    "no right side": ("u_t = ", "", "can be read"),
    "two right sides": ("u_t = u = u", "", "can be read"),
    "a comparison": ("u_t == u", "", "should begin with the unknown"),
    "two statements": ("u_t = u; v", "", "can be read"),
    "another line": ("u_t = u\nimport os", "", "can be read"),
    "an unknown name": ("u_t = a*u", "", "unknown name 'a'"),
    "a rate on the right": ("u_t = u_t", "", "unknown name 'u_t'"),
    "an import": ("u_t = __import__('os').system('true')", "", "may not contain"),
    "a call": ("u_t = eval(u)", "", "may not contain 'eval(u)'"),
    "an attribute": ("u_t = u.real", "", "may not contain 'u.real'"),
    "an index": ("u_t = u[0]", "", "may not contain"),
    "a lambda": ("u_t = (lambda: u)()", "", "may not contain"),
    "a comprehension": ("u_t = [u for u in u]", "", "may not contain"),
    "an assignment inside": ("u_t = (u := 1)", "", "may not contain"),
    "a text": ("u_t = 'u'*9", "", "may not contain"),
    "a keyword": ("u_t = d(u, axis=x)", "", "may not contain"),
    "all arguments at once": ("u_t = d(*u)", "", "1 arguments instead of 2 or 3"),
    "a huge power": ("u_t = u**60", "", "raises an unknown to 60, and 5 is the most"),
    "a tower of powers": ("u_t = 9**9**9*u", "", "between -64 and 64"),
    "a fraction of an unknown": ("u_t = u**(1/2)", "", "raises an unknown to 0.5"),
    "an unknown below": ("u_t = 1/u", "", "divides by an unknown"),
    "a negative power": ("u_t = u**(-1)", "", "raises an unknown to -1"),
    "a power of two": ("u_t = 2**u", "", "between -64 and 64"),
    "a function of an unknown": ("u_t = sin(u)", "", "sin of an unknown"),
    "a high degree": ("u_t = u*u*u*u*u*u", "", "of degree 6"),
    "a high order": ("u_t = d(d(u, x, 5), x, 4)", "", "order 9"),
    "an order without end": ("u_t = d(u, x, 1000000)", "", "order 1000000"),
    "an order that is none": ("u_t = d(u, x, 0)", "", "whole number"),
    "an order that is drawn": ("u_t = d(u, x, u)", "", "whole number"),
    "in time": ("u_t = d(u, t)", "", "with respect to t, which is no axis"),
    "with respect to an unknown": ("u_t = d(u, u)", "", "with respect to u, which is no axis"),
    "with respect to a product": ("u_t = d(u, x*x)", "", "with respect to no axis"),
    "another axis": ("u_t = d(u, y, 2)", "", "and the box has x"),
    "space": ("u_t = sin(x)*u", "", "depends on x: what depends on space alone belongs in 'source'"),
    "time": ("u_t = t*u", "", "depends on t"),
    "an operator as a number": ("u_t = lap + u", "", "without arguments"),
    "no arguments": ("u_t = lap()", "", "0 arguments instead of 1"),
    "many products": ("u_t = (u + d(u, x) + d(u, x, 2) + d(u, x, 3) + 1)**5", "", "more than 64 products"),
    "a huge number": ("u_t = " + "9" * 900 + "*u", "", "above 1e100"),
    "overflow": ("u_t = 1e90**4*u", "", "not finite"),
    "division by zero": ("u_t = u/0", "", "not finite"),
    "too long": ("u_t = " + "u + " * 300 + "u", "[0]", "at most 1000 characters"),
    "too many parts": ("u_t = " + "u+" * 200 + "u", "", "more than 200 parts"),
    "many signs": ("u_t = " + "-" * 900 + "u", "", "more than 200 parts"),
    "deep brackets": ("u_t = " + "(" * 400 + "u" + ")" * 400, "", "can be read"),
    "many derivatives of derivatives": ("u_t = " + "d(" * 20 + "u" + ", x)" * 20, "", "order 9"),
    "long coefficients": ("u_t = (a + a + a + a + (a + a + a + a)*u)**5", "", "too long"),
    "a null byte": ("u_t = u\0", "", "can be read"),
    "backwards heat": ("u_t = -d(u, x, 2)", "", "not well-posed: -1*d(u, x, 2) lets waves grow"),
    "a fourth order of the wrong sign": ("u_t = d(u, x, 4)", "", "not well-posed: 1*d(u, x, 4)"),
    "a coordinate as unknown": ("x_t = d(x, x, 2)", "", "is for x, which stands for something else"),
    "an operator as unknown": ("lap_t = lap(lap)", "", "is for lap, which stands for something else"),
    "a second equation": ([GOOD, GOOD], "[1]", "is a second equation for u"),
    "four unknowns": ([f"u{i}_t = u{i}" for i in range(4)], "", "at most 3"),
    "no equation": ([], "", "at least 1"),
    "a number": (3, "[0]", "valid string"),
    "a table": ([["u_t = u"]], "[0]", "valid string"),
    "waves that blow up": (["u_t = v", "v_t = -d(u, x, 2)"], "[1]", "not well-posed: -1*d(u, x, 2)"),
}  # fmt: skip


def refused(given: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(SpecError) as caught:
        validate(given)
    (fault,) = caught.value.faults
    return fault.dotted, fault.message


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_texts_are_refused_with_a_path(case: str) -> None:
    equations, below, words = HOSTILE[case]
    where, message = refused(spec(equations, where={"a": 2.0} if case == "long coefficients" else {}))
    assert where == f"problem.equations{below}"
    assert words in message


def test_a_text_that_is_all_right_is_not_refused() -> None:
    assert validate(spec(GOOD)).problem.family == "spectral"


@pytest.mark.parametrize(
    ("problem", "path", "words"),
    [
        ({"where": {"x": 1.0}}, "problem.where.x", "not a free name"),
        ({"where": {"d": 1.0}}, "problem.where.d", "not a free name"),
        ({"where": {"t": 1.0}}, "problem.where.t", "not a free name"),
        ({"where": {"u": 1.0}}, "problem.equations", "has a value under 'where'"),
        ({"where": {"a": {"field": "gaussian"}}}, "problem.where.a", "should be a number"),
        ({"initial": [0.0, 0.0]}, "problem.initial", "needs 1 entries, one per unknown"),
        ({"source": [0.0, 0.0]}, "problem.source", "needs 1 entries, one per unknown"),
        ({"boundary": {"left": {"dirichlet": 0.0}}}, "problem.boundary.left", "periodic"),
        ({"coefficient": 1.0}, "problem.coefficient", "unknown key"),
    ],
)  # fmt: skip
def test_the_rest_of_the_problem_is_looked_at_too(problem: dict[str, Any], path: str, words: str) -> None:
    where, message = refused(spec(GOOD, **problem))
    assert (where, words in message) == (path, True), message


@pytest.mark.parametrize(
    ("equations", "dimension"),
    [
        ("u_t = -lap(u) + 2*lap(u)", 2),
        ("u_t = -d(u, x, 2) - lap(lap(u))", 2),
        ("u_t = d(u, x, 2)", 2),
        ("u_t = d(u, x, 3) + d(u, y, 3)", 2),
        ("u_t = lap(u) + 1.9*d(d(u, x), y)", 2),
        (["u_t = v", "v_t = lap(u)"], 3),
        (["u_t = v", "v_t = -lap(lap(u))"], 2),
        (["u_t = -lap(v)", "v_t = lap(u)"], 1),
        (["u_t = lap(u) + lap(v)", "v_t = lap(v)"], 1),
    ],
)
def test_equations_that_are_well_posed_are_taken(equations: Any, dimension: int) -> None:
    validate(spec(equations, dimension))


@pytest.mark.parametrize(
    ("equations", "dimension", "words"),
    [
        ("u_t = -d(u, x, 4) - lap(u)", 2, "-1*d(u, y, 2)"),
        ("u_t = lap(u) + 2.1*d(d(u, x), y)", 2, "2.1*d(d(u, x), y)"),
        ("u_t = d(u, x, 3) - d(u, x, 2)", 1, "-1*d(u, x, 2)"),
        (["u_t = lap(v)", "v_t = lap(u)"], 1, "1*d(v, x, 2)"),
        (["u_t = lap(v)", "v_t = -u"], 1, "1*d(v, x, 2)"),
    ],
)
def test_equations_that_are_not_well_posed_are_refused(equations: Any, dimension: int, words: str) -> None:
    _, message = refused(spec(equations, dimension))
    assert words in message


def test_numbers_that_may_be_drawn_are_looked_at() -> None:
    """At the ends of where they are drawn from."""
    where, message = refused(spec("u_t = a*d(u, x, 2)", where={"a": {"uniform": [-0.1, 1.0]}}))
    assert (where, "-0.1*d(u, x, 2)" in message) == ("problem.equations", True)
    validate(spec("u_t = a*d(u, x, 2)", where={"a": {"uniform": [0.1, 1.0]}}))
