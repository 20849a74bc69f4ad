"""The job of a problem that is solved for whole fields, by linear systems."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pdemill.draws import SCHEME
from pdemill.kept import SIDE
from pdemill.points import Array, Points, axis_names
from pdemill.solvers import field_operator, flags
from pdemill.solvers.algebraic import Measure
from pdemill.solvers.draws import CompiledDraw
from pdemill.solvers.field_rows import summary
from pdemill.solvers.installed import has_petsc
from pdemill.solvers.instance import Instance, InvalidSample
from pdemill.solvers.job import FAILED, Job
from pdemill.solvers.methods.auto import Auto
from pdemill.solvers.methods.candidates import for_few, for_quarters
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.operators.discretisation import Discretisation
from pdemill.solvers.operators.system import System
from pdemill.solvers.ordering.order import resolve_sort, solve_order
from pdemill.solvers.place import WholeFieldPlace
from pdemill.solvers.schemes.scheme import Scheme
from pdemill.solvers.sequence import FALLBACK, Sequence
from pdemill.solvers.subsets import SCHEME as SUBSETS
from pdemill.solvers.subsets import many_refined, ordered_count, refined_samples
from pdemill.spec.field import Function
from pdemill.spec.job import Spec
from pdemill.spec.method import LinearMethod, Method
from pdemill.store.layout import ArrayLayout, Shard, StoreLayout, shard_samples

LABEL_ERRORS = ("algebraic_error", "stored_error")
"""Columns of stores of schema 2 and later: errors of labels against the exact discrete solution."""
OUTPUTS, REFINED_OUTPUTS = "outputs", "outputs_refined"
"""Columns of problems that have outputs: what the stored solution gives, and what that on the refined mesh does."""
ORDERS = ("error_order",)
"""Columns of stores of schema 2 and later."""
AUDITED = ("audit_error", "audit_interval")
"""Columns of jobs with an audit."""


COARSE = 1024
"""Unknowns of grids on which solutions are compared."""
APART = "(apart)"
"""What stands for a split where samples are drawn that are in none."""


class ThirdGrid(NamedTuple):
    """What the order of convergence is observed on besides the job's grid and the refined one: cells of twice the size
    (``coarser``) or of a quarter."""

    grid: Discretisation
    method: LinearMethod
    coarser: bool


def _coordinate(name: str) -> Callable[[Points], Array]:
    return lambda points: points.coordinates[name]


class FieldJob(Job):
    """A spec for whole fields, ready to be solved. ``stored`` holds the shared arrays of a store that exists already,
    ``chosen`` the method that was planned for it."""

    problem: WholeFieldPlace
    method: LinearMethod

    def __init__(
        self, spec: Spec, stored: Mapping[str, NDArray[Any]] | None = None, chosen: Method | None = None
    ) -> None:
        assert isinstance(spec.problem, WholeFieldPlace)
        self.spec, self.problem = spec, spec.problem
        self.discretisation: Discretisation = self.problem.discretise(stored)
        method = chosen or spec.solver.resolve(self.problem)
        assert isinstance(method, LinearMethod)
        self.method = method
        self.kept = {}
        self.scheme: Scheme = self.problem.scheme()
        self._fixed: dict[str, Function] = {}
        first = self.instance(next(iter(spec.splits)), 0)
        _ = first.terms
        self.channels = self._channels([name for name, function in first.named() if function.of_space])
        self.parameters = tuple(first.parameters())
        self._refined: Discretisation | None = None

    def _channels(self, drawn: list[str]) -> tuple[str, ...]:
        """The names of all that is drawn; the source where nothing is, and where its mean is subtracted per sample."""
        projected = self.problem.singular and self.problem.compatibility == "project"
        shown = [*drawn, "source"] if projected and "source" not in drawn else drawn
        return tuple(shown or self._nothing_drawn)

    @property
    def _nothing_drawn(self) -> tuple[str, ...]:
        """What inputs are where no field is drawn: the coordinates, where samples have points of their own."""
        return axis_names(self.problem.dimension) if self.discretisation.own_layout() else ("source",)

    def of_schema(self, schema: int) -> Self:
        other = super().of_schema(schema)
        if other is not self:
            other.discretisation, other._refined = self.discretisation.of_schema(schema), None
            for made in ("third", "_coarse"):
                other.__dict__.pop(made, None)
        return other

    @property
    def refined(self) -> Discretisation:
        """The discretisation with cells of half the size, made when it is first asked for."""
        if self._refined is None:
            self._refined = self.discretisation.refined()
        return self._refined

    @cached_property
    def third(self) -> ThirdGrid | None:
        """Cells of twice the size where the grid has them, else of a quarter where they are not too many; None where
        neither can be solved."""
        coarser = self.discretisation.coarsened()
        if coarser is not None:
            method = for_few(self.problem, coarser.pattern.size, self.method.rtol)
            return ThirdGrid(coarser, method, True) if method else None
        quarters = self.discretisation.pattern.size * 4**self.problem.dimension
        method = for_quarters(self.problem, quarters, self.method.rtol)
        return ThirdGrid(self.refined.refined(), method, False) if method else None

    def estimated_already(self, shard: Shard) -> NDArray[np.intp]:
        return refined_samples(self.spec, shard.split, range(shard.start, shard.stop), self.schema) - shard.start

    def keeps(self, shard: Shard, splits: Mapping[str, int]) -> bool:
        smaller = self.spec.model_copy(update={"splits": splits})
        return many_refined(smaller) == many_refined(self.spec) or not self.estimated_already(shard).size

    def ordered(self, split: str) -> int:
        """The first so many samples of a split have their order of convergence observed: a few of the first split."""
        if self.schema == 1 or split != next(iter(self.spec.splits)) or self.third is None:
            return 0
        return ordered_count(self.spec, self.third.coarser)

    def instance(self, split: str, sample: int) -> Instance:
        """Sample number ``sample`` of a split."""
        return Instance(self.problem, self.drawing(CompiledDraw, split, sample), self._fixed)

    def features(self, instance: Instance) -> Array:
        """The numbers by which samples are compared."""
        return instance.features(self.discretisation.points, self.discretisation.side_points)

    def coarse_solution(self, instance: Instance) -> Array:
        """u of a sample on a grid that is coarsened as often as it can be, to COARSE unknowns; zeros where it has
        none."""
        grid = self._coarse
        try:
            system = grid.equation(instance).linearised(np.empty(0))
        except InvalidSample:
            return np.zeros(grid.pattern.size)
        found = Direct(method="direct").solver().solve(system, None)
        return np.asarray(found.value) if found.result.ok else np.zeros(grid.pattern.size)

    @cached_property
    def _coarse(self) -> Discretisation:
        grid = self.discretisation
        while grid.pattern.size > COARSE and (coarser := grid.coarsened()) is not None:
            grid = coarser
        return grid

    def sequence(
        self, method: LinearMethod | None = None, measure: Measure | None = None, to_rounding: bool = False,
        bounds: bool = True,
    ) -> Sequence:  # fmt: skip
        """The job's method, or another, with nothing recycled yet; ``measure``: for another discretisation; the others
        as of ``Sequence``."""
        limit, method = self.spec.certify.algebraic_rtol, method or self.method
        drawn = self.drawn_apart if method.learns and measure is None else None
        measure = measure or self.discretisation
        return Sequence(method, self.kept, measure, limit, to_rounding, bounds, self.spec.seed, drawn)

    def drawn_apart(self, number: int) -> System | None:
        """The system of a sample that is in no split, for methods that learn; None where it is not valid."""
        try:
            equation = self.discretisation.equation(self.instance(APART, number))
        except InvalidSample:
            return None
        return equation.linearised(equation.start())

    def inputs(self, instance: Instance, shift: float) -> Array:
        """The input channels of a sample, shape (channels, ...); ``shift`` was subtracted from its source."""
        grid = self.discretisation.of(instance)
        sides = {f"{side}_{name}": (side, f) for side, fs in instance.sides.items() for name, f in fs.items()}
        drawn = {"source": instance.terms.source, **self._coordinates(), **dict(instance.named())}
        fields = []
        for name in self.channels:
            function: Function = drawn[name]
            values = grid.spread(*sides[name]) if name in sides else function(grid.points)
            fields.append(np.broadcast_to(values - shift if name == "source" else values, grid.points.shape))
        return np.stack(fields)

    def _coordinates(self) -> dict[str, Function]:
        """The coordinates as functions, where they are inputs."""
        names = self._nothing_drawn
        return {name: Function(_coordinate(name)) for name in names} if self.channels == names != ("source",) else {}

    def drawn(self, split: str, sample: int) -> dict[str, Array]:
        instance = self.instance(split, sample)
        return self.drawn_in(instance, self.discretisation.equation(instance).shift)

    @property
    def resolved_only(self) -> tuple[str, ...]:
        dtype = self.spec.store.dtype
        rounded = () if dtype == "float64" else (f"rel_residual below the rounding to {dtype}",)
        return ("iterations and method", *rounded, *(("audits",) if self.spec.certify.audit else ()))

    def summary(self, arrays: Mapping[str, NDArray[Any]], shard: Shard | None) -> dict[str, Any]:
        found = summary(arrays)
        return found | self._first(arrays, shard) if self.method.recycles and shard is not None else found

    def _first(self, arrays: Mapping[str, NDArray[Any]], shard: Shard) -> dict[str, int]:
        own = self.method_names().index(self.method.method)
        rows = [row for row in self.order(shard).tolist() if arrays["method"][row] == own]
        return {"first": rows[0]} if rows else {}

    def order(self, shard: Shard) -> NDArray[np.intp]:
        """The rows of a shard in the order in which they are solved."""
        sort = resolve_sort(self.method.sort, self.method.recycles)
        numbers = range(shard.start, shard.stop) if sort != "none" else ()
        compared = self.coarse_solution if sort == "clusters" else self.features
        features = [compared(self.instance(shard.split, i)) for i in numbers]
        return solve_order(sort, np.array(features).reshape(len(shard), -1))

    def drawn_in(self, instance: Instance, shift: float) -> dict[str, Array]:
        """The arrays of the store that hold what was drawn, of an instance whose equation is known."""
        found = {"input": self.inputs(instance, shift), **self.discretisation.of(instance).own()}
        return found | {"params": np.array(list(instance.parameters().values()))} if self.parameters else found

    @cached_property
    def layout(self) -> StoreLayout:
        grid, dtype, names = self.discretisation, self.spec.store.dtype, self.problem.channels
        outputs = self.problem.output_names
        names_of_outputs = (OUTPUTS, REFINED_OUTPUTS) if outputs else ()
        fields: tuple[ArrayLayout, ...] = (
            ArrayLayout("input", dtype, (len(self.channels), *grid.points.shape), ("channel", *grid.axes)),
            ArrayLayout(
                "solution", dtype, (len(names), *grid.solution_shape), ("solution_channel", *grid.solution_axes)
            ),
        )
        own = tuple(ArrayLayout(n, dtype if s else "float32", s, axes) for n, (s, axes) in grid.own_layout().items())
        columns = (
            *own,
            ArrayLayout("params", "float64", (len(self.parameters),), ("parameter",)),
            ArrayLayout("rel_residual", "float64"),
            *(ArrayLayout(name, "float32") for name in LABEL_ERRORS if self.schema > 1),
            ArrayLayout("error_estimate", "float32"),
            *(ArrayLayout(name, "float32") for name in ORDERS if self.schema > 1),
            *(ArrayLayout(name, "float32") for name in AUDITED if self.spec.certify.audit),
            *(ArrayLayout(name, "float64", (len(outputs),), ("output",)) for name in names_of_outputs),
            *((flags.column(SIDE in self.problem.conditions),) if self.schema > 1 else ()),
            ArrayLayout("iterations", "int32", fill=-1),
            ArrayLayout("solve_seconds", "float32"),
            ArrayLayout("method", "int8", fill=-1, attributes=self.method_codes()),
            ArrayLayout("sample_id", "int64", fill=-1),
        )
        kept = field_operator.arrays(grid, dtype) if self.spec.store.operator else ()
        fields += kept
        arrays = fields + tuple(c for c in columns if c.name != "params" or self.parameters)
        samples = self.spec.store.shard or shard_samples(max(part.sample_bytes for part in fields))
        attributes = self.attributes(samples, self.discretisation.pattern.size)
        if self.schema > 1:
            attributes["subset_scheme"] = SUBSETS
        if outputs:
            attributes[OUTPUTS] = list(outputs)
        shared = {**grid.arrays(), **(field_operator.shared(grid) if kept else {})}
        return StoreLayout(self.spec.splits, samples, arrays, shared, attributes)

    @property
    def seed_scheme(self) -> str:
        return SCHEME

    def shown_plan(self) -> dict[str, Any]:
        sort = resolve_sort(self.method.sort, self.method.recycles)
        refined = self.refined_method() if self.spec.certify.refine else None
        shown = refined.method if refined else "none"
        direct = {} if has_petsc() else {"direct": "SuperLU"}
        return {**self.method.model_dump(mode="json"), "sort": sort, "refined": shown, **direct}

    def method_names(self) -> list[str]:
        return list(dict.fromkeys([FAILED, self.method.method, *self.method.stand_ins, FALLBACK]))

    def refined_method(self) -> LinearMethod | None:
        """How the refined problem is solved: by the lowest estimate; None where that takes too much memory."""
        return for_few(self.problem, self.discretisation.pattern.size * 2**self.problem.dimension, self.method.rtol)

    @property
    def planned(self) -> bool:
        linear = self.problem.discretisation.is_linear(self.problem)
        return linear and isinstance(self.spec.solver, Auto) and self.spec.solver.trial != "never"
