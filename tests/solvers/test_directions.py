"""Deep conjugate directions: the iteration, what it falls back on, and which networks and problems it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from pdemill import arrays
from pdemill.errors import MissingExtra, PdemillError, SpecError
from pdemill.points import Array
from pdemill.solvers.directions.apply import Directions
from pdemill.solvers.directions.beginning import begun
from pdemill.solvers.directions.couplings import Couplings
from pdemill.solvers.directions.iteration import Ending, conjugate_directions
from pdemill.solvers.directions.network import HEADER, Architecture, Network
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.operators.system import System
from pdemill.spec import load_preset, validate
from pdemill.spec.load import load_spec

SHIPPED = Path(__file__).parents[2] / "examples" / "directions" / "dcdm-pressure.npz"
FLAT = {
    "family": "darcy", "resolution": [13, 20], "coefficient": {"field": "lognormal"},
    "source": 1,
}  # fmt: skip
JOINED = {"left": "periodic", "right": "periodic"}
SOLID: dict[str, Any] = {
    "family": "poisson", "resolution": [10, 9, 12], "source": {"field": "gaussian"},
    "boundary": {"default": {"neumann": 0}, "top": {"dirichlet": 0}},
    "domain": {"without": [{"shape": "ball", "centre": [0.5, 0.4, 0.5], "radius": 0.2}]},
}  # fmt: skip


def held(dimension: int, levels: int = 3, change: float = 0.0, factor: float = 1.0) -> str:
    """The id of a network: a V-cycle, changed at random, and multiplied."""
    architecture, rng = Architecture(dimension, levels), np.random.default_rng(0)
    weights = begun(architecture)
    changed = {name: factor * (value + change * rng.standard_normal(value.shape)) for name, value in weights.items()}
    return arrays.hold(architecture.packed(changed))


def network(id: str) -> Network:
    array = arrays.find(id)
    return Network.of(array.row(0), array.facts.shape)


def spec_with(problem: dict[str, Any], id: str, **more: Any) -> Any:
    solver = {"method": "dcdm", "directions": {"array": id}, **more}
    return validate({"problem": problem, "samples": 2, "solver": solver})


def system_of(problem: dict[str, Any]) -> System:
    job = FieldJob(validate({"problem": problem, "samples": 1}))
    return job.discretisation.assemble(job.instance("train", 0))


def loaded(system: System, id: str) -> Directions:
    found, places = Directions(network(id), system.matrix.pattern.shape), Couplings(system.matrix.pattern)
    assert places.fits
    found.load(*places.of(system.matrix))
    return found


@pytest.mark.parametrize("problem", [FLAT, SOLID])
def test_the_product_is_that_of_the_matrix(problem: dict[str, Any]) -> None:
    system = system_of(problem)
    directions = loaded(system, held(len(problem["resolution"])))
    v = system.matrix.within(np.random.default_rng(1).standard_normal(len(system.rhs)))
    out = directions.wide(np.zeros_like(v))
    directions.multiply(directions.wide(v), out)
    expected = system.matrix.sparse() @ v
    assert np.abs(directions.narrow(out) - expected).max() <= 1e-13 * np.abs(expected).max()


@pytest.mark.parametrize(("problem", "change", "most"), [(FLAT, 0.0, 30), (FLAT, 0.02, 60), (SOLID, 0.0, 30)])
def test_directions_are_conjugate_and_lead_to_the_solution(problem: dict[str, Any], change: float, most: int) -> None:
    system, made = system_of(problem), list[Array]()
    A = system.matrix.sparse()
    directions = loaded(system, held(len(problem["resolution"]), change=change))
    u, used, ending = conjugate_directions(directions, system, 1e-10, 200, made=made)
    assert ending is Ending.REACHED
    assert used == len(made) <= most
    kept = system.matrix.kept if system.matrix.kept is not None else np.ones(len(u), bool)
    exact = np.linalg.solve(A.toarray()[np.ix_(kept, kept)], system.rhs[kept])
    assert np.abs(u[kept] - exact).max() <= 1e-7 * np.abs(exact).max()
    assert not u[~kept].any()
    for i, d in enumerate(made):
        for p in made[max(i - 2, 0) : i]:
            assert abs(d @ (A @ p)) <= 1e-9 * np.sqrt((d @ (A @ d)) * (p @ (A @ p)))


@pytest.mark.parametrize(("change", "factor"), [(0.0, 0.0), (1.0, 1.0), (1.0, 30.0)])
def test_what_a_bad_network_does_not_reduce_goes_on_with_cg(change: float, factor: float, tmp_path: Path) -> None:
    spec = spec_with(FLAT, held(2, change=change, factor=factor))
    assert pdemill.generate(spec.model_dump(mode="json"), tmp_path / "s.zarr", workers=0).ok
    codes = zarr.open_group(tmp_path / "s.zarr", mode="r")["train/method"]
    names = str(codes.attrs["flag_meanings"]).split()
    assert [names[code] for code in np.asarray(codes)[:]] == ["cg", "cg"]


def test_a_store_is_solved_certified_and_keeps_its_network(tmp_path: Path) -> None:
    spec = spec_with(SOLID, held(3))
    data = spec.model_dump(mode="json")
    assert pdemill.generate(data, tmp_path / "a.zarr", workers=0).ok
    assert (tmp_path / "a.zarr" / arrays.name_of(spec.solver.directions.array)).is_file()
    codes = zarr.open_group(tmp_path / "a.zarr", mode="r")["train/method"]
    assert np.asarray(codes)[:].tolist() == [1, 1]
    assert pdemill.verify(tmp_path / "a.zarr", resolve=True).ok


def test_a_spec_hashes_its_network() -> None:
    one, other = (spec_with(FLAT, held(2, change=change)) for change in (0.0, 0.1))
    assert one.sha256() != other.sha256()
    assert one.array_ids == [one.solver.directions.array]


def test_a_file_becomes_the_id_of_its_content(tmp_path: Path) -> None:
    architecture = Architecture(2, 3)
    np.savez_compressed(tmp_path / "net.npz", weights=architecture.packed(begun(architecture)))
    given = {"problem": FLAT, "samples": 1, "solver": {"method": "dcdm", "directions": {"file": "net.npz"}}}
    (tmp_path / "spec.json").write_text(str(given).replace("'", '"'), encoding="utf-8")
    assert load_spec(tmp_path / "spec.json").array_ids == [held(2)]


ARCHITECTURE = Architecture(2, 3)
GOOD = ARCHITECTURE.packed(begun(ARCHITECTURE))


def _with(place: int, value: float) -> Array:
    changed = GOOD.astype(float)
    changed[0, place] = value
    return changed


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (_with(0, 2.0), "no network of format 1"),
        (_with(1, 4.0), "out of range"),
        (_with(1, 2.5), "out of range"),
        (_with(2, 1e30), "out of range"),
        (_with(3, 0.0), "out of range"),
        (_with(2, 4.0), "and its header asks for"),
        (_with(HEADER, 1e4), "from -1000 to 1000"),
        (GOOD[:, :-1], "and its header asks for"),
        (np.vstack([GOOD, GOOD]), "it has the shape"),
        (np.ones((1, 2)), "it has the shape"),
        (np.ones((1, 4, 4)), "it has the shape"),
    ],
)
def test_arrays_that_are_no_networks_are_refused(values: Array, told: str) -> None:
    with pytest.raises(SpecError, match=told) as caught:
        spec_with(FLAT, arrays.hold(values))
    assert "solver.directions.array" in str(caught.value)


@pytest.mark.parametrize("kind", ["pickle", "text", "two", "not finite"])
def test_hostile_files_are_refused(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "net.npz"
    if kind == "pickle":
        np.savez(file, weights=np.array([[print, {}]], dtype=object))
    elif kind == "two":
        np.savez(file, weights=GOOD, more=GOOD)
    elif kind == "not finite":
        np.savez(file, weights=np.full_like(GOOD, np.nan))
    else:
        file.write_text("weights", encoding="utf-8")
    given = {"problem": FLAT, "samples": 1, "solver": {"method": "dcdm", "directions": {"file": str(file)}}}
    with pytest.raises(SpecError, match=r"solver\.directions\.file"):
        load_spec(given)


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        ({"family": "convection_diffusion", "resolution": [8, 8], "velocity": [1, 0]}, "symmetric definite"),
        ({"family": "helmholtz", "resolution": [8, 8], "wavenumber": 30}, "symmetric definite"),
        (
            {"family": "poisson", "resolution": [8, 8], "boundary": {"left": "periodic", "right": "periodic"}},
            "periodic",
        ),
        ({"family": "poisson", "resolution": [16]}, "two or three axes"),
        (SOLID, "is a network for 2 dimensions"),
    ],
)
def test_problems_that_it_does_not_take_are_refused(problem: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        spec_with({"source": 1, **problem}, held(2))


def test_a_network_that_nobody_knows_is_refused() -> None:
    with pytest.raises(SpecError, match=r"solver\.directions\.array.*upload it"):
        spec_with(FLAT, "0" * 64)
    with pytest.raises(SpecError, match=r"solver\.directions\.file.*here give array"):
        validate({"problem": FLAT, "samples": 1, "solver": {"method": "dcdm", "directions": {"file": "net.npz"}}})
    with pytest.raises(SpecError, match=r"solver\.directions: is missing"):
        validate({"problem": FLAT, "samples": 1, "solver": {"method": "dcdm"}})


def test_training_needs_torch_and_a_place_for_the_network(tmp_path: Path) -> None:
    given = {"problem": FLAT, "samples": 1}
    with pytest.raises(PdemillError, match=r"ends in \.npz"):
        pdemill.train_directions(given, tmp_path / "net.pt")
    problem = {"family": "poisson", "resolution": [16], "source": 1}
    with pytest.raises(SpecError, match="directions need two or three axes"):
        pdemill.train_directions({"problem": problem, "samples": 1}, tmp_path / "net.npz")
    with pytest.raises(MissingExtra, match=r"training directions needs torch: pip install 'pdemill\[torch\]'"):
        pdemill.train_directions(given, tmp_path / "net.npz")


@pytest.mark.slow
def test_the_trained_network_takes_fewer_iterations_than_others() -> None:
    """On pressure systems that it was not trained on; icc takes 89, multigrid 11."""
    solver = {"method": "dcdm", "directions": {"array": arrays.register(SHIPPED)}}
    spec = validate({**load_preset("dcdm-pressure").model_dump(mode="json"), "solver": solver})
    job = FieldJob(spec)
    for number in range(3):
        system = job.discretisation.assemble(job.instance("test", number))
        found = job.method.solver().solve(system, None)
        assert found.result.ok
        assert not found.by
        assert found.stats.iterations <= 9
