"""Models of the API's answers."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from pdemill.addresses import Place
from pdemill.planning import read_plan
from pdemill.service.active import Live
from pdemill.service.ledger import Dataset, JobRecord, Mend, Status

PREFIX = "/v1"


class Links(BaseModel):
    """Where to go on."""

    self: str
    events: str
    results: str
    store: str


class Job(BaseModel):
    """A data set job. ``progress`` is in percent; times are ISO 8601 in UTC."""

    id: str
    name: Annotated[str, Field(description="what its owner calls it")]
    owner: str
    status: Status
    progress: Annotated[float, Field(ge=0, le=100)]
    samples_done: int
    samples_total: int
    samples_failed: int
    created: datetime
    started: datetime | None
    finished: datetime | None
    eta_seconds: float | None
    samples_per_second: float | None
    iterations_per_sample: float | None
    shards_done: int | None
    shards_total: int | None
    shards_running: list[str]
    message: str
    dataset: str
    spec_sha256: str
    estimated_cpu_seconds: float
    estimated_memory_bytes: Annotated[int, Field(description="of a worker's process")]
    store_bytes: Annotated[int, Field(description="of its store; until that is finished as estimated")]
    expires: Annotated[datetime | None, Field(description="when its store is deleted, unless a later job is on it")]
    links: Links


class MixtureMember(BaseModel):
    """One equation of a mixture, as text and in prefix notation, and its job. Numbers that are drawn for each sample
    stand as {name} in the prefix; equations that are texts have none, their stores keep it with every sample."""

    name: str
    weight: float
    spec_sha256: str
    equation: str
    prefix: list[str]
    job: Job


class MixtureView(BaseModel):
    """A mixture that was submitted: its members, each with a job of its own."""

    sha256: str
    members: list[MixtureMember]


class JobPage(BaseModel):
    """Some jobs, newest first; ``next`` is the cursor of the page after this one."""

    jobs: list[Job]
    next: str | None


class SplitSummary(BaseModel):
    """One split of a finished store; ``estimated``: how many of its certified samples have their discretisation error
    estimated; null where the store does not tell, as of values at points."""

    split: str
    samples: int
    certified: int
    failed: int
    estimated: int | None


class ShardEntry(BaseModel):
    """One shard: samples start..stop-1 of a split, and where its manifest is."""

    name: str
    split: str
    start: int
    stop: int
    manifest: str


class StoreLocation(BaseModel):
    """Where a store is: a folder that workers and trainers on the same file system see, and an address."""

    path: str
    url: str


class TrialEntry(BaseModel):
    """One method that the planner considered: CPU seconds per sample, estimated and measured; ``note`` says why it was
    not tried or set aside."""

    name: str
    method: dict[str, Any]
    estimated_seconds: float
    seconds: float | None
    iterations: float | None
    certified: int
    failed: int
    note: str


class Trial(BaseModel):
    """The planner's measurements that chose the method; absent where it was asked for or went by estimates."""

    reason: str
    trial_seconds: float
    candidates: list[TrialEntry]


class FlagCount(BaseModel):
    """How many certified samples have a flag, its name in conditions and what it says."""

    flag: str
    meaning: str
    samples: int


class Results(BaseModel):
    """A finished store. ``flagged``: certified samples with any flag; ``flags``: by flag, those that any sample has."""

    store: StoreLocation
    spec: dict[str, Any]
    spec_sha256: str
    versions: dict[str, str]
    plan: dict[str, Any]
    trial: Trial | None
    splits: list[SplitSummary]
    stats: dict[str, Any]
    worst_residual: float | None
    worst_estimate: float | None
    flagged: int
    flags: list[FlagCount]
    iterations: int
    cpu_seconds: float
    bytes: int
    shards: list[ShardEntry]
    snippets: dict[str, str]


class DesignView(BaseModel):
    """How the scalars of a split are placed. ``discrepancy`` is the centred L2 discrepancy of its first ``points``
    quantiles; null for values."""

    method: str
    scalars: list[str]
    extensible: bool
    discrepancy: float | None = None
    points: int | None = None
    note: str = ""


