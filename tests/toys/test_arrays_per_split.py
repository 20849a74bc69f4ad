"""Splits with arrays of their own: the samples of ``test`` are solved on another grid than those of ``train``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import zarr
from numpy.typing import NDArray
from pydantic import BeforeValidator

import pdemill
from pdemill.solvers.discretisers.box import BoxPlace, OnBox
from pdemill.solvers.families.poisson import Poisson
from pdemill.solvers.field_check import check_certificates
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.field_shard import solve_shard
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.progress import Progress
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import validate
from pdemill.spec.job import Spec
from pdemill.spec.method import Method
from pdemill.spec.model import as_tuple
from pdemill.store.layout import Shard, StoreLayout
from pdemill.store.store import ShardData

COARSE, FINE = (16, 12), (32, 20)


class ToyPoisson(Poisson):
    """Poisson's equation under a name of its own."""

    family: Literal["toy_poisson"]  # type: ignore[assignment]


class TwoGridPlace(BoxPlace):
    """A box, and another ``test_resolution`` for the split ``test``."""

    test_resolution: Annotated[tuple[int, ...], BeforeValidator(as_tuple)] = FINE

    def finer(self) -> BoxGrid:
        grid = self.discretise()
        return BoxGrid(self.test_resolution, grid.lengths, grid.periodic, grid.properties)


class OnTwoBoxes(OnBox):
    """Finite volumes on one grid for each split."""

    name: ClassVar[str] = "toy_two_boxes"
    place = TwoGridPlace

    @classmethod
    def open(cls, spec: Spec, stored: Mapping[str, NDArray[Any]] | None, chosen: Method | None) -> FieldJob:
        return TwoGridJob(spec, stored, chosen)

    @classmethod
    def solve(cls, job: FieldJob, shard: Shard, report: Callable[[Progress], None]) -> tuple[ShardData, Stopwatch]:
        assert isinstance(job, TwoGridJob)
        return solve_shard(job.of(shard.split), shard, report)

    @classmethod
    def check(cls, job: FieldJob, group: zarr.Group, shard: Shard, rows: NDArray[Any]) -> list[str]:
        assert isinstance(job, TwoGridJob)
        return check_certificates(job.of(shard.split), group, shard, rows)


class TwoGridJob(FieldJob):
    """A job whose split ``test`` has a discretisation of its own."""

    def of(self, split: str) -> FieldJob:
        """The job for the samples of a split."""
        return self._finer if split == "test" else self

    @cached_property
    def _finer(self) -> FieldJob:
        assert isinstance(self.problem, TwoGridPlace)
        job = FieldJob(self.spec, None, self.method)
        job.discretisation = self.problem.finer()
        return job

    @cached_property
    def layout(self) -> StoreLayout:
        layout, finer = super().layout, self._finer.layout
        shared = {f"{name}_test": value for name, value in finer.shared.items()}
        return replace(layout, own={"test": finer.arrays}, shared={**layout.shared, **shared})


def spec() -> dict[str, Any]:
    source = {
        "field": "expression",
        "formula": "a*sin(pi*x)*sin(2*pi*y)",
        "where": {"a": {"uniform": [1, 2]}},
    }
    problem = {
        "family": "toy_poisson",
        "discretiser": "toy_two_boxes",
        "resolution": list(COARSE),
        "source": source,
    }
    splits = {"train": 5, "test": 3, "other": 2}
    return {"problem": problem, "splits": splits, "solver": {"method": "direct"}, "store": {"shard": 4}}


def exact(shape: tuple[int, ...], a: float) -> NDArray[np.float64]:
    """The discrete solution."""
    x, y = ((np.arange(cells) + 0.5) / cells for cells in shape)
    k = sum((2 * n * np.sin(m * np.pi / (2 * n))) ** 2 for m, n in zip((1, 2), shape, strict=True))
    return np.asarray(a / k * np.sin(np.pi * x)[:, None] * np.sin(2 * np.pi * y))


def test_every_split_has_its_own_shapes(tmp_path: Path) -> None:
    out = tmp_path / "grids.zarr"
    assert pdemill.generate(spec(), out, workers=0).ok
    verified = pdemill.verify(out)
    assert verified.ok, verified.faults
    assert verified.certificates == 10
    plain: Any = zarr.open_group(out, mode="r")
    for split, shape in (("train", COARSE), ("test", FINE), ("other", COARSE)):
        data = pdemill.open(out, split)
        assert plain[f"{split}/solution"].shape == (len(data), 1, *shape)
        assert plain[f"{split}/input"].shape == (len(data), 1, *shape)
        batch = data[:]
        np.testing.assert_array_equal(batch["y"], plain[f"{split}/solution"][:])
        np.testing.assert_array_equal(batch["x"], plain[f"{split}/input"][:])
        for (a,), u in zip(plain[f"{split}/params"][:].tolist(), batch["y"][:, 0], strict=True):
            np.testing.assert_allclose(u, exact(shape, a), atol=1e-6 * u.max())
    assert plain["x"].shape == (16,)
    assert plain["x_test"].shape == (32,)
    assert sorted(pdemill.open(out, "test").shared()) == ["x", "x_test", "y", "y_test"]


def test_a_store_that_was_begun_is_finished(tmp_path: Path) -> None:
    whole, begun = tmp_path / "whole.zarr", tmp_path / "begun.zarr"
    for out in (whole, begun):
        pdemill.generate(spec(), out, workers=0)
    for file in (begun / "test").rglob("0"):
        if file.is_file():
            file.unlink()
    assert pdemill.generate(spec(), begun, workers=0).ok
    assert pdemill.verify(begun).content == pdemill.verify(whole).content


def test_a_fault_in_the_other_grid_is_found(tmp_path: Path) -> None:
    out = tmp_path / "grids.zarr"
    pdemill.generate(spec(), out, workers=0)
    group: Any = zarr.open_group(out, mode="r+")
    group["test/solution"][1] *= 1.01
    job = OnTwoBoxes.open(validate(spec()), None, None)
    shard = next(shard for shard in job.layout.shards() if shard.split == "test")
    (fault,) = job.check(group, shard, np.arange(len(shard)))
    assert fault.startswith("sample 1 of test: residual")
