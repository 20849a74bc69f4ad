"""An API without a broker, for tests that send it what it must refuse."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.api import Api, serving, without_broker


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(without_broker(tmp_path_factory.mktemp("api") / "data")) as api:
        yield api


@pytest.fixture
def unharmed(api: Api, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Afterwards the API answers as before, and has logged no error."""
    yield
    assert api.get("/healthz").status == 200
    assert not [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]


@pytest.fixture(scope="module")
def finished(api: Api, darcy_store: Path) -> tuple[str, str]:
    """A job and its data set."""
    return api.finished(darcy_store)
