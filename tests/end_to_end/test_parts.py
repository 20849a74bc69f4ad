"""Several runs fill one store, part by part, and runs end early; what comes out is what one run makes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import pdemill
from pdemill.cli_generate import ENDED_EARLY
from pdemill.errors import StoreError
from pdemill.service.testing import until
from pdemill.sharing import Part, end_time, part
from tests.command import pdemill as command

SPEC: dict[str, Any] = {
    "problem": {"family": "poisson", "resolution": [16, 16], "source": {"field": "gaussian"}},
    "splits": {"train": 44, "test": 5},
    "store": {"shard": 8},
    "solver": {"method": "fft"},
}
RUN = "from pdemill.cli import main; main()"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The content hash of the store that one run makes."""
    out = tmp_path_factory.mktemp("alone") / "store.zarr"
    assert pdemill.generate(SPEC, out, workers=0).ok
    return str(pdemill.verify(out, samples=0).content)


def _begin(
    folder: Path, *options: str, spec: Mapping[str, Any] = SPEC, variables: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    (folder / "spec.json").write_text(json.dumps(spec))
    words = [sys.executable, "-c", RUN, "generate", str(folder / "spec.json"), "--out", str(folder / "store.zarr")]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*words, *options], stdout=pipe, stderr=pipe, text=True, env={**os.environ, **(variables or {})}
    )


def _manifests(folder: Path) -> int:
    return len(list((folder / "store.zarr" / "_manifest").glob("t*.json")))


def test_parts_one_after_another(alone: str, tmp_path: Path) -> None:
    out = tmp_path / "store.zarr"
    found = [pdemill.generate(SPEC, out, workers=0, part=f"{number}/3") for number in (2, 1, 3)]
    assert [(part.total, part.left, part.elsewhere) for part in found] == [(16, 0, 33), (21, 0, 12), (12, 0, 0)]
    assert all(part.ok for part in found)
    assert pdemill.verify(out).content == alone


def test_more_parts_than_shards(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(SPEC))
    made = command("generate", "spec.json", "--out", "store.zarr", "--part", "9/9", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "0 of 0 samples" in made.stdout
    assert "49 samples of other parts are not there yet" in made.stdout


def test_a_store_is_lengthened_by_one_run(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not part by part"):
        pdemill.generate(SPEC, tmp_path / "store.zarr", part="1/2", lengthen=tmp_path)


def test_a_store_grows_by_one_run(tmp_path: Path) -> None:
    out, larger = tmp_path / "store.zarr", {**SPEC, "splits": {"train": 60, "test": 5}}
    pdemill.generate(SPEC, out, workers=0, until="0s")
    with pytest.raises(StoreError, match="begin that without a part"):
        pdemill.generate(larger, out, workers=0, part="1/2")
    pdemill.generate(larger, out, workers=0, until="0s")
    assert [pdemill.generate(larger, out, workers=0, part=f"{k}/2").elsewhere for k in (1, 2)] == [28, 0]


@pytest.mark.slow
def test_parts_at_once(alone: str, tmp_path: Path) -> None:
    runs = [_begin(tmp_path, "--part", f"{number}/3") for number in (1, 2, 3)]
    told = [run.communicate(timeout=180) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], told
    assert pdemill.verify(tmp_path / "store.zarr").content == alone
    for (out, _), samples in zip(told, (21, 16, 12), strict=True):
        assert f"{samples} of {samples} samples certified" in out or "49 of 49" in out


@pytest.mark.slow
def test_parts_on_machines_that_share_a_disk_without_locks(alone: str, tmp_path: Path, library: Path) -> None:
    variables = {"LD_PRELOAD": str(library), "NO_LOCKS": str(tmp_path / "store.zarr"), "NO_LOCKS_ERROR": "38"}
    runs = []
    for number in (1, 2):
        (own := tmp_path.with_name(f"{tmp_path.name}-{number}")).mkdir()
        runs.append(_begin(tmp_path, "--part", f"{number}/2", variables={**variables, "TMPDIR": str(own)}))
    told = [run.communicate(timeout=180) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], told
    assert all("start nowhere else what is no part of this run" in errors for _, errors in told)
    assert pdemill.verify(tmp_path / "store.zarr").content == alone


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGUSR1, marks=pytest.mark.slow)])
def test_a_run_that_is_asked_to_end(tmp_path: Path, number: signal.Signals, workers: str) -> None:
    run = _begin(tmp_path, "--workers", workers, spec={**SPEC, "splits": {"train": 4000, "test": 5}})
    until(lambda: _manifests(tmp_path) > 0 or run.poll() is not None, 120, "a shard")
    os.kill(run.pid, number)
    out, errors = run.communicate(timeout=120)
    assert run.returncode == ENDED_EARLY, errors
    kept = _manifests(tmp_path)
    assert f"ended early: {4005 - 8 * kept} samples are left; run the same command again" in out
    assert not list((tmp_path / "store.zarr").rglob("*.tmp"))


