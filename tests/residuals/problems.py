"""Problems on boxes, one for each thing that a residual has to know of."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.spec import validate

GAUSSIAN = {"field": "gaussian", "alpha": 2.0, "tau": 3.0}
LOGNORMAL = {"field": "lognormal", "std": 0.5}
EXCHANGE = {"robin": {"coefficient": LOGNORMAL, "value": GAUSSIAN}}
PLAIN_EXCHANGE = {"robin": {"coefficient": 2.0, "value": 1.0}}

STEADY: dict[str, dict[str, Any]] = {
    "a random coefficient": {"family": "darcy", "resolution": [12, 10], "coefficient": LOGNORMAL},
    "a tensor, a reaction and drawn data on all kinds of sides": {
        "family": "darcy", "resolution": [8, 7], "domain": {"lengths": [2.0, 1.0]}, "source": GAUSSIAN,
        "coefficient": {"diagonal": [LOGNORMAL, 2.0]}, "reaction": LOGNORMAL,
        "boundary": {"left": {"neumann": GAUSSIAN}, "right": EXCHANGE, "top": {"dirichlet": GAUSSIAN}},
    },
    "three axes, one of them joined": {
        "family": "darcy", "resolution": [6, 5, 4], "coefficient": LOGNORMAL,
        "boundary": {"left": {"neumann": 1.5}, "top": "periodic", "bottom": "periodic", "front": PLAIN_EXCHANGE},
    },
    "one axis": {
        "family": "poisson", "resolution": [9], "source": GAUSSIAN,
        "boundary": {"left": {"dirichlet": {"uniform": [0.0, 1.0]}}, "right": {"neumann": {"uniform": [0.0, 1.0]}}},
    },
    "a term made of a drawn field": {"family": "helmholtz", "resolution": [9, 8], "wavenumber": LOGNORMAL},
    "fields that are the same in all samples": {
        "family": "thermal", "resolution": [9, 8], "source": {"field": "expression", "formula": "x*y"},
        "coefficient": {"field": "expression", "formula": "1 + x"}, "reaction": {"uniform": [0.0, 1.0]},
        "boundary": {"default": {"dirichlet": {"field": "expression", "formula": "x"}}},
    },
    "a level": {
        "family": "darcy", "resolution": [9, 8], "coefficient": LOGNORMAL,
        "boundary": {"default": {"dirichlet": 1000.3}},
    },
    "joined sides": {
        "family": "screened_poisson", "resolution": [9, 8], "source": GAUSSIAN, "boundary": {"default": "periodic"},
    },
    "a source that is balanced": {
        "family": "poisson", "resolution": [9, 8], "compatibility": "project", "source": GAUSSIAN,
        "boundary": {"default": {"neumann": 1.0}},
    },
    "a source that is balanced and the same in all samples": {
        "family": "darcy", "resolution": [9, 8], "compatibility": "project", "coefficient": LOGNORMAL,
        "boundary": {"default": {"neumann": 1.0}},
    },
    "steep and slow convection": {
        "family": "convection_diffusion", "resolution": [9, 8], "coefficient": LOGNORMAL,
        "velocity": [{"field": "gaussian", "alpha": 2.0, "tau": 3.0, "std": 20.0}, 1.0],
        "boundary": {"left": {"neumann": 1.0}, "right": PLAIN_EXCHANGE},
    },
    "central convection": {
        "family": "convection_diffusion", "resolution": [9, 8], "flux": "central", "velocity": [GAUSSIAN, 3.0],
        "boundary": {"left": {"neumann": 1.0}, "right": PLAIN_EXCHANGE},
    },
    "upwind convection": {
        "family": "convection_diffusion", "resolution": [9, 8], "flux": "upwind", "velocity": [30.0, -20.0],
        "source": GAUSSIAN,
    },
    "fitted convection across joined sides": {
        "family": "convection_diffusion", "resolution": [9, 8], "flux": "fitted", "velocity": [30.0, GAUSSIAN],
        "coefficient": {"uniform": [0.1, 1.0]}, "boundary": {"left": "periodic", "right": "periodic"},
    },
}  # fmt: skip


def spec_of(problem: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A small spec in float64."""
    return {
        "problem": problem, "samples": 3, "store": {"dtype": "float64"}, "solver": {"method": "direct"}, **more,
    }  # fmt: skip


def batch(problem: dict[str, Any]) -> tuple[Array, Array, Array, float]:
    """The inputs of three samples, some u, the residual that certificates are made of, and the largest |A| |u|."""
    job = FieldJob(validate(spec_of(problem)))
    numbers = np.random.default_rng(0)
    inputs, states, left, largest = [], [], [], 0.0
    for number in range(3):
        instance = job.instance("train", number)
        equation = job.discretisation.equation(instance)
        u = equation.level + numbers.standard_normal(job.discretisation.solution_shape)
        inputs.append(job.inputs(instance, equation.shift))
        states.append(u)
        left.append(equation.residual(u.reshape(-1)).reshape(u.shape))
        sizes = abs(equation.linearised(u).matrix.sparse()) @ np.abs(u.reshape(-1))
        largest = max(largest, float(sizes.max()))
    return np.stack(inputs), np.stack(states), np.stack(left), largest
