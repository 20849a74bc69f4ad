"""Whatever the locale and the encoding of the streams, files are UTF-8 and what is printed is no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pdemill.spec.load import load_spec
from pdemill.surface import read_surface

PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LATIN = {"PYTHONIOENCODING": "latin-1"}
SPEC = "# Größe ∇\nproblem: {family: poisson, resolution: [8, 8]}\nsamples: 2\n"


def run(words: Sequence[str], settings: dict[str, str], folder: Path) -> tuple[int, bytes, bytes]:
    command = [str(Path(sys.executable).with_name("pdemill")), *words]
    ran = subprocess.run(command, env={**os.environ, **settings}, cwd=folder, capture_output=True, check=False)
    return ran.returncode, ran.stdout, ran.stderr


@pytest.mark.parametrize(("settings", "shown"), [
    (PLAIN, b"poisson                -??u = f."), (LATIN, b"poisson                -?\xb2u = f."),
    ({"PYTHONIOENCODING": "utf-8"}, "poisson                -∇²u = f.".encode()),
    ({"PYTHONIOENCODING": "ascii:backslashreplace"}, b"poisson                -\\u2207\\xb2u = f."),
])  # fmt: skip
def test_signs_that_cannot_be_printed_are_question_marks(
    settings: dict[str, str], shown: bytes, tmp_path: Path
) -> None:
    status, out, errors = run(["families"], settings, tmp_path)
    assert (status, errors) == (0, b"")
    assert shown in out


def test_specs_and_stores_work_in_a_plain_locale(tmp_path: Path) -> None:
    (tmp_path / "größe.yaml").write_text(SPEC, encoding="utf-8")
    status, out, _ = run(["generate", "größe.yaml", "--out", "bü.zarr"], PLAIN, tmp_path)
    assert status == 0
    assert "store: bü.zarr\n".encode() in out, "names of files are printed as the bytes that they are"
    for words in (
        ["inspect", "bü.zarr"],
        ["verify", "bü.zarr"],
        ["presets", "fno-darcy"],
        ["bench"],
        ["families", "darcy"],
    ):
        status, out, errors = run(words, PLAIN, tmp_path)
        assert (status, errors) == (0, b"")
        assert out


def test_specs_are_utf8_with_or_without_a_mark(tmp_path: Path) -> None:
    plain, marked, latin = (tmp_path / name for name in ("plain.yaml", "marked.yaml", "latin.yaml"))
    plain.write_text(SPEC, encoding="utf-8")
    marked.write_text(SPEC, encoding="utf-8-sig")
    latin.write_text(SPEC.replace("∇", ""), encoding="latin-1")
    assert load_spec(marked).sha256() == load_spec(plain).sha256()
    status, _, errors = run(["plan", "latin.yaml"], LATIN, tmp_path)
    assert (status, errors) == (2, b"error: (spec): cannot read 'latin.yaml': it is not text in UTF-8\n")


def test_comments_of_meshes_may_be_in_any_encoding(tmp_path: Path) -> None:
    mesh = tmp_path / "tetra.obj"
    text = "# Müller\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"
    mesh.write_text(text, encoding="latin-1")
    assert len(read_surface(mesh).cells) == 4
