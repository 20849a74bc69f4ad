"""Stores of weak forms: the same bits by any number of workers, verified, read and shown."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill.errors import SpecError
from pdemill.solvers.weak.compiling import compiled_form
from tests.weak.problems import POISSON, formula

pytestmark = pytest.mark.needs("ffcx", "netgen")
SPEC: dict[str, Any] = {
    "problem": POISSON | {
        "resolution": [4, 4],
        "unknowns": {"u": {"element": "P2", "shape": "vector", "test": "v"}, "p": {"element": "P1", "test": "q"}},
        "coefficients": {"nu": {"uniform": [0.5, 1]}, "f": [{"field": "gaussian", "modes": 3}, 0.0]},
        "form": (
            "nu*inner(grad(u), grad(v))*dx + inner(dot(grad(u), u) - f, v)*dx - p*div(v)*dx - q*div(u)*dx"
        ),
        "boundary": {
            "left": {"u": {"dirichlet": [formula("4*y*(1-y)"), 0.0]}}, "right": "natural",
            "default": {"u": {"dirichlet": [0.0, 0.0]}},
        },
    },
    "samples": 6,
    "store": {"shard": 2},
    "certify": {"refine": 0.5},
}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weak") / "one.zarr"
    pdemill.generate(SPEC, out=path, workers=0)
    return path


def test_two_workers_write_the_bits_of_one(store: Path, tmp_path: Path) -> None:
    other = pdemill.generate(SPEC, out=tmp_path / "two.zarr", workers=2)
    assert other.ok
    one, two = (pdemill.verify(path) for path in (store, tmp_path / "two.zarr"))
    assert one.faults + two.faults == ()
    assert one.content == two.content


def test_it_is_read_with_its_mesh_and_channels(store: Path) -> None:
    data = pdemill.open(store)
    assert data.solution_channels == ("u_x", "u_y", "p")
    assert data.channels == ("nu", "f_x")
    x, points = data[0]["y"], data.shared()["points"]
    assert x.shape == (3, 81)
    assert points.shape == (81, 2)
    inflow = np.isclose(points[:, 0], 0.0)
    y = points[inflow, 1]
    np.testing.assert_allclose(x[0][inflow], 4 * y * (1 - y), atol=1e-6)


def test_many_threads_and_processes_compile_a_form_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pdemill.solvers.weak import compiling
    from pdemill.spec import validate

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    compiling._loaded.cache_clear()
    form = validate({"problem": POISSON, "samples": 1}).problem.weak_form.described()  # type: ignore[attr-defined]
    threads = [threading.Thread(target=compiled_form, args=(form,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(tmp_path.glob("forms/*/*/form.so"))) == 1
    assert not list(tmp_path.glob("forms/*/*.new"))
    compiling._loaded.cache_clear()


def test_the_compiler_may_have_options_and_what_lies_in_the_working_folder_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pdemill.errors import MissingExtra
    from pdemill.solvers.weak import compiling
    from pdemill.spec import validate

    form = validate({"problem": POISSON, "samples": 1}).problem.weak_form.described()  # type: ignore[attr-defined]
    (tmp_path / "ufl.py").write_text("raise SystemExit('not ours')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("CC", "cc -g0")
    compiling._loaded.cache_clear()
    compiled_form(form)
    for name, cut in (("form.json", 0), ("form.so", 5000)):  # made anew: half a library would end the process
        (damaged,) = tmp_path.glob(f"forms/*/*/{name}")
        whole = damaged.read_bytes()
        (damaged.parent.with_name(f"{damaged.parent.name}.new") / "left").mkdir(parents=True)
        damaged.unlink()
        damaged.write_bytes(whole[:cut])
        compiling._loaded.cache_clear()
        compiled_form(form)
        assert len(damaged.read_bytes()) == len(whole)
        assert not list(tmp_path.glob("forms/*/*.new"))
    monkeypatch.setenv("CC", "no-such-compiler -O2")
    compiling._loaded.cache_clear()
    with pytest.raises(MissingExtra, match="CC is 'no-such-compiler -O2', which is not there"):
        compiled_form(form)
    compiling._loaded.cache_clear()


def test_a_mesh_whose_nodes_are_all_given_is_refused() -> None:
    with pytest.raises(SpecError, match=r"problem\.resolution: has no node whose value is not given"):
        pdemill.generate({"problem": POISSON | {"resolution": [1, 1]}, "samples": 1}, "not-written.zarr")
