"""Meshes in files become part of the spec."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

import pdemill
from pdemill.errors import SpecError
from pdemill.spec import load_spec, validate
from pdemill.surface import Surface, icosphere

type Json = dict[str, Any]

SPEC: Json = {
    "problem": {
        "family": "poisson",
        "domain": {"shape": "mesh", "file": "ball.obj"},
        "points": {"random": 8},
        "source": 0,
        "boundary": {"default": {"dirichlet": {"field": "expression", "formula": "x + 2*y - z"}}},
    },
    "samples": 2,
    "solver": {"method": "walks", "walks": 64},
}


def write_obj(surface: Surface, path: Path) -> None:
    lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in surface.vertices.tolist()]
    lines += [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in surface.cells.tolist()]
    path.write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spec beside its mesh, and no other way to find the mesh."""
    (tmp_path / "specs").mkdir()
    write_obj(icosphere(2), tmp_path / "specs" / "ball.obj")
    (tmp_path / "specs" / "spec.yaml").write_text(yaml.safe_dump(SPEC))
    return tmp_path / "specs"


def test_a_mesh_is_read_beside_its_spec_and_kept_in_it(folder: Path, tmp_path: Path) -> None:
    spec = load_spec(folder / "spec.yaml")
    dumped = spec.model_dump(mode="json")
    assert "file" not in dumped["problem"]["domain"]
    assert len(dumped["problem"]["domain"]["triangles"]) == 320
    assert validate(dumped).sha256() == spec.sha256()
    assert pdemill.generate(folder / "spec.yaml", tmp_path / "a.zarr", workers=0).ok
    (folder / "ball.obj").unlink()
    assert pdemill.verify(tmp_path / "a.zarr").ok


def test_a_mesh_in_a_dictionary_or_a_setting_is_found_from_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load_spec(folder / "spec.yaml")
    monkeypatch.chdir(folder)
    assert load_spec(SPEC).sha256() == whole.sha256()
    blob = deepcopy(SPEC)
    blob["problem"]["domain"] = {"shape": "mesh"}
    assert load_spec(blob, ["problem.domain.file=ball.obj"]).sha256() == whole.sha256()


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        ({"file": "none.obj"}, "cannot be read"),
        ({"file": "spec.yaml"}, ".yaml is no mesh that can be read; use .obj or .stl"),
        ({"file": 7}, "should be the name of an OBJ or STL file"),
        ({"file": "ball.obj", "blob": {}}, "stands for the mesh: leave blob out"),
    ],
)
def test_a_file_that_is_none_is_refused(folder: Path, domain: Json, words: str) -> None:
    spec = deepcopy(SPEC)
    spec["problem"]["domain"] = {"shape": "mesh", **domain}
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec))
    with pytest.raises(SpecError) as caught:
        load_spec(folder / "spec.yaml")
    (fault,) = caught.value.faults
    assert fault.dotted == "problem.domain.file"
    assert words in fault.message


def test_a_mesh_that_is_open_is_refused_when_its_job_begins(folder: Path, tmp_path: Path) -> None:
    surface = icosphere(1)
    write_obj(Surface(surface.vertices, surface.cells[1:]), folder / "ball.obj")
    with pytest.raises(SpecError, match=r"problem\.domain: the mesh is not closed: 3 edges"):
        pdemill.generate(folder / "spec.yaml", tmp_path / "a.zarr", workers=0)
