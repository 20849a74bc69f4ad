"""Writing a store into a bucket: stopped before and after every request, with answers that get lost, puts that come
late, lists that are old, and other writers in between. What comes out is the same, and what is certified stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pdemill.errors import StoreBusy, StoreMismatch
from pdemill.solvers.field_job import FieldJob
from pdemill.spec import validate
from pdemill.store import encode as encoding
from pdemill.store import store as storing
from pdemill.store.disk import Disk
from pdemill.store.layout import Shard, StoreLayout
from pdemill.store.manifest import FOLDER, Manifest, name_of
from pdemill.store.object_disk import MARK_BYTES, ObjectDisk
from pdemill.store.placing import remove, write_durably, write_once
from pdemill.store.store import ShardData, Store
from pdemill.testing import Crash
from tests.store.buckets import FailingBucket, StepDisk

obstore: Any = pytest.importorskip("obstore")

SPEC = {"problem": {"family": "poisson", "resolution": [4, 4], "source": {"uniform": [0, 1]}}, "samples": 3,
        "store": {"shard": 2}}  # fmt: skip
SHARD = Shard("train", 0, 0, 2)
MANIFEST, SOLUTION, SECONDS = name_of(SHARD), "train/solution/c/0/0/0/0", "train/solve_seconds/c/0"


@pytest.fixture(scope="module")
def layout() -> StoreLayout:
    return FieldJob(validate(SPEC)).layout


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Encode once, and wait for no answer."""
    known: dict[Any, Any] = {}

    def encode(part: Any, values: Any, samples: int) -> bytes:
        key = part.name, values.tobytes()
        if key not in known:
            known[key] = encoding.encode(part, values, samples)
        return bytes(known[key])

    def metadata(layout: StoreLayout) -> Any:
        key = json.dumps(layout.attributes)
        if key not in known:
            known[key] = encoding.metadata(layout)
        return known[key]

    patch = pytest.MonkeyPatch()
    patch.setattr(storing, "encode", encode)
    patch.setattr(storing, "metadata", metadata)
    patch.setattr("pdemill.store.object_disk.PAUSE", 0.0)
    yield
    patch.undo()


def _data(layout: StoreLayout, shard: Shard, writer: int) -> ShardData:
    """The same rows from every writer, but for what is measured."""
    rng = np.random.default_rng(shard.index)
    arrays = {p.name: (100 * rng.random((len(shard), *p.shape))).astype(p.dtype) for p in layout.arrays}
    arrays["solve_seconds"] = np.full(len(shard), writer, dtype=np.float32)
    return ShardData(arrays, (), {"iterations": 3}, {"attempt": writer})


def _fill(disk: Disk, layout: StoreLayout, writer: int = 1) -> None:
    """What ``generate`` does."""
    store = Store(disk, layout)
    store.create()
    for shard in store.missing():
        store.commit(shard, _data(layout, shard, writer))
    store.finish()


def _lasting(bucket: FailingBucket) -> dict[str, Any]:
    """What is the same in every run."""
    return {
        name: Manifest.parse(data).lasting() if name.startswith(FOLDER) else data
        for name, data in bucket.content().items()
        if name.split("/")[1:2] != ["solve_seconds"] or "/c/" not in name
    }


def _disk(store: Any, *failing: Any) -> tuple[FailingBucket, StepDisk]:
    bucket = FailingBucket(store, *failing)
    return bucket, StepDisk(bucket)


@pytest.fixture(scope="module")
def expected(layout: StoreLayout) -> tuple[dict[str, Any], int, list[int]]:
    """The store, the number of requests that make it, and which of them put something."""
    bucket, disk = _disk(obstore.store.MemoryStore())
    _fill(disk, layout)
    return _lasting(bucket), bucket.requests, bucket.puts


def _certified(store: Any, layout: StoreLayout) -> list[Manifest | None]:
    found = Store(ObjectDisk(FailingBucket(store)), layout)
    return [found.certified(shard) for shard in layout.shards()]


