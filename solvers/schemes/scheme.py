"""The base of schemes: the way from discrete equations to certified labels."""

from __future__ import annotations

from abc import ABC, abstractmethod

from pdemill.solvers.operators.equation import DiscreteEquation
from pdemill.solvers.sequence import Label, Sequence
from pdemill.solvers.stopwatch import Stopwatch


class Scheme(ABC):
    """Solves the discrete equations of samples by way of linear systems, which a ``Sequence`` solves.

    The state that a method carries from system to system lives in the sequence, so that steps and iterations follow
    each other as samples do. Systems of several samples go into one call of ``Sequence.labels``, which solves them side
    by side.
    """

    @abstractmethod
    def labels(self, equations: list[DiscreteEquation], sequence: Sequence, watch: Stopwatch) -> list[Label]:
        """A certified solution for each equation, or why there is none; what a sample gets must not depend on which
        others share the call, as far as the state of the method allows."""
