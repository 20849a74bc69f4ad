"""Trajectories that go on from a finished store are, byte for byte, those that were marched at one go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from pdemill.errors import SpecError, StoreMismatch
from pdemill.solvers import lengthening
from pdemill.solvers.opening import open_work
from pdemill.solvers.trajectories import ladder, marching
from pdemill.solvers.trajectories.check import Checked
from pdemill.solvers.trajectories.job import TrajectoryJob
from pdemill.solvers.trajectories.shard import Refined
from pdemill.store.manifest import FOLDER

FLAME: dict[str, Any] = {
    "problem": {
        "family": "kuramoto_sivashinsky",
        "resolution": [48],
        "domain": {"lengths": [16]},
        "initial": {"field": "sines", "terms": 3, "waves": [1, 2]},
        "time": {"end": 2.0, "intervals": 4, "warmup": 0.5},
    },
    "samples": 5,
    "solver": {"method": "etdrk4", "first_step": 0.1},
    "store": {"states": True, "shard": 4},
}
WAVE: dict[str, Any] = {
    "problem": {
        "family": "wave",
        "resolution": [32],
        "speed": 1.0,
        "initial": {"field": "sines", "terms": 2, "waves": [1, 2]},
        "time": {"end": 0.2, "intervals": 2},
    },
    "samples": 2,
    "store": {"states": True},
    "solver": {"step": 0.01, "time_rtol": 1e-2},
}
FORCED: dict[str, Any] = {
    "problem": {
        "family": "navier_stokes",
        "resolution": [16, 16],
        "viscosity": {"uniform": [0.01, 0.02]},
        "initial": {"field": "gaussian", "alpha": 2.5, "tau": 7, "boundary": "periodic"},
        "source": {"field": "expression", "formula": "0.1*sin(2*pi*(x+y))"},
        "outputs": ["velocity"],
        "time": {"times": [0.25, 0.5]},
    },
    "samples": 2,
    "store": {"states": True},
    "solver": {"method": "etdrk4", "first_step": 0.25, "simulate_resolution": [24, 24]},
    "certify": {"error_rtol": 1.0},
}


def longer(spec: dict[str, Any], **time: Any) -> dict[str, Any]:
    """The same with other times."""
    return {**spec, "problem": {**spec["problem"], "time": {**spec["problem"]["time"], **time}}}


def files(root: Path) -> dict[str, bytes]:
    """All files that do not tell how long a run took."""
    found = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in found.items()
        if "solve_seconds/c" not in name and not name.startswith(FOLDER)
    }


@pytest.mark.parametrize(
    ("spec", "time"),
    [
        (FLAME, {"end": 4.0, "intervals": 8}),
        pytest.param(WAVE, {"end": 0.5, "intervals": 5}, marks=pytest.mark.slow),
        pytest.param(FORCED, {"times": [0.25, 0.5, 1.0]}, marks=pytest.mark.slow),
    ],
)
def test_lengthened_trajectories_have_the_bits_of_one_run(
    spec: dict[str, Any], time: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, whole, made = (tmp_path / f"{name}.zarr" for name in ("short", "whole", "made"))
    assert pdemill.generate(spec, short, workers=0).ok
    asked = {**longer(spec, **time), "samples": spec["samples"] + 1}
    told = pdemill.generate(asked, whole, workers=0)
    intervals = count_intervals(monkeypatch)
    summary = pdemill.generate(asked, made, workers=0, lengthen=short)
    assert (told.lengthened, summary.lengthened, summary.from_start) == (0, spec["samples"], "")
    assert files(made) == files(whole)
    assert not (made / lengthening.FILE).exists()
    assert 0 < sum(intervals) < sum(intervals[-1:]) * len(intervals)
    assert pdemill.verify(made, resolve=True).ok


def count_intervals(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The list to which every run adds how many intervals it has marched."""
    found: list[int] = []
    advance, marched = marching.advance, ladder.marched

    def counted(*given: Any) -> None:
        found[-1] += 1
        advance(*given)

    def noted(*given: Any) -> Any:
        found.append(0)
        return marched(*given)

    monkeypatch.setattr(ladder, "advance", counted)
    monkeypatch.setattr(ladder, "marched", noted)
    return found