@pytest.mark.parametrize("how", ["before", "after"])
def test_a_run_that_is_stopped_at_any_request_is_finished_to_the_same_store(
    layout: StoreLayout, expected: tuple[dict[str, Any], int, list[int]], how: str
) -> None:
    assert expected[1] > 70
    for at in range(1, expected[1] + 1):
        store = obstore.store.MemoryStore()
        with pytest.raises(Crash):
            _fill(_disk(store, at, how)[1], layout)
        bucket, disk = _disk(store)
        _fill(disk, layout, 2)
        assert _lasting(bucket) == expected[0], f"stopped {how} request {at}"
        assert None not in _certified(store, layout)


def test_an_answer_that_gets_lost_changes_nothing(
    layout: StoreLayout, expected: tuple[dict[str, Any], int, list[int]]
) -> None:
    """The writer meets its own object, knows it, and goes on."""
    for at in expected[2]:
        store = obstore.store.MemoryStore()
        bucket, disk = _disk(store, at, "lost")
        _fill(disk, layout)
        assert _lasting(bucket) == expected[0], f"lost at request {at}"
        made = _certified(store, layout)
        assert [found.run["attempt"] for found in made if found is not None] == [1, 1]


class Stage:
    """Stores whose metadata is there, and writers of one of their shards."""

    def __init__(self, layout: StoreLayout) -> None:
        self.layout = layout

    def store(self, damage: str = "") -> Any:
        """A bucket; with ``damage``, the shard is there, and one of its objects is not what it was."""
        store = obstore.store.MemoryStore()
        Store(StepDisk(FailingBucket(store)), self.layout).create()
        if damage:
            self.commit(store, 7)
            obstore.put(store, damage, b"not what it was")
        return store

    def commit(self, store: Any, writer: int, *failing: Any) -> tuple[FailingBucket, Manifest]:
        bucket, disk = _disk(store, *failing)
        return bucket, Store(disk, self.layout).commit(SHARD, _data(self.layout, SHARD, writer))

    def certified(self, store: Any) -> Manifest:
        found = Store(StepDisk(FailingBucket(store)), self.layout).certified(SHARD)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def stage(layout: StoreLayout) -> Stage:
    return Stage(layout)


DAMAGES = ["", MANIFEST, SOLUTION, SECONDS]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_writer_that_is_stopped_anywhere_changes_nothing_that_another_has_certified(
    stage: Stage, damage: str
) -> None:
    """Be there nothing at first, or a shard that is damaged and mended by both."""
    for at in range(1, stage.commit(stage.store(damage), 1)[0].requests + 1, 3 if damage else 1):
        store, before = stage.store(damage), dict[str, bytes]()

        def other(store: Any = store, before: dict[str, bytes] = before) -> None:
            before.update(stage.commit(store, 2)[0].content())

        bucket, late = stage.commit(store, 1, at, "meanwhile", other)
        assert late.lasting() == stage.certified(store).lasting()
        assert bucket.content() == before, f"stopped at request {at}"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_put_that_comes_after_another_writers_manifest_changes_nothing(stage: Stage, damage: str) -> None:
    """Its own writer has died, or has gone on."""
    puts = stage.commit(stage.store(damage), 1)[0].puts
    assert len(puts) > (10 if not damage else 2)
    for at in puts:
        store = stage.store(damage)
        bucket, disk = _disk(store, at, "underway")
        with pytest.raises(Crash):
            Store(disk, stage.layout).commit(SHARD, _data(stage.layout, SHARD, 1))
        stage.commit(store, 2)
        before = bucket.content()
        bucket.arrive()
        assert bucket.content() == before, f"underway at request {at}"
        stage.certified(store)

        store = stage.store(damage)
        bucket, made = stage.commit(store, 1, at, "late")
        before = bucket.content()
        bucket.arrive()
        assert bucket.content() == before
        assert stage.certified(store) == made


def test_of_writers_at_once_one_makes_the_shard(stage: Stage) -> None:
    """With requests in threads, as they are."""
    store = stage.store()
    bucket = FailingBucket(store)
    made = [
        Store(ObjectDisk(bucket), stage.layout).commit(SHARD, _data(stage.layout, SHARD, writer)) for writer in (1, 2)
    ]
    assert made[0] == made[1] == stage.certified(store)
    assert len(str(made[0].run["writer"])) == 32


