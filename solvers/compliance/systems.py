"""Problems whose small systems stand for all kinds of matrices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pdemill.spec import validate
from pdemill.spec.problem import Problem

SMOOTH = {"field": "lognormal", "modes": 6, "std": 0.6}
PROBLEMS: Mapping[str, dict[str, Any]] = {
    "one-dimensional": {"family": "darcy", "resolution": [40], "coefficient": SMOOTH},
    "definite": {"family": "darcy", "resolution": [16, 13], "coefficient": SMOOTH},
    "three-dimensional": {"family": "darcy", "resolution": [6, 5, 7], "coefficient": SMOOTH},
    "indefinite": {"family": "helmholtz", "resolution": [16, 13], "wavenumber": {"uniform": [8, 8.5]}},
    "nonsymmetric": {
        "family": "convection_diffusion", "resolution": [16, 13], "velocity": [{"uniform": [5, 9]}, -4],
    },
    "singular": {
        "family": "poisson", "resolution": [16, 13], "source": {"field": "gaussian", "modes": 8},
        "boundary": {"default": {"neumann": 0}},
    },
    "constant": {
        "family": "poisson", "resolution": [16, 12], "source": {"field": "gaussian", "modes": 8},
        "boundary": {"bottom": "periodic", "top": "periodic"},
    },
    "mesh": {
        "family": "darcy", "resolution": {"h": 0.1}, "coefficient": SMOOTH,
        "boundary": {"left": {"robin": {"coefficient": {"uniform": [0.5, 1]}, "value": 1}}},
    },
}  # fmt: skip


def problem_of(kind: str) -> Problem:
    """The problem of this kind."""
    return validate({"problem": PROBLEMS[kind], "samples": 1}).problem
