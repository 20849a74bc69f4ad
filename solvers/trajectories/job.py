"""The job of an equation in time, however it is discretised: times, steps, columns of the store."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import inf, log2
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pdemill.draws import SCHEME
from pdemill.errors import SolverError
from pdemill.points import Array, Points
from pdemill.solvers import flags
from pdemill.solvers.draws import CompiledDraw
from pdemill.solvers.instance import Instance
from pdemill.solvers.job import FAILED, Job
from pdemill.solvers.solution import Result
from pdemill.solvers.subsets import SCHEME as SUBSETS
from pdemill.solvers.trajectories.marching import March, Piece, States, steps_of
from pdemill.spec.evolution import Evolution
from pdemill.spec.field import Function
from pdemill.spec.job import Spec
from pdemill.spec.method import Method
from pdemill.spec.time_method import TimeMethod
from pdemill.store.layout import ArrayLayout, Shard, StoreLayout, shard_samples, times_per_chunk
from pdemill.store.store import ESTIMATED

HALVINGS, FURTHER = 12, 5
"""Most halvings of the first step; the same where a trial found it."""
MOST_SHARD = 2**28
"""Bytes of the largest array of a shard, in memory."""


def fitting(sample_bytes: int) -> int:
    """Samples per shard: fewer than those of fields, down to one, where trajectories are large."""
    return min(shard_samples(sample_bytes), 1 << max(0, int(log2(max(MOST_SHARD / sample_bytes, 1.0)))))


STEADY = "steady_at"
"""The column of the stored times from which on samples are steady."""
CERTIFIED = "certificate_columns"
"""The attribute of a store that lists the columns of its kind of trajectories."""


@dataclass(frozen=True)
class Start:
    """One sample before it is marched: its equation, its state at the time 0, and the longest step that suits it."""

    number: int
    equation: Any
    state: States
    longest: float = inf


type Reference = Callable[[Array, Sequence[Piece]], tuple[Array, float]]
"""Another way to march one sample, for checks: from channels [C, *shape] at the beginning of an interval, and the
pieces in which it was marched, to the channels after it, and their relative error."""


class TrajectoryJob(Job):
    """A spec in time, ready to be solved. ``chosen``: the method with the first step that a trial found.

    A subclass says what a state is, how samples begin and are marched, and what their channels are.
    """

    problem: Evolution
    method: TimeMethod
    most_halvings: int = 0
    """Instead of the usual number, for trials."""
    known: Callable[[str, int], Any] | None = None
    """What a store of the first stored times knows of a sample of a split (``ladder.Known``)."""
    state_type: type[np.generic] = np.float64
    """Of the numbers of a state."""
    points: Points
    """Where stored fields live."""
    nodes: Mapping[str, Array]
    """Their coordinates along each axis."""
    axes: tuple[str, ...]
    """Dimension names of a stored field."""

    def __init__(self, spec: Spec, chosen: Method | None = None) -> None:
        assert isinstance(spec.problem, Evolution)
        self.spec, self.problem = spec, spec.problem
        method = chosen or spec.solver.resolve(self.problem)
        assert isinstance(method, TimeMethod)
        self.method = method
        self.kept = {}
        self._fixed: dict[str, Function] = {}
        self._first = first = self.instance(next(iter(spec.splits)), 0)
        _ = first.terms
        drawn = dict(first.named())
        self.channels = tuple(name for name, function in drawn.items() if function.of_space and not function.in_time)
        self.channels = self.channels or self.problem.initial_names
        self._alike = set(drawn) <= set(self.problem.initial_names)
        """Whether the equations of all samples are one."""
        self.parameters = tuple(first.parameters())

    @property
    @abstractmethod
    def together(self) -> int:
        """Samples that are marched side by side."""

    @property
    @abstractmethod
    def order(self) -> int:
        """Of the scheme."""

    @property
    def lost(self) -> float:
        """What of that order stiff terms, and such that are not smooth, cost at steps near ``time_rtol``."""
        return 0.0

    @property
    def regular(self) -> bool:
        """Whether errors fall so evenly with steps that their order can be measured."""
        return False

    @property
    def held_against_finer(self) -> bool:
        """Whether the run that is kept is held against that with half its steps, instead of that with twice."""
        return False

    @property
    def assumed_order(self) -> float:
        """The order of errors where a sample tells none: as the trial measured, else what is left of the scheme's."""
        return self.method.observed_order or self.order - self.lost

    @property
    @abstractmethod
    def evaluations(self) -> int:
        """What a step costs: evaluations of the equation, systems among them."""

    @property
    @abstractmethod
    def longest(self) -> float:
        """The longest step that is tried where neither the spec nor a trial says so."""

    @property
    def longest_tried(self) -> float:
        """The longest step that a trial begins with."""
        return max(self.lengths)

    @abstractmethod
    def start_of(self, instance: Instance, number: int) -> Start:
        """A drawn sample before it is marched. Raises InvalidSample."""

    @abstractmethod
    def march(self, equations: Sequence[Any]) -> March:
        """The scheme of the method at work on equations, one row each."""

    @abstractmethod
    def fields(self, states: States) -> Array:
        """The stored channels [states, C, *shape]."""

    def spread(self, side: str, data: Function) -> Array:
        """Data of a side as a field at the stored points."""
        raise SolverError(f"equations of {type(self).__name__} have no data on sides, such as {side}")

    @property
    @abstractmethod
    def whole(self) -> list[int] | None:
        """The stored channels that states follow from; None where they do not."""

    @abstractmethod
    def state_of(self, fields: Array) -> States:
        """The state with these channels, those of ``whole`` [C, *shape]."""

    @abstractmethod
    def shaken(self, state: States, size: float) -> States:
        """The state with a small change of that relative size in all directions alike."""

    @abstractmethod
    def reference(self, instance: Instance) -> Reference | None:
        """Another way to march the channels of ``whole``, which shares as little as can be with ``march``; None where
        it would take too long."""

    @abstractmethod
    def refined_fields(self, start: Start, split: str, run: int) -> Array:
        """The stored channels of a sample from the refined grid by the steps of run number ``run``, [C, T, *shape]; NaN
        where they are not found."""

    refinement: float = 1.0
    """The error of a trajectory in units of its difference to the one on the refined grid."""

    @abstractmethod
    def initial_fields(self, state: States) -> Mapping[str, Array]:
        """The initial fields as the grid keeps them, by their names in the spec."""

    own_columns: tuple[ArrayLayout, ...] = ()
    """Columns of the store that only trajectories of this kind have."""
    first_columns: tuple[str, ...] = ()
    """Those of stores that do not list them."""

    drawn_columns: tuple[ArrayLayout, ...] = ()
    """Columns of what is drawn, beside the parameters."""

    def own(self, frames: States, left: Array, fields: Array, errors: Array) -> dict[str, float]:
        """What is put there: of the states at the stored times [T, numbers], the algebraic errors [T, C], the channels
        [C, T, *shape] and the errors in time [T]."""
        return {}

    def balances(self, starts: Sequence[Start], frames: Sequence[States], run: int) -> list[dict[str, float]]:
        """What is put there of invariants and budgets, sample by sample: of their states at the stored times,
        [T, numbers] each, which run number ``run`` gave."""
        return [{} for _ in starts]

    def check_balances(
        self, start: Start, stored: Mapping[str, Any], solution: Array, run: int, comparable: bool
    ) -> list[str]:
        """What is wrong with these columns of a stored sample, whose states are right; ``comparable``: marching from
        the start comes to them."""
        return []

    def fault(self, own: Mapping[str, float]) -> tuple[Result, str] | None:
        """Why a sample with these columns cannot be certified, and by how much."""
        return None

    def check_own(self, stored: Mapping[str, Any], solution: Array, valid: NDArray[np.bool_]) -> list[str]:
        """What is wrong with these columns of a stored sample, whose states are right."""
        return []

    def of_store(self, attributes: Mapping[str, Any]) -> Self:
        found = copy(super().of_store(attributes))
        found.__dict__.pop("layout", None)
        listed = attributes.get(CERTIFIED, self.first_columns)
        found.own_columns = tuple(column for column in self.own_columns if column.name in listed)
        return found

    @property
    def times(self) -> tuple[float, ...]:
        """The stored times."""
        return self.problem.times

    @property
    def required(self) -> float:
        """The time up to which a trajectory must be right."""
        asked = self.spec.certify.valid_until
        if asked is not None:
            return asked
        return self.times[-1] if self.method.reaches_end else self.problem.time.first

    @property
    def first_step(self) -> float:
        """The longest step that is tried."""
        longest = self.method.step or self.method.first_step or self.longest
        return longest if self.method.max_step is None else min(longest, self.method.max_step)

    @property
    def levels(self) -> int:
        """How often the first step may be halved."""
        if self.method.step is not None:
            return 0
        return self.most_halvings or (HALVINGS if self.method.first_step is None else FURTHER)

    @property
    def lengths(self) -> tuple[float, ...]:
        """From the time 0 to the first stored time after it, and from each of these to the next."""
        return self.problem.time.lengths

    @property
    def begins(self) -> tuple[float, ...]:
        """When these intervals begin."""
        return (0.0, *(t for t in self.times if t > 0.0))[:-1]

    def steps(self, run: int) -> list[int]:
        """Steps in every interval of run number ``run``."""
        return [sum(piece.steps for piece in pieces) for pieces in self.pieces(run)]

    def steps_until(self, run: int, until: float) -> int:
        """Steps of run number ``run`` to the stored time ``until``; of all of it where that is NaN."""
        counted = zip(self.begins, self.steps(run), strict=True)
        return sum(steps for begin, steps in counted if not begin >= until)

    def pieces(self, run: int) -> list[list[Piece]]:
        """The pieces of every interval, within which steps are equal: in run number 0 twice the first step long, or
        as many as told, in each further one half as long; all pieces of the first interval take as many as its last
        one."""
        found = []
        for number, (begin, length) in enumerate(zip(self.begins, self.lengths, strict=True)):
            grading = self.method.grading if number == 0 else 0
            ends = [length / 2**part for part in range(grading, -1, -1)]
            steps = steps_of(length / 2.0 if grading else length, 2.0 * self.first_step)
            if self.method.interval_steps is not None:
                steps = self.method.interval_steps[number]
            found.append([Piece(begin + a, b - a, steps * 2**run) for a, b in pairwise([0.0, *ends])])
        return found

    def longest_of(self, run: int) -> float:
        """The longest step of a run."""
        return max(piece.length / piece.steps for pieces in self.pieces(run) for piece in pieces)

    def suits(self, start: Start, step: float) -> bool:
        """Whether a step is short enough for a sample; one that the spec names always is."""
        return self.method.step is not None or step <= start.longest

    def valid_until(self, errors: Array) -> float:
        """The last stored time up to which all errors are at most ``time_rtol``; 0 where the first one is above."""
        wrong = np.flatnonzero(~(errors <= self.method.time_rtol))
        last = len(errors) - 1 if not wrong.size else int(wrong[0]) - 1
        return self.times[last] if last >= 0 else 0.0

    def instance(self, split: str, sample: int) -> Instance:
        """Sample number ``sample`` of a split."""
        return Instance(self.problem, self.drawing(CompiledDraw, split, sample), self._fixed)

    def inputs(self, instance: Instance, state: States) -> Array:
        """The input channels of a sample, [C, *shape]: the initial fields as the grid keeps them, all else at the
        stored points. Raises InvalidSample."""
        points = self.points
        found = dict(self.initial_fields(state))
        sides = {f"{side}_{name}": (side, f) for side, fs in instance.sides.items() for name, f in fs.items()}
        for name, function in instance.named():
            if name in self.channels and name not in found:
                values = self.spread(*sides[name]) if name in sides else function(points)
                found[name] = np.broadcast_to(values, points.shape)
        return np.stack([found[name] for name in self.channels])

    def drawn(self, split: str, sample: int) -> dict[str, NDArray[Any]]:
        instance = self.instance(split, sample)
        return self.drawn_in(instance, self.start_of(instance, sample).state)

    def drawn_in(self, instance: Instance, state: States) -> dict[str, NDArray[Any]]:
        """The arrays of the store that hold what was drawn, with the initial state."""
        found: dict[str, NDArray[Any]] = {"input": self.inputs(instance, state)}
        return found | {"params": np.array(list(instance.parameters().values()))} if self.parameters else found

    def summary(self, arrays: Mapping[str, NDArray[Any]], shard: Shard | None) -> dict[str, Any]:
        good = arrays["method"] > 0
        errors = arrays["time_error_estimate"][good]
        worst = float(errors.max()) if good.any() else None
        known = arrays["error_estimate"][good & np.isfinite(arrays["error_estimate"])]
        told = {"iterations": int(arrays["steps"][good].sum()), "worst_time_error": worst, ESTIMATED: int(known.size)}
        return {**told, "worst_estimate": float(known.max()) if known.size else None, **flags.counts(arrays)}

    @property
    def resolved_only(self) -> tuple[str, ...]:
        return ("trajectories but for one interval of each sample", "steps, time_error_estimate, frame_error")

    @cached_property
    def layout(self) -> StoreLayout:
        dtype, names, shape = self.spec.store.dtype, self.problem.channels, self.points.shape
        frames = len(self.times)
        stored = (len(names), frames, *shape)
        block = times_per_chunk(np.dtype(dtype).itemsize * int(np.prod(stored)), frames)
        parts = [
            ArrayLayout("input", dtype, (len(self.channels), *shape), ("channel", *self.axes), is_field=True),
            ArrayLayout("solution", dtype, stored, ("solution_channel", "t", *self.axes), block=block),
        ]
        if self.spec.store.states:
            numbers = self.problem.discretisation.state_numbers(self.spec)
            parts.append(ArrayLayout("states", "float64", (2, frames, numbers), ("run", "t", "number")))
        if self.parameters:
            parts.append(ArrayLayout("params", "float64", (len(self.parameters),), ("parameter",)))
        parts += self.drawn_columns
        parts += [
            ArrayLayout("time_error_estimate", "float32"),
            ArrayLayout("stored_error", "float32"),
            ArrayLayout("frame_error", "float32", (frames,), ("t",)),
            ArrayLayout("valid_until", "float64"),
            *([ArrayLayout(STEADY, "float64")] if self.method.steady_rate is not None else []),
            *self.own_columns,
            ArrayLayout("error_estimate", "float32"),
            flags.column(),
            ArrayLayout("steps", "int32", fill=-1),
            ArrayLayout("solve_seconds", "float32"),
            ArrayLayout("method", "int8", fill=-1, attributes=self.method_codes()),
            ArrayLayout("sample_id", "int64", fill=-1),
        ]
        samples = self.spec.store.shard or fitting(max(part.sample_bytes for part in parts))
        shared: dict[str, tuple[tuple[str, ...], NDArray[Any]]]
        shared = {name: ((name,), x) for name, x in self.nodes.items()}
        shared["t"] = (("t",), np.array(self.times))
        return StoreLayout(self.spec.splits, samples, tuple(parts), shared, self._attributes(samples))

    def _attributes(self, samples: int) -> dict[str, Any]:
        found = self.attributes(samples, self.problem.size)
        own = [column.name for column in self.own_columns]
        listed = {CERTIFIED: own} if own != list(self.first_columns) else {}
        return found | {"valid_until": self.required, "subset_scheme": SUBSETS} | listed

    @property
    def seed_scheme(self) -> str:
        return SCHEME

    def shown_plan(self) -> dict[str, Any]:
        return self.method.model_dump(mode="json") | {"first_step": self.first_step}

    def method_names(self) -> list[str]:
        return [FAILED, self.method.method]

    @property
    def planned(self) -> bool:
        return self.problem.discretisation.leaves_open(self.spec)
