"""restart and recycle of skr, left to the problem or given: what they become, what they hash like, what they take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pdemill
from pdemill.errors import SpecError
from pdemill.solvers.estimate import estimate
from pdemill.solvers.methods.skr import RECYCLE, RESTART, Skr
from pdemill.solvers.opening import open_work
from pdemill.spec import Spec, load_preset, validate
from pdemill.spec.implicit_method import ImplicitMethod
from pdemill.spec.load import stored_in
from pdemill.store.root import read_attributes

PROBLEMS: dict[str, dict[str, Any]] = {
    "constant": {"family": "poisson", "source": {"field": "gaussian"}},
    "definite": {"family": "darcy", "coefficient": {"field": "lognormal"}},
    "indefinite": {"family": "helmholtz", "wavenumber": {"uniform": [15, 25]}},
    "not symmetric": {"family": "convection_diffusion", "velocity": [{"uniform": [0, 1]}, 1]},
}
AUTO = {"constant": (40, 20), "definite": (40, 10), "indefinite": (80, 40), "not symmetric": (40, 20)}
HASHES = {  # of d92c422 and before, which had 40 and 20 as defaults
    "constant": "e1da5ca294f46eeb6989c83f24d97e71f27b4b1b442f2abf0ec84f3e0b232ef8",
    "definite": "dcf571ccf24577562edd9360a40b2e3b31b0f9f2986b58da2baeb9b2c8d8652a",
    "indefinite": "f65a5ee53f1b14a310993e02f89468bbe7a5d95a7ae5c476d7a3f3152f7e4b31",
    "not symmetric": "25eca6106a7d300994eb492740a3e3d04aaf4297b088a25f3be405c51868ef7b",
}


def spec(kind: str, cells: int = 16, **options: Any) -> Spec:
    problem = {**PROBLEMS[kind], "resolution": [cells, cells]}
    return validate({"problem": problem, "samples": 4, "solver": {"method": "skr", **options}})


def numbers(spec: Spec) -> tuple[Any, Any]:
    method = spec.solver.resolve(spec.problem)
    assert isinstance(method, Skr)
    return method.restart, method.recycle


@pytest.mark.parametrize("kind", PROBLEMS)
def test_numbers_left_out_are_those_of_the_problem(kind: str) -> None:
    assert numbers(spec(kind)) == AUTO[kind]
    assert numbers(spec(kind, restart=60)) == (60, min(AUTO[kind][1], 30))
    assert numbers(spec(kind, recycle=7)) == (40, 7)
    assert numbers(spec(kind, restart=30, recycle=20)) == (30, 20)


def test_long_waves_are_taken_for_definite() -> None:
    """Weyl's law on [0, 2]²: κ² / π eigenvalues below κ², for k = 1; the Laplacian's first is π² / 2."""
    for kappa, k, expected in ((1.7, 1, (40, 10)), (1.8, 1, (80, 40)), (17.0, 100, (40, 10)), (17.0, 50, (80, 40))):
        problem = {"family": "helmholtz", "wavenumber": {"uniform": [0, kappa]}, "coefficient": k}
        box = {"resolution": [8, 8], "domain": {"lengths": [2, 2]}}
        assert numbers(validate({"problem": problem | box, "samples": 1, "solver": {"method": "skr"}})) == expected
    assert numbers(load_preset("skr-helmholtz", ["solver={method: skr}"])) == (40, 10)
    assert numbers(load_preset("helmholtz-indefinite", ["solver={method: skr}"])) == (80, 40)
    assert (
        validate({"problem": PROBLEMS["definite"] | {"resolution": [8, 8]}, "samples": 1}).problem.negative_eigenvalues
        == 0
    )


@pytest.mark.parametrize("kind", PROBLEMS)
def test_hashes_are_those_of_before_and_tell_numbers_apart(kind: str) -> None:
    assert spec(kind).sha256() == HASHES[kind]
    pairs: list[dict[str, Any]] = [{}, {"restart": 60}, {"restart": 40}, {"recycle": 10}, {"recycle": 20}]
    pairs += [{"restart": r, "recycle": k} for r, k in ((40, 10), (40, 20), (60, 20), (60, 10), (80, 40), (80, 20))]
    every = [spec(kind, **pair) for pair in pairs]
    meant: dict[str, tuple[Any, Any]] = {}
    for one in every:
        assert meant.setdefault(one.sha256(), numbers(one)) == numbers(one)


@pytest.mark.parametrize("kind", PROBLEMS)
def test_stores_with_the_defaults_of_then_written_out_are_of_the_same_spec(kind: str) -> None:
    told = spec(kind).model_dump(mode="json")
    told["solver"] |= {"restart": RESTART, "recycle": RECYCLE}
    found = stored_in({"spec": told, "spec_sha256": spec(kind).sha256()})
    assert found.sha256() == spec(kind).sha256()
    assert numbers(found) == AUTO[kind]
    asked = spec(kind, restart=RESTART, recycle=RECYCLE)
    assert stored_in({"spec": told, "spec_sha256": asked.sha256()}).sha256() == asked.sha256()


def test_the_systems_of_stages_have_numbers_too() -> None:
    told = load_preset("heat-sequence", ["solver={method: ark4, systems: {method: skr}}"])
    method = told.solver.resolve(told.problem)
    assert isinstance(method, ImplicitMethod)
    assert isinstance(method.systems, Skr)
    assert (method.systems.restart, method.systems.recycle) == (40, 10)


def test_a_store_tells_the_numbers(tmp_path: Path) -> None:
    told = spec("definite", preconditioner="jacobi").model_dump(mode="json")
    pdemill.generate(told, tmp_path / "new.zarr", workers=0)
    attributes = read_attributes(tmp_path / "new.zarr")
    assert (attributes["plan"]["restart"], attributes["plan"]["recycle"]) == (40, 10)
    assert attributes["spec"]["solver"]["recycle"] == "auto"
    assert open_work(tmp_path / "new.zarr")[0].spec == spec("definite", preconditioner="jacobi")


def test_the_memory_of_recycled_vectors_is_told_and_limited() -> None:
    told = estimate(spec("indefinite", 512))
    assert told.recycled_bytes == 8 * (80 + 1 + 5 * 40) * 512**2
    assert told.memory > told.recycled_bytes
    assert told.options["recycle"] == 40
    assert (
        estimate(validate({**spec("constant").model_dump(mode="json"), "solver": {"method": "direct"}})).recycled_bytes
        == 0
    )
    with pytest.raises(SpecError, match=r"solver\.recycle: would take 29,\S+ bytes of every process for its vectors"):
        spec("indefinite", 1024, restart=1000, recycle=500)
    with pytest.raises(SpecError, match=r"solver\.recycle: would take"):
        validate({**spec("definite", 1024).model_dump(mode="json"), "solver": {"method": "cg", "recycle": 500}})
    assert numbers(spec("indefinite", 1024)) == (80, 40)
    assert numbers(spec("indefinite", 1500)) == (40, 20)
