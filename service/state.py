"""The state of a running API, made once and handed to every route."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from pdemill import arrays
from pdemill.addresses import Place
from pdemill.data_directory import LEDGER, DataDirectory
from pdemill.leases import Leases
from pdemill.service.coordinator import Coordinator
from pdemill.service.counts import Counts
from pdemill.service.database import Backups
from pdemill.service.expiry import Expiry
from pdemill.service.graves import Graves
from pdemill.service.guesses import Guesses
from pdemill.service.keys import KeyRing, Owner, bearer
from pdemill.service.ledger import UNFINISHED, Dataset, JobRecord, Ledger
from pdemill.service.limits import most_slots
from pdemill.service.links import Links
from pdemill.service.metrics import Metrics
from pdemill.service.pools import Pools
from pdemill.service.problems import Refusal
from pdemill.service.queue import Queue
from pdemill.service.readiness import Readiness
from pdemill.service.scrubber import Scrubber
from pdemill.service.totals import Totals
from pdemill.service.views import Job, job_view
from pdemill.settings import Settings


@dataclass
class AppState:
    """What the routes and pages share."""

    settings: Settings
    directory: DataDirectory
    ledger: Ledger
    leases: Leases
    metrics: Metrics
    keys: KeyRing
    coordinator: Coordinator
    scrubber: Scrubber
    backups: Backups
    expiry: Expiry
    graves: Graves
    readiness: Readiness
    guesses: Guesses
    links: Links
    pools: Pools = field(default_factory=Pools)
    counts: Counts = field(default_factory=Counts)

    @classmethod
    def of(cls, settings: Settings) -> AppState:
        directory = DataDirectory.made(settings.data_dir, settings.data_id, settings.state_dir)
        path = settings.state / LEDGER
        arrays.look_in_store(settings.arrays)
        ledger, leases = Ledger(path, directory.require_state), Leases.at(settings, directory.id)
        metrics, keys = Metrics(Totals(ledger)), KeyRing(settings.api_keys)
        coordinator = Coordinator(
            settings, directory, ledger, leases, Queue(leases), metrics, partial(most_slots, settings, keys)
        )
        return cls(
            settings=settings, directory=directory, ledger=ledger, leases=leases, metrics=metrics, keys=keys,
            coordinator=coordinator,
            scrubber=Scrubber(settings, directory, ledger, metrics, coordinator.wake),
            backups=Backups(path, ledger),
            expiry=Expiry(settings, ledger, lambda: coordinator.leads),
            graves=Graves(settings, ledger),
            readiness=Readiness(settings, ledger, directory, leases),
            guesses=Guesses(settings.max_wrong_keys),
            links=Links(keys, settings.state),
        )  # fmt: skip

    def start(self) -> None:
        self.graves.start()
        self.coordinator.start()
        self.expiry.start()
        self.scrubber.start()
        self.backups.start()
        self.readiness.start()

    def stop(self) -> None:
        self.readiness.stop()
        self.graves.stop()
        self.backups.stop()
        self.scrubber.stop()
        self.expiry.stop()
        self.coordinator.stop()
        self.leases.redis.close()
        self.ledger.close()

    def known(self, address: str, key: str) -> Owner | None:
        """Who has this key. Raises Refusal while too many wrong ones come from the address."""
        if self.keys.open or not key:
            return self.keys.owner(None)
        self.guesses.check(address, key)
        owner = self.keys.owner(f"Bearer {key}")
        self.guesses.note(address, key, owner is not None)
        return owner

    def view(self, job: JobRecord, dataset: Dataset) -> Job:
        """A job as the API shows it now: what is under way by what the coordinator sees, the rest by its manifests."""
        live = self.coordinator.live.get(dataset.id) if job.status in UNFINISHED else None
        if live is None and job.status != "successful":
            count = self.counts.of(self.settings.store(dataset.id))
            dataset = replace(dataset, done=count.done, failed=count.failed)
        if job.status in UNFINISHED and not job.message and self.coordinator.paused:
            job = replace(job, message="waiting: the server is paused")
        return job_view(job, dataset, live, self.ledger.mended(dataset.id), self.settings.expire_seconds)


async def _state(request: Request) -> AppState:
    state: AppState = request.app.state.service
    return state


def holder(request: Request) -> Owner:
    """Whoever sent a known key, of whatever role."""
    state: AppState = request.app.state.service
    headers = request.headers.getlist("authorization")
    owner = state.known(address_of(request), bearer(headers[0] if len(headers) == 1 else None))
    if owner is None:
        state.metrics.refused_key()
        raise Refusal(
            401, "send a known key that has not expired: Authorization: Bearer KEY",
            headers={"WWW-Authenticate": 'Bearer realm="pdemill"'},
        )  # fmt: skip
    request.state.owner = owner.name
    return owner


def _owner(holder: Annotated[Owner, Depends(holder)]) -> Owner:
    return checked(holder)


def checked(holder: Owner) -> Owner:
    """Whoever has more than a key for metrics."""
    if holder.role == "metrics":
        raise Refusal(403, "this key opens /metrics only")
    return holder


def _admin(owner: Annotated[Owner, Depends(_owner)]) -> Owner:
    if not owner.is_admin:
        raise Refusal(403, "this needs the key of an admin")
    return owner


def address_of(request: Request) -> str:
    """Where a request comes from, as far as is known."""
    return request.client.host if request.client is not None else ""


def base_url(request: Request) -> str:
    """The address of the server as its clients know it: the one in the settings, or the one that was asked for."""
    state: AppState = request.app.state.service
    return state.settings.public_url or str(request.base_url).rstrip("/")


TheState = Annotated[AppState, Depends(_state)]
TheHolder = Annotated[Owner, Depends(holder)]
TheOwner = Annotated[Owner, Depends(_owner)]
TheAdmin = Annotated[Owner, Depends(_admin)]


def find_job(state: AppState, owner: Owner, job: str) -> tuple[JobRecord, Dataset]:
    """A job of this owner, for admins of any, or 404."""
    found = state.ledger.job(None if owner.is_admin else owner.name, job)
    if found is None:
        raise Refusal(404, "there is no such job")
    return found


def find_store(state: AppState, dataset: str) -> Place:
    """Where a data set's store is or will be, or 404 if that is not in the data directory, but behind a link, or the
    name is none of ours."""
    if not dataset.isalnum() or len(dataset) > 64:
        raise Refusal(404, "there is no such data set")
    home, store = state.settings.data_dir, state.settings.store(dataset)
    if (
        isinstance(home, Path)
        and isinstance(store, Path)
        and store.resolve() != home.resolve() / store.relative_to(home)
    ):
        raise Refusal(404, "the store is not in the data directory")
    return store
