"""Nearly incompressible bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pdemill.errors import SpecError
from pdemill.spec import validate
from tests.weak.problems import errors, formula, opened, solved

pytestmark = pytest.mark.needs("ffcx")
NU = 0.49999
BODY: dict[str, Any] = {
    "family": "elasticity", "E": 2 * (1 + NU), "nu": NU, "boundary": {"default": "clamped"}, "resolution": [8, 8],
    "body_force": [
        formula("2*pi**3*sin(2*pi*y)*(1 - 2*cos(2*pi*x))"), formula("-2*pi**3*sin(2*pi*x)*(1 - 2*cos(2*pi*y))"),
    ],
}  # fmt: skip
SWIRL = (
    lambda x, y: np.pi * np.sin(np.pi * x) ** 2 * np.sin(2 * np.pi * y),
    lambda x, y: -np.pi * np.sin(2 * np.pi * x) * np.sin(np.pi * y) ** 2,
)


def test_a_body_that_only_swirls() -> None:
    """u = curl of sin² πx sin² πy keeps areas: B-bar has order 2 at ν = 0.49999, where P1 hardly moves."""
    found = [errors(BODY | {"b_bar": True, "resolution": [n, n]}, SWIRL).max() for n in (6, 12)]
    assert np.log2(found[0] / found[1]) > 1.9
    assert found[1] < 0.02
    assert errors(BODY | {"element": "P1", "resolution": [12, 12]}, SWIRL).min() > 0.9


@pytest.mark.needs("netgen")
def test_cooks_membrane_that_keeps_its_area() -> None:
    """Its right end rises by as much as with displacement and pressure in Taylor and Hood's elements, which do not
    lock, within 1.5 %; P1 is 46 % too stiff."""
    place: dict[str, Any] = {
        "domain": {"outline": [[0, 0], [48, 44], [48, 60], [0, 44]], "sides": ["below", "right", "above", "left"]},
    }  # fmt: skip
    body = place | {
        "family": "elasticity", "E": 250.0, "nu": 0.4999, "resolution": {"h": 4},
        "boundary": {"left": "clamped", "right": {"traction": [0, 100 / 16]}, "default": "free"},
        "outputs": {"rise": "displacement[1]/16*ds('right')"},
    }  # fmt: skip
    mixed = place | {
        "family": "weak_form", "resolution": {"h": 4},
        "unknowns": {"u": {"element": "P2", "shape": "vector", "test": "v"}, "p": {"element": "P1", "test": "q"}},
        "definitions": {"mu": "250/(2*1.4999)", "lmbda": "250*0.4999/(1.4999*(1 - 2*0.4999))"},
        "form": "(2*mu*inner(sym(grad(u)), sym(grad(v))) - p*div(v) - q*(div(u) + p/lmbda))*dx - 6.25*v[1]*ds('right')",
        "boundary": {"left": {"u": {"dirichlet": [0, 0]}}, "default": "natural"},
        "outputs": {"rise": "u[1]/16*ds('right')"},
    }  # fmt: skip
    rises = []
    for problem in (mixed, body | {"b_bar": True}, body | {"element": "P1"}):
        job = opened(problem)
        fields, _ = solved(job)
        found, _ = job.discretisation.outputs(job.discretisation.from_fields(fields), job.instance("train", 0))
        rises.append(float(found[0]))
    assert rises[1] == pytest.approx(rises[0], rel=0.015)
    assert rises[2] < 0.6 * rises[0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"element": "P1"}, "P2 elements"),
        ({"plane": "stress"}, "plane strain"),
        ({"resolution": [2, 2, 2]}, "plane strain"),
    ],
)
def test_where_b_bar_means_nothing_it_is_refused(change: dict[str, Any], told: str) -> None:
    problem = BODY | {"b_bar": True, "body_force": []} | change
    with pytest.raises(SpecError, match=rf"problem\.b_bar: is for {told}"):
        validate({"problem": problem, "samples": 1})
