"""One job for every way in which a job can be."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

from pdemill.service.graves import bury
from tests.service.api import Api

QUEUED: dict[str, Any] = {"problem": {"family": "poisson", "resolution": [9]}, "samples": 100}
STATES = ("queued", "running", "successful", "spent", "poisoned", "cancelled", "cancelled early", "deleted", "expired")


def job_in(state: str, api: Api, darcy: Path, spoiled: Path) -> str:
    """The id of a job in a state. ``spent``: every sample failed; ``poisoned``: a shard failed three times."""
    ledger = api.state.ledger
    if state in ("queued", "cancelled early", "poisoned"):
        seed = int(time.time_ns() % 2**31)
        found = api.post("/v1/jobs", {**QUEUED, "seed": seed}).json
        if state == "cancelled early":
            api.ask("DELETE", f"/v1/jobs/{found['id']}")
        if state == "poisoned":
            ledger.ended(found["dataset"], "failed", "train-00003 was tried three times", 0, 0)
        return str(found["id"])
    if state == "spent":
        words = "6 of 6 samples have no certified solution; the store has the others"
        return api.finished(spoiled, status="failed", failed=6, bytes=9000, message=words)[0]
    if state in ("running", "cancelled"):
        job, dataset = api.finished(darcy, status="accepted", done=0, finished=None, bytes=70_000)
        (api.store(dataset) / "_manifest" / "train-00001.json").unlink()
        ledger.begun(dataset)
        if state == "cancelled":
            api.ask("DELETE", f"/v1/jobs/{job}")
        return job
    job, dataset = api.finished(darcy, bytes=70_000)
    if state == "deleted":
        api.ask("DELETE", f"/v1/jobs/{job}?delete_store=true")
    elif state == "expired":
        later = time.time() + 1
        bury(api.settings, dataset, partial(ledger.expire, dataset, later, "its store expired after 3 days"))
    return job
