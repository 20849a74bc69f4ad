"""The store of a stream on a server: it grows ahead of who takes its samples.

A stream is a split of its own without end. On a server it is a data set that has the first so many blocks of it. Once
these are finished and nearly taken, the next data set is submitted, which takes its shards over and has some more; the
one before it is deleted. Who follows the same stream, now or later, goes on with the largest one that is there: all are
called by the spec of the stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from threading import Event, Lock
from typing import Any
from uuid import uuid4

from pdemill.addresses import shown
from pdemill.connection import Connection
from pdemill.errors import JobError, ServerError, SpecError
from pdemill.reader.dataset import Dataset
from pdemill.reader.locations import files_at
from pdemill.spec.job import Spec
from pdemill.store.root import ROOT

PAUSE = 0.2
"""Seconds between two looks at what is finished."""
UNFINISHED, DONE = ("accepted", "running"), ("successful", "failed")
BUSY = 409
"""The status for a store that somebody writes or reads just now."""
SHARE = 8
"""A store grows by one part in so many at least, so that links to its shards do not outnumber them by far."""


def name_of(spec: Spec) -> str:
    """What the jobs of a stream are called: its spec with the samples of one block."""
    return f"stream {spec.sha256()[:16]}"


def jobs_called(connection: Connection, name: str) -> Iterator[dict[str, Any]]:
    """Your jobs of a name, but those that were given up."""
    for status in (*UNFINISHED, *DONE):
        query: dict[str, Any] = {"status": status, "limit": 100}
        while query:
            page = connection.ask("GET", "/v1/jobs", params=query).json()
            yield from (job for job in page["jobs"] if job["name"] == name)
            query = {} if page["next"] is None else {**query, "cursor": page["next"]}


class Growing:
    """The store of a stream as one process follows it. ``spec``: of the stream, with the samples of one block;
    ``step``: blocks that the server is ahead at least. Threads may share it, one after the other."""

    def __init__(self, url: str, api_key: str | None, spec: Spec, split: str, step: int) -> None:
        self._connection, self._url, self._api_key = Connection(url, api_key), url, api_key
        self._spec, self._split, self._step = spec, split, step
        self._size, self._name = spec.splits[split], name_of(spec)
        self._job: dict[str, Any] | None = None
        self._data: Dataset | None = None
        self._begun, self._left = False, list[str]()
        self._lock = Lock()

    def __del__(self) -> None:
        self._connection.close()

    def opened(self, stop: Event) -> Dataset:
        """The store, once it is begun. Raises SpecError, ServerError, JobError."""
        with self._lock:
            job = self._job or self._move(self._step)
            while (data := self._current(job)) is None:
                job = self._refreshed(job)
                if job["status"] not in UNFINISHED and self._current(job) is None:
                    raise _ended(job)
                _pause(stop, PAUSE)
            return data

    def reach(self, number: int, stop: Event) -> Dataset:
        """The store, once this block is finished; lets it grow. Raises ServerError, JobError."""
        with self._lock:
            _pause(stop, 0.0)
            job = self._job or self._move(self._extent(number))
            while True:
                job = self._refreshed(job)
                if job["status"] in DONE and number + self._step >= self._blocks(job):
                    job = self._move(self._extent(max(number, self._blocks(job))))
                data = self._current(job)
                if data is not None and number < len(data.shards) and data.finished(data.shards[number]):
                    return data
                if job["status"] not in (*UNFINISHED, *DONE) or (job["status"] in DONE and number < self._blocks(job)):
                    raise _ended(job)
                _pause(stop, PAUSE)

    def _extent(self, number: int) -> int:
        """Of the numbers of blocks that stores of a stream have, the smallest that takes this one in."""
        found = self._step
        while found <= number:
            found += self._step * max(found // (SHARE * self._step), 1)
        return found

    def _blocks(self, job: Mapping[str, Any]) -> int:
        return int(job["samples_total"]) // self._size

    def _move(self, blocks: int) -> dict[str, Any]:
        """Go on with a store of so many blocks, or with a larger one, or one under way, that is there."""
        mine = self._job
        had = 0 if mine is None else self._blocks(mine)
        others = (job for job in jobs_called(self._connection, self._name) if self._blocks(job) > had)
        found = max(others, key=self._blocks, default=mine)
        smaller = ""
        if found is not None:
            there = self._blocks(found)
            if there >= blocks or (there > had and found["status"] in UNFINISHED):
                blocks = there
            elif found["samples_done"]:
                smaller = str(found["id"])
        job = self._submitted(blocks, smaller)
        if self._job is not None:
            self._left.append(str(self._job["id"]))
        self._job, self._begun = job, False
        return job

    def _submitted(self, blocks: int, smaller: str) -> dict[str, Any]:
        told = self._spec.model_dump(mode="json") | {"splits": {self._split: blocks * self._size}}
        body = told | {"store": told["store"] | {"shard": self._size}}
        query = {"name": self._name} | ({"grow": smaller} if smaller else {})
        try:
            answer = self._connection.ask(
                "POST", "/v1/jobs", json=body, params=query, headers={"Idempotency-Key": uuid4().hex}
            )
        except (SpecError, ServerError) as error:
            if self._job is None and not smaller:
                raise
            status = error.status if isinstance(error, ServerError) else None
            what = f"the stream cannot go on to {blocks * self._size} samples at {shown(self._url)}"
            raise ServerError(f"{what}: {error}", status) from None
        return dict(answer.json())

    def _refreshed(self, job: Mapping[str, Any]) -> dict[str, Any]:
        self._job = dict(self._connection.ask("GET", f"/v1/jobs/{job['id']}").json())
        return self._job

    def _current(self, job: Mapping[str, Any]) -> Dataset | None:
        """The store of a job, or the one before it until that is begun, and has taken the shards over."""
        if not self._begun:
            address = f"{self._url}/v1/datasets/{job['dataset']}/store"
            if files_at(address, self._api_key).exists(ROOT):
                self._data, self._begun = Dataset(address, self._split, self._api_key), True
                self._delete_left()
        return self._data

    def _delete_left(self) -> None:
        """Delete stores whose shards another one has; one that is in use stays until later."""
        for job in tuple(self._left):
            try:
                self._connection.ask("DELETE", f"/v1/jobs/{job}", params={"delete_store": True})
            except ServerError as error:
                if error.status != BUSY:
                    raise
            else:
                self._left.remove(job)


def _ended(job: Mapping[str, Any]) -> JobError:
    return JobError(f"the stream's job {job['id']} is {job['status']}: {job['message'] or 'without a message'}")


def _pause(stop: Event, seconds: float) -> None:
    """Wait a little. Raises JobError once nobody wants to know any more."""
    if stop.wait(seconds):
        raise JobError("the stream was closed")
