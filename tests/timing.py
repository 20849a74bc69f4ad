"""Where the time of a run went, told at its end: seconds by test file, those of all processors, and of compiling."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import Any

import pytest
from numba.core import event

SHORT = 1.0
"""Files that take fewer seconds are one line together."""


class Timing:
    """Adds up what the processes of a run report. With ``pytest -n`` the tests run in processes below this one."""

    def __init__(self) -> None:
        self._files: dict[str, float] = defaultdict(float)
        self._parts: list[dict[str, float]] = []
        self._compiling = event.TimingListener()
        event.register("numba:compile", self._compiling)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._files[report.nodeid.partition("::")[0]] += report.duration

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tell the process above of this one and those that it started."""
        spent = {
            "processors": sum(os.times()[:4]),
            "compiling": self._compiling.duration if self._compiling.done else 0.0,
        }
        getattr(session.config, "workeroutput", {}).update(spent)
        self._parts.append(spent)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        self._parts.append(getattr(node, "workeroutput", {}))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        long = {name: seconds for name, seconds in self._files.items() if seconds >= SHORT}
        short = sum(self._files.values()) - sum(long.values())
        terminalreporter.section("seconds by file")
        for name, seconds in sorted(long.items(), key=lambda item: -item[1]):
            terminalreporter.write_line(f"{seconds:7.1f}  {name}")
        terminalreporter.write_line(f"{short:7.1f}  {len(self._files) - len(long)} files below {SHORT:g} s")
        terminalreporter.write_line(f"{sum(self._files.values()):7.1f}  all files")
        for name in ("processors", "compiling"):
            terminalreporter.write_line(f"{sum(part.get(name, 0.0) for part in self._parts):7.1f}  {name}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Timing(), "timing")
