"""Stores of mixtures on disk: made and checked member by member, each as any other store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from pdemill.addresses import in_bucket, on_disk
from pdemill.engine import engine
from pdemill.errors import StoreMismatch
from pdemill.progress import Summary, Tally, Watcher
from pdemill.sharing import Ending, Part
from pdemill.spec.load import validate
from pdemill.spec.mixture import Member, Mixture
from pdemill.spec.symbolic import equation_of
from pdemill.store.disk import LocalDisk
from pdemill.store.group import document, members_of
from pdemill.store.placing import write_durably, write_once
from pdemill.store.root import ROOT, read_attributes
from pdemill.verification import Verification


def told_of(member: Member) -> dict[str, Any]:
    """What the root of a mixture says of a member."""
    equation = equation_of(member.spec.problem)
    return {
        "name": member.name, "weight": member.weight, "spec_sha256": member.spec.sha256(),
        "equation": equation.text, "prefix": list(equation.prefix),
    }  # fmt: skip


def root_of(mixture: Mixture) -> bytes:
    """The root of a mixture's store: a function of its spec."""
    return document([told_of(member) for member in mixture.members], mixture.sha256())


def begin(mixture: Mixture, root: Path) -> None:
    """Write the root, where it is not there. One that differs in weights, or in larger splits of members, takes the
    place of another. Raises StoreMismatch for a folder that holds something else."""
    if root.exists() and any(root.iterdir()):
        there = members_of(LocalDisk(root), str(root))
        names = [member.name for member in mixture.members]
        if there is None or [member["name"] for member in there] != names:
            what = "no mixture" if there is None else f"members {', '.join(member['name'] for member in there)}"
            raise StoreMismatch(f"{root} holds {what}, and the spec has {', '.join(names)}; choose another folder")
    root.mkdir(parents=True, exist_ok=True)
    disk, wanted = LocalDisk(root), root_of(mixture)
    if not write_once(disk, ROOT, wanted) and disk.read(ROOT) != wanted:
        write_durably(disk, ROOT, wanted)


def generate(
    mixture: Mixture,
    out: str | Path,
    workers: int,
    watcher: Watcher,
    other_versions: bool,
    part: Part | None,
    ending: Ending,
) -> Summary:
    """Solve every sample of every member into the stores ``out/NAME``, in order, and write the root of the group."""
    root = on_disk(out, "the mixture to write")
    begin(mixture, root)
    total = Summary(str(root), 0)
    samples = sum(member.spec.samples for member in mixture.members)
    for member in mixture.members:
        watching = _among(watcher, total.total, samples)
        done = engine.generate(member.spec, root / member.name, workers, watching, other_versions, None, part, ending)
        cpu = {key: total.cpu_seconds.get(key, 0.0) + value for key, value in done.cpu_seconds.items()}
        total = Summary(
            str(root), total.total + done.total,
            (*total.failures, *(replace(f, split=f"{member.name}/{f.split}") for f in done.failures)),
            total.seconds + done.seconds, total.cpu_seconds | cpu, left=total.left + done.left,
            elsewhere=total.elsewhere + done.elsewhere, grown=total.grown or done.grown,
            shards_kept=total.shards_kept + done.shards_kept, samples_again=total.samples_again + done.samples_again,
        )  # fmt: skip
    return total


def _among(watcher: Watcher, before: int, total: int) -> Callable[[Tally], None]:
    """A watcher of one member that tells of all: those before it are through."""
    return lambda tally: watcher(replace(tally, total=total, done=before + tally.done))


@dataclass(frozen=True)
class Found:
    """A member of a mixture on disk."""

    name: str
    weight: float
    equation: str
    store: Path


def members(store: str | Path) -> list[Found] | None:
    """The members of a mixture on disk; None where it is a single store, or none; there are none in buckets. Raises
    StoreError."""
    if in_bucket(store):
        return None
    root = on_disk(store, "the store")
    told = members_of(LocalDisk(root), str(root))
    return None if told is None else [Found(m["name"], m["weight"], m["equation"], root / m["name"]) for m in told]


def verify(
    store: str | Path, samples: int | None = None, audit: int = 0, resolve: bool = False, refine: int = 0
) -> Verification:
    """Check a store, or every member of a mixture as any store, and its root against the members' specs."""
    if in_bucket(store):
        return engine.verify(store, samples, audit, resolve, refine)
    root = on_disk(store, "the store to verify")
    told = members_of(LocalDisk(root), str(root))
    if told is None:
        return engine.verify(store, samples, audit, resolve, refine)
    found = {m["name"]: engine.verify(root / m["name"], samples, audit, resolve, refine) for m in told}
    faults = [f"{name}: {fault}" for name, one in found.items() for fault in one.faults]
    for member in told:
        faults += _root_faults(root, member)
    both = tuple(found.values())
    return Verification(
        sum(one.samples for one in both), sum(one.certificates for one in both), tuple(faults),
        sha256("".join(one.content for one in both).encode()).hexdigest(),
        tuple(error for one in both for error in one.audits),
        tuple(dict.fromkeys(text for one in both for text in one.unchecked)),
        tuple(f"{name}: {note}" for name, one in found.items() for note in one.notes),
        sum(one.resolved for one in both), tuple(error for one in both for error in one.estimates),
    )  # fmt: skip


def _root_faults(root: Path, told: dict[str, Any]) -> list[str]:
    """What the root says of a member that does not follow from its spec."""
    spec = validate(read_attributes(root / told["name"])["spec"])
    made = told_of(Member(told["name"], float(told["weight"]), spec))
    return [f"{told['name']}: {key} in {ROOT} does not follow from its spec" for key in made if made[key] != told[key]]
