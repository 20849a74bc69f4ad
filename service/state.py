"""The state of a running API, made once and handed to every route."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from pdemill.data_directory import DataDirectory
from pdemill.leases import Leases
from pdemill.settings import Settings
from service.coordinator import Coordinator
from service.counts import Counts
from service.database import LEDGER, Backups
from service.keys import KeyRing, Owner
from service.ledger import UNFINISHED, Dataset, JobRecord, Ledger
from service.metrics import Metrics
from service.problems import Refusal
from service.queue import Queue
from service.scrubber import Scrubber
from service.views import Job, job_view

TRASH = ".trash"
"""How the name of a store begins that is being deleted."""


@dataclass
class AppState:
    """Settings, data directory, ledger, leases, queue, coordinator, metrics, keys, scrubber, backups."""

    settings: Settings
    directory: DataDirectory
    ledger: Ledger
    leases: Leases
    queue: Queue
    metrics: Metrics
    keys: KeyRing
    coordinator: Coordinator
    scrubber: Scrubber
    backups: Backups
    counts: Counts = field(default_factory=Counts)

    @classmethod
    def of(cls, settings: Settings) -> AppState:
        directory = DataDirectory.made(settings.data_dir, settings.data_id)
        path = settings.data_dir / LEDGER
        ledger, metrics = Ledger(path, directory.require), Metrics()
        leases, queue = Leases.at(settings.redis_url), Queue(settings.redis_url)
        coordinator = Coordinator(settings, directory, ledger, leases, queue, metrics)
        scrubber = Scrubber(settings, directory, ledger, metrics, coordinator.wake)
        keys = KeyRing(settings.api_keys)
        return cls(
            settings, directory, ledger, leases, queue, metrics, keys, coordinator, scrubber, Backups(path, ledger)
        )

    def start(self) -> None:
        for grave in self.settings.datasets.glob(f"{TRASH}-*"):
            shutil.rmtree(grave)
        self.coordinator.start()
        self.scrubber.start()
        self.backups.start()

    def stop(self) -> None:
        self.backups.stop()
        self.scrubber.stop()
        self.coordinator.stop()
        self.queue.close()
        self.leases.redis.close()
        self.ledger.close()

    def view(self, job: JobRecord, dataset: Dataset) -> Job:
        """A job as the API shows it now: what is under way by what the coordinator sees, the rest by its manifests."""
        live = self.coordinator.live.get(dataset.id) if job.status in UNFINISHED else None
        if live is None and job.status != "successful":
            count = self.counts.of(self.settings.store(dataset.id))
            dataset = replace(dataset, done=count.done, failed=count.failed)
        return job_view(job, dataset, live, self.ledger.mended(dataset.id))


def _state(request: Request) -> AppState:
    state: AppState = request.app.state.service
    return state


def _owner(request: Request) -> Owner:
    state = _state(request)
    headers = request.headers.getlist("authorization")
    owner = state.keys.owner(headers[0] if len(headers) == 1 else None)
    if owner is None:
        raise Refusal(
            401, "send a known key: Authorization: Bearer KEY", headers={"WWW-Authenticate": 'Bearer realm="pdemill"'}
        )
    return owner


TheState = Annotated[AppState, Depends(_state)]
TheOwner = Annotated[Owner, Depends(_owner)]


def find_job(state: AppState, owner: Owner, job: str) -> tuple[JobRecord, Dataset]:
    """A job of this owner, or 404."""
    found = state.ledger.job(owner.name, job)
    if found is None:
        raise Refusal(404, "there is no such job")
    return found


def find_store(state: AppState, dataset: str) -> Path:
    """Where a data set's store is or will be, or 404 if that is not in the data directory, but behind a link."""
    home, store = state.settings.data_dir, state.settings.store(dataset)
    if store.resolve() != home.resolve() / store.relative_to(home):
        raise Refusal(404, "the store is not in the data directory")
    return store