def test_an_old_list_does_not_tell_what_is_missing(layout: StoreLayout) -> None:
    store = obstore.store.MemoryStore()
    bucket, disk = _disk(store)
    Store(disk, layout).create()
    bucket.grow_stale()
    for shard in layout.shards():
        Store(disk, layout).commit(shard, _data(layout, shard, 1))
    assert Store(disk, layout).missing() == []
    bucket.grow_stale()
    remove(disk, MANIFEST)
    assert Store(disk, layout).missing() == [SHARD]


def test_what_is_removed_leaves_a_mark_that_puts_which_come_late_do_not_pass() -> None:
    store = obstore.store.MemoryStore()
    bucket, disk = _disk(store)
    assert write_once(disk, "a", b"1")
    first = bucket.head("a").tag
    remove(disk, "a")
    assert not disk.exists("a")
    assert list(disk.names()) == []
    assert len(bucket.content()["a"]) == MARK_BYTES
    with pytest.raises(FileNotFoundError):
        disk.read("a")
    with pytest.raises(FileExistsError):
        bucket.put("a", b"1", None)
    assert write_once(_disk(store)[1], "a", b"2")
    assert disk.read("a") == b"2"
    assert bucket.head("a").tag != first
    assert not write_once(_disk(store)[1], "a", b"3")


def test_what_another_has_replaced_since_it_was_read_is_not_replaced() -> None:
    store = obstore.store.MemoryStore()
    (_, one), (_, other) = _disk(store), _disk(store)
    write_durably(one, "zarr.json", b"1")
    assert other.read("zarr.json") == b"1"
    write_durably(one, "zarr.json", b"2")
    with pytest.raises(StoreBusy, match=r"zarr\.json has been written by another pdemill meanwhile"):
        write_durably(other, "zarr.json", b"3")
    assert other.read("zarr.json") == b"2"
    write_durably(one, "zarr.json", b"4")
    with pytest.raises(StoreBusy):
        remove(other, "zarr.json")
    assert one.read("zarr.json") == b"4"


def test_metadata_and_manifests_are_kept_by_no_cache(layout: StoreLayout) -> None:
    store = obstore.store.MemoryStore()
    bucket, disk = _disk(store)
    _fill(disk, layout)
    told = {name: obstore.get(store, name).attributes.get("Cache-Control") for name in bucket.content()}
    assert {name for name, control in told.items() if control != "no-store"} == {n for n in told if "/c/" in n}


def test_of_two_specs_that_begin_at_once_one_is_refused(layout: StoreLayout) -> None:
    """Before any of its samples is written, whoever put the root."""
    other = FieldJob(validate({**SPEC, "seed": 1})).layout
    requests = _disk(obstore.store.MemoryStore())
    Store(requests[1], layout).create()
    for at in range(2, requests[0].requests):
        store = obstore.store.MemoryStore()

        def begin(store: Any = store) -> None:
            Store(_disk(store)[1], other).create()

        with pytest.raises(StoreMismatch, match="another spec"):
            Store(_disk(store, at, "meanwhile", begin)[1], layout).create()


def test_a_run_of_a_smaller_spec_undoes_nothing_of_a_store_that_has_grown(layout: StoreLayout) -> None:
    larger = FieldJob(validate({**SPEC, "samples": 4})).layout
    store = obstore.store.MemoryStore()
    bucket, disk = _disk(store)
    small = Store(disk, layout)
    small.create()
    root = Store(disk, larger).metadata["zarr.json"]
    write_durably(_disk(store)[1], "zarr.json", root)  # as growing does
    _fill(_disk(store)[1], larger, 2)
    before = bucket.content()
    last = list(layout.shards())[-1]
    with pytest.raises(StoreBusy, match="has grown meanwhile"):
        small.commit(last, _data(layout, last, 1))
    assert bucket.content() == before
