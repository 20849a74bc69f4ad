"""A random walk over specs: none crashes, and no certified label is further off than it says.

``make soak`` takes 20,000; SOAK_SPECS changes how many, SOAK_FROM where to go on: parts of 500 specs are numbered, and
number n is made with seed n. The other runs take the same 150.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, Phase, event, example, given, seed, settings

import pdemill
from benchmarks.shared.truth import errors, true_solution
from pdemill.errors import PdemillError
from pdemill.solvers.field_job import FieldJob
from pdemill.spec import validate
from pdemill.store.layout import Shard
from pdemill.store.store import ShardData
from tests.solvers.random_specs import specs

type Json = dict[str, Any]

FEW, PART = 150, 500
WITHIN = 3.0
"""How far an error may be above what is said of it."""
PUBLIC = 10
"""One spec in so many goes through the public functions."""
SOAK = int(os.environ.get("SOAK_SPECS", "0"))
BEGIN = int(os.environ.get("SOAK_FROM", "0"))
WALK = settings(
    database=None, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)  # fmt: skip


GAUSSIAN: Json = {"field": "gaussian", "alpha": 4, "tau": 20, "modes": 4, "boundary": "periodic"}
FOUND: dict[str, Json] = {
    "verify compared residuals of u with that of u without its level, to the bit": {
        "problem": {
            "family": "darcy", "resolution": [35],
            "boundary": {"left": {"dirichlet": {"uniform": [1e5, 100001]}}, "right": {"dirichlet": 100001}},
        },
        "samples": 1, "store": {"dtype": "float64"}, "certify": {"refine": 0}, "seed": 0,
    },
    "u was centred after its residual, and rows of a singular matrix do not sum to 0": {
        "problem": {
            "family": "darcy", "resolution": [44], "boundary": {"left": "periodic", "right": "periodic"},
            "source": {**GAUSSIAN, "alpha": 1.2, "tau": 3, "boundary": "neumann", "std": 3.04e-21},
            "coefficient": {"field": "threshold", "low": 1e-4, "high": 1e4, "of": {**GAUSSIAN, "tau": 1, "modes": 8}},
        },
        "samples": 3, "solver": {"method": "cg", "recycle": 5}, "store": {"dtype": "float64"}, "certify": {"refine": 0},
        "seed": 8349,
    },
    "nothing varies in u, and hardly anything in the solution": {
        "problem": {
            "family": "darcy", "resolution": [9, 9], "boundary": {"default": "periodic"},
            "source": {"uniform": [0, 1]}, "reaction": 1,
            "coefficient": {"field": "threshold", "low": 1e-4, "high": 6e3, "of": GAUSSIAN},
        },
        "samples": 4, "solver": {"method": "cg", "preconditioner": "none", "recycle": 7, "guess": "zero"},
        "store": {"dtype": "float64"}, "certify": {"refine": 0}, "seed": 197,
    },
    "a level that is hardly held moves by what rounding does to a residual": {
        "problem": {
            "family": "darcy", "resolution": [20, 16], "source": {**GAUSSIAN, "alpha": 2, "tau": 3},
            "coefficient": {"field": "threshold", "low": 0.1, "high": 10, "of": {**GAUSSIAN, "alpha": 2, "tau": 3}},
            "boundary": {"default": {"robin": {"coefficient": 1e-6, "value": 1e-6}}},
        },
        "samples": 4, "solver": {"method": "minres"}, "store": {"dtype": "float64"}, "certify": {"refine": 0},
        "seed": 1,
    },
    "the same with one matrix": {
        "problem": {
            "family": "poisson", "resolution": [20, 16], "source": {**GAUSSIAN, "alpha": 2, "tau": 3},
            "boundary": {"default": {"robin": {"coefficient": 1e-6, "value": 1e-6}}},
        },
        "samples": 4, "solver": {"method": "amg"}, "store": {"dtype": "float64"}, "certify": {"refine": 0}, "seed": 1,
    },
    "layers of a stretched box are cut off from each other, at one coefficient": {
        "problem": {
            "family": "poisson", "resolution": [4, 6, 6], "domain": {"lengths": [2650, 1, 1]},
            "source": {**GAUSSIAN, "alpha": 1.2, "modes": 8, "boundary": "neumann", "std": 1},
            "boundary": {
                "left": {"dirichlet": {"uniform": [0, 1]}}, "right": {"dirichlet": {"uniform": [0, 1]}},
                "default": "periodic",
            },
        },
        "samples": 3, "solver": {"method": "multigrid", "rtol": 1e-6, "sort": "none"}, "store": {"dtype": "float64"},
        "certify": {"refine": 0, "algebraic_rtol": 1e-12, "stored_rtol": 10}, "seed": 493,
    },
    "an estimate of the discretisation error that float32 cannot hold": {
        "problem": {
            "family": "darcy", "resolution": [4, 12], "domain": {"lengths": [92.5, 1]}, "reaction": 17600,
            "source": {"field": "bumps", "count": 2, "amplitude": [1, 2], "width": [0.05, 0.3]},
            "coefficient": {"diagonal": [{"uniform": [1, 3]}, 1]},
        },
        "samples": 1, "solver": {"method": "fft"}, "store": {"dtype": "float64"}, "certify": {"refine": 1},
        "seed": 3653,
    },
    "an incomplete factorisation was shifted without end": {
        "problem": {
            "family": "darcy", "resolution": [43], "domain": {"lengths": [0.00587]}, "source": 1.55e22,
            "boundary": {
                "left": {"neumann": {"normal": [0, 1]}},
                "right": {"robin": {"coefficient": {"uniform": [0.5, 2]}, "value": 1}},
            },
            "coefficient": {"uniform": [1e30, 3e30]}, "compatibility": "project",
        },
        "samples": 4, "solver": {"method": "gmres", "rtol": 0.1, "preconditioner": "icc", "restart": 2},
        "store": {"dtype": "float32"}, "certify": {"refine": 0}, "seed": 500,
    },
    "a level that is held more weakly than the longest wave": {
        "problem": {
            "family": "darcy", "resolution": [6, 6], "domain": {"lengths": [0.01, 0.01]}, "source": -2.5, "reaction": 1,
            "boundary": {
                "left": {"robin": {"coefficient": 1, "value": -3}}, "right": {"robin": {"coefficient": 0, "value": 0}},
                "bottom": "periodic", "top": "periodic",
            },
        },
        "samples": 1, "solver": {"method": "multigrid", "guess": "zero"}, "store": {"dtype": "float64"},
        "certify": {"refine": 0, "stored_rtol": 10}, "seed": 0,
    },
    "the same by minres": {
        "problem": {
            "family": "darcy", "resolution": [7, 7], "domain": {"lengths": [0.00366, 0.00366]}, "source": -2.5,
            "boundary": {
                "left": {"robin": {"coefficient": 1, "value": -3}}, "right": {"robin": {"coefficient": 0, "value": 0}},
                "bottom": "periodic", "top": "periodic",
            },
            "reaction": 1,
        },
        "samples": 4, "solver": {"method": "minres", "sort": "greedy"}, "store": {"dtype": "float64"},
        "certify": {"refine": 0, "stored_rtol": 10}, "seed": 121,
    },
    "couplings of a fitted flux are apart by more than a number can say": {
        "problem": {
            "family": "convection_diffusion", "resolution": [4, 4], "coefficient": {"diagonal": [1e-7, 1]}, "source": 0,
            "reaction": 1, "velocity": [1, 0], "boundary": {"default": {"neumann": 0}},
        },
        "samples": 1, "solver": {"method": "auto", "guess": "zero"}, "store": {"dtype": "float64"},
        "certify": {"refine": 0, "algebraic_rtol": 0.01, "stored_rtol": 10}, "seed": 0,
    },
    "verify asked for the level of 0, which rounding leaves free": {
        "problem": {
            "family": "screened_poisson", "resolution": [16], "domain": {"lengths": [1e-7]}, "source": 0,
            "boundary": {"default": {"neumann": 0}},
        },
        "samples": 1, "store": {"dtype": "float64"}, "certify": {"refine": 0}, "seed": 0,
    },
    "a thin box by auto, of issue 13": {
        "problem": {
            "family": "darcy", "resolution": [4, 13], "domain": {"lengths": [0.1, 0.001]}, "source": 2.5,
            "coefficient": {"diagonal": [1, {
                "field": "threshold", "low": 0.92, "high": 31.4, "of": {"field": "gaussian", "alpha": 2, "tau": 3},
            }]},
            "boundary": {
                "left": "periodic", "right": "periodic", "top": {"dirichlet": 1},
                "bottom": {"neumann": {"field": "gaussian", "alpha": 2, "tau": 2}},
            },
        },
        "samples": 4, "seed": 896,
    },
    "a combination of earlier solutions, of issue 13": {
        "problem": {
            "family": "darcy", "resolution": [4, 8], "domain": {"lengths": [0.001, 1]},
            "boundary": {
                "left": {"neumann": {"normal": [1, 0.1]}}, "right": {"dirichlet": {"uniform": [0.5, 2]}},
                "bottom": {"neumann": {"field": "chebyshev", "terms": 2}}, "top": {"dirichlet": {"uniform": [0.5, 2]}},
            },
        },
        "samples": 8, "solver": {"method": "direct", "rtol": 1e-3}, "seed": 3,
    },
}  # fmt: skip
"""What the walk has found, each mended; and what others had found before."""


def solved(spec: Json) -> tuple[FieldJob, ShardData]:
    """The job of a spec and its rows, by the shortest way."""
    job = FieldJob(validate(spec))
    samples = job.spec.splits["train"]
    return job, job.solve(Shard("train", 0, 0, samples), lambda progress: None)[0]


def generated(spec: Json) -> tuple[FieldJob, ShardData]:
    """The same by way of a store, which must verify."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "s.zarr"
        made = pdemill.generate(spec, out, workers=0)
        faults = [fault for fault in pdemill.verify(out).faults if " failed: " not in fault]
        assert not faults, faults
        group = zarr.open_group(out, mode="r")
        names = ("solution", "method", "algebraic_error", "stored_error")
        arrays: Any = {name: np.asarray(group[f"train/{name}"]) for name in names}
        assert len(made.failures) == int((arrays["method"] <= 0).sum())
        shared = {
            name: np.asarray(group[name]) for name in ("points", "cells", "facets", "facet_sides") if name in group
        }
        return FieldJob(validate(spec), shared or None), ShardData(arrays, (), {})


