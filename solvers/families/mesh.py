"""The former name of the place of triangle meshes, for families written before discretisers were chosen apart."""

from pdemill.solvers.discretisers.elements import MeshPlace as MeshProblem

__all__ = ["MeshProblem"]
