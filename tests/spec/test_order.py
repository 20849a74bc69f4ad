"""The order of keys that names channels, outputs and parameters is part of what a spec means; no other order is."""

from __future__ import annotations

import json
from typing import Any

import pytest

import pdemill
from pdemill.errors import StoreMismatch
from pdemill.spec import validate
from pdemill.spec.load import stored_in

RANDOM = {"uniform": [0, 1]}
FORM: dict[str, Any] = {
    "family": "weak_form", "resolution": [2, 2],
    "unknowns": {"p": {"element": "P1", "test": "q"}, "u": {"element": "P1", "test": "v"}},
    "coefficients": {"a": RANDOM, "b": RANDOM, "c": 1.0},
    "form": "c*inner(grad(u), grad(v))*dx + inner(grad(p), grad(q))*dx - a*v*dx - b*q*dx",
    "definitions": {"d": "2", "e": "3"},
    "outputs": {"first": "u*dx", "second": "p*dx"},
    "boundary": {"default": {"p": {"dirichlet": 0.0}, "u": {"dirichlet": 0.0}}},
}  # fmt: skip
SINE: dict[str, Any] = {"field": "expression", "formula": "a*x + b*y + c", "where": {"a": RANDOM, "b": RANDOM, "c": 1}}
POISSON: dict[str, Any] = {"family": "poisson", "resolution": [8, 8], "source": SINE}
WAVES: dict[str, Any] = {"family": "helmholtz_absorbing", "wavenumber": 3.0, "resolution": [2, 2]}


def spec(problem: dict[str, Any]) -> dict[str, Any]:
    return {"problem": {"boundary": {"default": {"dirichlet": 0.0}}} | problem, "samples": 2}


def turned(problem: dict[str, Any], *path: str) -> dict[str, Any]:
    """The same with the keys of a part in the other order."""
    found: dict[str, Any] = json.loads(json.dumps(problem))
    *above, last = path
    part = found
    for key in above:
        part = part[key]
    part[last] = dict(reversed(part[last].items()))
    return found


def hashes_of(one: dict[str, Any], other: dict[str, Any]) -> tuple[str, str]:
    return validate(spec(one)).sha256(), validate(spec(other)).sha256()


@pytest.mark.parametrize("key", ["unknowns", "coefficients", "outputs"])
def test_orders_that_show_are_hashed(key: str) -> None:
    one, other = hashes_of(FORM, turned(FORM, key))
    assert one != other
    assert one == validate(spec(FORM)).without_orders().sha256()  # the order of names hashes as it did


def test_the_order_of_coefficients_that_are_no_channels_is_not_hashed() -> None:
    numbers = FORM | {"coefficients": {"a": 2.0, "b": 3.0, "c": 1.0}}
    one, other = hashes_of(numbers, turned(numbers, "coefficients"))
    assert one == other


def test_the_order_of_drawn_parameters_is_hashed() -> None:
    one, other = hashes_of(POISSON, turned(POISSON, "source", "where"))
    assert one != other
    numbers = POISSON | {"source": SINE | {"where": {"a": RANDOM, "b": 1, "c": 2}}}
    one, other = hashes_of(numbers, turned(numbers, "source", "where"))
    assert one == other


def test_other_orders_mean_nothing() -> None:
    for path in (("definitions",), ("boundary", "default")):
        one, other = hashes_of(FORM, turned(FORM, *path))
        assert one == other
    both: list[Any] = [validate(spec(FORM)).problem, validate(spec(turned(FORM, "boundary", "default"))).problem]
    names = [[path for _, path, _ in problem.side_slots()] for problem in both]
    assert names[0] == names[1]


def test_loads_of_sides_have_one_order() -> None:
    sides = {"left": {"flux_real": RANDOM, "flux_imaginary": RANDOM}, "default": "absorbing"}
    problem = WAVES | {"boundary": sides}
    both: list[Any] = [validate(spec(p)).problem for p in (problem, turned(problem, "boundary", "left"))]
    assert both[0].weak_form.described() == both[1].weak_form.described()


def test_a_store_of_another_order_is_not_gone_on_with(tmp_path: Any) -> None:
    store = tmp_path / "poisson.zarr"
    pdemill.generate(spec(POISSON), store, workers=0)
    with pytest.raises(StoreMismatch):
        pdemill.generate(spec(turned(POISSON, "source", "where")), store, workers=0)


def test_stores_of_earlier_hashes_are_known() -> None:
    told = validate(spec(turned(FORM, "unknowns")))
    attributes = {"spec": told.model_dump(mode="json"), "spec_sha256": told.without_orders().sha256()}
    assert stored_in(attributes).sha256() == attributes["spec_sha256"]
    assert stored_in(attributes | {"spec_sha256": told.sha256()}).sha256() == told.sha256()
