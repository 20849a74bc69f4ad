"""Mixtures: members are ordinary stores, drawn by their weights, with one union of channels and equations as words."""

from __future__ import annotations

import json
import re
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import pdemill
from pdemill.cli import commands
from pdemill.errors import ServerError, SpecError, StoreError, StoreMismatch
from pdemill.mixtures import root_of
from pdemill.numbers_as_words import number_words
from pdemill.reader import Mixed
from pdemill.service.testing import Server
from pdemill.spec.load import load_preset, load_spec, preset_names
from pdemill.spec.mixture import mixture_of
from pdemill.spec.symbolic import equation_of

SPEC: dict[str, Any] = {
    "mixture": [
        {"weight": 3, "problem": {
            "family": "darcy", "resolution": [8, 8], "coefficient": {"field": "lognormal", "std": 0.5}}},
        {"weight": 1, "name": "reactive", "samples": 5, "problem": {
            "family": "darcy", "resolution": [8, 8], "reaction": {"uniform": [1, 2]},
            "source": {"field": "gaussian", "alpha": 2, "tau": 3}}},
    ],
    "splits": {"train": 8, "test": 2}, "solver": {"method": "direct"}, "certify": {"refine": 0}, "seed": 7,
}  # fmt: skip
WRITTEN: dict[str, Any] = {
    "name": "written",
    "problem": {
        "family": "spectral", "resolution": [16], "equations": "u_t = nu*d(u, x, 2)",
        "where": {"nu": {"uniform": [0.1, 0.2]}}, "initial": {"field": "sines", "waves": [1, 2]},
        "time": {"end": 0.1, "intervals": 1},
    },
    "solver": {"method": "auto"}, "samples": 2,
}  # fmt: skip
DARCY = "sub sub neg dx mul coefficient(x) ux_0 dy mul coefficient(x) uy_0 + N100 E-2"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("mixture") / "mix.zarr"
    assert pdemill.generate({**SPEC, "mixture": [*SPEC["mixture"], WRITTEN]}, out, workers=0).ok
    return out


def test_members_are_stores_of_their_own(store: Path, tmp_path: Path) -> None:
    darcy = mixture_of(SPEC).members[0]
    assert darcy.name == "darcy"
    pdemill.generate(darcy.spec.model_dump(mode="json"), tmp_path / "alone.zarr", workers=0)
    assert pdemill.verify(store / "darcy").content == pdemill.verify(tmp_path / "alone.zarr").content
    assert len(pdemill.open(store / "reactive")) == 5
    found = pdemill.verify(store)
    assert found.ok
    assert found.samples == 10 + 5 + 2
    assert pdemill.generate({**SPEC, "mixture": [*SPEC["mixture"], WRITTEN]}, store, workers=0).ok


def test_members_are_drawn_by_their_weights_with_channels_of_all(store: Path) -> None:
    data: Any = pdemill.open(store)
    assert isinstance(data, Mixed)
    assert data.channels == ("coefficient", "reaction", "source", "initial")
    assert data.solution_channels == ("u",)
    assert len(data) == 8 + 5 + 2
    drawn = Counter(data[step]["member"] for step in range(len(data)))
    assert drawn == {0: 9, 1: 3, 2: 3}  # 15 steps, weights 3, 1, 1
    for sample in data.__getitems__(range(len(data))):
        own = data.dataset(data.members[sample["member"]])
        alone = own[sample["sample"]]
        places = [data.channels.index(name) for name in own.channels]
        assert np.array_equal(sample["x"][places], alone["x"])
        assert np.flatnonzero(sample["x_mask"]).tolist() == sorted(places)
        assert not np.delete(sample["x"], places, axis=0).any()
        assert np.array_equal(sample["y"], alone["y"])
        assert sample["y_mask"].tolist() == [1]
    batches = list(data.batches(3))
    assert all(len({data[step]["member"] for step in batch}) == 1 for batch in batches)
    assert sorted(step for batch in batches for step in batch) == list(range(15))
    assert [one["sample"] for one in data[1:4]] == [data[step]["sample"] for step in (1, 2, 3)]


