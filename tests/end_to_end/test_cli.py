"""The command line as a user meets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill as library
from pdemill.solvers.estimate import estimate
from pdemill.spec.load import load_preset, load_spec, preset_names
from pdemill.store import runs
from pdemill.store.root import read_attributes
from tests.command import pdemill
from tests.sampling import sample

SPEC = """
problem:
  family: darcy
  resolution: [12, 10]
  coefficient: {field: lognormal, modes: 8}
splits: {train: 20, test: 4}
store: {shard: 16}
"""
WALKED_IN_SPACE = ("laplace-blob", "poisson-10d")
POINT_ARRAYS = (
    "points", "input", "solution", "stderr", "walks", "truncated", "epsilon", "steps", "boundary_points",
    "boundary_input",
)  # fmt: skip


def process(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """``pdemill ARGUMENTS`` in a process of its own."""
    command = [sys.executable, "-c", "from pdemill.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    (folder / "spec.yaml").write_text(SPEC)
    ran = process("generate", folder / "spec.yaml", "--out", folder / "a.zarr", "--workers", "2")
    assert ran.returncode == 0, ran.stderr
    assert "24 of 24 samples certified" in ran.stdout
    assert "24/24 samples" in ran.stderr
    return folder / "a.zarr"


def test_running_it_again_has_nothing_to_do(store: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in store.rglob("*") if p.is_file()}
    ran = pdemill("generate", store.parent / "spec.yaml", "--out", store)
    assert ran.returncode == 0
    assert before == {p: p.stat().st_mtime_ns for p in store.rglob("*") if p.is_file()}


def test_another_spec_is_refused(store: Path) -> None:
    ran = pdemill("generate", store.parent / "spec.yaml", "--out", store, "--set", "seed=9")
    assert ran.returncode == 2
    assert "the store of another spec" in ran.stderr


def test_a_folder_with_other_things_is_refused(store: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("dear reader")
    ran = pdemill("generate", store.parent / "spec.yaml", "--out", tmp_path)
    assert ran.returncode == 2
    assert "is not empty and holds no store (found thesis.tex)" in ran.stderr


def test_inspect_shows_and_draws(store: Path) -> None:
    picture = store.parent / "a.png"
    ran = pdemill("inspect", store, "--picture", picture)
    assert ran.returncode == 0, ran.stderr
    for words in ("darcy, 12 x 10, 120 unknowns", "certified", "relative residual, worst", "input/coefficient"):
        assert words in ran.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_verify_agrees_with_an_undamaged_store(store: Path) -> None:
    ran = pdemill("verify", store)
    assert ran.returncode == 0
    assert "24 samples, 24 certificates recomputed from the spec: all is as it was certified" in ran.stdout


@pytest.mark.parametrize("victim", ["solution", "input", "rel_residual"])
def test_verify_finds_a_flipped_bit(store: Path, tmp_path: Path, victim: str) -> None:
    copied = _copy(store, tmp_path)
    file = next(p for p in sorted((copied / "train" / victim / "c").rglob("*")) if p.is_file())
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 4
    file.write_bytes(data)
    ran = pdemill("verify", copied)
    assert ran.returncode == 1
    assert f"train/{victim}/c/0" in ran.stderr
    assert "samples 0..15 of train" in ran.stderr


def test_verify_finds_a_wrong_label_that_carries_right_hashes(store: Path, tmp_path: Path) -> None:
    """A solution is changed by one in a million and everything is hashed anew: the equation gives it away."""
    import json

    from pdemill.store.manifest import fingerprint

    copied = _copy(store, tmp_path)
    array = zarr.open_array(copied / "test" / "solution", mode="r+")
    rows = np.asarray(array[...])
    rows[2] *= 1 + 3e-6
    array[...] = rows
    manifest = copied / "_manifest" / "test-00000.json"
    content = json.loads(manifest.read_text())
    for name in content["files"]:
        content["files"][name] = fingerprint((copied / name).read_bytes())
    manifest.write_text(json.dumps(content))
    ran = pdemill("verify", copied)
    assert ran.returncode == 1
    assert "sample 2 of test: residual" in ran.stderr
    assert "sample 1 of test" not in ran.stderr


def test_verify_finds_a_missing_shard_and_generate_mends_it(store: Path, tmp_path: Path) -> None:
    copied = _copy(store, tmp_path)
    (copied / "_manifest" / "train-00001.json").unlink()
    assert "shard train-00001 is missing" in pdemill("verify", copied).stderr
    assert pdemill("generate", store.parent / "spec.yaml", "--out", copied).returncode == 0
    assert pdemill("verify", copied).stdout == pdemill("verify", store).stdout


@pytest.mark.parametrize("every", sample([1, 9], 9))
def test_whatever_file_is_lost_generate_brings_back(store: Path, tmp_path: Path, every: int) -> None:
    """Every file of a finished store in turn is deleted, and cut short; running it again makes the store whole."""
    changes = ["splits={train: 4, test: 1}", "store.shard=2", "certify.refine=1"]
    spec = load_spec(store.parent / "spec.yaml", changes).model_dump(mode="json")
    out = tmp_path / "a.zarr"
    assert library.generate(spec, out, workers=0).ok
    whole = library.verify(out, samples=0).content
    files = sorted(p.relative_to(out) for p in out.rglob("*") if p.is_file())
    files.remove(Path(runs.FILE))  # nothing depends on it
    assert len(files) > 40
    for file in files[::every]:
        (out / file).unlink()
        assert library.generate(spec, out, workers=0).ok
        assert library.verify(out, samples=0).content == whole, file
        if str(file) != "zarr.json":
            (out / file).write_bytes((out / file).read_bytes()[:-1])
            assert library.generate(spec, out, workers=0).ok
            assert library.verify(out, samples=0).content == whole, file


@pytest.mark.parametrize("change", [("plan", "method", "cg"), ("stats", "solution/u", {}), ("boundary", "left", {})])
def test_verify_finds_a_changed_attribute(store: Path, tmp_path: Path, change: tuple[str, str, Any]) -> None:
    import json

    copied = _copy(store, tmp_path)
    root = json.loads((copied / "zarr.json").read_text())
    group, key, value = change
    root["attributes"][group][key] = value
    (copied / "zarr.json").write_text(json.dumps(root))
    ran = pdemill("verify", copied, "--samples", "0")
    assert ran.returncode == 1
    assert "zarr.json is not as it was written" in ran.stderr


def _copy(store: Path, folder: Path) -> Path:
    import shutil

    return Path(shutil.copytree(store, folder / "copy.zarr"))


def test_failed_samples_make_the_exit_status_say_so(tmp_path: Path) -> None:
    settings = ["problem.coefficient={field: expression, formula: a + x, where: {a: {uniform: [-1, 1]}}}"]
    (tmp_path / "spec.yaml").write_text(SPEC)
    ran = process("generate", tmp_path / "spec.yaml", "--out", tmp_path / "a.zarr", "--set", settings[0])
    assert ran.returncode == 1
    assert "failed: INVALID: coefficient must be positive" in ran.stderr
    assert pdemill("inspect", tmp_path / "a.zarr").returncode == 0
    assert pdemill("verify", tmp_path / "a.zarr").returncode == 1


def test_families_and_presets_are_listed_and_explained() -> None:
    listed = pdemill("families")
    assert listed.returncode == 0
    for family in ("poisson", "screened_poisson", "darcy", "helmholtz", "convection_diffusion", "thermal"):
        assert family in listed.stdout
    assert "-∇·(k ∇u) + c u = f" in pdemill("families", "darcy").stdout
    assert '"resolution"' in pdemill("families", "darcy", "--schema").stdout
    explained = pdemill("families", "darcy").stdout
    assert "Keys of 'problem' on box grids:" in explained
    assert "Keys of 'problem' on triangle meshes:" in explained
    assert "Keys of 'problem' for values at points:" in explained
    assert pdemill("presets").stdout.split("\n")[0].startswith("apebench")
    assert "family: thermal" in pdemill("presets", "skr-thermal").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["families", "darci"], "unknown family 'darci'"),
        (["presets", "fno"], "unknown preset 'fno'"),
        (["generate", "--preset", "nope", "--out", "x.zarr"], "unknown preset 'nope'"),
        (["generate", "missing.yaml", "--out", "x.zarr"], "cannot read 'missing.yaml'"),
        (["generate", "--out", "x.zarr"], "give a SPEC file or --preset NAME"),
        (["generate", "--preset", "fno-darcy", "--out", "x.zarr", "--workers", "0"], "--workers"),
        (["generate", "--preset", "fno-darcy", "--out", "x.zarr", "--set", "seed"], "should be KEY=VALUE"),
        (["inspect", "nothing.zarr"], "is not a pdemill store"),
        (["verify", "nothing.zarr"], "is not a pdemill store"),
        (["bench", "race"], "unknown table 'race'; choose one of beside, boxes, commits, "),
        (["dance"], "No such command"),
    ],
)
def test_mistakes_are_one_clear_line(arguments: list[str], words: str, tmp_path: Path) -> None:
    ran = pdemill(*arguments, folder=tmp_path)
    assert ran.returncode == 2
    assert words in ran.stderr
    assert not list(tmp_path.iterdir())


def test_tables_of_measurements_are_listed_and_run(tmp_path: Path) -> None:
    listed = pdemill("bench")
    assert listed.returncode == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()][:4] == [
        "beside",
        "boxes",
        "commits",
        "constant",
    ]
    assert "walks " in listed.stdout
    assert "__init__" not in listed.stdout
    ran = process("bench", "walks", "--help")
    assert ran.returncode == 0
    assert "--repeats" in ran.stdout
    ran = pdemill("bench", "generators", "--quick", "--only", "fno-burgers", "--out", tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "generators.md").read_text().startswith("# generators")


def test_an_installation_without_benchmarks_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from pdemill import cli_bench
    from pdemill.errors import PdemillError

    monkeypatch.setattr(cli_bench, "FOLDER", tmp_path / "benchmarks")
    ran = CliRunner().invoke(cli_bench.bench, [])
    assert isinstance(ran.exception, PdemillError)
    assert "the source checkout" in str(ran.exception)


SHORTER = {
    "fno-ns-1e-3": ["problem.time={end: 5, intervals: 5}"],
    "fno-ns-1e-4": ["problem.time={end: 2, intervals: 2}"],
    "fno-ns-1e-5": ["problem.time={end: 1, intervals: 2}"],
    "kolmogorov": [
        "problem.time={end: 0.5, intervals: 2, warmup: 1}",
        "solver.simulate_resolution=[64, 64]",
        "solver.first_step=0.02",
        "problem.viscosity=0.05",
        "certify.valid_until=0.25",
    ],
    **{
        f"poseidon-ns-{name}": ["problem.time={end: 0.1, intervals: 2}", "solver.simulate_resolution=[256, 256]"]
        for name in ("gauss", "pwc", "svs")
    },
    "poseidon-ns-sl": [
        "problem.time={end: 0.05, intervals: 1}",
        "problem.initial.thickness=[0.3, 0.4]",
        "solver.simulate_resolution=[192, 192]",
    ],
    "poseidon-ns-sines": ["problem.time={end: 0.05, intervals: 1}", "solver.simulate_resolution=[256, 256]"],
    "poseidon-ns-bb": [
        "problem.time={end: 0.05, intervals: 1, warmup: 0.05}",
        "problem.initial.waves=6",
        "solver.simulate_resolution=[192, 192]",
    ],
    "ns-tracer-pwc": ["problem.time={end: 0.05, intervals: 1}", "solver.simulate_resolution=[256, 256]"],
    "fns-kf": ["problem.time={end: 0.05, intervals: 1}", "solver.simulate_resolution=[256, 256]"],
    "lpsda-kdv": ["problem.time={end: 4, intervals: 10, warmup: 2}"],
    "apebench": ["problem.time={end: 4, intervals: 4}"],
    "pdebench-advection": ["problem.time={end: 0.1, intervals: 10}"],
    "pdebench-burgers": ["problem.time={end: 0.1, intervals: 10}"],
    "lpsda-ks": ["problem.time={end: 4, intervals: 20, warmup: 2}"],
    "porous-medium": ["problem.time={end: 0.02, intervals: 4}"],
    "heat-sequence": ["problem.resolution=[32, 32]", "problem.time={end: 0.1, intervals: 2}"],
    "pdebench-diffusion-reaction": ["problem.resolution=[32, 32]", "problem.time={end: 1, intervals: 4}"],
    "pdebench-reaction-diffusion": ["problem.resolution=[128]", "problem.time={end: 0.1, intervals: 10}"],
    "pdebench-diffusion-sorption": ["problem.resolution=[32]", "problem.time={end: 20, intervals: 4}"],
    "poseidon-ace": ["problem.resolution=[64, 64]", "problem.initial.waves=[8, 16]", "problem.reaction.where.a=12100"],
    "well-gray-scott": ["problem.time={end: 10, intervals: 1}"],
    "well-shear-flow": [
        "problem.time={end: 0.2, intervals: 2}",
        "problem.initial.thickness=[0.2, 0.4]",
        "problem.tracer.thickness=[0.2, 0.4]",
        "solver.simulate_resolution=[96, 192]",
    ],
    "wave-gauss": ["problem.resolution=[64, 64]"],
}
"""Trajectories that take minutes, for a moment."""


@pytest.mark.parametrize("name", sample(preset_names(), "skr-poisson", "skr-thermal", "darcy-3d", "poisson-10d"))
def test_every_preset_gives_certified_samples_of_the_expected_size(name: str, tmp_path: Path) -> None:
    """The size is exact on a grid; on a mesh the number of nodes is not known beforehand."""
    samples = 1 if name in WALKED_IN_SPACE else 3
    out = tmp_path / "a.zarr"
    changes = [f"samples={samples}", *SHORTER.get(name, [])]
    assert library.generate(library.preset(name, changes), out, workers=0).ok
    assert pdemill("verify", out).returncode == 0
    assert pdemill("inspect", out, "--picture", tmp_path / "a.png").returncode == 0
    spec = load_preset(name, changes)
    group: Any = zarr.open_group(out, mode="r")["train"]
    fields = POINT_ARRAYS if spec.problem.pointwise else ("input", "solution")
    size = sum(group[field].nbytes for field in fields if field in group)
    assert read_attributes(out)["unknowns"] == pytest.approx(spec.problem.size, rel=0.05)
    assert estimate(spec).bytes == pytest.approx(size, rel=0.05 if not spec.problem.structured else 0)
