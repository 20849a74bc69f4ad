"""Trajectories in motion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image, ImageSequence

import pdemill
from pdemill.cli import commands
from pdemill.errors import StoreError
from pdemill.movie import draw_movie
from tests.spectral.test_trajectories import FLAMES, VORTICES


@pytest.mark.parametrize("spec", [VORTICES, FLAMES], ids=["plane", "line"])
def test_a_movie_has_a_frame_per_stored_time(spec: dict[str, Any], tmp_path: Path) -> None:
    pdemill.generate({**spec, "samples": 2}, tmp_path / "s.zarr", workers=0)
    ran = CliRunner().invoke(commands, ["inspect", str(tmp_path / "s.zarr"), "--movie", str(tmp_path / "a.gif")])
    assert ran.exit_code == 0, ran.output
    with Image.open(tmp_path / "a.gif") as movie:
        frames = [frame.convert("RGB").tobytes() for frame in ImageSequence.Iterator(movie)]
        assert movie.width > 2 * 24
    assert len(set(frames)) == len(frames) == spec["problem"]["time"]["intervals"] + 1


def test_steady_stores_have_no_movie(tmp_path: Path) -> None:
    pdemill.generate(
        {"problem": {"family": "poisson", "resolution": [8, 8]}, "samples": 1}, tmp_path / "s.zarr", workers=0
    )
    with pytest.raises(StoreError, match="no trajectories"):
        draw_movie(tmp_path / "s.zarr", tmp_path / "a.gif")
