"""Every block of README and docs runs: specs are validated, commands and Python executed, in the order of a page."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pdemill.spec.load import parse, validate

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LANGUAGES = {"yaml", "python", "console", "text"}
NOT_RUN = ("make ", "source ")
"""Set-up commands: a test cannot run the target that runs it; CI and the closing checks do."""


def _run(command: str, expected: str, latest_spec: str) -> None:
    words = shlex.split(command)
    assert words[0] == "pdemill", command
    for word in words[1:]:
        if re.fullmatch(r"[\w-]+\.yaml", word) and not Path(word).exists():
            Path(word).write_text(latest_spec)
    program = [sys.executable, "-c", "from pdemill.cli import main; main()"]
    ran = subprocess.run([*program, *words[1:]], capture_output=True, text=True, check=False, timeout=120)
    assert "Traceback" not in ran.stderr
    told = [line for line in expected.splitlines() if line.startswith("error: ") or " failed: " in line]
    for line in told:
        assert line.removesuffix("...").rstrip() in ran.stderr, (command, ran.stderr)
    faults = told or "fault(s)" in expected
    assert (ran.returncode != 0) == bool(faults), (command, ran.stdout, ran.stderr)


def run_page(page: Path) -> None:
    """Run the blocks of a page in this folder."""
    namespace: dict[str, Any] = {"__name__": "__docs__"}
    latest_spec = ""
    for language, block in FENCE.findall(page.read_text()):
        assert language in LANGUAGES, f"a block of {page.name} has the language {language!r}"
        if language == "yaml":
            latest_spec = block
            validate(parse(block))
        elif language == "python":
            exec(compile(block, page.name, "exec", dont_inherit=True), namespace)
        elif language == "console":
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, expected = part.partition("\n")
                if not command.startswith(NOT_RUN):
                    _run(command, expected, latest_spec)


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_block_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    """In a process of its own: a page may define families, which must not leak into other tests."""
    command = [sys.executable, "-W", "error", __file__, str(page)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_family_has_a_page() -> None:
    from pdemill.spec.problem import families

    assert {path.stem for path in (ROOT / "docs" / "families").glob("*.md")} == set(families)


if __name__ == "__main__":
    run_page(Path(sys.argv[1]))
