"""Mixtures keep their weights, come through every sample, and go on exactly; growing stores come shard by shard."""

from __future__ import annotations

import pickle
import shutil
from collections import Counter
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

import pdemill
from pdemill.errors import IncompleteStore


@pytest.fixture
def pair(darcy_store: Path) -> list[pdemill.Dataset]:
    """40 and 7 samples."""
    return [pdemill.open(darcy_store), pdemill.open(darcy_store, "test")]


def test_without_weights_an_epoch_has_every_sample_once(pair: list[pdemill.Dataset]) -> None:
    mixture = pdemill.mix(pair, steps=3 * 47)
    steps = [mixture.where(k) for k in range(3 * 47)]
    everything = sorted([(0, k) for k in range(40)] + [(1, k) for k in range(7)])
    epochs = [steps[first : first + 47] for first in (0, 47, 94)]
    assert all(sorted(epoch) == everything for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_weights_are_kept_in_every_epoch_and_no_sample_comes_early(pair: list[pdemill.Dataset]) -> None:
    mixture = pdemill.mix(pair, weights=[1, 3], seed=2, steps=94)
    found = [mixture.where(k) for k in range(94)]
    for first in (0, 47):
        assert Counter(number for number, _ in found[first : first + 47]) == {0: 12, 1: 35}
    for number, data in enumerate(pair):
        counts = Counter(sample for n, sample in found if n == number)
        assert max(counts.values()) - (min(counts.values()) if len(counts) == len(data) else 0) <= 1


def test_a_step_depends_on_seed_and_number_alone(pair: list[pdemill.Dataset]) -> None:
    mixture = pdemill.mix(pair, weights=[0.5, 0.5], seed=9, steps=200)
    expected = [mixture.where(k) for k in range(200)]
    later = pickle.loads(pickle.dumps(mixture)).after(120).after(3)
    assert [later.where(k) for k in range(len(later))] == expected[123:]
    backwards = pdemill.mix(pair, weights=[0.5, 0.5], seed=9, steps=200)
    assert [backwards.where(k) for k in reversed(range(200))] == expected[::-1]
    assert [pdemill.mix(pair, [0.5, 0.5], seed=10, steps=200).where(k) for k in range(200)] != expected
    number, sample = expected[123]
    assert np.array_equal(later[0]["y"], pair[number][sample]["y"])
    with pytest.raises(IndexError):
        later[77]


def test_the_order_is_written_down(pair: list[pdemill.Dataset]) -> None:
    """A run that is taken up with a later version goes on in the same order."""
    mixture = pdemill.mix(pair, weights=[1, 1], seed=1, steps=60)
    assert [mixture.where(k) for k in (0, 1, 2, 50)] == [(0, 1), (1, 5), (1, 2), (0, 38)]


@pytest.mark.parametrize("weights", [[1], [0, 0], [1, -1], [1, float("nan")]], ids=str)
def test_weights_that_mean_nothing_are_refused(pair: list[pdemill.Dataset], weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        pdemill.mix(pair, weights=weights)


def test_shards_come_as_they_are_finished(darcy_store: Path, tmp_path: Path) -> None:
    """The store itself comes after it is asked for, its shards out of order."""
    out = tmp_path / "growing.zarr"
    seen: list[np.ndarray] = []
    errors: list[BaseException] = []

    def follow() -> None:
        try:
            for batch in pdemill.open(out, follow=True, patience=30):
                seen.append(batch["sample"])
                place = steps.pop(0) if steps else None
                if place is not None:
                    shutil.copy(darcy_store / "_manifest" / place, out / "_manifest" / place)
        except BaseException as error:
            errors.append(error)

    steps = ["train-00000.json", "train-00001.json"]
    reader = Thread(target=follow)
    reader.start()
    whole = tmp_path / "whole.zarr"
    shutil.copytree(darcy_store, whole)
    for place in steps:
        (whole / "_manifest" / place).unlink()
    whole.rename(out)
    reader.join(60)
    assert not errors
    assert [(numbers[0], numbers[-1]) for numbers in seen] == [(32, 39), (0, 15), (16, 31)]


def test_followed_samples_are_those_of_the_store(darcy_store: Path) -> None:
    data = pdemill.open(darcy_store, "test")
    found = list(pdemill.open(darcy_store, "test", follow=True).samples())
    assert [int(sample["sample"]) for sample in found] == list(range(7))
    assert all(np.array_equal(sample["y"], data[k]["y"]) for k, sample in enumerate(found))


@pytest.mark.parametrize("begun", [True, False])
def test_patience_ends(darcy_store: Path, tmp_path: Path, begun: bool) -> None:
    out = tmp_path / "store.zarr"
    if begun:
        shutil.copytree(darcy_store, out)
        (out / "_manifest" / "train-00002.json").unlink()
    with pytest.raises(IncompleteStore, match="1 of 3 shards of train are not" if begun else "has not been begun"):
        list(pdemill.open(out, follow=True, patience=0))
