"""An API with one finished job, whose pages are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.api import Api, serving, without_broker


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(without_broker(tmp_path_factory.mktemp("pages") / "data")) as api:
        yield api


@pytest.fixture(scope="module")
def job(api: Api, darcy_store: Path) -> str:
    """A finished job."""
    return api.finished(darcy_store)[0]