def test_a_run_whose_time_is_over_begins_nothing(alone: str, tmp_path: Path) -> None:
    out = tmp_path / "store.zarr"
    found = pdemill.generate(SPEC, out, workers=0, until="0s")
    assert (found.ok, found.total, found.left) == (False, 49, 49)
    assert pdemill.generate(SPEC, out, workers=0, until="1h").ok
    assert pdemill.verify(out, samples=0).content == alone


STEP = {"SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2"}
ARRAY = {
    f"SLURM_ARRAY_TASK_{name}": value for name, value in (("ID", "7"), ("MIN", "3"), ("STEP", "2"), ("COUNT", "5"))
}


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("1/1", {}, Part(1, 1)),
        ("3/8", STEP, Part(3, 8)),
        ("slurm", STEP, Part(3, 4)),
        ("slurm", ARRAY, Part(3, 5)),
        ("slurm", {**ARRAY, "SLURM_NTASKS": "1"}, Part(3, 5)),
        ("slurm", {**ARRAY, **STEP}, Part(11, 20)),
    ],
)
def test_which_part(text: str, variables: dict[str, str], expected: Part) -> None:
    assert part(text, variables) == expected


@pytest.mark.parametrize(
    ("text", "variables", "message"),
    [
        ("0/4", {}, "K/N with K from 1 to N"),
        ("5/4", {}, "K/N with K from 1 to N"),
        ("1/4/2", {}, "K/N"),
        ("", {}, "K/N"),
        ("slurm", {}, "no variables of Slurm"),
        ("slurm", {"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, "start it by srun"),
        ("slurm", {**ARRAY, "SLURM_ARRAY_TASK_ID": "4"}, "no task of an array of 5"),
        ("slurm", {**STEP, "SLURM_PROCID": "x"}, "SLURM_PROCID should be a whole number"),
    ],
)
def test_parts_that_are_none(text: str, variables: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        part(text, variables)


def test_every_shard_is_in_one_part() -> None:
    shards = list(range(23))
    assert sorted(shard for number in range(1, 6) for shard in Part(number, 5).of(shards)) == shards


@pytest.mark.parametrize(
    ("text", "seconds"), [("3h30m", 12_600), ("90s", 90), ("2d", 172_800), ("1970-01-02T00:00+00:00", 86_400 - 1_000)]
)
def test_when_a_run_ends(text: str, seconds: int) -> None:
    assert end_time(text, 1_000.0) == 1_000.0 + seconds


@pytest.mark.parametrize("text", ["", "3", "-1h", "tomorrow", "2027-01-31", "1970-01-01T00:00+00:00", "30m1h"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="should be a duration such as 3h30m"):
        end_time(text, datetime(2026, 1, 1).timestamp())


def test_bad_options_are_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(SPEC))
    for option, text in (("--part", "3/2"), ("--until", "soon")):
        made = command("generate", "spec.json", "--out", "store.zarr", option, text, folder=tmp_path)
        assert made.returncode == 2
        assert option in made.stderr
    assert not (tmp_path / "store.zarr").exists()
