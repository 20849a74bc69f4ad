"""What can be done with a job: cancel it, try again, delete its store, call it something else."""

from __future__ import annotations

from dataclasses import dataclass

from pdemill.errors import StoreError
from pdemill.service.active import is_finished
from pdemill.service.keys import Owner
from pdemill.service.ledger import UNFINISHED, Dataset, JobRecord
from pdemill.service.pages.state import PagesState
from pdemill.service.state import find_store
from pdemill.service.stores import is_begun

SPENT = (
    "Every sample was tried, and those that failed would fail again. Change the solver, the tolerances or the problem "
    "in a new job like this."
)


@dataclass(frozen=True)
class Choices:
    """``hint``: why what one might expect is not offered."""

    mine: bool
    cancel: bool
    retry: bool
    delete: bool
    hint: str = ""


def choices(pages: PagesState, owner: Owner, job: JobRecord, dataset: Dataset) -> Choices:
    """What this owner can do with a job now."""
    store = find_store(pages.state, dataset.id)
    begun, unfinished, mine = is_begun(store), job.status in UNFINISHED, job.owner == owner.name
    try:
        complete, failed = is_finished(store) if begun and not unfinished else (False, 0)
    except (StoreError, KeyError):  # it is damaged, so that there is something to do
        complete, failed = False, 0
    spent = complete and failed > 0
    again = mine and job.status in ("failed", "dismissed")
    return Choices(
        mine, cancel=unfinished, retry=again and not spent, delete=begun and not unfinished,
        hint=SPENT if again and spent else "",
    )  # fmt: skip
