"""Arguments of generate, mix, verify and walk_labels that are none are refused at once, with what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

import pdemill
from pdemill.arguments import worker_count
from pdemill.cli import commands
from pdemill.process import cores

SPEC: dict[str, Any] = {
    "problem": {"family": "poisson", "resolution": [8, 8]}, "samples": 1, "solver": {"method": "fft"},
}  # fmt: skip
ALLOWED = r"workers should be a whole number, 1 or more processes, 0 for this process, or -1 for all cores, not "
mix: Any = pdemill.mix
wrong: Any = [-2, 2.0, "2", None, True, [2]]


@pytest.mark.parametrize("workers", wrong)
def test_workers_that_are_no_number_are_refused_before_anything_is_made(workers: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=ALLOWED):
        pdemill.generate(SPEC, tmp_path / "store", workers=workers)
    with pytest.raises(ValueError, match=ALLOWED):
        pdemill.walk_labels(SPEC, workers=workers)
    assert not (tmp_path / "store").exists()


def test_minus_one_means_all_cores(tmp_path: Path) -> None:
    assert worker_count(-1) == cores() >= 1
    assert worker_count(np.int64(3)) == 3
    assert pdemill.generate(SPEC, tmp_path / "store", workers=-1).ok


@pytest.mark.parametrize(
    ("workers", "message"),
    [("0", "1 or more, or -1 for all cores, not 0"), ("-2", "not -2"), ("2.0", "'2.0' is not a valid integer")],
)
@pytest.mark.parametrize("command", [["generate", "--out", "x"], ["serve"]])
def test_the_command_line_says_so_too(command: list[str], workers: str, message: str) -> None:
    found = CliRunner().invoke(commands, [*command, "--workers", workers])
    assert found.exit_code == click.UsageError.exit_code
    assert message in found.output


def test_settings_are_a_list(tmp_path: Path) -> None:
    for call in (pdemill.plan, lambda spec, settings: pdemill.generate(spec, tmp_path, settings=settings)):
        with pytest.raises(ValueError, match="settings should be a list of texts KEY=VALUE, not 'seed=3'"):
            call(SPEC, settings="seed=3")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": -1}, "samples should be a whole number from 0 on, not -1"),
        ({"samples": 1.5}, "samples should be a whole number from 0 on, not 1.5"),
        ({"audit": -1}, "audit should be a whole number from 0 on, not -1"),
        ({"audit": None}, "audit should be a whole number from 0 on, not None"),
    ],
)
def test_verify_takes_numbers_from_0_on(darcy_store: Path, arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pdemill.verify(darcy_store, **arguments)


mixtures: list[tuple[Callable[[Any], Any], str]] = [
    (lambda data: mix(data), r"datasets should be a list of data sets, as in mix\(\[data\]\), not Dataset"),
    (
        lambda data: mix("a.zarr"),
        r"datasets should be a list of data sets, as in mix\(\[data\]\), not 'a.zarr'",
    ),
    (lambda data: mix(["a.zarr"]), "datasets should be a list of data sets: open 'a.zarr' first"),
    (lambda data: mix([data], weights=1), "weights should be a list of numbers, one for each data set, not 1"),
    (lambda data: mix([data], weights=["1"]), r"weights should be numbers that are not negative.*not \['1'\]"),
    (lambda data: mix([data], weights=[float("nan")]), "weights should be numbers that are not negative"),
    (lambda data: mix([data], seed=-1), "seed should be a whole number from 0 on, not -1"),
    (lambda data: mix([data], steps=2.5), "steps should be a whole number from 0 on, not 2.5"),
    (lambda data: mix([data]).after(-1), "steps should be a whole number from 0 on, not -1"),
]


@pytest.mark.parametrize(("call", "message"), mixtures)
def test_mix_says_what_it_takes(darcy_store: Path, call: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(pdemill.open(darcy_store))
