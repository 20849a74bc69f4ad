"""Kernels lie in the images: the step of docker/Dockerfile that compiles them; a container then compiles none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pdemill.solvers.kernels import specs
from tests.deployment.images import DOCKERFILE, read_images
from tests.deployment.test_installed import built, installed

FIRST = """
import sys
from pathlib import Path
import pdemill
from pdemill.solvers.compiled import compile_seconds
from pdemill.solvers.kernels import specs
from pdemill.spec import load_spec
folder = Path(sys.argv[1])
for number, spec in enumerate(specs(folder)):
    assert pdemill.generate(load_spec(spec, ["seed=7"]), folder / f"{number}.zarr", workers=0).total == spec.samples
assert compile_seconds() == 0, compile_seconds()
"""


def test_the_step_is_there_and_containers_look_for_the_same_processor() -> None:
    (step,) = re.findall(r"^RUN /opt/pdemill/bin/python (.*)$", DOCKERFILE.read_text(), flags=re.MULTILINE)
    assert step == "-m pdemill.solvers.kernels"
    images = read_images()
    names = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")
    for name in ("api", "worker"):
        assert {key: images[name].environment[key] for key in names} == {
            "NUMBA_CPU_NAME": "x86-64-v3",
            "NUMBA_CPU_FEATURES": "",
        }
        assert [images["build"].environment[key] for key in names] == [images[name].environment[key] for key in names]
    assert "NUMBA_CACHE_DIR" not in images["build"].environment


@pytest.mark.needs("petsc4py", "netgen")
def test_the_specs_are_whole(tmp_path: Path) -> None:
    """And their methods those of which kernels are wanted, the one with a file among them."""
    found = {spec.solver.model_dump()["method"] for spec in specs(tmp_path)}
    assert found >= {"auto", "direct", "multigrid", "amg", "cg", "minres", "gmres", "skr", "dcdm", "walks"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.needs("petsc4py", "netgen")
def test_a_container_compiles_nothing(tmp_path: Path) -> None:
    """With an empty cache of its own, which stays so; everything that is compiled was, when the image was built."""
    _, site = installed(built(tmp_path / "wheel"), tmp_path / "environment")
    images, here = read_images(), {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(Path(sys.prefix, "lib"))}
    python, cache = tmp_path / "environment" / "bin" / "python", tmp_path / "tmp"
    step = [str(python), "-m", "pdemill.solvers.kernels"]
    subprocess.run(step, env=here | images["build"].environment, cwd=tmp_path, check=True, timeout=1000)
    kernels = {path: path.stat().st_mtime_ns for path in site.rglob("*.nb?")}
    assert len(kernels) > 200
    run = {name: value.replace("/tmp", str(cache)) for name, value in images["worker"].environment.items()}
    subprocess.run([str(python), "-c", FIRST, str(tmp_path)], env=here | run, cwd=tmp_path, check=True, timeout=600)
    assert not list(cache.rglob("*.nbc"))
    assert {path: path.stat().st_mtime_ns for path in site.rglob("*.nb?")} == kernels