def examined(spec: Json, public: bool = False) -> None:
    lines = None
    try:
        job, data = generated(spec) if public else solved(spec)
    except PdemillError as fault:
        event("refused")
        lines = str(fault).splitlines()
    if lines is not None:
        assert len(lines) == 1
        return
    limit, exact = job.spec.certify.algebraic_rtol, job.spec.store.dtype == "float64"
    for failure in data.failures:
        event(f"failed: {failure['result']}")
        assert failure["reason"]
    for number in np.flatnonzero(data.arrays["method"] > 0).tolist():
        stated, stored = (float(data.arrays[name][number]) for name in ("algebraic_error", "stored_error"))
        assert stated <= limit * (1 + 1e-6)
        assert stated <= stored <= max(limit, job.spec.certify.stored_rtol) * (1 + 1e-6)
        truth = true_solution(job, number)
        if truth is None:
            event("truth unknown")
            continue
        event("examined")
        error, rounding = errors(job, data, number, truth)
        said = (number, error, stated, stored, rounding, data.arrays["method"][number])
        assert error <= WITHIN * stored + rounding + 1e-14, said
        if exact and not truth.level:
            assert error <= WITHIN * min(stated, limit) + rounding + 1e-14, said


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.skipif(not SOAK, reason="make soak runs it")
@pytest.mark.parametrize("number", range(BEGIN, BEGIN + -(-SOAK // PART)))
def test_many_specs(number: int) -> None:
    @seed(number)
    @settings(WALK, max_examples=PART)
    @given(specs())
    def walk(spec: Json) -> None:
        examined(spec, public=spec["seed"] % PUBLIC == 0)

    walk()


@settings(WALK, max_examples=FEW, derandomize=True)
@given(specs())
@example(FOUND["verify compared residuals of u with that of u without its level, to the bit"])
@example(FOUND["u was centred after its residual, and rows of a singular matrix do not sum to 0"])
@example(FOUND["nothing varies in u, and hardly anything in the solution"])
@example(FOUND["a level that is hardly held moves by what rounding does to a residual"])
@example(FOUND["the same with one matrix"])
@example(FOUND["layers of a stretched box are cut off from each other, at one coefficient"])
@example(FOUND["an estimate of the discretisation error that float32 cannot hold"])
@example(FOUND["an incomplete factorisation was shifted without end"])
@example(FOUND["a level that is held more weakly than the longest wave"])
@example(FOUND["the same by minres"])
@example(FOUND["couplings of a fitted flux are apart by more than a number can say"])
@example(FOUND["verify asked for the level of 0, which rounding leaves free"])
@example(FOUND["a thin box by auto, of issue 13"])
@example(FOUND["a combination of earlier solutions, of issue 13"])
def test_few_specs(spec: Json) -> None:
    examined(spec, public=spec["seed"] % PUBLIC == 0)
