"""One sample of a pointwise problem: its functions and the measures of its domain, drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pdemill.draws import Draw
from pdemill.points import CloudPoints
from pdemill.solvers.instance import Instance
from pdemill.solvers.walks.place import PointPlace
from pdemill.spec.field import Function

ANYWHERE = CloudPoints(np.zeros((1, 1)), (0.0,), (1.0,), lasting=False)
"""Where functions that are the same everywhere are evaluated."""


class PointSample(Instance):
    """The equation, the side data and the domain of one sample."""

    def __init__(self, problem: PointPlace, draw: Draw, fixed: dict[str, Function]) -> None:
        super().__init__(problem, draw, fixed)
        self._domain = {path[1:]: scalar.realise(self.draw.at("/".join(path))) for path, scalar in problem.measures()}

    @property
    def measures(self) -> dict[tuple[str, ...], float]:
        """The numbers that shape the domain, by their path below it."""
        return {path: float(np.squeeze(function(ANYWHERE))) for path, function in self._domain.items()}

    def named(self) -> Iterator[tuple[str, Function]]:
        yield from super().named()
        for path, function in self._domain.items():
            if function.random:
                yield ".".join(("domain", *path)), function
