"""The job of an equation in time on a periodic box."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.draws import SCHEME
from pdemill.points import Array
from pdemill.solvers import flags
from pdemill.solvers.draws import CompiledDraw
from pdemill.solvers.instance import Instance, InvalidSample
from pdemill.solvers.job import FAILED, Job
from pdemill.solvers.spectral.exponential import Exponential
from pdemill.solvers.spectral.grid import PeriodicGrid, Spectra
from pdemill.solvers.spectral.lanes import LANES
from pdemill.solvers.spectral.march import March, steps_of
from pdemill.solvers.spectral.outputs import output
from pdemill.solvers.spectral.place import PeriodicPlace
from pdemill.solvers.spectral.symbols import Products, Symbols, linear_symbol, numbers, products_of
from pdemill.solvers.subsets import SCHEME as SUBSETS
from pdemill.spec.field import Function
from pdemill.spec.job import Spec
from pdemill.spec.method import Method
from pdemill.spec.terms import Terms
from pdemill.spec.time_method import TimeMethod
from pdemill.store.layout import ArrayLayout, Shard, StoreLayout, shard_samples, times_per_chunk
from pdemill.store.store import ESTIMATED

BALANCED = 1e-10
"""Largest mean of a field that must have none, relative to its largest value."""
HALVINGS, FURTHER = 12, 5
"""Most halvings of the first step; the same where a trial found it."""
MOST_SHARD = 2**28
"""Bytes of the largest array of a shard, in memory."""
BATCH_BYTES = 2**21
"""Samples are marched together as long as one array of their fields is no larger."""


def fitting(sample_bytes: int) -> int:
    """Samples per shard: fewer than those of fields, down to one, where trajectories are large."""
    return min(shard_samples(sample_bytes), 1 << max(0, int(log2(max(MOST_SHARD / sample_bytes, 1.0)))))


class TrajectoryJob(Job):
    """A spec in time, ready to be solved. ``chosen``: the method with the first step that a trial found."""

    problem: PeriodicPlace
    method: TimeMethod
    most_halvings: int = 0
    """Instead of the usual number, for trials."""

    def __init__(self, spec: Spec, chosen: Method | None = None) -> None:
        assert isinstance(spec.problem, PeriodicPlace)
        self.spec, self.problem = spec, spec.problem
        method = chosen or spec.solver.resolve(self.problem)
        assert isinstance(method, TimeMethod)
        self.method = method
        self.kept = {}
        self.stored = PeriodicGrid(self.problem.resolution, self.problem.lengths)
        simulated = method.simulate_resolution or self.problem.resolution
        finer = simulated != self.problem.resolution
        self.grid = PeriodicGrid(simulated, self.problem.lengths) if finer else self.stored
        self._fixed: dict[str, Function] = {}
        self._shared: dict[PeriodicGrid, Symbols] = {}
        self._products: dict[PeriodicGrid, tuple[str, Products] | None] = {}
        self._first = first = self.instance(next(iter(spec.splits)), 0)
        _ = first.terms
        self._products_on(self.grid, first.terms)
        drawn = tuple(name for name, _ in first.named())
        self.channels = drawn or ("initial",)
        self._alike = set(drawn) <= {"initial"}
        """Whether the equations of all samples are one."""
        self.parameters = tuple(first.parameters())

    @property
    def times(self) -> tuple[float, ...]:
        """The stored times."""
        return self.problem.times

    @property
    def scheme(self) -> Exponential:
        """The scheme of the method."""
        found: Exponential = self.method.scheme()
        return found

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
        chosen = self.method.step or self.method.first_step
        return chosen or min(self.lengths) / 2.0

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

    def steps(self, run: int) -> list[int]:
        """Steps in every interval of run number ``run``: twice the first step long in run 0, half that in each
        further one."""
        return [steps_of(length, 2.0 * self.first_step) * 2**run for length in self.lengths]

    @property
    def together(self) -> int:
        """Samples that are marched side by side."""
        each = LANES if self.grid.dimension == 1 else 1
        size = 8 * int(np.prod(self.grid.shape))
        return max(each, min(32, BATCH_BYTES // (8 * size)) // each * each)

    def instance(self, split: str, sample: int) -> Instance:
        """Sample number ``sample`` of a split."""
        return Instance(self.problem, CompiledDraw(self.spec.seed, split, sample), self._fixed)

    def symbols(self, instance: Instance, grid: PeriodicGrid | None = None) -> Symbols:
        """The equation of a sample on a grid; one object for all samples where nothing in it is drawn. Raises
        InvalidSample."""
        grid = grid or self.grid
        if self._alike and grid in self._shared:
            return self._shared[grid]
        terms = instance.terms
        found = self._products_on(grid, terms)
        weights = np.empty((0, grid.modes), np.complex128)
        if found is not None:
            name, products = found
            (strength,) = numbers((getattr(terms, name),))
            weights = products.weights if strength == 1.0 else strength * products.weights
        made = Symbols(linear_symbol(terms, grid), weights, self._coefficients(terms.source, "source", grid))
        if self._alike:
            self._shared[grid] = made
        return made

    def initial(self, instance: Instance) -> Spectra:
        """The coefficients of the initial state: those of the drawn function that the grid of the simulation keeps,
        from its values at twice the points along every axis. Raises InvalidSample."""
        initial = instance.terms.initial
        assert initial is not None
        return self._coefficients(initial, "initial", self.grid)

    def _coefficients(self, function: Function, name: str, grid: PeriodicGrid) -> Spectra:
        """Those of a function of space that a grid keeps; ``name``: its field in the spec."""
        finer = grid.refined
        values = function(finer.points)
        if np.ndim(values) == 0:
            found = np.zeros(grid.modes, np.complex128)
            found[0] = values
        else:
            array = np.ascontiguousarray(np.broadcast_to(values, finer.shape), dtype=np.float64)
            found = finer.spectra(array[None])[0][grid.places_in_refined]
        if name in self.problem.balanced:
            (drawn,) = self.problem.values(name)
            if drawn.fixed_mean() != 0.0 and abs(found[0]) > BALANCED * float(np.abs(values).max()):
                raise InvalidSample(f"{name} must have mean 0, and has {found[0].real:.3g}")
            found[0] = 0.0
        return found

    def march(self, equations: list[Symbols], grid: PeriodicGrid | None = None) -> March:
        """The scheme at work on equations, one row each."""
        grid = grid or self.grid
        found = self._products_on(grid, self._first.terms)
        return March(grid, self.scheme, found[1] if found else None, equations)

    def _products_on(self, grid: PeriodicGrid, terms: Terms) -> tuple[str, Products] | None:
        if grid not in self._products:
            self._products[grid] = products_of(terms, grid)
        return self._products[grid]

    @cached_property
    def _kept_modes(self) -> NDArray[np.intp] | None:
        return None if self.grid is self.stored else self.stored.places_in(self.grid)

    def fields(self, spectra: Spectra) -> Array:
        """The stored channels [samples, C, *shape] of coefficients on the grid of the simulation."""
        parts = []
        for name in self.problem.channels:
            parts.append(self.stored.fields(self._reduced(output(name, self.grid, spectra))))
        return np.stack(parts, axis=1)

    def _reduced(self, spectra: Spectra) -> Spectra:
        """The stored modes among those of the simulation, [samples, modes]."""
        return spectra if self._kept_modes is None else spectra[:, self._kept_modes]

    def inputs(self, instance: Instance, initial: Spectra) -> Array:
        """The input channels of a sample, [C, *shape]: the initial state as the grid keeps it, all else at the stored
        points. Raises InvalidSample."""
        drawn, points = dict(instance.named()), self.stored.points
        return np.stack([
            self.stored.fields(self._reduced(initial[None]))[0] if name == "initial"
            else np.broadcast_to(drawn[name](points), points.shape)
            for name in self.channels
        ])  # fmt: skip

    def drawn(self, split: str, sample: int) -> dict[str, NDArray[Any]]:
        instance = self.instance(split, sample)
        return self.drawn_in(instance, self.initial(instance))

    def drawn_in(self, instance: Instance, initial: Spectra) -> dict[str, NDArray[Any]]:
        """The arrays of the store that hold what was drawn, with the coefficients of the initial state."""
        found: dict[str, NDArray[Any]] = {"input": self.inputs(instance, initial)}
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
        dtype, names, grid = self.spec.store.dtype, self.problem.channels, self.stored
        frames = len(self.times)
        stored = (len(names), frames, *grid.shape)
        block = times_per_chunk(np.dtype(dtype).itemsize * int(np.prod(stored)), frames)
        parts = [
            ArrayLayout("input", dtype, (len(self.channels), *grid.shape), ("channel", *grid.axes), is_field=True),
            ArrayLayout("solution", dtype, stored, ("solution_channel", "t", *grid.axes), block=block),
        ]
        if self.parameters:
            parts.append(ArrayLayout("params", "float64", (len(self.parameters),), ("parameter",)))
        parts += [
            ArrayLayout("time_error_estimate", "float32"),
            ArrayLayout("stored_error", "float32"),
            ArrayLayout("frame_error", "float32", (frames,), ("t",)),
            ArrayLayout("valid_until", "float64"),
            ArrayLayout("spectral_tail", "float32"),
            ArrayLayout("error_estimate", "float32"),
            flags.column(),
            ArrayLayout("steps", "int32", fill=-1),
            ArrayLayout("solve_seconds", "float32"),
            ArrayLayout("method", "int8", fill=-1, attributes=self.method_codes()),
            ArrayLayout("sample_id", "int64", fill=-1),
        ]
        samples = self.spec.store.shard or fitting(max(part.sample_bytes for part in parts))
        shared: dict[str, tuple[tuple[str, ...], NDArray[Any]]] = {name: ((name,), x) for name, x in grid.nodes.items()}
        shared["t"] = (("t",), np.array(self.times))
        return StoreLayout(self.spec.splits, samples, tuple(parts), shared, self._attributes(samples))

    def _attributes(self, samples: int) -> dict[str, Any]:
        found = self.attributes(samples, self.problem.size)
        return found | {"valid_until": self.required, "subset_scheme": SUBSETS}

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
