"""Shared set-up: one thread per process, the order of the tests, and small stores that many tests read."""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from collections.abc import Generator  # noqa: E402
from importlib.util import find_spec  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import pytest  # noqa: E402
from xdist.scheduler import LoadScopeScheduling  # noqa: E402

import pdemill  # noqa: E402
from pdemill.errors import PdemillError  # noqa: E402

pytest_plugins = ("tests.timing", "tests.clock")

DARCY: dict[str, Any] = {
    "problem": {
        "family": "darcy",
        "resolution": [16, 12],
        "coefficient": {"field": "threshold", "low": 3, "high": 12, "of": {"field": "gaussian", "modes": 16}},
    },
    "splits": {"train": 40, "test": 7},
    "store": {"shard": 16},
    "seed": 5,
}

FIRST = (
    "tests/walks", "tests/audit", "tests/solvers/test_multigrid.py", "tests/solvers/test_krylov.py",
    "tests/service/test_chaos.py", "tests/end_to_end/test_kills.py", "tests/service/test_fuzz.py", "tests/service",
    "tests/deployment", "tests/end_to_end/test_bits.py", "tests/solvers", "tests/docs", "tests/end_to_end",
    "tests/operators",
)  # fmt: skip
"""Long tests begin first, so that none is left for one core at the end, and tests of compiled code before those that
only use it. What remains is short."""
WALKS = ("tests/walks", "tests/audit")
"""Run by one process of ``pytest -n``, one after the other: they need the same compiled code, which two processes
would both compile."""
APART = ("tests/docs", "tests/service/test_fuzz.py", "test_every_preset")
"""Their tests are long and share little; the tests of any other module run in one process, with its fixtures."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests."""
    items.sort(key=lambda item: next((i for i, part in enumerate(FIRST) if item.nodeid.startswith(part)), len(FIRST)))


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Which tests run in one process, one after the other."""

    def _split_scope(self, nodeid: str) -> str:
        if any(part in nodeid for part in APART):
            return nodeid
        module = nodeid.partition("::")[0]
        return "walks" if module.startswith(WALKS) else module


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Deal the tests out by modules."""
    return Scheduling(config, log)


LACKING = [module for module in ("petsc4py", "netgen") if find_spec(module) is None]
"""What has no wheels on some machines; see make check-light."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Where such a library is lacking, a test that ends with the error that names it is skipped, a job's too."""
    report = yield
    error = None if call.excinfo is None else call.excinfo.value
    if isinstance(error, PdemillError) and any(f" needs {module}" in str(error) for module in LACKING):
        file, line, _ = item.location
        report.outcome, report.longrepr = "skipped", (file, line or 0, f"Skipped: {error}")
    return report


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked with ``needs`` where what they need is not installed."""
    for module in (name for mark in item.iter_markers("needs") for name in mark.args):
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


@pytest.fixture(scope="session")
def darcy_spec() -> dict[str, Any]:
    return DARCY


@pytest.fixture(scope="session")
def darcy_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished store of DARCY; read only."""
    out = tmp_path_factory.mktemp("stores") / "darcy.zarr"
    summary = pdemill.generate(DARCY, out, workers=0)
    assert summary.ok
    return out