class Estimate(BaseModel):
    """What a spec would cost. ``bytes`` is before compression; ``cpu_seconds`` is of one core of this kind.

    ``memory_bytes`` is what a worker's process needs, ``factor_bytes`` the part of it that is the factors of a matrix,
    ``recycled_bytes`` that of recycled vectors and what is worked on with them. ``solver`` is the method with all its
    options, those that are left to the problem as they come out for it.
    ``operator_bytes`` is the part of ``bytes`` that ``store.operator`` asks for.
    ``alternatives`` has the CPU seconds of every method that could solve the job, by their formulas; for values at
    points those of walks, and of solving for whole fields to a like error. ``trial`` has what was measured, where the
    data set exists.
    """

    spec_sha256: str
    samples: int
    unknowns: int
    bytes: int
    method: str
    cpu_seconds: float
    memory_bytes: int
    factor_bytes: int
    recycled_bytes: int
    solver: dict[str, Any]
    operator_bytes: int
    alternatives: dict[str, float]
    designs: Annotated[dict[str, DesignView], Field(description="the designs of splits that have one")]
    trial: Trial | None
    dataset: str
    known: Annotated[str | None, Field(description="status of the data set, if there is one already")]


class Sample(BaseModel):
    """A preview of one sample: every ``stride``-th value along each axis, and the certificate.

    Of whole fields ``rel_residual`` and ``algebraic_error`` are of the float64 solution, ``stored_error`` of the stored
    one, ``error_estimate`` is the discretisation error where it was estimated. A pointwise sample has ``points`` and
    the standard error ``stderr`` of y at each, no residual, and the relative standard error as ``error_estimate``.
    ``flags`` names what deserves a second look.
    """

    split: str
    sample: int
    stride: int
    x: dict[str, Any]
    y: dict[str, Any]
    points: list[list[float]] | None
    stderr: list[float] | None
    rel_residual: float | None
    algebraic_error: float | None
    stored_error: float | None
    error_estimate: float | None
    error_order: float | None
    flags: list[str]
    iterations: int
    method: str


class Family(BaseModel):
    """A family of equations."""

    family: str
    summary: str
    schema_url: str


class Preset(BaseModel):
    """A spec that ships with pdemill."""

    preset: str
    summary: str
    url: str


class Switches(BaseModel):
    """What admins have switched on."""

    paused: bool
    drained: bool


class Readiness(BaseModel):
    """Whether the server can do its work, part by part; the text says what is wrong."""

    ready: bool
    parts: dict[str, str]


def mend_words(mend: Mend | None) -> str:
    """What is told of a store that was found damaged."""
    if mend is None:
        return ""
    what = f"{mend.shards} finished shard(s)" if mend.shards else "metadata of the store"
    does = "is being" if mend.ended is None else "was"
    return f"{what} found damaged on {_time(mend.found):%Y-%m-%d %H:%M} UTC; it {does} made again, to the same bits"


def job_view(
    job: JobRecord, dataset: Dataset, now: Live | None, mend: Mend | None = None, kept_seconds: float = 0.0
) -> Job:
    """A job as the API shows it; ``now`` is how its data set is doing, while it is under way; ``kept_seconds``: how
    long stores are kept, if not for ever."""
    expires = kept_seconds and job.finished is not None and job.status != "dismissed"
    done = now.done if now else dataset.done
    left = dataset.samples - done
    rate = now.samples_per_second if now else None
    return Job(
        id=job.id,
        name=job.name,
        owner=job.owner,
        status=job.status,
        progress=round(100 * done / dataset.samples, 2) if job.status != "successful" else 100,
        samples_done=done,
        samples_total=dataset.samples,
        samples_failed=now.failed if now else dataset.failed,
        created=_time(job.created),
        started=_time(job.started) if job.started is not None else None,
        finished=_time(job.finished) if job.finished is not None else None,
        eta_seconds=round(left / rate, 1) if rate else None,
        samples_per_second=round(rate, 3) if rate else None,
        iterations_per_sample=round(now.iterations / now.done, 1) if now and now.done else None,
        shards_done=now.shards_done if now else None,
        shards_total=now.shards_total if now else None,
        shards_running=list(now.running) if now else [],
        message=(now.message if now else "") or job.message or mend_words(mend),
        dataset=dataset.id,
        spec_sha256=dataset.spec_sha256,
        estimated_cpu_seconds=dataset.seconds,
        estimated_memory_bytes=dataset.memory,
        store_bytes=dataset.bytes,
        expires=_time(job.finished + kept_seconds) if expires and job.finished is not None else None,
        links=Links(
            self=f"{PREFIX}/jobs/{job.id}",
            events=f"{PREFIX}/jobs/{job.id}/events",
            results=f"{PREFIX}/jobs/{job.id}/results",
            store=store_url(dataset.id),
        ),
    )


def store_url(dataset: str) -> str:
    return f"{PREFIX}/datasets/{dataset}/store"


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds, 3), UTC)


def trial_view(store: Place) -> Trial | None:
    """The planner's measurements in a store, if there are any."""
    plan = read_plan(store)
    return None if plan is None else Trial.model_validate(asdict(plan))
