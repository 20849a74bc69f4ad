"""The former name of the place of box grids, for families written before discretisers were chosen apart."""

from pdemill.solvers.discretisers.box import BoxPlace as GridProblem

__all__ = ["GridProblem"]
