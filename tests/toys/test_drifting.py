"""A family in time from outside: no field that is called source, and coefficients that it names in its terms alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import pdemill
from pdemill.errors import FamilyError, SpecError
from pdemill.solvers.families.poisson import ZERO
from pdemill.solvers.job import open_job
from pdemill.spec import validate
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import AnyField, Function
from pdemill.spec.terms import Terms, Vector
from tests.spectral.test_trajectories import arrays, changed

ZERO_FUNCTION = Function(lambda points: 0.0)


class Drifting(Evolution):
    """u_t + b . grad u + s d_i(u^2 / 2) = 0; what is drawn is named in the terms alone, and there is no source."""

    family: Literal["toy_drifting"]
    velocity: Vector
    strength: AnyField = ZERO
    twice: bool = False

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        (initial,), (strength,) = drawn("initial"), drawn("strength")
        return Terms(
            (ZERO_FUNCTION,), ZERO_FUNCTION, convection=drawn("velocity"), self_advection=strength,
            vorticity_advection=strength if self.twice else None, initial=initial,
        )  # fmt: skip


@pytest.fixture
def drifting() -> dict[str, Any]:
    return {
        "problem": {
            "family": "toy_drifting", "resolution": [32], "velocity": [0.5],
            "initial": {"field": "expression", "formula": "sin(2*pi*x)"}, "time": {"end": 1.0, "intervals": 1},
        },
        "samples": 3, "certify": {"refine": 0}, "store": {"dtype": "float64"},
    }  # fmt: skip


def test_whatever_is_drawn_is_of_its_own_sample(drifting: dict[str, Any], tmp_path: Path) -> None:
    spec = changed(drifting, problem__velocity=[{"uniform": [-1, 1]}])
    pdemill.generate(spec, tmp_path / "s.zarr", workers=0)
    columns = arrays(tmp_path / "s.zarr")
    x = np.arange(32) / 32
    for number in range(3):
        (speed,) = columns["params"][number]
        assert np.allclose(columns["solution"][number, 0, 1], np.sin(2 * np.pi * (x - speed)), atol=1e-12)


def test_terms_that_the_discretiser_does_not_take_are_refused(drifting: dict[str, Any]) -> None:
    spec = changed(drifting, problem__velocity=[0.5], problem__strength={"field": "fourier"})
    with pytest.raises(SpecError, match=r"problem\.strength: varies in space"):
        validate(spec)
    both = changed(drifting, problem__velocity=[0.5, 0.1], problem__resolution=[16, 16], problem__strength=1.0)
    with pytest.raises(FamilyError, match="self_advection, vorticity_advection"):
        open_job(validate(changed(both, problem__twice=True)))
