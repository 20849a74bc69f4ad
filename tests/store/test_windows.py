"""Windows are the stored states that they should be, in any chunks, order, thread and process; chunks are read once."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import numpy as np
import pytest
import zarr

import pdemill
from pdemill.errors import CorruptStore, IncompleteStore, StoreError, TooLarge
from pdemill.reader.array import Header
from tests.store.test_http import Server
from tests.store.trajectories import TIMES, write_trajectories

BLOCKS = (None, 1, 2, 3, 4)


@pytest.fixture(scope="module", params=BLOCKS, ids=lambda block: f"block-{block}")
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten samples of seven times, of two channels; 2 and 7 have no solution, 1 is valid at two times, 8 at five."""
    out = tmp_path_factory.mktemp("windows") / "store.zarr"
    return write_trajectories(out, block=request.param, failed=(2, 7), valid={1: 1, 8: 4})


def truth(store: Path) -> dict[str, Any]:
    """The training split as zarr-python reads it."""
    group: Any = zarr.open_group(store, mode="r")["train"]
    return {name: group[name][...] for name in ("input", "solution", "params")}


def check(windows: pdemill.Windows, number: int, found: Any, held: dict[str, Any]) -> None:
    """A window holds what ``where`` says, in the order that its class promises."""
    sample, frames = windows.where(number)
    n_in = windows.window[0]
    states = np.concatenate([held["solution"][sample, :, frame] for frame in frames])
    assert np.array_equal(np.concatenate([found["x"], found["y"]]), states)
    assert np.array_equal(found["inputs"], held["input"][sample, 1:])
    assert np.array_equal(found["params"], held["params"][sample].astype(np.float32))
    times = TIMES[list(frames)]
    assert np.array_equal(found["t"], times[:n_in].astype(np.float32))
    assert np.allclose(found["dt"], times[n_in:] - times[n_in - 1], rtol=1e-6, atol=0)
    assert {values.dtype for values in found.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(("window", "stride"), [((1, 1), 1), ((2, 3), 1), ((1, 2), 2), ((4, 1), 1), ((1, 1), 6)])
def test_a_window_is_some_states_and_those_that_follow(store: Path, window: tuple[int, int], stride: int) -> None:
    windows, held = pdemill.open(store, window=window, stride=stride), truth(store)
    span = (sum(window) - 1) * stride + 1
    valid = {0: 7, 1: 2, 3: 7, 4: 7, 5: 7, 6: 7, 8: 5, 9: 7}
    expected = [
        (sample, tuple(range(first, first + span, stride)))
        for sample, frames in valid.items()
        for first in range(frames - span + 1)
    ]
    assert [windows.where(k) for k in range(len(windows))] == expected
    for number in range(len(windows)):
        check(windows, number, windows[number], held)
    found = windows[0]
    assert found["x"].shape == (2 * window[0], 4, 3)
    assert found["y"].shape == (2 * window[1], 4, 3)
    assert windows.channels == ("u", "v") * window[0]
    assert windows.solution_channels == ("u", "v") * window[1]
    assert (windows.input_channels, windows.parameters) == (("force",), ("viscosity",))


@pytest.mark.parametrize("stride", [1, 2])
def test_all_pairs_of_an_earlier_and_a_later_state(store: Path, stride: int) -> None:
    windows, held = pdemill.open(store, pairs="all", stride=stride), truth(store)
    found = [windows.where(k) for k in range(len(windows))]
    for sample, frames in {0: 7, 1: 2, 8: 5}.items():
        pairs = [frames for number, frames in found if number == sample]
        assert sorted(pairs) == sorted(combinations(range(0, frames, stride), 2))
    assert not {2, 7} & {sample for sample, _ in found}
    for number in range(len(windows)):
        check(windows, number, windows[number], held)


def test_windows_beyond_valid_until_come_where_they_are_asked_for(store: Path) -> None:
    windows = pdemill.open(store, window=(1, 1), beyond_valid=True)
    counts = Counter(windows.where(k)[0] for k in range(len(windows)))
    assert counts == dict.fromkeys([0, 1, 3, 4, 5, 6, 8, 9], 6)
    check(windows, 11, windows[11], truth(store))
    assert windows.where(11) == (1, (5, 6))


def test_batches_come_in_the_order_asked_for(store: Path) -> None:
    windows, held = pdemill.open(store, window=(2, 1)), truth(store)
    numbers = [3, 1, 25, 1, -1]
    batch = windows[numbers]
    assert batch["x"].shape == (5, 4, 4, 3)
    for row, number in enumerate(numbers):
        check(windows, number, {key: values[row] for key, values in batch.items()}, held)
        check(windows, number, windows.__getitems__(numbers)[row], held)
    assert np.array_equal(windows[4:9]["y"], windows[list(range(4, 9))]["y"])
    assert windows[[]]["x"].shape == (0, 4, 4, 3)
    for wrong in (len(windows), [0, -len(windows) - 1], [0.5]):
        with pytest.raises(IndexError, match="window"):
            windows[wrong]  # type: ignore[index]


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_threads_and_processes_share_windows(store: Path, start: str) -> None:
    windows = pdemill.open(store, window=(1, 1))
    expected = windows[:]["y"]
    numbers = np.random.default_rng(0).integers(0, len(windows), 200).tolist()
    with ThreadPoolExecutor(8) as pool:
        assert np.array_equal(np.stack(list(pool.map(lambda k: windows[k]["y"], numbers))), expected[numbers])
    with multiprocessing.get_context(start).Pool(1) as processes:
        assert np.array_equal(processes.apply(_targets, (windows, numbers)), expected[numbers])


def _targets(windows: pdemill.Windows, numbers: list[int]) -> Any:
    return windows[numbers]["y"]


def test_pickled_windows_read_no_certificate_again(tmp_path: Path) -> None:
    store = write_trajectories(tmp_path / "store.zarr", valid={1: 1})
    windows = pdemill.open(store, window=(1, 1))
    sent = pickle.dumps(windows)
    shutil.rmtree(store / "train" / "valid_until" / "c")
    again = pickle.loads(sent)
    assert len(again) == len(windows)
    assert np.array_equal(again[-1]["y"], windows[-1]["y"])


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the chunks that are decoded."""
    sizes: list[int] = []
    parse = Header.parse

    def counting(name: str, document: Any) -> Header:
        header = parse(name, document)

        def decode(chunk: Any, row: Any) -> None:
            sizes.append(row.nbytes)
            header.decode(chunk, row)

        return Header(**{**header.__dict__, "decode": decode})

    monkeypatch.setattr(Header, "parse", counting)
    return sizes


def test_a_window_decodes_the_chunks_that_its_times_are_in(tmp_path: Path, decoded: list[int]) -> None:
    write_trajectories(tmp_path / "store.zarr", block=2, inputs=("initial",), parameters=())
    pdemill.open(tmp_path / "store.zarr", window=(1, 1))[2]  # times 2 and 3 of sample 0
    assert decoded == [2 * 2 * 12 * 4]
    windows = pdemill.open(tmp_path / "store.zarr", window=(1, 1))
    decoded.clear()
    assert windows[1]["x"].shape == (2, 4, 3)  # times 1 and 2
    assert len(decoded) == 2


def test_shuffled_reading_of_a_trajectory_decodes_it_once(tmp_path: Path, decoded: list[int]) -> None:
    write_trajectories(tmp_path / "store.zarr", block=2, samples=3)
    windows = pdemill.open(tmp_path / "store.zarr", pairs="all")
    for sample in range(3):
        order = np.random.default_rng(sample).permutation(21) + 21 * sample
        for first in range(0, 21, 4):
            windows[order[first : first + 4]]
    assert len(decoded) == 3 * (4 + 1)  # chunks of states, and inputs


def test_what_is_kept_is_bounded(tmp_path: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdemill.reader.chunks.KEPT", 3 * 2 * 12 * 4)
    write_trajectories(tmp_path / "store.zarr", block=1, inputs=("initial",))
    windows = pdemill.open(tmp_path / "store.zarr", window=(1, 1))
    for number in (0, 1, 2, 3, 0):  # times 0 to 4, and then 0 and 1, which are forgotten
        windows[number]
    assert len(decoded) == 5 + 2
    windows[0:6]
    decoded.clear()
    windows[5]  # the last ones of a batch are kept
    assert not decoded


def test_whole_trajectories_stay_the_default(store: Path) -> None:
    data, held = pdemill.open(store), truth(store)
    for numbers in ([0], [9, 3, 4]):
        assert np.array_equal(data[numbers]["y"], held["solution"][numbers])
        assert np.array_equal(data[numbers[0]]["y"], held["solution"][numbers[0]])
    assert data[0]["y"].shape == (2, 7, 4, 3)
    assert np.array_equal(data.shared()["t"], TIMES)
    assert data.in_time


def test_states_are_normalised_channel_by_channel(store: Path) -> None:
    windows = pdemill.open(store, window=(2, 3))
    whole = pdemill.open(store).normaliser("y")
    keys: list[Literal["x", "y"]] = ["x", "y"]
    for key, times in zip(keys, (2, 3), strict=True):
        found = windows.normaliser(key)
        assert (found.mean, found.std) == (whole.mean * times, whole.std * times)
        values = windows[[0, 5]][key]
        assert np.allclose(found.decode(found.encode(values)), values, atol=1e-6)
        states = values.reshape(2, times, 2, 4, 3)
        assert np.allclose(
            found.encode(values).reshape(states.shape)[0, 1, 1], (states[0, 1, 1] - whole.mean[1]) / whole.std[1]
        )
    inputs = windows.normaliser("inputs")
    assert inputs.mean == pdemill.open(store).normaliser("x").mean[1:]
    assert inputs.encode(windows[0]["inputs"]).shape == (1, 4, 3)


def test_windows_are_mixed_as_samples_are(store: Path) -> None:
    windows = pdemill.open(store, window=(1, 1))
    mixture = pdemill.mix([windows, windows], weights=[1, 2], seed=3, steps=40)
    number, window = mixture.where(7)
    assert np.array_equal(mixture[7]["y"], windows[window]["y"])
    assert np.array_equal(pickle.loads(pickle.dumps(mixture))[7]["y"], windows[window]["y"])
    assert number in (0, 1)


def test_windows_come_over_http_by_the_chunks_they_are_in(tmp_path: Path) -> None:
    store = write_trajectories(tmp_path / "store.zarr", block=1, space=(64, 64), inputs=("initial",))
    here = pdemill.open(store, window=(1, 1))
    with Server(tmp_path) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        there = pdemill.open(f"{server.url}/store.zarr", window=(1, 1))
        assert len(there) == len(here)
        numbers = [40, 3]
        assert np.array_equal(there[numbers]["y"], here[numbers]["y"])
        ranges = [headers["Range"] for path, headers in server.seen if "/solution/c/" in path and "Range" in headers]
        server.shutdown()
    sizes = [int(last) - int(first) + 1 for first, last in (r[6:].split("-") for r in ranges if r[6] != "-")]
    assert len(sizes) == 2
    assert max(sizes) < 3 * 2 * 64 * 64 * 4  # two chunks that stand side by side


@pytest.mark.parametrize(("options", "error", "words"), [
    ({"window": (5, 3)}, StoreError, r"window=\(5, 3\) with stride=1 is 8 stored times long, and trajectories have 7"),
    ({"window": (1, 1), "stride": 7}, StoreError, "stride=7 is 8 stored times long, and trajectories have 7"),
    ({"pairs": "all", "stride": 9}, StoreError, "stride=9 is 10 stored times long"),
    ({"window": (1,)}, ValueError, r"as in \(1, 1\), not \(1,\)"),
    ({"window": (0, 1)}, ValueError, r"window\[0\] should be a whole number from 1 on, not 0"),
    ({"window": (1, True)}, ValueError, r"window\[1\] should be a whole number from 1 on, not True"),
    ({"window": (1, 1), "stride": 0}, ValueError, "stride should be a whole number from 1 on, not 0"),
    ({"pairs": "some"}, ValueError, "pairs should be 'next' or 'all', not 'some'"),
    ({"pairs": "all", "window": (2, 1)}, ValueError, "pairs='all' is of one state in and one out"),
    ({"stride": 2}, ValueError, r"are of windows: give window, as in window=\(1, 1\), or pairs"),
    ({"window": (1, 1), "follow": True}, ValueError, "follow gives whole trajectories"),
], ids=str)  # fmt: skip
def test_wrong_windows_are_named(store: Path, options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        pdemill.open(store, **options)


def test_a_store_without_trajectories_has_no_windows(darcy_store: Path) -> None:
    with pytest.raises(StoreError, match="holds no trajectories: open it without window, stride and pairs"):
        pdemill.open(darcy_store, window=(1, 1))
    assert not pdemill.open(darcy_store).in_time


def test_a_split_that_is_not_finished_or_holds_no_window_is_refused(tmp_path: Path) -> None:
    write_trajectories(tmp_path / "begun.zarr", unfinished=(1,))
    with pytest.raises(IncompleteStore, match="shard 1 of train is not finished, and windows are of finished splits"):
        pdemill.open(tmp_path / "begun.zarr", window=(1, 1))
    write_trajectories(tmp_path / "short.zarr", samples=2, valid={0: 1, 1: 2})
    assert len(pdemill.open(tmp_path / "short.zarr", window=(1, 1))) == 3
    with pytest.raises(StoreError, match="ends before valid_until: take a shorter one, or beyond_valid=True"):
        pdemill.open(tmp_path / "short.zarr", window=(3, 1))
    assert len(pdemill.open(tmp_path / "short.zarr", window=(3, 1), beyond_valid=True)) == 8


def test_damage_is_named_with_its_sample(tmp_path: Path) -> None:
    store = write_trajectories(tmp_path / "store.zarr", block=2)
    file = store / "train" / "solution" / "c" / "1" / "0" / "0" / "0" / "0"
    data = bytearray(file.read_bytes())
    data[len(data) // 2 - 40] ^= 1  # a shard of four samples
    file.write_bytes(data)
    windows = pdemill.open(store, window=(1, 1))
    bad = {windows.where(k)[0]: error for k in range(len(windows)) if (error := _damage(windows, k))}
    ((sample, error),) = bad.items()
    assert sample in (5, 6)
    assert f"sample {sample} of train, shard 1, cannot be read: train/solution/c/1/0/0/0/0: its chunk" in error
    with pytest.raises(CorruptStore, match=f"sample {sample} of train, shard 1"):
        pdemill.open(store)[[4, 5, 6, 7]]


def _damage(windows: pdemill.Windows, number: int) -> str | None:
    try:
        windows[number]
    except CorruptStore as error:
        return str(error)
    return None


def test_chunks_that_pdemill_does_not_write_are_refused(tmp_path: Path) -> None:
    store = write_trajectories(tmp_path / "store.zarr", block=2)
    root = json.loads((store / "zarr.json").read_text())
    node = root["consolidated_metadata"]["metadata"]["train/solution"]
    for chunk in ([1, 2, 0, 4, 3], [1, 1, 2, 4, 3], [1, 2, 2, 4], [1, 2, 3, 4, 3], [2, 2, 2, 4, 3]):
        node["codecs"][0]["configuration"]["chunk_shape"] = chunk
        (store / "zarr.json").write_text(json.dumps(root))
        with pytest.raises(StoreError, match="train/solution cannot be read"):
            pdemill.open(store)


def test_states_of_float64_come_as_float32(tmp_path: Path) -> None:
    store = write_trajectories(tmp_path / "store.zarr", block=2, dtype="float64")
    windows = pdemill.open(store, window=(1, 1))
    for number in (0, 1, 5):
        check(windows, number, windows[number], {k: v.astype(np.float32) for k, v in truth(store).items()})
    array: Any = zarr.open_array(store / "train" / "solution", mode="r+")
    array[0, 0, 6, 0, 0] = 1e300
    windows = pdemill.open(store, window=(1, 1))
    windows[4]
    with pytest.raises(TooLarge, match="sample 0 of train: solution has numbers beyond float32"):
        windows[5]
