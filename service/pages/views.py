"""Gathers the contents of a job's page from the ledger, the store and the coordinator."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import yaml

from pdemill.addresses import Place
from pdemill.planning import Plan
from pdemill.service.keys import Owner
from pdemill.service.ledger import Dataset
from pdemill.service.pages.plan import PlanRow, plan_of, plan_rows
from pdemill.service.pages.rows import JobRow, job_row
from pdemill.service.pages.shards import SplitGrid, finished_names, grids
from pdemill.service.pages.state import PagesState
from pdemill.service.pages.statistics import Statistics
from pdemill.service.pages.throughput import rates, written
from pdemill.service.state import find_job, find_store
from pdemill.service.stores import is_begun
from pdemill.store import root
from pdemill.store.layout import Shard
from pdemill.store.root import read_attributes


@dataclass(frozen=True)
class Progress:
    """The part of a job's page that changes while it is under way."""

    row: JobRow
    grids: list[SplitGrid]

    @property
    def finished_shards(self) -> int:
        return sum(grid.finished for grid in self.grids)


@dataclass(frozen=True)
class Findings:
    """Statistics of the samples that are done, and the plan."""

    statistics: Statistics | None
    plan: Plan | None
    plan_rows: list[PlanRow]


def spec_of(dataset: Dataset) -> dict[str, Any]:
    """The spec of a data set as it was submitted."""
    spec: dict[str, Any] = json.loads(dataset.spec)
    return spec


def spec_text(dataset: Dataset) -> str:
    """The spec as YAML, as one would write it."""
    text: str = yaml.safe_dump(
        spec_of(dataset), sort_keys=False, default_flow_style=None, width=100, allow_unicode=True
    )
    return text


def progress(pages: PagesState, owner: Owner, job: str) -> Progress:
    """A job now."""
    found, dataset = find_job(pages.state, owner, job)
    view = pages.state.view(found, dataset)
    store = find_store(pages.state, dataset.id)
    shards = shards_of(store)
    return Progress(
        job_row(view, spec_of(dataset)), grids(shards, finished_names(store), view.shards_running) if shards else []
    )


def shards_of(store: Place) -> list[Shard]:
    """The shards of a store; none while it has not been begun."""
    if not is_begun(store):
        return []
    attributes = read_attributes(store)
    return list(root.shards_of(attributes))


def findings(pages: PagesState, owner: Owner, job: str) -> Findings:
    """Distributions and plan of a job's store."""
    _, dataset = find_job(pages.state, owner, job)
    store = find_store(pages.state, dataset.id)
    plan, shards = plan_of(store), shards_of(store)
    known = pages.statistics.look(store, shards, plan) if shards else None
    return Findings(known, plan, plan_rows(plan) if plan is not None else [])


def throughput(pages: PagesState, owner: Owner, job: str) -> tuple[float, list[tuple[float, float]]]:
    """When work on the job's store began, and the samples per second since, from its finished shards."""
    found, dataset = find_job(pages.state, owner, job)
    store = find_store(pages.state, dataset.id)
    began = dataset.started if dataset.started is not None else found.created
    return began, rates(written(store, shards_of(store)), began)
