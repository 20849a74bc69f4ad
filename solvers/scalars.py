"""The scalars of a formula: numbers that are drawn once per sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from pdemill.draws import Draw
from pdemill.points import Array, Points
from pdemill.solvers.formulas import FUNCTIONS
from pdemill.spec.field import Field, Function
from pdemill.spec.model import refuse


def refuse_taken(names: Iterable[str], others: tuple[str, ...]) -> None:
    """Refuse names of scalars that are none, or stand for something else."""
    for name in names:
        if not name.isidentifier() or name in (*others, *FUNCTIONS):
            raise refuse((name,), "is not a free name", name)


@dataclass(frozen=True)
class Scalars:
    """One draw of all scalars of a formula."""

    functions: Mapping[str, Function]

    @classmethod
    def drawn(cls, fields: Mapping[str, Field], draw: Draw) -> Scalars:
        return cls({name: field.realise(draw.at(name)) for name, field in fields.items()})

    @property
    def parameters(self) -> dict[str, float]:
        """The numbers that differ from sample to sample."""
        return {name: value for name, f in self.functions.items() for value in f.parameters.values()}

    def values(self, points: Points) -> dict[str, Array | float]:
        return {name: function(points) for name, function in self.functions.items()}

    def features(self, points: Points) -> Array:
        return np.concatenate([np.empty(0), *[f.features(points) for f in self.functions.values()]])