def test_what_cannot_be_gone_on_with_is_named_and_solved_from_the_start(tmp_path: Path) -> None:
    plain = {**FLAME, "store": {"dtype": "float64"}, "samples": 1}
    short, made = tmp_path / "short.zarr", tmp_path / "made.zarr"
    assert pdemill.generate(plain, short, workers=0).ok
    summary = pdemill.generate(longer(plain, end=4.0, intervals=8), made, workers=0, lengthen=short)
    assert summary.ok
    assert summary.lengthened == 0
    assert "store.states" in summary.from_start


def test_another_step_of_the_trial_is_named(tmp_path: Path) -> None:
    spec = {**FLAME, "samples": 1, "solver": {"method": "etdrk4"}}
    short, made = tmp_path / "short.zarr", tmp_path / "made.zarr"
    assert pdemill.generate(spec, short, workers=0).ok
    summary = pdemill.generate(longer(spec, end=20.0, intervals=40), made, workers=0, lengthen=short)
    assert "the trial takes another" in summary.from_start


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 1}, "only problem.time and splits"),
        ({"problem": longer(FLAME, end=4.0, intervals=9)["problem"]}, "stored times"),
        ({"problem": longer(FLAME, end=1.0, intervals=2)["problem"]}, "stored times"),
        ({"problem": longer(FLAME, end=4.0, intervals=8, warmup=1.0)["problem"]}, "only problem.time and splits"),
    ],
)
def test_a_store_of_another_spec_is_refused(change: dict[str, Any], words: str, tmp_path: Path, short: Path) -> None:
    with pytest.raises(StoreMismatch, match=words):
        pdemill.generate({**longer(FLAME, end=4.0, intervals=8), **change}, tmp_path / "m.zarr", 0, lengthen=short)


def test_a_store_is_not_lengthened_in_its_place(short: Path) -> None:
    before = files(short)
    with pytest.raises(StoreMismatch, match="another spec"):
        pdemill.generate({**longer(FLAME, end=4.0, intervals=8), "samples": 1}, short, workers=0, lengthen=short)
    assert files(short) == before
    assert not (short / lengthening.FILE).exists()


def test_lengthening_goes_on_after_an_end_half_way(tmp_path: Path) -> None:
    """By processes of its own, of which each finds the shorter store; without being told again."""
    short, whole, made = (tmp_path / f"{name}.zarr" for name in ("short", "whole", "made"))
    asked = longer(FLAME, end=3.0, intervals=6)
    assert pdemill.generate(FLAME, short, workers=0).ok
    assert pdemill.generate(asked, whole, workers=0).ok

    def end(tally: pdemill.Tally) -> None:
        if tally.done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pdemill.generate(asked, made, workers=1, watcher=end, lengthen=short)
    assert (made / lengthening.FILE).exists()
    assert pdemill.generate(asked, made, workers=1).ok
    assert files(made) == files(whole)
    assert not (made / lengthening.FILE).exists()


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small finished store."""
    made = tmp_path_factory.mktemp("short") / "short.zarr"
    assert pdemill.generate({**FLAME, "samples": 1}, made, workers=0).ok
    return made


def test_states_that_are_not_those_of_the_solution_are_found(short: Path) -> None:
    job, _ = open_work(short)
    assert isinstance(job, TrajectoryJob)
    part: Any = zarr.open_group(short, mode="r")["train"]
    stored = {name: np.asarray(part[name][0]) for name in part.array_keys()}
    refined = Refined(job, next(job.layout.shards()))
    assert list(Checked(job, refined, 0, stored).faults(by_reference=False)) == []
    stored["states"] = stored["states"] * (1.0 + 1e-6)
    assert any("states that it keeps" in told for told in Checked(job, refined, 0, stored).faults(by_reference=False))


def test_states_are_kept_where_marching_goes_on_by_them() -> None:
    heat = {
        "problem": {
            "family": "heat", "resolution": [16], "coefficient": 1.0, "initial": 0.0,
            "boundary": {"default": {"dirichlet": 0}}, "time": {"end": 1.0, "intervals": 1},
        },
        "samples": 1, "store": {"states": True},
    }  # fmt: skip
    with pytest.raises(SpecError, match=r"store\.states"):
        pdemill.generate(heat, "nowhere.zarr", workers=0)
