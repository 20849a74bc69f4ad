"""What tests of equations in time on boxes have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pdemill
from pdemill.points import Array
from pdemill.solvers.job import open_job
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.stepping.independent import Independent
from pdemill.solvers.stepping.job import SteppingJob
from pdemill.spec import validate
from tests.spectral.test_trajectories import arrays, changed


def formula(text: str, **where: Any) -> dict[str, Any]:
    return {"field": "expression", "formula": text} | ({"where": where} if where else {})


def errors_of_decay(ended: Callable[[int], tuple[SteppingJob, Array]]) -> list[float]:
    """Of u = exp(-t) sin(2 x + 1) cos(y) cos(z) at t = 0.6, with 8 and 16 cells along every axis; ``ended`` gives the
    job and the state at the end."""
    errors = []
    for cells in (8, 16):
        job, end = ended(cells)
        x, *others = np.meshgrid(*job.grid.centres.values(), indexing="ij")
        exact = np.exp(-0.6) * np.sin(2 * x + 1) * np.prod([np.cos(one) for one in others], axis=0)
        errors.append(float(np.abs(end.reshape(exact.shape) - exact).max()))
    return errors


def assert_certified(
    spec: dict[str, Any], out: Path, resolve: bool = True, time_rtol: float = 1e-5, estimated: int = 2
) -> dict[str, NDArray[Any]]:
    """The columns of the store of a spec, all samples of which are certified and verified."""
    assert not pdemill.generate(spec, out, workers=0).failures
    found = pdemill.verify(out, resolve=resolve)
    assert (found.faults, found.certificates) == ((), spec["samples"])
    columns = arrays(out)
    assert columns["time_error_estimate"].max() <= time_rtol
    assert np.isfinite(columns["error_estimate"]).sum() >= estimated
    return columns


def assert_same_bits(spec: dict[str, Any], folder: Path) -> None:
    """Whatever the shards and the workers."""
    pdemill.generate(spec, folder / "one.zarr", workers=0)
    pdemill.generate(changed(spec, store__shard=1), folder / "many.zarr", workers=2)
    one, many = arrays(folder / "one.zarr"), arrays(folder / "many.zarr")
    for key in set(one) - {"solve_seconds"}:
        np.testing.assert_array_equal(one[key], many[key], key)


def told_of_stronger_diffusion(spec: dict[str, Any], out: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """What verify says of a diffusion that is 2 % too strong, in what is stored and in what verifies it by the same
    code."""
    right = BoxGrid._diffuse

    def strong(self: BoxGrid, axis: int, k: Array, diagonal: Array, after: Array) -> None:
        right(self, axis, 1.02 * k, diagonal, after)

    with monkeypatch.context() as patch:
        patch.setattr(BoxGrid, "_diffuse", strong)
        assert not pdemill.generate(changed(spec, certify__refine=0), out, workers=0).failures
        return pdemill.verify(out).faults


def between_discretisers(problem: dict[str, Any], folder: Path, counts: tuple[int, int], frame: int) -> list[Array]:
    """What spectral solutions on lines of so many points are apart from those in as many cells, at their centres."""
    found = []
    for cells in counts:
        stores = {}
        for by in ("spectral", "box"):
            spec = {"problem": {**problem, "resolution": [cells], "discretiser": by}, "samples": 2}
            pdemill.generate(spec, folder / f"{by}{cells}.zarr", workers=0)
            stores[by] = arrays(folder / f"{by}{cells}.zarr")["solution"][:, 0, frame].astype(float)
        spectrum = np.fft.rfft(stores["spectral"])
        turned = spectrum * np.exp(1j * np.pi / cells * np.arange(spectrum.shape[1]))
        found.append(np.abs(np.fft.irfft(turned, n=cells) - stores["box"]))
    return found


def assert_slopes_agree(spec: dict[str, Any], rng: np.random.Generator) -> None:
    """Those of the equation of a sample, and those that are assembled face by face."""
    job = open_job(validate(spec))
    assert isinstance(job, SteppingJob)
    instance, u = job.instance("train", 0), rng.standard_normal((1, *job.grid.shape))
    equation = job.equation(instance)
    assert equation.tendency is not None
    (system,), flat = equation.systems, u.reshape(1, -1)
    found = system.rhs - system.matrix.sparse() @ flat[0] + equation.tendency(flat, 0.0)[0]
    other = Independent(instance, job.grid, 1e-6).slopes(0.0, u)
    np.testing.assert_allclose(found, other.reshape(-1), atol=1e-12 * np.abs(found).max())
