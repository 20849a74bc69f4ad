"""Where the time of a run went, told at its end: seconds by test file and by process, of CPUs, and of compiling."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import Any

import pytest

from pdemill.solvers.compiled import compile_seconds

SHORT = 1.0
"""Files that take fewer seconds are one line together."""


class Timing:
    """Adds up what the processes of a run report. With ``pytest -n`` the tests run in processes below this one."""

    def __init__(self) -> None:
        self._files: dict[str, float] = defaultdict(float)
        self._processes: dict[str, float] = defaultdict(float)
        self._parts: list[dict[str, float]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._files[report.nodeid.partition("::")[0]] += report.duration
        node = getattr(report, "node", None)
        self._processes[node.gateway.id if node else "this process"] += report.duration

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tell the process above of this one and those that it started."""
        spent = {
            "cpu": sum(os.times()[:4]),
            "compiling": compile_seconds(),
        }
        getattr(session.config, "workeroutput", {}).update(spent)
        self._parts.append(spent)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        self._parts.append(getattr(node, "workeroutput", {}))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        def line(seconds: float, name: str) -> None:
            terminalreporter.write_line(f"{seconds:8.1f}  {name}")

        long = {name: seconds for name, seconds in self._files.items() if seconds >= SHORT}
        terminalreporter.section("seconds by file")
        for name, seconds in sorted(long.items(), key=lambda item: -item[1]):
            line(seconds, name)
        line(sum(self._files.values()) - sum(long.values()), f"{len(self._files) - len(long)} files below {SHORT:g} s")
        for name, seconds in sorted(self._processes.items()):
            line(seconds, f"all in {name}")
        line(sum(part.get("cpu", 0.0) for part in self._parts), "of CPU time, with what the tests started")
        line(sum(part.get("compiling", 0.0) for part in self._parts), "of compiling in the processes of the tests")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Timing(), "timing")