def test_a_spec_that_does_not_go_on_changes_nothing(tmp_path: Path) -> None:
    """The root tells equations: those of the members that are there."""
    out = tmp_path / "mix.zarr"
    pdemill.generate(SPEC, out, workers=0)
    before = (out / "zarr.json").read_bytes()
    other = deepcopy(SPEC)
    other["mixture"][1]["problem"]["coefficient"] = 7.0
    for spec in (other, {**SPEC, "splits": {"train": 7, "test": 2}}):
        with pytest.raises(StoreMismatch, match="members can only grow"):
            pdemill.generate(spec, out, workers=0)
    assert (out / "zarr.json").read_bytes() == before
    assert pdemill.verify(out).ok
    with pytest.raises(StoreError, match="is a mixture: give one of its members"):
        pdemill.merge([out], tmp_path / "merged.zarr")


def test_every_sample_has_its_equation(store: Path) -> None:
    data: Any = pdemill.open(store)
    for step in range(len(data)):
        sample = data[step]
        words = [data.words[place] for place in sample["prefix"] if place]
        assert tuple(words) == data.prefix(step)
        own = data.dataset(data.members[sample["member"]])
        numbers = own.column(own.shards[0], "params")[sample["sample"]] if sample["member"] else None
        expected = {
            0: DARCY.split(),
            1: ["sub", *["add", "sub", "neg", "uxx_0", "uyy_0", "mul"], *_words(numbers), "u_0", "source(x)"],
            2: ["sub", "ut_0", "mul", *_words(numbers), "uxx_0"],
        }
        assert words == expected[sample["member"]]
    assert data.equations["reactive"] == "-uxx_0 - uyy_0 + reaction*u_0 - source(x) = 0"


def _words(numbers: Any) -> list[str]:
    return [] if numbers is None else number_words(float(numbers[0]))


def test_a_root_that_does_not_follow_from_its_members_is_a_fault(store: Path, tmp_path: Path) -> None:
    from shutil import copytree

    other = copytree(store, tmp_path / "other.zarr")
    root = json.loads((other / "zarr.json").read_text())
    root["attributes"]["mixture"]["members"][1]["equation"] = "u = 0"
    (other / "zarr.json").write_text(json.dumps(root))
    assert pdemill.verify(other).faults == ("reactive: equation in zarr.json does not follow from its spec",)


def test_a_folder_of_something_else_is_left_alone(store: Path) -> None:
    with pytest.raises(StoreMismatch, match="holds members darcy, reactive, written, and the spec has darcy, reactive"):
        pdemill.generate(SPEC, store, workers=0)
    with pytest.raises(StoreMismatch, match="holds no mixture"):
        pdemill.generate(SPEC, store / "darcy", workers=0)


def test_other_weights_take_the_place_of_those_before(tmp_path: Path) -> None:
    changed = deepcopy(SPEC)
    changed["mixture"][1]["weight"] = 9
    for spec in (SPEC, changed):
        assert pdemill.generate({**spec, "splits": {"train": 2}}, tmp_path / "m.zarr", workers=0).ok
    data: Any = pdemill.open(tmp_path / "m.zarr")
    assert data.weights == {"darcy": 3, "reactive": 9}


