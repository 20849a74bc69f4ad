"""Which values of a form are solved for, in which units, and how errors in them are measured."""

from __future__ import annotations

from copy import copy
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.operators.norms import ratio, two_norm, varying
from pdemill.solvers.operators.system import Pattern
from pdemill.solvers.weak.assembly import Numbering
from pdemill.solvers.weak.form import WeakForm
from pdemill.solvers.weak.mesh import Ints
from pdemill.solvers.weak.units import Units, balanced_units, block_sizes, plain_units


class Unknowns:
    """The values that are not ``held``, which are given, in their order, in units of ``units``. ``same`` [values]: the
    value that stands for each, another one where periodic sides are joined.

    ``free``: the values that stand for unknowns; ``number`` [values]: the unknown of each, -1 where it is given.
    ``kinds``: the unknowns of each unknown of the form, vectors as a whole; ``of_channels``: those of each channel.
    """

    def __init__(self, form: WeakForm, numbering: Numbering, held: NDArray[np.bool_], same: NDArray[np.intp]) -> None:
        self.size, self._same = numbering.size, same
        self._channels = numbering.channels
        self.joined = bool((same != np.arange(self.size)).any())
        own = ~held & (same == np.arange(self.size))
        self.free = np.flatnonzero(own)
        numbers = np.cumsum(own, dtype=np.int32) - np.int32(1)
        self.number: Ints = np.where(held, np.int32(-1), numbers[same])
        self._known = np.flatnonzero(~held)
        places = [np.searchsorted(self.free, [c.start, c.stop]).tolist() for c in numbering.channels]
        channels = [slice(*place) for place in places]
        self.of_channels = tuple(channels)
        self._of_kinds: list[tuple[slice, ...]] = []
        for one in form.unknowns:
            count = max(1, one.components)
            self._of_kinds.append(tuple(channels[:count]))
            del channels[:count]
        self.kinds = tuple(slice(parts[0].start, parts[-1].stop) for parts in self._of_kinds)
        self.units = plain_units(len(self.kinds))

    def in_units(self, units: Units) -> Unknowns:
        """The same in other units."""
        other = copy(self)
        other.units = units
        for name in ("_columns", "_rows"):
            other.__dict__.pop(name, None)
        return other

    @property
    def count(self) -> int:
        return len(self.free)

    @cached_property
    def _kind(self) -> NDArray[np.int8]:
        """The kind of every unknown."""
        return np.repeat(np.arange(len(self.kinds), dtype=np.int8), [kind.stop - kind.start for kind in self.kinds])

    @cached_property
    def _columns(self) -> Array:
        return np.asarray(self.units.columns[self._kind])

    @cached_property
    def _rows(self) -> Array:
        return np.asarray(self.units.rows[self._kind])

    def _of_entries(self, pattern: Pattern) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """The kinds of row and column of every entry of a matrix."""
        return np.repeat(self._kind, np.diff(pattern.indptr)), self._kind[pattern.indices]

    def completed(self, unknowns: Array, given: Array) -> Array:
        """All values, from the unknowns and the given ones."""
        whole = given.copy()
        found = unknowns if self.units.plain else unknowns * self._columns
        whole[self._known] = found[self.number[self._known]] if self.joined else found
        return whole

    def shared(self, given: Array) -> Array:
        """Given values, the same on both of joined sides."""
        return given[self._same] if self.joined else given

    def among(self, whole: Array) -> Array:
        """The unknowns among all values."""
        found = whole[self.free]
        return np.asarray(found if self.units.plain else found / self._columns)

    def tested(self, whole: Array) -> Array:
        """A form with all test functions [values], with those of the unknowns."""
        found = self._summed(whole)
        return np.asarray(found if self.units.plain else found * self._rows)

    def _summed(self, whole: Array) -> Array:
        """The sums over the values of each unknown."""
        if not self.joined:
            return np.asarray(whole[self.free])
        return np.bincount(self.number[self._known], whole[self._known], self.count)

    def gathered(self, channel: int, weights: Array) -> Array:
        """Weights of the nodal values of a channel as weights of all unknowns."""
        whole = np.zeros(self.size)
        whole[self._channels[channel]] = weights
        return self._summed(whole)

    def column(self, channel: int) -> float:
        """The unit of a channel."""
        kinds = [kind for kind, parts in enumerate(self._of_kinds) for _ in parts]
        return float(self.units.columns[kinds[channel]])

    def scale(self, values: Array, pattern: Pattern) -> Array:
        """A derivative in the units of these, in place."""
        if not self.units.plain:
            rows, columns = self._of_entries(pattern)
            values *= np.outer(self.units.rows, self.units.columns)[rows, columns]
        return values

    def balanced(self, values: Array, pattern: Pattern) -> Units:
        """The units in which a derivative has blocks of equal size."""
        if len(self.kinds) == 1 or not np.isfinite(values).all():
            return plain_units(len(self.kinds))
        return balanced_units(block_sizes(values, *self._of_entries(pattern), len(self.kinds)))

    def variation(self, unknowns: Array) -> float:
        """The 2-norm of what varies in the unknowns, of the kind in which it is least."""
        return min((size for size in self._variations(unknowns) if size > 0.0), default=0.0)

    def relative(self, error: Array, unknowns: Array) -> float:
        """The 2-norm of an error in units of what varies in the unknowns, of the kind in which it is most."""
        sizes = [two_norm(error[kind]) if kind.stop > kind.start else 0.0 for kind in self.kinds]
        pairs = zip(sizes, self._variations(unknowns), strict=True)
        return max(ratio(size, varies) if size else 0.0 for size, varies in pairs)

    def _variations(self, unknowns: Array) -> list[float]:
        found = []
        for kind, channels in zip(self.kinds, self._of_kinds, strict=True):
            entries = [unknowns[c] for c in channels if c.stop > c.start]
            varies = float(np.linalg.norm([two_norm(entry - entry.mean()) for entry in entries])) if entries else 0.0
            found.append(varying(varies, two_norm(unknowns[kind])))
        return found
