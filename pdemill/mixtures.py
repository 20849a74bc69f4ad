"""Stores of mixtures: made and checked member by member, each as any other store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from pdemill.addresses import Place, home, shown
from pdemill.engine import engine
from pdemill.errors import StoreMismatch
from pdemill.progress import Summary, Tally, Watcher
from pdemill.sharing import Ending, Part
from pdemill.spec.job import Spec
from pdemill.spec.load import stored_in
from pdemill.spec.mixture import Member, Mixture
from pdemill.spec.symbolic import equation_of
from pdemill.store.group import document, members_of
from pdemill.store.places import below, disk_at
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


def begin(mixture: Mixture, root: Place) -> None:
    """Write the root, where it is not there. Raises StoreMismatch for a folder that holds something else than this
    mixture, be it with other weights or smaller splits; nothing is changed then."""
    if isinstance(root, Path):
        root.mkdir(parents=True, exist_ok=True)
    disk = disk_at(root)
    there = members_of(disk, shown(root)) if disk.top() else []
    names = [member.name for member in mixture.members]
    if there is None or (there and [member["name"] for member in there] != names):
        what = "no mixture" if there is None else f"members {', '.join(member['name'] for member in there)}"
        raise StoreMismatch(f"{shown(root)} holds {what}, and the spec has {', '.join(names)}; choose another folder")
    for member in mixture.members if there else ():
        place = below(root, member.name)
        if disk_at(place).exists(ROOT) and not _goes_on(member.spec, read_attributes(place)):
            raise StoreMismatch(
                f"{shown(place)} is the store of another spec: members can only grow; choose another folder"
            )
    write_once(disk, ROOT, root_of(mixture))


def _goes_on(spec: Spec, attributes: Mapping[str, Any]) -> bool:
    """Whether a store is of a spec, or of one that differs in smaller splits at most."""
    stored = stored_in(attributes)
    larger = all(spec.splits.get(name, 0) >= split.samples for name, split in stored.each_split.items())
    return larger and spec.model_copy(update={"each_split": stored.each_split}).means(stored)


def generate(
    mixture: Mixture,
    out: str | Path,
    workers: int,
    watcher: Watcher,
    other_versions: bool,
    part: Part | None,
    ending: Ending,
) -> Summary:
    """Solve every sample of every member into the stores ``out/NAME``, in order. The root of the group is written
    first; where one tells other weights, or smaller splits, it is replaced at the end."""
    root = home(out, "the mixture to write")
    begin(mixture, root)
    total = Summary(str(root), 0)
    samples = sum(member.spec.samples for member in mixture.members)
    for member in mixture.members:
        watching, place = _among(watcher, total.total, samples), below(root, member.name)
        done = engine.generate(member.spec, place, workers, watching, other_versions, None, part, ending)
        cpu = {key: total.cpu_seconds.get(key, 0.0) + value for key, value in done.cpu_seconds.items()}
        total = Summary(
            str(root), total.total + done.total,
            (*total.failures, *(replace(f, split=f"{member.name}/{f.split}") for f in done.failures)),
            total.seconds + done.seconds, total.cpu_seconds | cpu, left=total.left + done.left,
            elsewhere=total.elsewhere + done.elsewhere, grown=total.grown or done.grown,
            shards_kept=total.shards_kept + done.shards_kept, samples_again=total.samples_again + done.samples_again,
        )  # fmt: skip
    disk, wanted = disk_at(root), root_of(mixture)
    if disk.read(ROOT) != wanted:
        write_durably(disk, ROOT, wanted)
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
    store: Place


def members(store: str | Path) -> list[Found] | None:
    """The members of a mixture; None where it is a single store, or none. Raises StoreError."""
    root = home(store, "the store")
    told = members_of(disk_at(root), shown(root))
    return (
        None if told is None else [Found(m["name"], m["weight"], m["equation"], below(root, m["name"])) for m in told]
    )


def verify(
    store: str | Path, samples: int | None = None, audit: int = 0, resolve: bool = False, refine: int = 0
) -> Verification:
    """Check a store, or every member of a mixture as any store, and its root against the members' specs."""
    root = home(store, "the store to verify")
    told = members_of(disk_at(root), shown(root))
    if told is None:
        return engine.verify(store, samples, audit, resolve, refine)
    found = {m["name"]: engine.verify(below(root, m["name"]), samples, audit, resolve, refine) for m in told}
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


def _root_faults(root: Place, told: dict[str, Any]) -> list[str]:
    """What the root says of a member that does not follow from its spec."""
    spec = stored_in(read_attributes(below(root, told["name"])))
    made = told_of(Member(told["name"], float(told["weight"]), spec))
    return [f"{told['name']}: {key} in {ROOT} does not follow from its spec" for key in made if made[key] != told[key]]
