"""The vendored files of the documentation: those that are listed, and nothing that asks another host."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

ASSETS = Path(__file__).parents[2] / "docs" / "assets"
KATEX = ASSETS / "katex"


def test_vendored_files_are_those_that_are_listed() -> None:
    listed = dict(re.findall(r"\| `([\w./-]+)` \| `([0-9a-f]{64})` \|", (KATEX / "README.md").read_text()))
    files = {path.relative_to(KATEX).as_posix(): path for path in KATEX.rglob("*") if path.is_file()}
    assert set(files) - {"LICENSE", "README.md"} == set(listed)
    assert {name: sha256(files[name].read_bytes()).hexdigest() for name in listed} == listed


def test_styles_and_scripts_load_nothing_from_elsewhere() -> None:
    styles = "".join(path.read_text() for path in ASSETS.rglob("*.css"))
    targets = re.findall(r"url\(([^)]*)\)", styles)
    assert targets
    assert all(target.startswith("fonts/KaTeX_") for target in targets)
    assert "@import" not in styles
    names = {name for path in ASSETS.rglob("*.js") for name in re.findall(r"https?://([\w.-]+)", path.read_text())}
    assert names == {"www.w3.org"}, "namespaces of SVG and MathML"
