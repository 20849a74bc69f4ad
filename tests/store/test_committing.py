"""Several writers of one shard: stopped, killed and going on at every file-system operation, and damage that they find.

What a manifest certifies is never changed by whoever is late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from pdemill.solvers.field_job import FieldJob
from pdemill.spec import validate
from pdemill.store import encode as encoding
from pdemill.store import store as storing
from pdemill.store.certified import check_files
from pdemill.store.layout import Shard, StoreLayout
from pdemill.store.manifest import Manifest, name_of
from pdemill.store.placing import sweep
from pdemill.store.store import ShardData, Store
from pdemill.testing import Crash, FailingDisk, MemoryDisk
from tests.sampling import sample

SPEC = {"problem": {"family": "poisson", "resolution": [4, 4], "source": {"uniform": [0, 1]}}, "samples": 3,
        "store": {"shard": 3}}  # fmt: skip
SHARD = Shard("train", 0, 0, 3)
MANIFEST, SOLUTION, SECONDS = name_of(SHARD), "train/solution/c/0/0/0/0", "train/solve_seconds/c/0"


@pytest.fixture(scope="module")
def layout() -> StoreLayout:
    return FieldJob(validate(SPEC)).layout


@pytest.fixture(scope="module", autouse=True)
def _encoded_once() -> Iterator[None]:
    known: dict[Any, bytes] = {}

    def encode(part: Any, values: Any, samples: int) -> bytes:
        key = part.name, values.tobytes()
        if key not in known:
            known[key] = encoding.encode(part, values, samples)
        return known[key]

    patch = pytest.MonkeyPatch()
    patch.setattr(storing, "encode", encode)
    yield
    patch.undo()


def _data(layout: StoreLayout, writer: int) -> ShardData:
    """The rows of the shard: the same from every writer, but for what is measured."""
    rng = np.random.default_rng(0)
    arrays = {p.name: (100 * rng.random((len(SHARD), *p.shape))).astype(p.dtype) for p in layout.arrays}
    arrays["solve_seconds"] = np.full(len(SHARD), writer, dtype=np.float32)
    return ShardData(arrays, (), {"iterations": 3}, {"attempt": writer})


class Stage:
    """A store whose metadata is there, and writers of its shard."""

    def __init__(self, layout: StoreLayout) -> None:
        self.layout = layout
        self.empty = MemoryDisk()
        Store(self.empty, layout).create()

    def disk(self) -> MemoryDisk:
        return self.empty.crash("everything")

    def commit(self, disk: MemoryDisk, writer: int) -> Manifest:
        return Store(disk, self.layout).commit(SHARD, _data(self.layout, writer))

    def operations(self) -> int:
        counting = FailingDisk(self.disk(), 0, "never")
        self.commit(counting, 1)
        return counting.operations

    def certified(self, disk: MemoryDisk) -> Manifest:
        found = Store(disk, self.layout).certified(SHARD)
        assert found is not None
        return found

    def lasting(self, disk: MemoryDisk) -> dict[str, bytes]:
        """The files of the shard that are the same whoever writes them."""
        return {n: disk.files[n] for n in Store(disk, self.layout).files_of(SHARD) if n != SECONDS}


@pytest.fixture(scope="module")
def stage(layout: StoreLayout) -> Stage:
    return Stage(layout)


@pytest.fixture(scope="module")
def expected(stage: Stage) -> dict[str, bytes]:
    disk = stage.disk()
    stage.commit(disk, 1)
    return stage.lasting(disk)


class StoppingDisk(FailingDisk):
    """A disk whose user is stopped before operation number ``at``, while ``meanwhile`` happens."""

    def __init__(self, disk: MemoryDisk, at: int, meanwhile: Callable[[], object]) -> None:
        super().__init__(disk, at, "never")
        self._meanwhile = meanwhile

    def _count(self) -> bool:
        self.operations += 1
        if self.operations == self.at:
            self._meanwhile()
        return False

    def write(self, name: str, data: bytes | Iterable[bytes]) -> None:
        self._count()
        MemoryDisk.write(self, name, data)


def test_a_writer_that_is_stopped_anywhere_changes_nothing_that_another_has_certified(
    stage: Stage, expected: dict[str, bytes]
) -> None:
    operations = stage.operations()
    assert operations > 50
    for at in range(1, operations + 1):
        disk = stage.disk()
        before: dict[str, bytes] = {}

        def other(disk: MemoryDisk = disk, before: dict[str, bytes] = before) -> None:
            stage.commit(disk, 2)
            sweep(disk, alone=False)
            before.update({name: data for name, data in disk.files.items() if not name.endswith(".tmp")})

        late = stage.commit(StoppingDisk(disk, at, other), 1)
        assert late == stage.certified(disk)
        assert disk.files == before, f"stopped at operation {at}"
        assert stage.lasting(disk) == expected


def test_a_writer_that_is_stopped_while_another_is_killed(stage: Stage, expected: dict[str, bytes]) -> None:
    """The second is stopped by a kill at every operation, at some moments of the first, which then goes on."""
    operations = stage.operations()
    for at in range(1, operations + 1, 5):
        for killed in range(1, operations + 1, 3):
            disk = stage.disk()

            def other(disk: MemoryDisk = disk, killed: int = killed) -> None:
                with pytest.raises(Crash):
                    stage.commit(FailingDisk(disk, killed, "after"), 2)

            first = StoppingDisk(disk, at, lambda other=other: _ignoring(other))  # type: ignore[misc]
            stage.commit(first, 1)
            stage.certified(disk)
            assert stage.lasting(disk) == expected, f"stopped at {at}, killed at {killed}"


def _ignoring(call: Callable[[], None]) -> None:
    """A killed writer that had nothing to do any more is not killed."""
    try:
        call()
    except pytest.fail.Exception:
        return


@pytest.mark.parametrize(
    "keep", sample(["everything", "nothing", "_manifest", "train/solve_seconds/c"], "everything", "nothing")
)
@pytest.mark.parametrize("how", ["before", "after"])
def test_whoever_follows_a_killed_writer_adopts_what_it_left(
    stage: Stage, expected: dict[str, bytes], how: str, keep: str
) -> None:
    """Whatever it measured: the manifest certifies the files that are there."""
    for at in range(1, stage.operations() + 1):
        disk = FailingDisk(stage.disk(), at, how)
        with pytest.raises(Crash):
            stage.commit(disk, 1)
        found = disk.crash(keep)
        sweep(found, alone=False)
        assert not [name for name in found.files if name.endswith(".tmp")]
        stage.commit(found, 2)
        stage.certified(found)
        assert stage.lasting(found) == expected
        assert stage.commit(found, 3) == stage.certified(found)


def _flipped(data: bytes) -> bytes:
    return data[:9] + bytes([data[9] ^ 0xFF]) + data[10:]


@pytest.mark.parametrize("name", sample([SOLUTION, SECONDS, MANIFEST], SOLUTION, MANIFEST))
@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("how", [_flipped, lambda data: data[:20], lambda data: b""], ids=["flipped", "cut", "empty"])
def test_what_is_damaged_is_written_again(
    stage: Stage, expected: dict[str, bytes], name: str, finished: bool, how: Callable[[bytes], bytes]
) -> None:
    """With every crash on the way."""
    at = 0
    while True:
        at += 1
        damaged = stage.disk()
        stage.commit(damaged, 1)
        damaged.files[name] = how(damaged.files[name])
        if not finished and name != MANIFEST:
            del damaged.files[MANIFEST]
        disk = FailingDisk(damaged.crash("everything"), at, "after")
        try:
            stage.commit(disk, 2)
        except Crash:
            found = disk.crash("nothing")
            if (there := Store(found, stage.layout).certified(SHARD)) is None:
                there = stage.commit(found, 3)
            check_files(found, SHARD, there)
            assert stage.lasting(found) == expected
            continue
        stage.certified(disk)
        assert stage.lasting(disk) == expected
        return


def test_a_sweep_leaves_living_writers_alone(stage: Stage) -> None:
    disk = stage.disk()
    seen: list[list[str]] = []

    def look() -> None:
        sweep(disk, alone=False)
        seen.append([name for name in disk.files if name.endswith(".tmp")])

    stage.commit(StoppingDisk(disk, stage.operations() // 2, look), 1)
    assert len(seen[0]) > 5
