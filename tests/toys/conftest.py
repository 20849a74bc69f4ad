"""The parts that a toy brings in are there for its own tests alone."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pdemill.spec.problem import bound
from pdemill.spec.registry import registers

type Parts = tuple[list[dict[str, type[Any]]], dict[tuple[str, str], type[Any]]]

_parts: dict[Path, Parts] = {}
"""The members of all registers as they were once a toy had been imported."""


def _snapshot() -> Parts:
    return [register.snapshot() for register in registers], dict(bound)


def _restore(parts: Parts) -> None:
    members, forms = parts
    for register, known in zip(registers, members, strict=True):
        register.restore(known)
    bound.clear()
    bound.update(forms)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """Take out again what the import of a toy has brought in."""
    before = _snapshot()
    report = yield
    if isinstance(collector, pytest.Module):
        _parts[collector.path] = _snapshot()
        _restore(before)
    return report


@pytest.fixture(scope="module", autouse=True)
def toy_parts(request: pytest.FixtureRequest) -> Iterator[None]:
    """The families, discretisers and methods of the module."""
    before = _snapshot()
    _restore(_parts[request.path])
    yield
    _restore(before)
