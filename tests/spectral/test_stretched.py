"""Boxes of samples that are stretched: the equations of boxes that are as long."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pdemill
from pdemill.errors import ExportError, SpecError
from pdemill.solvers.discretisers.spectral import OnPeriodicBox
from pdemill.solvers.job import open_job
from pdemill.solvers.spectral.job import SpectralJob
from pdemill.solvers.spectral.stretched import POWERS
from pdemill.spec import validate
from tests.sampling import sample
from tests.spectral.test_trajectories import (
    BAROCLINIC,
    DUST,
    FLAMES,
    FRONTS,
    PATCHES,
    ROSSBY,
    SOLITONS,
    STRETCHED,
    WARMTH,
    WAVELETS,
    WAVES,
    arrays,
    changed,
)

ROWS = {
    "fronts": FRONTS, "flames": FLAMES, "solitons": SOLITONS, "warmth": WARMTH, "wavelets": WAVELETS,
    "patches": PATCHES, "rossby": ROSSBY, "baroclinic": BAROCLINIC, "dust": DUST,
}  # fmt: skip


@pytest.mark.parametrize("name", sample(ROWS, "solitons", "warmth", "dust"))
def test_a_box_that_is_stretched_is_one_that_is_as_long(name: str, tmp_path: Path) -> None:
    """From the same functions of x over length, to rounding."""
    spec = changed(ROWS[name], samples=1, store={"dtype": "float64"}, solver={"method": "etdrk4", "step": 0.01})
    problem = spec["problem"]
    problem["time"] = {"end": 0.1, "intervals": 1}
    many = len(problem["initial"]) if isinstance(problem["initial"], list) else 0
    waves = {**WAVES, "waves": 3 if len(problem["resolution"]) == 1 else 1}
    problem["initial"] = [waves] * many if many else waves
    problem.pop("source", None)
    lengths = problem.get("domain", {}).get("lengths", [1.0] * len(problem["resolution"]))
    longer = [1.25 * length for length in lengths]
    for kind, keys in (("s", {"problem__stretch": 1.25}), ("l", {"problem__domain": {"lengths": longer}})):
        assert not pdemill.generate(changed(spec, **keys), tmp_path / f"{kind}.zarr", workers=0).failures
    one, other = (arrays(tmp_path / f"{kind}.zarr")["solution"] for kind in "sl")
    assert np.abs(other[:, :, -1] - other[:, :, 0]).max() > 1e-6 * np.abs(other).max()
    np.testing.assert_allclose(one, other, atol=1e-12 * np.abs(other).max())


def test_every_term_of_periodic_boxes_but_those_of_users_has_its_power() -> None:
    assert set(POWERS) == OnPeriodicBox.takes.terms - {"equations"}


def test_the_stretch_is_kept_with_the_sample(tmp_path: Path) -> None:
    """As a parameter and as an input; x is that of the domain."""
    pdemill.generate(changed(STRETCHED, samples=3), tmp_path / "s.zarr", workers=0)
    data = pdemill.open(tmp_path / "s.zarr")
    assert data.channels == ("initial", "viscosity", "stretch")
    columns = arrays(tmp_path / "s.zarr")
    stretch = columns["params"][:, 1]
    assert ((stretch > 0.8) & (stretch < 1.2)).all()
    assert len(set(stretch)) == 3
    assert (columns["input"][:, 2] == stretch.astype(np.float32)[:, None]).all()
    job = open_job(validate(STRETCHED))
    assert isinstance(job, SpectralJob)
    alone = job.instance("train", 2)
    assert alone.parameters()["stretch"] == stretch[2]
    viscosity = columns["params"][2, 0]
    assert float(alone.terms.diffusion[0](job.points)) == pytest.approx(viscosity / stretch[2] ** 2, rel=1e-15)
    for to in ("pdebench", "well", "netcdf"):
        with pytest.raises(ExportError, match=r"problem\.stretch"):
            pdemill.export(tmp_path / "s.zarr", tmp_path / to, to=to)


def test_equations_that_users_write_are_not_stretched() -> None:
    spec = {
        "problem": {
            "family": "spectral", "resolution": [32], "equations": "u_t = d(u, x, 2)", "initial": WAVES, "stretch": 2,
            "time": {"end": 1, "intervals": 1},
        },
        "samples": 1,
    }  # fmt: skip
    with pytest.raises(SpecError, match=r"problem\.stretch: does not know how equations"):
        validate(spec)
