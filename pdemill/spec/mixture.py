"""Several equations in one spec: members with weights, each a spec of its own."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import inf
from typing import Any

from pdemill.errors import Fault, SpecError
from pdemill.spec.job import Spec
from pdemill.spec.load import gather, validate
from pdemill.store.group import NAME

KEY = "mixture"
MOST = 50
SHARED = ("splits", "samples", "seed", "solver", "store", "certify", "fidelities")


@dataclass(frozen=True)
class Member:
    """One equation of a mixture: its name, how often it is drawn beside the others, and its spec."""

    name: str
    weight: float
    spec: Spec


@dataclass(frozen=True)
class Mixture:
    """Members, in order. What the spec says beside ``mixture`` holds for each of them, unless a member says it itself.

    Without a ``seed`` of its own a member has one that follows from that of the mixture and its name, so that members
    do not draw the same numbers. Equations that are texts keep their prefix forms (``store.prefix``).
    """

    members: tuple[Member, ...]

    def canonical(self) -> dict[str, Any]:
        """The one dictionary of this mixture: every member with a whole spec."""
        told = [{"name": m.name, "weight": m.weight, **json.loads(m.spec.written())} for m in self.members]
        return {KEY: told}

    def sha256(self) -> str:
        """Hash of what it means."""
        told = [[m.name, m.weight, m.spec.sha256()] for m in self.members]
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def is_mixture(data: Mapping[str, Any]) -> bool:
    """Whether a dictionary is the spec of a mixture."""
    return KEY in data


def mixture_of(data: Mapping[str, Any]) -> Mixture:
    """The mixture in a dictionary, or a SpecError that lists every fault."""
    told, shared = data[KEY], {key: value for key, value in data.items() if key != KEY}
    faults = [Fault((key,), _misplaced(key)) for key in shared if key not in SHARED]
    if not isinstance(told, list) or not 1 <= len(told) <= MOST:
        faults.append(Fault((KEY,), f"should be a list of 1 to {MOST} members, such as {{weight: 1, problem: ...}}"))
    if faults:
        raise SpecError(faults)
    names = _names(told)
    members = []
    for number, (name, member) in enumerate(zip(names, told, strict=True)):
        try:
            members.append(_member(name, member, shared))
        except SpecError as error:
            own = {} if not isinstance(member, Mapping) else member
            faults += [_moved(fault, number, name, own) for fault in error.faults]
    if not faults and not sum(member.weight for member in members) < inf:
        faults.append(Fault((KEY,), "has weights whose sum is beyond all numbers: make them smaller"))
    if faults:
        raise SpecError(faults)
    return Mixture(tuple(members))


def _misplaced(key: str) -> str:
    return "stands in the members of a mixture" if key == "problem" else "unknown key"


def _names(told: list[Any]) -> list[str]:
    """Names of the members: given, or their families, numbered where several have the same."""
    found: list[str] = []
    given = [member.get("name") if isinstance(member, Mapping) else None for member in told]
    problems = [member.get("problem") if isinstance(member, Mapping) else None for member in told]
    families = [str(p.get("family", "member")) if isinstance(p, Mapping) else "member" for p in problems]
    many = Counter(family for name, family in zip(given, families, strict=True) if name is None)
    count = Counter[str]()
    for number, (name, family) in enumerate(zip(given, families, strict=True)):
        count[family] += name is None
        chosen = (family if many[family] == 1 else f"{family}-{count[family]}") if name is None else name
        if not isinstance(chosen, str) or not re.fullmatch(NAME, chosen):
            raise SpecError([Fault((KEY, number, "name"), "is not a name: use letters, digits, - and _")])
        if chosen.lower() in (other.lower() for other in found):
            raise SpecError([Fault((KEY, number, "name"), f"{chosen} is the name of another member")])
        found.append(chosen)
    return found


def _member(name: str, told: Any, shared: Mapping[str, Any]) -> Member:
    if not isinstance(told, Mapping):
        raise SpecError([Fault((), "should be an object with the key problem")])
    weight = told.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < inf:
        raise SpecError([Fault(("weight",), f"should be a number above 0, not {weight!r}")])
    own = {key: value for key, value in told.items() if key not in ("name", "weight")}
    counts = ("samples", "splits")
    kept = {k: v for k, v in shared.items() if not (k in counts and any(count in own for count in counts))}
    spec = {**kept, **own}
    if "seed" not in own:
        spec["seed"] = _seed(shared.get("seed", 0), name)
    checked = validate(spec)
    if checked.problem.written and not checked.store.prefix:
        checked = validate({**spec, "store": {**spec.get("store", {}), "prefix": True}})
    return Member(name, float(weight), checked)


def _seed(seed: Any, name: str) -> Any:
    """The seed of a member; what is no seed is left to be refused."""
    if isinstance(seed, bool) or not isinstance(seed, int):
        return seed
    return int.from_bytes(sha256(f"{seed}/{name}".encode()).digest()[:8], "big") >> 1


def _moved(fault: Fault, number: int, name: str, own: Mapping[str, Any]) -> Fault:
    """A fault of a member, where the spec says what is wrong."""
    if fault.path and fault.path[0] in SHARED and fault.path[0] not in own:
        return Fault(fault.path, f"{fault.message} (for the member {name})")
    return Fault((KEY, number, *fault.path), fault.message)


def load_mixture(source: Any, settings: Any = ()) -> Mixture | None:
    """The mixture in a file or a dictionary, with overrides; None where it is the spec of one equation."""
    if isinstance(source, Mixture) and not settings:
        return source
    data = gather(source, settings) if not isinstance(source, Spec) else {}
    return mixture_of(data) if is_mixture(data) else None