def test_members_do_not_draw_the_same_numbers() -> None:
    same = {"problem": SPEC["mixture"][0]["problem"]}
    one, two = mixture_of({"mixture": [same, same], "samples": 2}).members
    assert (one.name, two.name) == ("darcy-1", "darcy-2")
    assert one.spec.seed != two.spec.seed
    own = mixture_of({"mixture": [{**same, "seed": 3}], "samples": 2, "seed": 9}).members[0]
    assert own.spec.sha256() == load_spec({**same, "samples": 2, "seed": 3}).sha256()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"problem": {}}, "problem: stands in the members of a mixture"),
        ({"mixture": []}, "mixture: should be a list of 1 to 50 members"),
        ({"mixture": [{"weight": 1}]}, "mixture[0].problem: is missing"),
        ({"mixture": [{**WRITTEN, "weight": 0}]}, "mixture[0].weight: should be a number above 0, not 0"),
        ({"mixture": [WRITTEN, WRITTEN]}, "mixture[1].name: written is the name of another member"),
        ({"mixture": [{**WRITTEN, "name": "a/b"}]}, "mixture[0].name: is not a name"),
        ({"mixture": [{**WRITTEN, "problem": {"family": "heat"}}]}, "mixture[0].problem.time: is missing"),
        ({"mixture": [{**WRITTEN, "name": n, "weight": 1e308} for n in "ab"]}, "mixture: has weights whose sum"),
        ({"solver": {"method": "etdrk4"}}, "leave it out (for the member darcy)"),
    ],
)
def test_faults_have_their_places(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(SpecError, match=re.escape(fault)):
        pdemill.generate({**SPEC, **changes}, "never.zarr", workers=0)


def test_one_equation_is_wanted_elsewhere() -> None:
    with pytest.raises(SpecError, match="mixture: is of several equations"):
        pdemill.plan(SPEC)


def test_all_families_have_equations() -> None:
    """Those of the presets; each begins with an operator, and its words are read to the end."""
    for name in preset_names():
        found = equation_of(load_preset(name).problem)
        assert found.text
        assert bool(found.prefix) != load_preset(name).problem.written
    helmholtz = {"family": "helmholtz", "resolution": [8, 8], "wavenumber": {"uniform": [1, 2]}}
    found = equation_of(load_spec({"problem": helmholtz, "samples": 1}).problem)
    assert found.text == "-uxx_0 - uyy_0 + (-1)*wavenumber*wavenumber*u_0 - 1 = 0"
    assert found.filled({"wavenumber": 1.5})[6:13] == ("mul", "mul", "mul", "-", "N100", "E-2", "+")


def test_the_command_line_makes_and_shows_them(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(json.dumps({**SPEC, "splits": {"train": 2}}))
    run = CliRunner().invoke
    out = str(tmp_path / "m.zarr")
    made = run(commands, ["generate", str(tmp_path / "spec.json"), "--out", out, "--set", "seed=1"])
    assert made.exit_code == 0, made.output
    assert "7 of 7 samples certified" in made.output
    assert (tmp_path / "m.zarr" / "zarr.json").read_bytes() == root_of(
        mixture_of({**SPEC, "splits": {"train": 2}, "seed": 1})
    )
    shown = run(commands, ["inspect", out]).output
    assert "reactive: weight 1, -uxx_0 - uyy_0 + reaction*u_0 - source(x) = 0" in shown
    assert "7 certificates recomputed" in run(commands, ["verify", out]).output


@pytest.mark.slow
def test_a_server_makes_a_job_of_every_member(store: Path, tmp_path: Path) -> None:
    with Server(tmp_path / "server", workers=1, PDEMILL_MAX_QUEUE="5") as server, server.client() as client:
        with pytest.raises(SpecError, match=r"mixture\[0\].problem: is missing"):
            client.submit_mixture({"mixture": [{"weight": 1}], "samples": 2})
        with pytest.raises(SpecError, match="mixture: is of several equations"):
            client.submit(SPEC)
        six = [{**SPEC["mixture"][0], "name": f"m{number}"} for number in range(6)]
        with pytest.raises(ServerError, match="the queue is full"):
            client.submit_mixture({**SPEC, "mixture": six})
        assert not list(client.jobs())
        found = client.submit_mixture({**SPEC, "mixture": [*SPEC["mixture"], WRITTEN]}, name="mix").wait(300)
        assert [job.state["name"] for job in found.jobs.values()] == ["mix darcy", "mix reactive", "mix written"]
        there, here = found.open(), pdemill.open(store)
        for step in range(len(here)):
            assert all(np.array_equal(there[step][key], value) for key, value in here[step].items())
        copy = found.download(tmp_path / "copy.zarr")
        assert pdemill.verify(copy).content == pdemill.verify(store).content
        assert (copy / "zarr.json").read_bytes() == (store / "zarr.json").read_bytes()
        (copy / "zarr.json").write_text("{}")
        with pytest.raises(StoreMismatch, match="holds something else"):
            found.download(copy)
