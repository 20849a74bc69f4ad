"""Writing a small store is stopped before, half-way through and after every file-system operation, and given every
error; what is left must always be finished to the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from pdemill.errors import StoreError
from pdemill.solvers.field_job import FieldJob
from pdemill.spec import validate
from pdemill.store import encode as encoding
from pdemill.store import store as storing
from pdemill.store.layout import Shard, StoreLayout
from pdemill.store.placing import sweep
from pdemill.store.store import ShardData, Store
from pdemill.testing import Crash, FailingDisk, MemoryDisk

SPEC = {"problem": {"family": "poisson", "resolution": [4, 4], "source": {"uniform": [0, 1]}}, "samples": 5,
        "store": {"shard": 3}}  # fmt: skip


def _data(layout: StoreLayout, shard: Shard) -> ShardData:
    """The same rows for a shard every time."""
    rng = np.random.default_rng(shard.index)
    arrays = {p.name: (100 * rng.random((len(shard), *p.shape))).astype(p.dtype) for p in layout.arrays}
    failures = ({"row": 1, "sample": shard.start + 1, "result": "SINGULAR", "reason": "for the test"},)
    return ShardData(arrays, failures, {"iterations": 3}, {"attempt": 1})


@pytest.fixture(scope="module")
def make() -> Iterator[Callable[[Any], None]]:
    """What ``generate`` does to a disk, with samples that are there already and encoded once."""
    layout = FieldJob(validate(SPEC)).layout
    made: dict[Any, Any] = {}

    def remember(function: Any) -> Any:
        def wrapped(*args: Any) -> Any:
            key = (function.__name__, *(str(a.attributes) if isinstance(a, StoreLayout) else _key(a) for a in args))
            if key not in made:
                made[key] = function(*args)
            return made[key]

        return wrapped

    patch = pytest.MonkeyPatch()
    patch.setattr(storing, "metadata", remember(encoding.metadata))
    patch.setattr(storing, "encode", remember(encoding.encode))
    patch.setattr(storing, "process_time", lambda: 0.0)

    def run(disk: Any) -> None:
        sweep(disk, alone=True)
        store = Store(disk, layout)
        store.create()
        for shard in store.missing():
            store.commit(shard, _data(layout, shard))
        store.finish()

    yield run
    patch.undo()


def _key(value: Any) -> Any:
    return value.tobytes() if isinstance(value, np.ndarray) else value


@pytest.fixture(scope="module")
def undisturbed(make: Callable[[Any], None]) -> tuple[dict[str, bytes], int]:
    disk = FailingDisk(MemoryDisk(), 0, "never")
    make(disk)
    return dict(disk.files), disk.operations


@pytest.mark.parametrize("keep", ["everything", "nothing", "_manifest", "train/solution/c/0/0"])
@pytest.mark.parametrize("how", ["before", "half", "after"])
def test_a_crash_at_every_operation_is_finished_to_the_same_bytes(
    make: Callable[[Any], None], undisturbed: tuple[dict[str, bytes], int], how: str, keep: str
) -> None:
    expected, operations = undisturbed
    assert operations > 150
    counting = _CountingDisk()
    make(counting)
    writes = counting.writes
    assert len(writes) > 30
    for at in range(1, operations + 1):
        disk = FailingDisk(MemoryDisk(), at, how)
        if how == "half" and at not in writes:
            continue
        with pytest.raises(Crash):
            make(disk)
        found = disk.crash(keep)
        make(found)
        assert found.files == expected, f"crash {how} operation {at}"


class _CountingDisk(FailingDisk):
    """Notes which operations write content."""

    def __init__(self) -> None:
        super().__init__(MemoryDisk(), 0, "never")
        self.writes: set[int] = set()

    def write(self, name: str, data: bytes | Iterable[bytes]) -> None:
        super().write(name, data)
        self.writes.add(self.operations)


@pytest.mark.parametrize("how", ["ENOSPC", "EIO"])
def test_an_error_at_every_operation_is_reported_and_finished_to_the_same_bytes(
    make: Callable[[Any], None], undisturbed: tuple[dict[str, bytes], int], how: str
) -> None:
    expected, operations = undisturbed
    for at in range(1, operations + 1):
        disk = FailingDisk(MemoryDisk(), at, how)
        with pytest.raises(StoreError, match=r"run it again|cannot make the folder"):
            make(disk)
        make(disk)
        assert disk.files == expected, f"{how} at operation {at}"


def test_two_crashes_in_a_row(make: Callable[[Any], None], undisturbed: tuple[dict[str, bytes], int]) -> None:
    expected, operations = undisturbed
    rng = np.random.default_rng(0)
    for first, second in rng.integers(1, operations, size=(200, 2)).tolist():
        disk = FailingDisk(MemoryDisk(), first, "after")
        with pytest.raises(Crash):
            make(disk)
        again = FailingDisk(disk.crash("nothing"), second, "after")
        found: MemoryDisk = again
        try:
            make(again)
        except Crash:
            found = again.crash("everything")
            make(found)
        assert found.files == expected


def test_no_manifest_is_durable_before_its_arrays(make: Callable[[Any], None], undisturbed: Any) -> None:
    _, operations = undisturbed
    for at in range(1, operations + 1):
        disk = FailingDisk(MemoryDisk(), at, "after")
        with pytest.raises(Crash):
            make(disk)
        for keep in ("everything", "nothing", "_manifest"):
            files = disk.crash(keep).files
            if "_manifest/train-00001.json" in files:
                assert files["train/solution/c/1/0/0/0"] == undisturbed[0]["train/solution/c/1/0/0/0"]
