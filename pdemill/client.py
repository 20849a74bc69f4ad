"""Talking to a pdemill server: submit specs, follow jobs, open their stores."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload
from urllib.parse import quote
from uuid import uuid4

import httpx

from pdemill import arrays
from pdemill.addresses import on_disk
from pdemill.arguments import whole
from pdemill.connection import Connection
from pdemill.engine import engine
from pdemill.errors import JobError, ServerError, StoreMismatch
from pdemill.progress import Tally, Watcher
from pdemill.pulling import pull
from pdemill.reader import Dataset, Following, Mixed, open
from pdemill.spec.array_file import ids_in
from pdemill.spec.job import Spec
from pdemill.spec.load import gather, load_spec
from pdemill.spec.mixture import Mixture
from pdemill.store.disk import LocalDisk
from pdemill.store.group import document
from pdemill.store.placing import write_durably
from pdemill.store.root import ROOT
from pdemill.streaming.growing import BUSY, jobs_called, name_of
from pdemill.streaming.opening import SPLIT, streamed
from pdemill.streaming.served import Served
from pdemill.streaming.stream import Stream

if TYPE_CHECKING:
    from pdemill.reader.resampled import Resampled
    from pdemill.reader.sensors import Observed

PART_BYTES = 1_000_000
"""Of an array, sent at a time."""
UNFINISHED = ("accepted", "running")
LEAVING = 60.0
"""Seconds that workers may take to leave the store of a job that was cancelled."""


class Client:
    """A pdemill server.

    ``url``: its address; ``api_key``: the bearer key, where one is needed, by default PDEMILL_API_KEY; "" stands for
    none. A server that goes away is asked again for two minutes. Raises SpecError for a spec that it refuses,
    ServerError for everything else.
    """

    def __init__(self, url: str = "http://127.0.0.1:8000", api_key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.api_key = (os.environ.get("PDEMILL_API_KEY") if api_key is None else api_key) or None
        self._connection = Connection(self.url, self.api_key)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def submit(
        self,
        spec: str | Path | Mapping[str, Any] | Spec,
        settings: Sequence[str] = (),
        name: str = "",
        lengthen: str = "",
        grow: str = "",
    ) -> Job:
        """Submit a spec (a file, a dictionary or a Spec), with overrides such as ``"samples=10"``; ``name``: what to
        call the job; ``lengthen``: a finished job whose trajectories go on; ``grow``: a job with smaller splits, or
        fewer, whose whole shards are taken over. Arrays that the server lacks are uploaded."""
        given = {"name": name, "lengthen": lengthen, "grow": grow}
        body, named = self._with_arrays(gather(spec, settings)), {key: value for key, value in given.items() if value}
        answer = self._ask("POST", "/v1/jobs", json=body, params=named, headers={"Idempotency-Key": uuid4().hex})
        return Job(self, answer.json())

    def submit_mixture(
        self, spec: str | Path | Mapping[str, Any] | Mixture, settings: Sequence[str] = (), name: str = ""
    ) -> MixtureJob:
        """Submit a mixture: every member is a job of its own, all of them or none."""
        told = spec.canonical() if isinstance(spec, Mixture) else gather(spec, settings)
        answer = self._ask(
            "POST", "/v1/mixtures", json=self._with_arrays(told), params={"name": name} if name else {},
            headers={"Idempotency-Key": uuid4().hex},
        )  # fmt: skip
        return MixtureJob(self, answer.json())

    def stream(
        self,
        spec: str | Path | Mapping[str, Any] | Spec,
        start: int = 0,
        samples: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        buffer: Mapping[str, Any] | None = None,
        settings: Sequence[str] = (),
        ahead: int = 4,
    ) -> Stream:
        """Fresh certified samples of a spec without end, as ``pdemill.stream`` gives them, solved by the server.

        The server is ``ahead`` blocks ahead of what is taken at least, and goes no further than twice that, or an
        eighth of what was taken. It keeps the samples in a store, which grows: see ``delete_stream``. Raises SpecError,
        ServerError, JobError, also while samples are taken; ValueError."""
        served = Served(self.url, self.api_key, whole("ahead", ahead, 1))
        return streamed(load_spec(spec, settings), served, start, samples, rank, world_size, buffer)

    def delete_stream(self, spec: str | Path | Mapping[str, Any] | Spec, settings: Sequence[str] = ()) -> int:
        """End the jobs of a stream, and delete what the server has kept of its samples; returns how many jobs."""
        name = name_of(engine.stream_spec(load_spec(spec, settings), SPLIT))
        found = [Job(self, state) for state in jobs_called(self._connection, name)]
        for job in found:
            if not job.finished:
                job.delete_store()  # ends it; one that has ended by now loses its store
        for job in found:
            _delete_once_left(job)
        return len(found)

    def validate(self, spec: str | Path | Mapping[str, Any] | Spec, settings: Sequence[str] = ()) -> dict[str, Any]:
        """The cost of a spec: samples, unknowns, bytes, method, cpu_seconds."""
        found: dict[str, Any] = self._ask(
            "POST", "/v1/jobs/validate", json=self._with_arrays(gather(spec, settings))
        ).json()
        return found

    def upload(self, file: str | Path, watcher: Callable[[int, int], None] = lambda sent, size: None) -> str:
        """Upload an array (``k.npy``, ``k.h5#/name``, ...), unless the server has it; what was interrupted is gone on
        with. Returns its id, by which specs name it. ``watcher`` is called with the bytes that are there, and all."""
        return self._upload(arrays.register(file), watcher)

    def _with_arrays(self, spec: dict[str, Any]) -> dict[str, Any]:
        """The spec, once the server has the arrays that it names and this process knows."""
        for id in sorted(ids_in(spec)):
            if arrays.is_known(id):
                self._upload(id)
        return spec

    def _upload(self, id: str, watcher: Callable[[int, int], None] = lambda sent, size: None) -> str:
        try:
            self._ask("GET", f"/v1/arrays/{id}")
        except ServerError as error:
            if error.status != 404:
                raise
        else:
            return id
        size = arrays.npy_bytes(id)
        begun = self._ask("POST", "/v1/arrays", json={"bytes": size, "array": id}).json()
        place, there, offset = begun["link"], int(begun["received"]), 0
        for part in arrays.npy_parts(id, PART_BYTES):
            if offset + len(part) > there:
                self._ask("PUT", place, params={"offset": offset}, content=part)
                watcher(offset + len(part), size)
            offset += len(part)
        self._ask("POST", place)
        return id

    def job(self, job: str) -> Job:
        """The job with this id."""
        return Job(self, self._ask("GET", f"/v1/jobs/{quote(job, safe='')}").json())

    def jobs(self, status: str | None = None, owner: str | None = None) -> Iterator[Job]:
        """Your jobs, newest first; with the key of an admin those of another ``owner``, or of all (``"*"``)."""
        chosen = {"status": status, "owner": owner}
        query: dict[str, Any] = {"limit": 100, **{name: value for name, value in chosen.items() if value}}
        while True:
            page = self._ask("GET", "/v1/jobs", params=query).json()
            yield from (Job(self, state) for state in page["jobs"])
            if page["next"] is None:
                return
            query["cursor"] = page["next"]

    def switches(self) -> dict[str, bool]:
        """Whether the server is ``paused`` (hands out no work) or ``drained`` (takes no new jobs)."""
        return dict(self._ask("GET", "/v1/server").json())

    def switch(self, name: str, on: bool) -> dict[str, bool]:
        """Switch ``paused`` or ``drained`` on or off, with the key of an admin."""
        return dict(self._ask("PUT" if on else "DELETE", f"/v1/server/{quote(name, safe='')}").json())

    def fetch(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """A file of the server, or what ``headers`` ask of it. Raises ServerError."""
        return self._ask("GET", path, headers=headers)

    def _ask(self, method: str, path: str, **details: Any) -> httpx.Response:
        """The server's final answer. Raises SpecError, ServerError."""
        return self._connection.ask(method, path, **details)


class Job:
    """A job on a server; ``state`` is what the server said of it last."""

    def __init__(self, client: Client, state: Mapping[str, Any]) -> None:
        self._client, self.state = client, dict(state)

    def __repr__(self) -> str:
        return f"Job({self.id}, {self.status}, {self.state['progress']:g} %)"

    @property
    def id(self) -> str:
        return str(self.state["id"])

    @property
    def status(self) -> str:
        """accepted, running, successful, failed or dismissed."""
        return str(self.state["status"])

    @property
    def finished(self) -> bool:
        """Whether nothing more will change."""
        return self.status not in UNFINISHED

    def refresh(self) -> Job:
        """Ask the server how the job is doing."""
        self.state = self._client._ask("GET", f"/v1/jobs/{self.id}").json()
        return self

    def wait(self, timeout: float | None = None, watcher: Watcher = lambda tally: None, every: float = 0.5) -> Job:
        """Wait until the job is finished; ``watcher`` is called with a Tally whenever the server was asked.

        Raises JobError when it failed or was dismissed, TimeoutError after ``timeout`` seconds.
        """
        limit = None if timeout is None else time.monotonic() + timeout
        first = self.state["samples_done"]
        while True:
            watcher(_tally(self.state, first))
            if self.finished:
                break
            if limit is not None and time.monotonic() > limit:
                raise TimeoutError(f"job {self.id} is still {self.status} after {timeout:g} s")
            time.sleep(every)
            self.refresh()
        if self.status != "successful":
            raise JobError(f"job {self.id} {self.status}: {self.state['message'] or 'without a message'}")
        return self

    def cancel(self) -> Job:
        """Cancel the job; shards that are finished stay."""
        self.state = self._client._ask("DELETE", f"/v1/jobs/{self.id}").json()
        return self

    def delete_store(self) -> Job:
        """Delete the store of a finished job, on the server."""
        self.state = self._client._ask("DELETE", f"/v1/jobs/{self.id}", params={"delete_store": True}).json()
        return self

    def results(self) -> dict[str, Any]:
        """The finished store: location, splits, statistics, shards, snippets."""
        found: dict[str, Any] = self._client._ask("GET", f"/v1/jobs/{self.id}/results").json()
        return found

    def link(self, seconds: int = 86_400) -> str:
        """The address of the job's store, which can be read without a key for so long, a week at most."""
        path = f"/v1/datasets/{self.state['dataset']}/links"
        return str(self._client._ask("POST", path, json={"seconds": seconds}).json()["url"])

    @overload
    def open(self, split: str = ..., where: str | None = ...) -> Dataset: ...
    @overload
    def open(
        self, split: str = ..., where: str | None = ..., *, resample: Sequence[int],
        resample_box: Sequence[Sequence[float]] | None = ...,
    ) -> Resampled: ...  # fmt: skip
    @overload
    def open(
        self, split: str = ..., where: str | None = ..., *, sensors: Mapping[str, Any], noise: float = ...
    ) -> Observed: ...
    def open(self, split: str = "train", where: str | None = None, **options: Any) -> Dataset | Resampled | Observed:
        """A split of the finished store: its files where this machine sees them, else over HTTP; ``where``, and the
        options ``resample``, ``resample_box``, ``sensors`` and ``noise``, as in ``pdemill.open``."""
        store = self.results()["store"]
        path = Path(store["path"])
        place = path if (path / "zarr.json").exists() else self._client.url + store["url"]
        if strange := options.keys() - {"resample", "resample_box", "sensors", "noise"}:
            raise TypeError(f"open has no option {min(strange)!r}")
        found: Dataset | Resampled | Observed = open(place, split, api_key=self._client.api_key, where=where, **options)
        return found

    def follow(self, split: str = "train", patience: float | None = None, where: str | None = None) -> Following:
        """The shards of a split as they are finished, over HTTP, while the job runs; see ``Following``."""
        address = f"{self._client.url}/v1/datasets/{self.state['dataset']}/store"
        return open(address, split, api_key=self._client.api_key, where=where, follow=True, patience=patience)

    def download(
        self,
        folder: str | Path,
        splits: Sequence[str] = (),
        samples: tuple[int, int | None] = (0, None),
        watcher: Watcher = lambda tally: None,
    ) -> Path:
        """Copy the finished store to ``folder``, or of these ``splits`` the shards that hold the samples from
        ``samples[0]`` up to, not with, ``samples[1]``; a copy that broke off goes on. Each file is checked against its
        manifest."""
        target = on_disk(folder, "the copy")
        address = self._client.url + self.results()["store"]["url"]
        return pull(address, target, splits, samples, self._client.api_key, watcher)


class MixtureJob:
    """The jobs of a mixture's members on a server, by their names."""

    def __init__(self, client: Client, state: Mapping[str, Any]) -> None:
        self._sha256 = str(state["sha256"])
        self._told = [{key: value for key, value in member.items() if key != "job"} for member in state["members"]]
        self.jobs = {member["name"]: Job(client, member["job"]) for member in state["members"]}

    def __repr__(self) -> str:
        return f"MixtureJob({', '.join(f'{name}: {job!r}' for name, job in self.jobs.items())})"

    def wait(self, timeout: float | None = None) -> MixtureJob:
        """Wait until all jobs are finished. Raises JobError, TimeoutError."""
        limit = None if timeout is None else time.monotonic() + timeout
        for job in self.jobs.values():
            job.wait(None if limit is None else max(limit - time.monotonic(), 0.0))
        return self

    def cancel(self) -> MixtureJob:
        """Cancel the jobs that are not finished; shards that are finished stay."""
        for job in self.jobs.values():
            if not job.refresh().finished:
                job.cancel()
        return self

    def open(self, split: str = "train", where: str | None = None) -> Mixed:
        """The members that have a split, as one data set."""
        found = {n: job.open(split, where) for n, job in self.jobs.items() if split in _splits(job)}
        return Mixed(found, [member for member in self._told if member["name"] in found])

    def download(self, folder: str | Path) -> Path:
        """Copy the finished mixture to ``folder``, a store in it for each member."""
        target, root = on_disk(folder, "the copy"), document(self._told, self._sha256)
        if (target / ROOT).exists() and (target / ROOT).read_bytes() != root:
            raise StoreMismatch(f"{target} holds something else: choose another folder")
        for name, job in self.jobs.items():
            job.download(target / name)
        write_durably(LocalDisk(target), ROOT, root)
        return target


def _delete_once_left(job: Job) -> None:
    """Delete the store of a job, once workers have stopped writing it."""
    limit = time.monotonic() + LEAVING
    while True:
        try:
            job.delete_store()
        except ServerError as error:
            if error.status != BUSY or time.monotonic() > limit:
                raise
            time.sleep(0.2)
        else:
            return


def _splits(job: Job) -> set[str]:
    """The splits of the store of a job."""
    return {split["split"] for split in job.results()["splits"]}


def _tally(state: Mapping[str, Any], first: int) -> Tally:
    each = state["iterations_per_sample"] or 0
    done = int(state["samples_done"])
    solved = max(done - first, 0)
    return Tally(
        total=int(state["samples_total"]), done=done, failed=int(state["samples_failed"]), solved=solved,
        iterations=round(each * solved),
    )  # fmt: skip
