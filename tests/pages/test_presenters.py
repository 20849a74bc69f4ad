"""What pages are made of, without any page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from matplotlib.figure import Figure

import pdemill
from pdemill.planning import Candidate, Plan
from pdemill.service.pages.charts import HEIGHT, WIDTH, histogram
from pdemill.service.pages.form.spec import fields, read_spec, write_spec
from pdemill.service.pages.formats import duration, figure, rate, size
from pdemill.service.pages.pictures import plan
from pdemill.service.pages.plan import cold_iterations, plan_rows
from pdemill.service.pages.preview import pack, small, unpack
from pdemill.service.pages.shards import MOST_CELLS, grids
from pdemill.service.pages.statistics import Statisticians
from pdemill.service.pages.throughput import rates
from pdemill.service.pages.times import film, stored_times
from pdemill.service.problems import Refusal
from pdemill.service.samples import sample_view
from pdemill.spec.load import load_preset, preset_names, read_preset, validate
from pdemill.store.layout import cut


@pytest.mark.parametrize("name", preset_names())
def test_a_form_loses_nothing(name: str) -> None:
    for spec in (read_preset(name), load_preset(name).model_dump(mode="json")):
        assert validate(read_spec(write_spec(spec))).sha256() == validate(spec).sha256()


def test_faults_find_their_fields() -> None:
    typed = write_spec(read_preset("fno-darcy")) | {"/problem/coefficient/of/alpha": "many", "/solver#": "Skr",
                                                    "/solver/restart#": "integer", "/solver/restart": "1"}  # fmt: skip
    with pytest.raises(Exception, match="alpha") as caught:
        validate(read_spec(typed))
    made = fields(typed, caught.value.faults)  # type: ignore[attr-defined]
    restart = next(field for field in made["solver"].fields if field.name == "/solver/restart")
    assert restart.faults
    problem = {field.name: field for field in made["problem"].fields}
    of = next(field for field in problem["/problem/coefficient"].fields if field.name.endswith("/of"))
    assert next(field for field in of.fields if field.name.endswith("/alpha")).faults


def test_a_histogram_counts_every_value() -> None:
    values = np.array([1e-9, 2e-9, 2.1e-9, 3e-8, np.nan, -1.0])
    shown = histogram("residual", values, True, [("tolerance", 1e-6)])
    assert shown is not None
    counted = [int(bar.label.rpartition(": ")[2].split()[0]) for bar in shown.bars]
    assert sum(counted) == 4
    assert all(0 <= bar.x <= WIDTH and 0 <= bar.y <= HEIGHT for bar in shown.bars)
    assert max(bar.height for bar in shown.bars) == HEIGHT
    assert [mark.x for mark in shown.marks] == [WIDTH]
    assert shown.summary.startswith("median 2.05 × 10⁻⁹")
    assert histogram("none", np.array([np.nan]), False) is None


def test_a_single_value_is_told_and_not_drawn() -> None:
    """A decade with one bar says less. A limit is told too."""
    shown = histogram("residual", np.full(47, 1e-9), True, [("tolerance", 1e-6)])
    assert shown is not None
    assert (shown.bars, shown.ticks, shown.marks) == ((), (), ())
    assert shown.summary == "1.00 × 10⁻⁹ for all 47 samples; tolerance 1.00 × 10⁻⁶"
    whole = histogram("iterations", np.array([1, 1]), False, beside=("cold", np.array([1])))
    assert whole is not None
    assert whole.summary == "1 for all 3 samples"
    several = histogram("iterations", np.array([1, 1]), False, beside=("cold", np.array([2])))
    assert several is not None
    assert several.bars


def test_whole_numbers_have_bars_of_their_own() -> None:
    shown = histogram("iterations", np.array([3, 3, 5]), False)
    assert shown is not None
    assert [bar.label for bar in shown.bars] == ["2.5 to 3.5: 2 samples", "4.5 to 5.5: 1 samples"]
    assert shown.summary == "median 3, from 3 to 5"


def test_two_histograms_share_an_axis() -> None:
    shown = histogram("iterations", np.array([3, 3, 5]), False, beside=("cold", np.array([9, 9])))
    assert shown is not None
    assert [bar.label for bar in shown.bars] == ["2.5 to 3.5: 2 samples", "4.5 to 5.5: 1 samples"]
    assert [bar.label for bar in shown.beside] == ["8.5 to 9.5: 2 samples, cold"]
    assert shown.bars[0].height == shown.beside[0].height == HEIGHT
    assert shown.beside[0].x + shown.beside[0].width == pytest.approx(WIDTH, abs=1.01)
    assert shown.summary == "median 3, from 3 to 5; cold: median 9"


def test_many_shards_share_cells() -> None:
    shards = list(cut({"train": 16 * 2000, "test": 3}, 16))
    done = {shard.name for shard in shards[:6]}
    train, test = grids(shards, done, {shards[9].name})
    assert len(train.cells) <= MOST_CELLS
    assert (train.shards, train.finished, train.each) == (2000, 6, 4)
    assert [cell.state for cell in train.cells[:4]] == ["finished", "partly", "running", "waiting"]
    assert [cell.state for cell in test.cells] == ["waiting"]


def test_rates_add_up_to_the_samples() -> None:
    times = [101.0, 102.0, 102.5, 103.0, 104.0, 106.0, 107.0, 108.0, 110.0]
    found = rates(dict.fromkeys(times, 8), 100.0)
    assert [time for time, _ in found] == pytest.approx([10 / 3, 20 / 3, 10], abs=0.01)
    assert sum(value for _, value in found) * 10 / 3 == pytest.approx(72, rel=1e-3)
    assert rates({}, 0.0) == rates({5.0: 1}, 5.0) == []


def test_plans_show_the_quickest_first() -> None:
    skr = {"method": "skr", "preconditioner": "ilu", "recycle": 20}
    candidates = (
        Candidate("direct", {"method": "direct"}, 0.5),
        Candidate("gmres", {"method": "gmres", "preconditioner": "ilu"}, 0.1, 0.2, 40.0, 8),
        Candidate("skr", skr, 0.1, 0.1, 12.0, 8),
    )
    plan = Plan(skr, True, "", 1.0, candidates)
    rows = plan_rows(plan)
    assert [(row.candidate.name, row.chosen, row.bar) for row in rows] == [
        ("skr", True, 50.0), ("gmres", False, 100.0), ("direct", False, 0.0),
    ]  # fmt: skip
    assert cold_iterations(plan) == 40.0
    assert cold_iterations(None) is None


@pytest.mark.parametrize("name", preset_names())
def test_previews_are_small(name: str) -> None:
    spec = load_preset(name)
    packed = pack(spec)
    assert packed is not None
    assert unpack(packed) == spec
    found = validate(small(spec)[0])
    assert found.samples == 1
    assert found.seed == spec.seed
    assert found.problem.size <= 6000


@pytest.mark.parametrize(
    ("made", "text"),
    [(figure(0.000012345), "1.23 × 10⁻⁵"), (figure(1234.5), "1,234"), (figure(None), "–"), (figure(0.05), "0.0500"),
     (duration(59.4), "59 s"), (duration(125), "2 min 5 s"), (duration(7200), "2 h"), (rate(0.05), "3.00/min"),
     (size(157_000_000), "157 MB"), (size(12), "12 B")],
)  # fmt: skip
def test_numbers_as_people_read_them(made: Any, text: str) -> None:
    assert made == text


def test_what_begins_a_shard_is_shown_beside_what_is_recycled(tmp_path: Path) -> None:
    """skr solves the first sample of every shard cold; the chart counts those apart."""
    changes = ["splits={train: 12}", "problem.resolution=[16, 16]", "solver={method: skr}", "store.shard=4"]
    spec = load_preset("fno-darcy", changes)
    assert pdemill.generate(spec.model_dump(mode="json"), tmp_path / "a.zarr", workers=0).ok
    found = Statisticians().look(tmp_path / "a.zarr", list(cut({"train": 12}, 4)), None)
    assert found is not None
    shown = found.charts[0]
    assert shown.title == "Iterations, recycled"
    assert [sum(int(bar.label.split(": ")[1].split()[0]) for bar in bars) for bars in (shown.bars, shown.beside)] == [
        9,
        3,
    ]


def test_a_sample_beyond_float32_is_refused_with_the_reason(tmp_path: Path) -> None:
    problem = {"family": "poisson", "resolution": [4, 4], "source": 1e60}
    pdemill.generate({"problem": problem, "samples": 1, "store": {"dtype": "float64"}}, tmp_path / "a.zarr", workers=0)
    with pytest.raises(Refusal) as caught:
        sample_view(tmp_path / "a.zarr", None, 0)
    assert (caught.value.status, "beyond float32" in caught.value.detail) == (409, True)


@pytest.mark.parametrize("frame", [None, 0, 5])
def test_frames_of_a_channel_share_one_range_of_colours(flow_store: Path, frame: int | None) -> None:
    """Else a decaying flow looks the same at all times."""
    planned = plan(flow_store, "train", 0, frame)
    figure = Figure()
    axes = figure.subplots(1, len(planned.names))
    planned.panels.draw(figure, axes, 0)
    stored: Any = zarr.open_array(flow_store / "train/solution", mode="r")[0, 0]
    values = np.asarray(stored)
    shown = axes[1:]
    assert len(shown) == (4 if frame is None else 1)
    for ax in shown:
        assert ax.images[0].get_clim() == pytest.approx((values.min(), values.max()))


@pytest.mark.parametrize(("frame", "marked"), [(0, False), (1, False), (2, True), (16, True)])
def test_frames_beyond_valid_until_are_marked(chaos_store: Path, frame: int, marked: bool) -> None:
    planned = plan(chaos_store, "train", 0, frame)
    figure = Figure()
    axes = figure.subplots(1, len(planned.names))
    planned.panels.draw(figure, axes, 0)
    assert planned.names[-1] == f"u, t = {10 * frame}"
    assert bool(axes[-1].patches) == marked
    times = stored_times(chaos_store)
    assert times is not None
    shown = film(chaos_store, "train", 0, times, frame)
    assert ("beyond valid_until = 10" in shown.words) == marked
