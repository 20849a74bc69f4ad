"""Jobs as their pages show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pdemill.service.ledger import UNFINISHED
from pdemill.service.pages.formats import count, duration
from pdemill.service.views import Job

SPOKEN_STEP = 10
"""Percent of progress between two announcements to those who listen."""


@dataclass(frozen=True)
class JobRow:
    """A job with what its spec is about, and what it is called. ``good`` and ``bad``: percent of its samples that are
    certified and that failed."""

    job: Job
    title: str
    name: str
    unfinished: bool
    spoken: str
    good: float
    bad: float

    @property
    def bar(self) -> str:
        """Its progress in words."""
        failed = f", {count(self.job.samples_failed)} failed" if self.job.samples_failed else ""
        certified = max(0, self.job.samples_done - self.job.samples_failed)
        return f"{count(certified)} of {count(self.job.samples_total)} samples certified{failed}"


def job_row(job: Job, spec: dict[str, Any]) -> JobRow:
    """A job and the spec of its data set."""
    about = title(spec)
    bad = round(100 * job.samples_failed / job.samples_total, 2)
    good = max(0.0, round(job.progress - bad, 2))
    return JobRow(job, about, job.name or about, job.status in UNFINISHED, spoken(job), good, bad)


def title(spec: dict[str, Any]) -> str:
    """The family and its size, in a few words."""
    problem = spec["problem"]
    family = str(problem["family"]).replace("_", "–")
    if "points" in problem:
        return f"{family} at {_points(problem['points'])}"
    resolution = problem.get("resolution")
    if isinstance(resolution, list):
        return f"{family}, {' × '.join(map(str, resolution))}"
    if isinstance(resolution, dict) and "h" in resolution:
        return f"{family}, triangles of {resolution['h']:g}"
    return family


def _points(points: Any) -> str:
    number = points.get("random") if isinstance(points, dict) else None
    return f"{count(number)} points" if isinstance(number, int) else "points"


def spoken(job: Job) -> str:
    """How a job is doing, in a sentence that changes rarely enough to be read aloud."""
    if job.status == "running":
        step = int(job.progress // SPOKEN_STEP) * SPOKEN_STEP
        return f"Running, {step} percent"
    words = {"accepted": "Waiting for a worker", "successful": "Finished, every sample is certified",
             "failed": f"Failed: {job.message}", "dismissed": "Cancelled"}  # fmt: skip
    return words[job.status]


def left(job: Job) -> str:
    """The time until the end, or the time it took."""
    if job.eta_seconds is not None:
        return f"{duration(job.eta_seconds)} left"
    if job.finished is not None and job.started is not None:
        return f"took {duration((job.finished - job.started).total_seconds())}"
    return ""
