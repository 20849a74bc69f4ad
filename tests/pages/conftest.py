"""An API with finished jobs, whose pages are asked for, and a browser to look at them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pdemill
from tests.pages.browser import executable
from tests.service.api import Api, serving, without_broker

WAVES = {"field": "sines", "terms": 10, "amplitude": [-0.5, 0.5], "waves": [1, 2]}
CHAOS: dict[str, Any] = {
    "problem": {
        "family": "kuramoto_sivashinsky", "resolution": [64], "domain": {"lengths": [32]}, "initial": WAVES,
        "time": {"end": 160, "intervals": 16},
    },
    "splits": {"train": 3},
}  # fmt: skip
FLOW: dict[str, Any] = {
    "problem": {
        "family": "navier_stokes", "resolution": [32, 32], "viscosity": 0.01, "time": {"end": 2, "intervals": 10},
        "initial": {"field": "gaussian", "alpha": 3, "tau": 5, "std": 1, "boundary": "periodic"},
    },
    "splits": {"train": 3},
}  # fmt: skip
SPOILED: dict[str, Any] = {
    "problem": {
        "family": "burgers", "resolution": [16], "initial": {**WAVES, "amplitude": [1, 2]}, "viscosity": 1e-4,
        "time": {"end": 1, "intervals": 2},
    },
    "splits": {"train": 6},
}  # fmt: skip


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(without_broker(tmp_path_factory.mktemp("pages") / "data")) as api:
        yield api


@pytest.fixture(scope="module")
def job(api: Api, darcy_store: Path) -> str:
    """A finished job."""
    return api.finished(darcy_store)[0]


@pytest.fixture(scope="session")
def chaos_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trajectories on a line that are right until some of their stored times."""
    out = tmp_path_factory.mktemp("stores") / "chaos.zarr"
    assert pdemill.generate(CHAOS, out, workers=0).ok
    return out


@pytest.fixture(scope="session")
def flow_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trajectories in the plane."""
    out = tmp_path_factory.mktemp("stores") / "flow.zarr"
    assert pdemill.generate(FLOW, out, workers=0).ok
    return out


@pytest.fixture(scope="session")
def spoiled_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished store of which every sample failed."""
    out = tmp_path_factory.mktemp("stores") / "spoiled.zarr"
    assert len(pdemill.generate(SPOILED, out, workers=0).failures) == 6
    return out


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = executable()
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the browser complained about: nothing."""
    heard: list[str] = []
    yield heard
    assert heard == []
