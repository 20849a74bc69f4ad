"""The base of jobs, whatever is solved for: lay out a store, solve a shard of it, check it again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill.draws import Draw
from pdemill.errors import Fault, SolverError, SpecError
from pdemill.planning import Plan
from pdemill.solvers.designs.told import told_of
from pdemill.solvers.machine import machine
from pdemill.solvers.progress import Progress
from pdemill.solvers.software import software
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec.job import Spec
from pdemill.spec.method import Method
from pdemill.spec.parts import all_fields
from pdemill.spec.problem import Problem
from pdemill.spec.scalars import Placed
from pdemill.store.fidelities import joined, shared_at
from pdemill.store.layout import SCHEMA, Shard, StoreLayout
from pdemill.store.origin import MACHINE
from pdemill.store.root import attributes_of
from pdemill.store.store import ShardData

FAILED = "failed"


type Group = zarr.Group | Mapping[str, Any]
"""Where the arrays of a split are found under its name."""


class Job(ABC):
    """A spec, ready to be solved: what all its shards share. Made by the discretiser of its problem, which also does
    the work on it.

    ``kept`` holds what is made once and serves all shards, such as the factors of a matrix that is the same for all
    samples; what is in it is a function of the spec alone.
    """

    spec: Spec
    problem: Problem
    method: Method
    channels: tuple[str, ...]
    parameters: tuple[str, ...]
    kept: dict[Any, Any]
    schema: int = SCHEMA
    """The version of its store's layout."""
    here: bool = True
    """Whether the store that is checked was made by this software on this kind of machine: checks compare bits where it
    was, and to rounding where it was not."""

    @cached_property
    @abstractmethod
    def layout(self) -> StoreLayout:
        """The layout of the store."""

    def solve(self, shard: Shard, report: Callable[[Progress], None]) -> tuple[ShardData, Stopwatch]:
        """The rows of a shard; a sample that cannot be certified is a failure in them, never an exception."""
        data, watch = self.problem.discretisation.solve(self, shard, report)
        return replace(data, failures=tuple(self._with_rows(shard.split, one) for one in data.failures)), watch

    def _with_rows(self, split: str, failure: Mapping[str, Any]) -> Mapping[str, Any]:
        """A failure that tells which rows of users' arrays its sample takes."""
        taken = [
            f"row {value.row_of(split, failure['sample'])} of problem.{'.'.join(map(str, path))}"
            for path, value in all_fields(self.problem)
            if value.array_id
        ]
        return {**failure, "reason": f"{failure['reason']} ({', '.join(taken)})"} if taken else failure

    @property
    def resolved_only(self) -> tuple[str, ...]:
        """What of the rows only solving them again can check, in words."""
        return ()

    def drawing[D: Draw](self, kind: type[D], split: str, sample: int) -> D:
        """What sample number ``sample`` of a split is drawn by."""
        told = self.spec.each_split.get(split)
        if told is not None and told.problem:
            raise SolverError(f"{split} has a problem of its own: ask the job that open_job gives for its part")
        if told is None or told.design is None:
            return kind(self.spec.seed, split, sample)
        key = "design", split
        if key not in self.kept:
            self.kept[key] = self.spec.placed_of(split)
        scalars: Mapping[str, Placed] = self.kept[key]
        chosen = told.design.chosen({name: one.scalar for name, one in scalars.items()})
        places = told.design.places(chosen, told.samples, self.spec.seed, split, sample)
        names = (scalars[name].draw for name in chosen)
        return kind(self.spec.seed, split, sample, places=dict(zip(names, places, strict=True)))

    @abstractmethod
    def drawn(self, split: str, sample: int) -> dict[str, NDArray[Any]]:
        """The arrays of the store that hold what was drawn for a sample, by name. Raises InvalidSample."""

    @abstractmethod
    def summary(self, arrays: Mapping[str, NDArray[Any]], shard: Shard | None) -> dict[str, Any]:
        """What the manifest of a shard with these rows says of them; without a shard, what rows alone tell."""

    def check(self, group: Group, shard: Shard, rows: NDArray[Any]) -> list[str]:
        """Draw some rows of a stored shard anew and check them; returns their faults."""
        return self.problem.discretisation.check(self, group, shard, rows)

    def audit(self, group: Group, shard: Shard, rows: NDArray[Any]) -> tuple[list[float], list[str]]:
        """The errors of some stored labels against the continuous equation, and what is wrong with them."""
        return self.problem.discretisation.audit(self, group, shard, rows)

    def estimate(self, group: Group, shard: Shard, rows: NDArray[Any]) -> list[float]:
        """The estimated discretisation errors of some stored labels; NaN where there is no estimate."""
        return self.problem.discretisation.estimate(self, group, shard, rows)

    def estimated_already(self, shard: Shard) -> NDArray[np.intp]:
        """The rows of a shard whose discretisation error is estimated when it is solved."""
        return np.empty(0, dtype=np.intp)

    def keeps(self, shard: Shard, splits: Mapping[str, int]) -> bool:
        """Whether a whole shard of a store with these smaller splits is, to the bit, that of this job."""
        return True

    def plan(self, always: bool = False) -> Plan:
        """Choose a method by trial. Raises SpecError where there is nothing to choose."""
        found: Plan = self.problem.discretisation.plan(self, always)
        return found

    @property
    def planned(self) -> bool:
        """Whether the spec leaves the method open, so that a trial may choose it."""
        return False

    @abstractmethod
    def shown_plan(self) -> dict[str, Any]:
        """The method as it runs, for the store's attributes."""

    def of_schema(self, schema: int) -> Self:
        """The same job for a store with an older layout."""
        if schema == self.schema:
            return self
        other = copy(self)
        other.__dict__.pop("layout", None)
        other.schema = schema
        return other

    def of_store(self, attributes: Mapping[str, Any]) -> Self:
        """The same job for a store that has these attributes."""
        return self.of_schema(attributes["schema"])

    def using(self, method: Method, fidelity: str = "") -> Self:
        """The same job, solved by another method; ``fidelity``: what is solved at that fidelity alone."""
        other = copy(self)
        other.__dict__.pop("layout", None)
        other.method = method
        return other

    def fidelities(self) -> dict[str, Job]:
        """The jobs of all fidelities; that of the spec's own has an empty name."""
        return {"": self}

    def blank(self, split: str, ids: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The arrays of a shard before anything is known of its samples, whose numbers are ``ids``."""
        found: dict[str, NDArray[Any]] = {
            part.name: np.full((len(ids), *part.shape), part.fill, dtype=part.dtype)
            for part in self.layout.arrays_of(split)
        }
        found["sample_id"][:] = ids
        return found

    def attributes(self, samples: int, unknowns: int) -> dict[str, Any]:
        """The root attributes of the store: the spec, how it is solved, the names of channels."""
        return {
            "schema": self.schema,
            "spec": self.spec.model_dump(mode="json"),
            "spec_sha256": self.spec.sha256(),
            "versions": software(),
            MACHINE: machine(),
            "seed_scheme": self.seed_scheme,
            "plan": {**self.shown_plan(), "discretiser": self.problem.discretisation.name},
            "input_channels": list(self.channels),
            "solution_channels": list(self.problem.channels),
            "parameters": list(self.parameters),
            "boundary": {s: c.model_dump(mode="json") for s, c in self.problem.conditions.items()},
            "sides": list(self.problem.sides),
            "unknowns": unknowns,
            "shard_samples": samples,
            "complete": False,
            **_designs(self.spec),
        }

    @property
    @abstractmethod
    def seed_scheme(self) -> str:
        """How random numbers come from the seed."""

    def part(self, split: str) -> tuple[Job, str]:
        """The job that the shards of a split are solved by, and what it calls that split."""
        return self, split

    @abstractmethod
    def method_names(self) -> list[str]:
        """The meanings of the codes of the ``method`` column, a failure first."""

    def method_codes(self) -> tuple[tuple[str, Any], ...]:
        """These codes as attributes, after the CF convention for flags."""
        names = self.method_names()
        return (("flag_values", tuple(range(len(names)))), ("flag_meanings", " ".join(names)))


def open_job(
    spec: Spec, stored: Mapping[str, NDArray[Any]] | None = None, chosen: Mapping[str, Method] | None = None
) -> Job:
    """The job of a spec; ``stored``: the shared arrays of its store, if there is one; ``chosen``: the methods as
    planned, by fidelity. Raises SpecError where the problem of a split gives other arrays than that of the spec."""
    jobs = {}
    for name, one in {"": spec.alone, **{name: spec.at(name) for name in spec.fidelities}}.items():
        arrays = None if stored is None else shared_at(stored, name)
        job: Job = one.problem.discretisation.open(one.alike, arrays, (chosen or {}).get(name))
        jobs[name] = job if one.alike is one else JobOfSplits(one, job, arrays)
    return JobOfFidelities(spec, jobs) if spec.fidelities else jobs[""]


class JobOfParts(Job):
    """A job whose splits are solved by several jobs, of which ``base`` stands for all."""

    base: Job

    def __init__(self, spec: Spec, base: Job) -> None:
        self.spec, self.base, self.kept = spec, base, base.kept
        self.problem, self.method = base.problem, base.method
        self.channels, self.parameters, self.schema = base.channels, base.parameters, base.schema

    def solve(self, shard: Shard, report: Callable[[Progress], None]) -> tuple[ShardData, Stopwatch]:
        job, own = self._own(shard)
        return job.solve(own, report)

    def _own(self, shard: Shard) -> tuple[Job, Shard]:
        job, split = self.part(shard.split)
        return job, replace(shard, split=split)

    @property
    def resolved_only(self) -> tuple[str, ...]:
        return self.base.resolved_only

    def drawn(self, split: str, sample: int) -> dict[str, NDArray[Any]]:
        job, own = self.part(split)
        return job.drawn(own, sample)

    def summary(self, arrays: Mapping[str, NDArray[Any]], shard: Shard | None) -> dict[str, Any]:
        if shard is None:
            return self.base.summary(arrays, None)
        job, own = self._own(shard)
        return job.summary(arrays, own)

    def check(self, group: Group, shard: Shard, rows: NDArray[Any]) -> list[str]:
        job, own = self._own(shard)
        return self._at(shard, job.check({own.split: group[shard.split]}, own, rows))

    def _at(self, shard: Shard, faults: list[str]) -> list[str]:
        """Faults with the fidelity of their shard."""
        name = shard.split.partition("@")[2]
        return [f"{fault} (at fidelity {name})" for fault in faults] if name else faults

    def audit(self, group: Group, shard: Shard, rows: NDArray[Any]) -> tuple[list[float], list[str]]:
        job, own = self._own(shard)
        errors, faults = job.audit({own.split: group[shard.split]}, own, rows)
        return errors, self._at(shard, faults)

    def estimate(self, group: Group, shard: Shard, rows: NDArray[Any]) -> list[float]:
        job, own = self._own(shard)
        return job.estimate({own.split: group[shard.split]}, own, rows)

    def estimated_already(self, shard: Shard) -> NDArray[np.intp]:
        job, own = self._own(shard)
        return job.estimated_already(own)

    def keeps(self, shard: Shard, splits: Mapping[str, int]) -> bool:
        job, own = self._own(shard)
        return job.keeps(own, {name: count for name, count in splits.items() if name in job.spec.splits})

    def plan(self, always: bool = False) -> Plan:
        return self.base.plan(always)

    @property
    def planned(self) -> bool:
        return self.base.planned

    def shown_plan(self) -> dict[str, Any]:
        return self.base.shown_plan()

    @property
    def seed_scheme(self) -> str:
        return self.base.seed_scheme

    def method_names(self) -> list[str]:
        return self.base.method_names()

    @property
    def told(self) -> dict[str, Any]:
        """What the attributes of the store tell of the spec."""
        return {"spec": self.spec.model_dump(mode="json"), "spec_sha256": self.spec.sha256(), **_designs(self.spec)}


class JobOfSplits(JobOfParts):
    """A job of which some splits have a problem of their own. All are solved by one method: the base's where that
    admits all their problems, else the first of theirs that does."""

    def __init__(self, spec: Spec, base: Job, stored: Mapping[str, NDArray[Any]] | None) -> None:
        self._stored = stored
        specs = {name: spec.of_split(name) for name, split in spec.each_split.items() if split.problem}
        method = _of_all(base.method, spec, [base.problem, *(one.problem for one in specs.values())])
        super().__init__(spec, base if method is base.method else base.using(method))
        self._parts: dict[str, Job] = {}
        for name, one in specs.items():
            part: Job = one.problem.discretisation.open(one, stored, method)
            for what, mine, theirs in (
                ("input channels", base.channels, part.channels), ("parameters", base.parameters, part.parameters),
                ("arrays", _names(self.base), _names(part)),
            ):  # fmt: skip
                if mine != theirs:
                    message = f"gives the {what} {', '.join(theirs) or 'none'}, and the problem of the spec "
                    path = ("splits", name, "problem")
                    raise SpecError([Fault(path, f"{message}{', '.join(mine) or 'none'}: all splits have the same")])
            self._parts[name] = part

    def part(self, split: str) -> tuple[Job, str]:
        return self._parts.get(split, self.base), split

    @cached_property
    def layout(self) -> StoreLayout:
        base = self.base.layout
        return replace(base, splits=self.spec.splits, attributes={**base.attributes, **self.told})

    def of_store(self, attributes: Mapping[str, Any]) -> Self:
        other = copy(self)
        other.__dict__.pop("layout", None)
        other.base = self.base.of_store(attributes)
        other._parts = {name: part.of_store(attributes) for name, part in self._parts.items()}
        return other

    def using(self, method: Method, fidelity: str = "") -> Self:
        return type(self)(self.spec, self.base.using(method), self._stored)


class JobOfFidelities(JobOfParts):
    """A job at several fidelities, each with a grid, a method and certificates of its own; the same samples in all."""

    def __init__(self, spec: Spec, jobs: Mapping[str, Job]) -> None:
        super().__init__(spec, jobs[""])
        self._jobs = dict(jobs)

    def part(self, split: str) -> tuple[Job, str]:
        own, _, name = split.partition("@")
        return self._jobs[name].part(own)

    def fidelities(self) -> dict[str, Job]:
        return dict(self._jobs)

    @cached_property
    def layout(self) -> StoreLayout:
        others = {name: job.layout for name, job in self._jobs.items() if name}
        found = joined(self.base.layout, others)
        return replace(found, attributes={**found.attributes, **self.told})

    def of_store(self, attributes: Mapping[str, Any]) -> Self:
        jobs = {name: job.of_store(attributes_of(attributes, f"@{name}")) for name, job in self._jobs.items()}
        return type(self)(self.spec, jobs)

    def using(self, method: Method, fidelity: str = "") -> Self:
        return type(self)(self.spec, {**self._jobs, fidelity: self._jobs[fidelity].using(method)})


def _names(job: Job) -> tuple[str, ...]:
    """The arrays of a job, in words."""
    return tuple(f"{part.name} {list(part.shape)}" for part in job.layout.arrays)


def _of_all(method: Method, spec: Spec, problems: Sequence[Problem]) -> Method:
    """The method, where it solves all of the problems, else the first that one of them would be solved by and that
    does. Raises SpecError."""
    for one in (method, *(spec.solver.resolve(problem) for problem in problems)):
        if all(one.objection(problem) is None for problem in problems):
            return one
    message = "finds no method that solves the problems of all splits: name one, such as direct"
    raise SpecError([Fault(("solver", "method"), message)])


def _designs(spec: Spec) -> dict[str, Any]:
    told = told_of(spec)
    return {"designs": told} if told else {}
