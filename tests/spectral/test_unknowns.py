"""Several unknowns on periodic boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

import pdemill
from pdemill.solvers.families.reaction_diffusion import Fields
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import Function
from pdemill.spec.problem import Terms
from pdemill.spec.unknowns import ScalarUnknown, Unknown
from pdemill.testing import temporary_parts
from tests.evolving import formula
from tests.spectral.test_trajectories import arrays, changed


@pytest.fixture
def pairs() -> Iterator[None]:
    """A family of two unknowns that do not feel each other."""
    with temporary_parts():

        class Pair(Evolution):
            """u_t - a ∇²u = f and v_t - b ∇²v = g."""

            family: Literal["pair"]
            initial: Fields  # type: ignore[assignment]
            coefficient: Fields
            source: Fields
            unknowns: ClassVar[tuple[Unknown, ...]] = (ScalarUnknown("u"), ScalarUnknown("v"))
            per_unknown: ClassVar[tuple[str, ...]] = ("initial", "coefficient", "source")
            operator_fields: ClassVar[tuple[str, ...]] = ("coefficient",)

            @property
            def initial_names(self) -> tuple[str, ...]:
                return ("initial_u", "initial_v")

            def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
                parts = zip(drawn("coefficient"), drawn("source"), drawn("initial"), strict=True)
                one, other = (Terms((k,), f, initial=start) for k, f, start in parts)
                return Terms(one.diffusion, one.source, initial=one.initial, others=(other,))

        yield


@pytest.mark.parametrize("shape", [[16], [16, 12]])
@pytest.mark.usefixtures("pairs")
def test_unknowns_that_feel_nothing_of_each_other_are_as_they_are_alone(shape: list[int], tmp_path: Path) -> None:
    parts: dict[str, Any] = {
        "initial": [formula("cos(2*pi*x)"), formula("1 + sin(4*pi*x)")],
        "coefficient": [0.02, 0.05],
        "source": [formula("sin(2*pi*x)"), 0.5],
    }
    rest = {"resolution": shape, "time": {"end": 1.0, "intervals": 2}}
    spec: dict[str, Any] = {
        "problem": {"family": "pair", **parts, **rest}, "samples": 3, "solver": {"method": "etdrk4", "step": 0.25},
        "store": {"dtype": "float64"}, "certify": {"refine": 1.0},
    }  # fmt: skip
    pdemill.generate(spec, tmp_path / "both.zarr", workers=0)
    assert pdemill.verify(tmp_path / "both.zarr", resolve=True).faults == ()
    both = arrays(tmp_path / "both.zarr")
    assert both["input"].shape == (3, 2, *shape)
    assert both["spectral_tail"].max() < 1e-12
    for number in (0, 1):
        own = {name: values[number] for name, values in parts.items()}
        alone = changed(spec, problem={"family": "heat", **own, **rest})
        pdemill.generate(alone, tmp_path / f"{number}.zarr", workers=0)
        found = arrays(tmp_path / f"{number}.zarr")
        assert both["solution"][:, number].tobytes() == found["solution"][:, 0].tobytes()
        assert both["input"][:, number].tobytes() == found["input"][:, 0].tobytes()
