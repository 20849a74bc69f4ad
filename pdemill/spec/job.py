"""The spec: one model for everything a dataset job says."""

from __future__ import annotations

import json
import os
import re
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from pdemill.spec.audit import objection as audit_objection
from pdemill.spec.certify import Certify
from pdemill.spec.fidelity import AT, MOST, Fidelity
from pdemill.spec.forms import AnyProblem, automatic
from pdemill.spec.method import AnyMethod, methods, sort_objection
from pdemill.spec.model import Model, refuse
from pdemill.spec.order import orders_of
from pdemill.spec.parts import all_fields, array_ids
from pdemill.spec.scalars import Placed, scalars_of, unplaced
from pdemill.spec.split import AnySplit, Split, called, merged, moved, unlike
from pdemill.store.kept_operator import INDICES, INDPTR, UNKNOWNS

MOST_SPLITS = 100
RESERVED = ("x", "y", "z", "points", "cells", "facets", "facet_sides", "cell_regions", INDPTR, INDICES, UNKNOWNS)
DEFAULT_LIMIT = 10**11
"""samples x unknowns of one job, unless PDEMILL_MAX_UNKNOWNS says otherwise."""


class StoreOptions(Model):
    """How solutions are written; ``shard`` (samples per shard) is chosen from the sample's size if absent.

    ``states``: also what trajectories are marched by at the stored times, in both runs, so that they can be lengthened.
    ``prefix``: also the equation of each sample in prefix notation, in the words of PROSE (family spectral).
    ``operator``: also A and b of each sample, A u = b, for losses without labels, where pdemill.residual cannot make
    them of the spec and the inputs.
    """

    dtype: Literal["float32", "float64"] = "float32"
    shard: Annotated[int, Field(ge=1, le=1024)] | None = None
    states: bool = Field(default=False, exclude_if=lambda states: not states)
    prefix: bool = Field(default=False, exclude_if=lambda prefix: not prefix)
    operator: bool = Field(default=False, exclude_if=lambda operator: not operator)


def _method(value: Any) -> Any:
    return {"method": "auto"} | value if isinstance(value, dict) else value


def _or_samples(schema: dict[str, Any]) -> None:
    """Let the schema say that ``samples`` may stand for ``splits``."""
    schema["properties"]["samples"] = {"type": "integer", "minimum": 1, "description": "the same as {train: N}"}
    schema["required"] = ["problem"]
    schema["oneOf"] = [{"required": ["splits"]}, {"required": ["samples"]}]


def _limit() -> int:
    text = os.environ.get("PDEMILL_MAX_UNKNOWNS") or str(DEFAULT_LIMIT)
    if not text.isdecimal():
        raise refuse((), f"the environment variable PDEMILL_MAX_UNKNOWNS should be a whole number, not {text!r}", text)
    return int(text)


