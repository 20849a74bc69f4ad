"""What is installed claims one name, pdemill; the old names of its parts lead there, and are free for others."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from textwrap import dedent
from typing import Any
from venv import EnvBuilder
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
SPEC: dict[str, Any] = {"problem": {"family": "poisson", "resolution": [8, 8], "source": 1.0}, "samples": 2}
PARTS = ("solvers", "service", "workers")
FORMER = """
import pickle, sys, warnings
from pathlib import Path
import pdemill
warnings.simplefilter("error")
try:
    import solvers
except DeprecationWarning as told:
    assert "solvers is pdemill.solvers now" in str(told)
warnings.simplefilter("ignore")
import solvers.families.darcy, service.problems, workers.identity
from solvers.fields.constant import Constant
from pdemill.solvers import families, fields
assert solvers.families.darcy is families.darcy and Constant is fields.constant.Constant
assert families.darcy.__spec__.name == families.darcy.__name__ == "pdemill.solvers.families.darcy"
assert pickle.loads(b"csolvers.families.darcy\\nDarcy\\n.") is families.darcy.Darcy
"""
BARE = """
import sys
from pathlib import Path
from solvers.families.darcy import Darcy
from pdemill.solvers.families import darcy
assert Darcy is darcy.Darcy
"""
"""Of use in a checkout alone: elsewhere pdemill is imported first."""
ONCE = """
loaded = {}
for name, module in sys.modules.items():
    file = Path(getattr(module, "__file__", None) or "/").resolve()
    if Path(pdemill.__file__).resolve().parents[1] in file.parents and file.name != "__init__.py":
        assert loaded.setdefault(file, module) is module, f"{name} is loaded twice"
assert len(loaded) > 20
"""
PLUGIN = """
from typing import Literal
from solvers.families.poisson import Poisson

class Twin(Poisson):
    family: Literal["twin"]
"""

pytestmark = pytest.mark.slow

type Python = Callable[..., str]


def built(folder: Path, source: Path = ROOT) -> Path:
    """The wheel of a source tree."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("wheel"))


def installed(wheel: Path, folder: Path) -> tuple[Python, Path]:
    """What runs code where the wheel is installed, with the libraries of this environment but not with this checkout;
    and the folder with the wheel's files."""
    EnvBuilder(symlinks=True).create(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    with ZipFile(wheel) as packed:
        packed.extractall(site)

    variables = {**os.environ, "LD_LIBRARY_PATH": str(Path(sys.prefix, "lib"))}  # where MPI is

    def run(code: str, *words: str) -> str:
        command = [str(folder / "bin/python"), "-P", "-c", code, *words]
        ran = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    return run, site


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Python, Path]:
    return installed(wheel, tmp_path_factory.mktemp("environment"))


@pytest.fixture
def python(environment: tuple[Python, Path]) -> Python:
    return environment[0]


def test_it_claims_one_name(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"pdemill"}
    ours = {f"pdemill/{path.relative_to(ROOT)}" for part in PARTS for path in (ROOT / part).rglob("*.py")}
    assert {name for name in names if name.endswith(".py") and name.split("/")[1] in PARTS} == ours


def test_a_source_distribution_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (file,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(file) as packed:
        packed.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    again = built(tmp_path / "wheel", source)
    assert set(ZipFile(again).namelist()) == set(ZipFile(wheel).namelist())


def test_a_clone_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """Git keeps the links."""
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if files.returncode:
        pytest.skip("this is no checkout of git")
    assert {f"pdemill/{part}" for part in PARTS} <= set(files.stdout.splitlines())
    copy = copytree(ROOT, tmp_path / "copy", symlinks=True, ignore=lambda _, names: {*names} & IGNORED)
    assert set(ZipFile(built(tmp_path / "wheel", copy)).namelist()) == set(ZipFile(wheel).namelist())


IGNORED = {".git", ".venv", ".venv-light", ".venv-consumers", "site", "tests", "__pycache__", ".mypy_cache"}


def test_it_is_whole(python: Python, tmp_path: Path) -> None:
    assert python("import pdemill; print(pdemill.__file__)").strip().endswith("site-packages/pdemill/__init__.py")
    python(f"import pdemill; assert pdemill.generate({SPEC}, {str(tmp_path / 'a.zarr')!r}, workers=1).ok")


def test_old_names_lead_to_it(python: Python) -> None:
    python(FORMER + ONCE)


def test_plug_ins_may_write_old_names(wheel: Path, tmp_path: Path) -> None:
    """In worker processes too."""
    python, site = installed(wheel, tmp_path / "environment")
    (site / "twins.py").write_text(PLUGIN)
    (site / "twins-1.0.dist-info").mkdir()
    (site / "twins-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: twins\nVersion: 1.0\n")
    (site / "twins-1.0.dist-info/entry_points.txt").write_text("[pdemill.catalogue]\ntwins = twins\n")
    spec = {**SPEC, "problem": {**SPEC["problem"], "family": "twin"}}
    python(f"import pdemill; assert pdemill.generate({spec}, {str(tmp_path / 'a.zarr')!r}, workers=1).ok")


def test_another_distribution_keeps_its_names(wheel: Path, tmp_path: Path) -> None:
    """It is installed beside pdemill, or in place by a finder of its own."""
    python, site = installed(wheel, tmp_path / "environment")
    (site / "service").mkdir()
    (site / "service/__init__.py").write_text("theirs = True\n")
    python("import pdemill, service; assert service.theirs")
    (tmp_path / "workers.py").write_text("theirs = True\n")
    python(dedent("""
        import sys
        from importlib.util import spec_from_file_location
        class Editable:
            @staticmethod
            def find_spec(name, path=None, target=None):
                return spec_from_file_location(name, sys.argv[1]) if name == "workers" else None
        sys.meta_path.append(Editable)
        import pdemill, workers
        assert workers.theirs
    """), str(tmp_path / "workers.py"))  # fmt: skip


@pytest.mark.parametrize("code", [FORMER, BARE], ids=["pdemill first", "the old name first"])
def test_old_names_in_a_checkout(code: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"{code}\nimport pdemill\n{ONCE}"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
