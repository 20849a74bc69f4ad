"""The state of a running API, made once and handed to every route."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from pdemill.leases import Leases
from pdemill.settings import Settings
from service.coordinator import Coordinator
from service.counts import Counts
from service.expiry import Expiry
from service.graves import clear
from service.keys import KeyRing, Owner
from service.ledger import UNFINISHED, Dataset, JobRecord, Ledger
from service.limits import most_slots
from service.metrics import Metrics
from service.pools import Pools
from service.problems import Refusal
from service.queue import Queue
from service.readiness import Readiness
from service.totals import Totals
from service.views import Job, job_view


@dataclass
class AppState:
    """Settings, ledger, leases, metrics, keys, coordinator, expiry, readiness, threads."""

    settings: Settings
    ledger: Ledger
    leases: Leases
    metrics: Metrics
    keys: KeyRing
    coordinator: Coordinator
    expiry: Expiry
    readiness: Readiness
    pools: Pools = field(default_factory=Pools)
    counts: Counts = field(default_factory=Counts)

    @classmethod
    def of(cls, settings: Settings) -> AppState:
        settings.datasets.mkdir(parents=True, exist_ok=True)
        ledger, leases = Ledger(settings.data_dir / "jobs.sqlite"), Leases.at(settings.redis_url)
        metrics, keys = Metrics(Totals(ledger)), KeyRing(settings.api_keys)
        coordinator = Coordinator(settings, ledger, leases, Queue(leases), metrics, partial(most_slots, settings, keys))
        expiry = Expiry(settings, ledger, lambda: coordinator.leads)
        readiness = Readiness(ledger, settings.data_dir, leases)
        return cls(settings, ledger, leases, metrics, keys, coordinator, expiry, readiness)

    def start(self) -> None:
        clear(self.settings.datasets)
        self.coordinator.start()
        self.expiry.start()
        self.readiness.start()

    def stop(self) -> None:
        self.readiness.stop()
        self.expiry.stop()
        self.coordinator.stop()
        self.leases.redis.close()
        self.ledger.close()

    def view(self, job: JobRecord, dataset: Dataset) -> Job:
        """A job as the API shows it now: what is under way by what the coordinator sees, the rest by its manifests."""
        live = self.coordinator.live.get(dataset.id) if job.status in UNFINISHED else None
        if live is None and job.status != "successful":
            count = self.counts.of(self.settings.store(dataset.id))
            dataset = replace(dataset, done=count.done, failed=count.failed)
        return job_view(job, dataset, live, self.settings.expire_seconds)


async def _state(request: Request) -> AppState:
    state: AppState = request.app.state.service
    return state


def _owner(request: Request) -> Owner:
    state: AppState = request.app.state.service
    headers = request.headers.getlist("authorization")
    owner = state.keys.owner(headers[0] if len(headers) == 1 else None)
    if owner is None:
        state.metrics.refused_key()
        raise Refusal(
            401, "send a known key: Authorization: Bearer KEY", headers={"WWW-Authenticate": 'Bearer realm="pdemill"'}
        )
    return owner


def base_url(request: Request) -> str:
    """The address of the server as its clients know it: the one in the settings, or the one that was asked for."""
    state: AppState = request.app.state.service
    return state.settings.public_url or str(request.base_url).rstrip("/")


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
