"""Draws that do not make an equation: refused by name when they are assembled, and only they."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from pdemill.solvers.instance import InvalidSample

if TYPE_CHECKING:
    from tests.operators.conftest import Begin

PLACES: dict[str, dict[str, Any]] = {
    "grid": {"resolution": [6, 5]},
    "mesh": {
        "resolution": {"h": 0.3},
        "domain": {
            "shape": "polygon",
            "outline": [[0, 0], [1, 0], [1, 1], [0, 1]],
            "sides": ["bottom", "right", "top", "left"],
        },
    },
}


def _field(formula: str) -> dict[str, Any]:
    """A formula with the sampled number a, of either sign."""
    return {"field": "expression", "formula": formula, "where": {"a": {"uniform": [-1, 1]}}}


SIGNED, LOG, UNIT = _field("a*(1+x)"), _field("x+log(a)"), _field("1+a*x/2")
WIND: dict[str, Any] = {"velocity": [1, 1]}


def _robin(coefficient: Any, value: Any) -> dict[str, Any]:
    return {"boundary": {"left": {"robin": {"coefficient": coefficient, "value": value}}}}


ROWS: list[tuple[str, dict[str, Any], str]] = [  # family, changes, what is wrong exactly where a < 0
    ("darcy", {"coefficient": SIGNED}, "coefficient"),
    ("darcy", {"coefficient": LOG | {"formula": "2+x-a+0*log(a)"}}, "coefficient"),
    ("darcy", {"coefficient": {"diagonal": [UNIT, SIGNED]}}, "coefficient"),
    ("helmholtz", {"coefficient": SIGNED}, "coefficient"),
    ("convection_diffusion", WIND | {"coefficient": SIGNED}, "coefficient"),
    ("thermal", {"coefficient": SIGNED}, "coefficient"),
    ("thermal", {"coefficient": LOG | {"formula": "2+x-a+0*log(a)"}}, "coefficient"),
    ("poisson", {"source": LOG}, "source"),
    ("thermal", {"source": LOG}, "source"),
    ("screened_poisson", {"screening": SIGNED}, "screening"),
    ("screened_poisson", {"screening": LOG | {"formula": "2+0*log(a)"}}, "screening"),
    ("helmholtz", {"wavenumber": LOG}, "wavenumber"),
    ("convection_diffusion", {"velocity": [1, LOG]}, "velocity"),
    ("convection_diffusion", WIND | {"reaction": SIGNED}, "reaction"),
    ("convection_diffusion", WIND | {"reaction": LOG | {"formula": "2+0*log(a)"}}, "reaction"),
    *[
        (family, changes, f"boundary.{name}")
        for family in ("poisson", "thermal")
        for changes, name in (
            ({"boundary": {"left": {"dirichlet": LOG}}}, "left.dirichlet"),
            ({"boundary": {"left": {"neumann": LOG}}}, "left.neumann"),
            (_robin(SIGNED, 1), "left.robin.coefficient"),
            (_robin(LOG | {"formula": "2+0*log(a)"}, 1), "left.robin.coefficient"),
            (_robin(1, LOG), "left.robin.value"),
        )
    ],
]


def _problem(family: str, changes: dict[str, Any]) -> dict[str, Any]:
    return {"family": family} | PLACES["mesh" if family == "thermal" else "grid"] | changes


@pytest.mark.parametrize(("family", "changes", "name"), ROWS)
def test_a_draw_that_breaks_the_equation_is_named(
    family: str, changes: dict[str, Any], name: str, begin: Begin
) -> None:
    job = begin(_problem(family, changes))
    broken = 0
    for sample in range(12):
        instance = job.instance("train", sample)
        _ = instance.terms
        a = list(instance.parameters().values())[-1]
        if a > 0:
            job.discretisation.assemble(instance)
        else:
            broken += 1
            with pytest.raises(InvalidSample, match=rf"^{re.escape(name)}\b"):
                job.discretisation.assemble(instance)
    assert 0 < broken < 12


@pytest.mark.parametrize("formula", ["0*x", "-1e-9+0*x", "1/(0*x)", "exp(1000+x)", "0*x/0", "sqrt(-1-x)"])
@pytest.mark.parametrize("family", ["darcy", "thermal"])
def test_a_coefficient_must_be_positive_and_finite(family: str, formula: str, begin: Begin) -> None:
    job = begin(_problem(family, {"coefficient": {"field": "expression", "formula": formula}}))
    with pytest.raises(InvalidSample, match=r"^coefficient (must be positive|is not finite)"):
        job.discretisation.assemble(job.instance("train", 0))
