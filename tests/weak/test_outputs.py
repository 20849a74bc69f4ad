"""Outputs of weak forms: integrals and reactions, in stores."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import SpecError
from pdemill.solvers.field_recomputed import RECOMPUTED
from pdemill.spec import validate
from tests.weak.problems import POISSON, opened, solved
from tests.weak.test_families import CHANNEL

pytestmark = pytest.mark.needs("ffcx", "netgen")
FLOW = CHANNEL | {
    "reynolds": {"uniform": [10, 20]},
    "outputs": {
        "flow": "dot(velocity, n)*ds('right')",
        "shear": "-dot(stress, n)[0]*ds('bottom')",
        "work": "viscosity*inner(grad(velocity), grad(velocity))*dx - 0.3*velocity[0]*ds('right')",
        "held": {"reaction": "bottom", "of": "velocity_x", "scale": -1.0},
    },
}
REFUSED = [
    ("u", "has no integral"),
    ("v*dx", "holds a test function"),
    ("w*dx", "unknown name 'w'"),
    ("u*ds('hole0')", "has the side 'hole0'"),
    ({"reaction": "hole0", "of": "u"}, "no such side"),
    ({"reaction": "left", "of": "p"}, "is not given on left, where u is"),
    ({"reaction": "right", "of": "u"}, "is not given on right, where nothing is"),
    ("open('x')*dx", "which is no function here"),
]


def test_outputs_of_a_flow_are_those_of_its_solution(tmp_path: Path) -> None:
    """∫ u_x = 2/3; the walls take 4 ν each, by Newton's law of viscosity, half of the corners' share in reactions."""
    spec = {"problem": FLOW, "samples": 2, "certify": {"refine": 1.0}, "store": {"dtype": "float64"}}
    assert pdemill.generate(spec, out=tmp_path / "flow.zarr", workers=0).ok
    data = pdemill.open(tmp_path / "flow.zarr")
    assert data.outputs == ("flow", "shear", "work", "held")
    columns = data.columns(data.shards[0])
    nu = 1.0 / columns["params"][:, 0]
    flow, shear, work, held = columns["outputs"].T
    np.testing.assert_allclose(flow, 2 / 3)
    np.testing.assert_allclose(shear, 4 * nu)
    np.testing.assert_allclose(work, nu * 16 / 3 - 0.2)
    assert (held > 3 * nu).all()
    np.testing.assert_allclose(columns["outputs_refined"][:, :3], columns["outputs"][:, :3])
    assert pdemill.verify(tmp_path / "flow.zarr").faults == ()


def test_verification_makes_outputs_again() -> None:
    job = opened(POISSON | {"outputs": {"mean": "u*dx"}})
    instance = job.instance("train", 0)
    unknowns = job.discretisation.from_fields(solved(job)[0])
    made, sizes = job.discretisation.outputs(unknowns, instance)
    for stored, faults in ((made, 0), (made * (1 + 1e-15), 1)):
        checked: Any = SimpleNamespace(job=job, instance=instance, unknowns=unknowns, stored={"outputs": stored})
        assert len(list(RECOMPUTED["outputs"](checked))) == faults
    np.testing.assert_allclose(sizes, made)


@pytest.mark.slow
def test_a_reaction_balances_the_load() -> None:
    boundary = {"left": {"u": {"dirichlet": 0.0}}, "default": "natural"}
    job = opened(POISSON | {"boundary": boundary, "outputs": {"held": {"reaction": "left", "of": "u"}}})
    unknowns = job.discretisation.from_fields(solved(job)[0])
    found, _ = job.discretisation.outputs(unknowns, job.instance("train", 0))
    np.testing.assert_allclose(found, -1.0)


@pytest.mark.parametrize(("output", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_outputs_that_mean_nothing_are_refused_with_their_path(output: Any, why: str) -> None:
    boundary = {"left": {"u": {"dirichlet": 0.0}}, "default": "natural"}
    with pytest.raises(SpecError, match=rf"problem\.outputs\.a.*{why}"):
        validate({"problem": POISSON | {"boundary": boundary, "outputs": {"a": output}}, "samples": 1})


def test_a_spec_without_outputs_is_what_it_was() -> None:
    assert "outputs" not in validate({"problem": POISSON, "samples": 1}).canonical()
    assert "outputs" not in opened(POISSON).layout.attributes
