"""The former name of the place of points, for families written before discretisers were chosen apart."""

from pdemill.solvers.walks.place import PointPlace as PointProblem

__all__ = ["PointProblem"]
