"""Every block of README and docs runs: specs are validated, commands and Python executed, in the order of a page."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pdemill.service.testing import free_port
from pdemill.spec.load import load_spec, parse
from pdemill.spec.mixture import load_mixture

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LANGUAGES = {"yaml", "json", "python", "console", "text", "math", "bash"}
"""Of these bash stands for scripts of a cluster, which tests/cluster runs."""
NOT_RUN = ("make ", "source ")
"""Set-up commands: a test cannot run the target that runs it; CI and the closing checks do."""
ADDRESS = "127.0.0.1:8000"
QUICK = {
    "README.md",
    "docs/extending.md",
    "docs/fields.md",
    "docs/reading.md",
    "docs/spec.md",
}
"""The pages that the quick tests run too."""


class Shell:
    """A shell that keeps its variables, for the commands of one page. ``pdemill serve`` starts a server on a free
    port, and what is said to the usual address goes there."""

    def __init__(self) -> None:
        self._port = free_port()
        self._server: subprocess.Popen[str] | None = None
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": programs, "PDEMILL_SERVER": f"http://127.0.0.1:{self._port}"}
        self._environment = environment
        self._shell = subprocess.Popen(
            ["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment,
        )  # fmt: skip

    def run(self, command: str) -> tuple[int, str]:
        """Exit status and output of a command."""
        if command.startswith("pdemill serve"):
            self._serve(command)
            return 0, ""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{self.here(command)}\nstatus=$?; echo; echo __status $status\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        for line in self._shell.stdout:
            if line.startswith("__status "):
                return int(line.split()[1]), "".join(lines)
            lines.append(line)
        raise AssertionError(f"the shell ended at {command}")

    def here(self, text: str) -> str:
        """A text with the usual address replaced by this shell's server."""
        return text.replace(ADDRESS, f"127.0.0.1:{self._port}")

    def _serve(self, command: str) -> None:
        self._server = subprocess.Popen(
            [*shlex.split(command), "--port", str(self._port)], env=self._environment, stderr=subprocess.PIPE, text=True
        )
        assert self._server.stderr is not None
        for line in self._server.stderr:
            if line.startswith("pdemill serves"):
                return
        raise AssertionError("the server did not start")

    def close(self) -> None:
        for process in (self._server, self._shell):
            if process is not None:
                process.terminate()
                process.wait(180)


def _run(shell: Shell, command: str, expected: str, latest_spec: str) -> None:
    for word in shlex.split(command):
        if re.fullmatch(r"[\w-]+\.(yaml|json)", word.lstrip("@")) and not Path(word.lstrip("@")).exists():
            Path(word.lstrip("@")).write_text(latest_spec, encoding="utf-8")
    status, output = shell.run(command)
    assert "Traceback" not in output, output
    told = [line for line in expected.splitlines() if line.startswith("error: ") or " failed: " in line]
    for line in told + [line for line in expected.splitlines() if line.startswith("{")]:
        assert re.search(".*".join(re.escape(part) for part in line.split("...")), output), (command, output)
    faults = told or "fault(s)" in expected
    assert (status != 0) == bool(faults), (command, output)


def run_page(page: Path) -> None:
    """Run the blocks of a page in this folder."""
    shell = Shell()
    try:
        _run_blocks(page, shell)
    finally:
        shell.close()


def _run_blocks(page: Path, shell: Shell) -> None:
    namespace: dict[str, Any] = {"__name__": "__docs__"}
    latest_spec = ""
    for language, block in FENCE.findall(page.read_text(encoding="utf-8")):
        assert language in LANGUAGES, f"a block of {page.name} has the language {language!r}"
        if language in ("yaml", "json"):
            latest_spec = block
            load_mixture(parse(block)) or load_spec(parse(block))
        elif language == "python":
            exec(compile(shell.here(block), page.name, "exec", dont_inherit=True), namespace)
        elif language == "console":
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, expected = part.partition("\n")
                while command.endswith("\\"):
                    more, _, expected = expected.partition("\n")
                    command = command.removesuffix("\\") + more.removeprefix("> ")
                if not command.startswith(NOT_RUN):
                    _run(shell, command, expected, latest_spec)


@pytest.mark.needs("petsc4py", "netgen")
@pytest.mark.parametrize(
    "page",
    [pytest.param(ROOT / name, id=name, marks=() if name in QUICK else pytest.mark.slow) for name in NAMES],
)
def test_every_block_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    """In a process of its own: a page may define families, which must not leak into other tests."""
    command = [sys.executable, "-W", "error", __file__, str(page)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_family_has_a_page() -> None:
    from pdemill.spec.problem import families

    assert {path.stem for path in (ROOT / "docs" / "families").glob("*.md")} == set(families)


if __name__ == "__main__":
    run_page(Path(sys.argv[1]))