class Spec(Model):
    """A dataset job: the problem, how many samples of each split, the seed, the solver, the store."""

    model_config = ConfigDict(json_schema_extra=_or_samples, serialize_by_alias=True)

    problem: AnyProblem
    each_split: dict[str, AnySplit] = Field(alias="splits")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    solver: Annotated[AnyMethod, BeforeValidator(_method)] = Field(
        default_factory=lambda: methods["auto"].model_validate({})
    )
    store: StoreOptions = StoreOptions()
    certify: Certify = Certify()

    fidelities: dict[str, Fidelity] = Field(
        default_factory=dict, max_length=MOST, exclude_if=lambda fidelities: not fidelities
    )

    @model_validator(mode="before")
    @classmethod
    def _samples_is_train(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "samples" not in value:
            return value
        samples = value["samples"]
        if "splits" in value:
            raise refuse(("samples",), "give either samples or splits, not both", samples)
        return {key: v for key, v in value.items() if key != "samples"} | {"splits": {"train": samples}}

    @field_validator("each_split", mode="before")
    @classmethod
    def _splits_have_names(cls, splits: Any) -> Any:
        if not isinstance(splits, dict):
            raise refuse((), f"should be samples by split, such as {{train: 1000}}, not {splits!r:.60}", splits)
        return splits

    @field_validator("each_split")
    @classmethod
    def _split_names(cls, splits: dict[str, Split]) -> dict[str, Split]:
        if not splits:
            raise refuse((), "needs at least one split, for example {train: 1000}", splits)
        if len(splits) > MOST_SPLITS:
            raise refuse((), f"has {len(splits):,} splits; at most {MOST_SPLITS} are possible", splits)
        for name in splits:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,31}", name) or name in RESERVED:
                raise refuse((name,), "is not a name for a split: use letters, digits, - and _", name)
        if len({name.lower() for name in splits}) < len(splits):
            raise refuse((), "has two names that differ only in case", splits)
        return dict(sorted(splits.items(), key=lambda item: (item[0] != "train", item[0])))

    @model_validator(mode="after")
    def _times_have_their_name(self) -> Spec:
        if self.problem.evolves and "t" in self.splits:
            raise refuse(("splits", "t"), "is not a name for a split: the times are called so", "t")
        return self

    @model_validator(mode="after")
    def _fields_fit(self) -> Spec:
        own = {name: split.samples for name, split in self.each_split.items() if not split.problem}
        for path, value in all_fields(self.problem):
            if complaint := value.misfit(self.problem, own):
                key, message = complaint
                raise refuse(("problem", *path, key), message, None)
        return self

    @model_validator(mode="after")
    def _method_fits(self) -> Spec:
        if self.solver.solves not in ("any", self.problem.solved_by):
            raise refuse(("solver", "method"), self.solver.misplaced, self.solver.method)
        if objection := self.solver.objection(self.problem) or sort_objection(self.solver, self.problem):
            raise refuse(("solver", *objection.path), objection.message, self.solver.method)
        return self

    @model_validator(mode="after")
    def _certificates_fit(self) -> Spec:
        if complaint := self.problem.discretisation.uncertified(self.problem, self.certify):
            path, message = complaint
            raise refuse(("certify", path), message, None)
        return self

    @model_validator(mode="after")
    def _states_fit(self) -> Spec:
        if self.store.states and not self.problem.discretisation.state_numbers(self):
            message = "are kept of trajectories on periodic boxes (spectral) and of waves: nothing else is lengthened"
            raise refuse(("store", "states"), message, True)
        return self

    @model_validator(mode="after")
    def _prefix_fits(self) -> Spec:
        if self.store.prefix and not self.problem.written:
            raise refuse(("store", "prefix"), "is for equations that are written as texts: the family spectral", True)
        return self

    @model_validator(mode="after")
    def _operator_fits(self) -> Spec:
        if self.store.operator and (complaint := self.problem.discretisation.no_operator(self.problem)):
            raise refuse(("store", "operator"), complaint, True)
        return self

    @model_validator(mode="after")
    def _audit_fits(self) -> Spec:
        if self.certify.audit is not None and (complaint := audit_objection(self.problem)):
            raise refuse(("certify", "audit"), complaint, None)
        return self

    @model_validator(mode="after")
    def _error_limit_fits(self) -> Spec:
        if self.certify.error_rtol is not None and (complaint := self.problem.discretisation.unestimated(self.problem)):
            raise refuse(("certify", "error_rtol"), complaint, None)
        return self

    @model_validator(mode="after")
    def _splits_fit(self) -> Spec:
        for name, split in self.each_split.items():
            if not split.problem:
                continue
            path = ("splits", name, "problem")
            try:
                other = self.of_split(name)
            except ValidationError as error:
                raise moved(error, path) from None
            if complaint := unlike(self.problem, other.problem):
                below, message = complaint
                raise refuse((*path, *below), message, None)
        return self

    @model_validator(mode="after")
    def _designs_fit(self) -> Spec:
        for name, split in self.each_split.items():
            if split.design is None or split.problem:  # its own spec tells
                continue
            path = ("splits", name, "design")
            scalars = self.placed_of(name)
            if split.design.of_all and (other := unplaced(self.problem)):
                raise refuse(path, f"cannot place problem.{other}, which is not drawn by one number", None)
            if not scalars:
                raise refuse(path, "has no numbers to place: nothing in params is drawn from one distribution", None)
            if complaint := split.design.misfit({key: one.scalar for key, one in scalars.items()}, split.samples):
                below, message = complaint
                raise refuse((*path, *below), message, None)
        return self

    @field_validator("fidelities", mode="before")
    @classmethod
    def _fidelities_have_names(cls, fidelities: Any) -> Any:
        """YAML reads a name such as 128 as a number."""
        if not isinstance(fidelities, dict):
            return fidelities
        return {str(k) if isinstance(k, int) and not isinstance(k, bool) else k: v for k, v in fidelities.items()}

    @field_validator("fidelities")
    @classmethod
    def _fidelity_names(cls, fidelities: dict[str, Fidelity]) -> dict[str, Fidelity]:
        for name in fidelities:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}", name):
                raise refuse((name,), "is not a name for a fidelity: use letters, digits, ., - and _", name)
        if len({name.lower() for name in fidelities}) < len(fidelities):
            raise refuse((), "has two names that differ only in case", fidelities)
        return dict(sorted(fidelities.items()))

    @model_validator(mode="after")
    def _fidelities_fit(self) -> Spec:
        for name in self.fidelities:
            path = ("fidelities", name)
            try:
                other = self.at(name)
            except ValidationError as error:
                raise moved(error, path, ("solver", "certify"), ("resolution", "order")) from None
            mine, theirs = self.problem.discretisation, other.problem.discretisation
            if mine is not theirs:
                message = f"would be solved by {called(theirs)}, and the spec is by {called(mine)}"
                raise refuse(path, message, None)
            if self.problem.dimension != other.problem.dimension:
                raise refuse((*path, "resolution"), f"is not in {self.problem.dimension} dimensions", None)
        return self

    @model_validator(mode="after")
    def _within_limits(self) -> Spec:
        limit = _limit()
        total = sum(self.splits.values()) * sum(spec.problem.size for spec in (self, *map(self.at, self.fidelities)))
        if total > limit:
            raise refuse(
                ("splits",),
                f"{self.samples:,} samples x {self.problem.size:,} unknowns are more than the limit of "
                f"{limit:,} (PDEMILL_MAX_UNKNOWNS)",
                self.splits,
            )
        return self

    @cached_property
    def alone(self) -> Spec:
        """The spec without its other fidelities; itself where there are none."""
        if not self.fidelities:
            return self
        return Spec.model_validate({k: v for k, v in self.model_dump(mode="json").items() if k != "fidelities"})

    def at(self, name: str) -> Spec:
        """The spec at another fidelity, alone."""
        if name not in self._at:
            self._at[name] = Spec.model_validate(self.fidelities[name].applied(self.model_dump(mode="json")))
        return self._at[name]

    @cached_property
    def _at(self) -> dict[str, Spec]:
        return {}

    @cached_property
    def groups(self) -> dict[str, int]:
        """Samples by group of the store: the splits, then the splits at every other fidelity."""
        others = {f"{split}{AT}{name}": count for name in self.fidelities for split, count in self.splits.items()}
        return {**self.splits, **others}

    def placed_of(self, name: str) -> dict[str, Placed]:
        """The numbers that samples of a split have in ``params``, by name: what a design of it places."""
        return scalars_of(self.of_split(name).problem)

    def of_split(self, name: str) -> Spec:
        """The spec of one split alone, whose problem is what that split says; this spec where it says nothing."""
        if not self.each_split[name].problem:
            return self
        if name not in self._of_splits:
            data = self.alone.model_dump(mode="json")
            data["problem"] = merged(data["problem"], self.each_split[name].problem)
            own = {key: value for key, value in data["splits"][name].items() if key != "problem"}
            self._of_splits[name] = Spec.model_validate({**data, "splits": {name: own}})
        return self._of_splits[name]

    @cached_property
    def _of_splits(self) -> dict[str, Spec]:
        return {}

    @cached_property
    def alike(self) -> Spec:
        """The spec of those splits that have its problem, or of all, with it, where none has; itself where all have."""
        own = {name: split for name, split in self.each_split.items() if not split.problem}
        if len(own) == len(self.each_split):
            return self
        data = {**self.model_dump(mode="json"), "splits": own or self.splits}
        return Spec.model_validate(data)

    @cached_property
    def splits(self) -> dict[str, int]:
        """Samples by split."""
        return {name: split.samples for name, split in self.each_split.items()}

    @cached_property
    def array_ids(self) -> list[str]:
        """The ids of the users' arrays that values are taken from, and of those that the solver reads."""
        problems = [self.problem, *(self.of_split(name).problem for name in self.splits)]
        return sorted({*self.solver.array_ids, *(id for problem in problems for id in array_ids(problem))})

    @property
    def samples(self) -> int:
        """Samples of all splits together, at every fidelity."""
        return sum(self.groups.values())

    def canonical(self) -> str:
        """The one JSON text of this spec: all defaults written out, keys sorted, all of them."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def written(self) -> str:
        """The same with keys in the order in which they were given: names of unknowns have one, which is that of
        channels."""
        return json.dumps(self.model_dump(mode="json"), separators=(",", ":"))

    def means(self, other: Spec) -> bool:
        """Whether another spec says the same, splits included."""
        return self.canonical() == other.canonical() and self._orders() == other._orders()

    def _orders(self) -> dict[str, list[str]]:
        """Keys in an order of their own that shows in stores, by where they stand."""
        return {".".join(map(str, path)): names for path, names in orders_of(self.problem)}

    def sha256(self) -> str:
        """Hash of what the spec means: sides, lengths, a discretiser and numbers of a solver that are left out hash
        like those they stand for; the order of keys counts where it is that of channels or parameters."""
        return self._sha256

    def without_orders(self) -> Spec:
        """The same with the hash that it had when no order counted."""
        other = self.model_copy()
        other.__dict__["_sha256"] = self._hash({})
        return other

    @cached_property
    def _sha256(self) -> str:
        return self._hash(self._orders())

    def _hash(self, orders: dict[str, list[str]]) -> str:
        meaning = json.loads(self.canonical())
        if self.problem.discretiser != "auto" and automatic(self.problem) is self.problem.discretisation:
            meaning["problem"].pop("discretiser", None)
        meaning["problem"] |= self.problem.resolved()
        if orders:
            meaning["orders"] = orders
        meaning["solver"] |= self.solver.meaning(self.problem)
        return sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
