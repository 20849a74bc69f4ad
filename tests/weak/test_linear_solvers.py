"""Iterations for the linear systems of weak forms: multigrid that knows rigid motions, recycled spaces, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from pdemill.errors import SpecError
from pdemill.solvers.methods.amg import Amg
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.system import System
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import validate
from tests.weak.problems import formula, opened, solved

SHAKEN: dict[str, Any] = {"field": "lognormal", "std": 0.5, "modes": 8}
BEAM: dict[str, Any] = {
    "family": "elasticity", "resolution": [6, 6, 6], "element": "P1", "E": SHAKEN, "nu": 0.3,
    "boundary": {"left": "clamped", "right": {"traction": [0.1, 0.0, 0.2]}, "default": "free"},
}  # fmt: skip
STOKES: dict[str, Any] = {
    "family": "stokes", "resolution": [4, 4], "viscosity": {"uniform": [1, 2]},
    "boundary": {"left": {"velocity": [1, 0]}, "right": "outlet", "default": "no_slip"},
}  # fmt: skip


def systems(problem: dict[str, Any], count: int = 1) -> list[System]:
    job = opened(problem, samples=count)
    made = [job.discretisation.equation(job.instance("train", i)) for i in range(count)]
    return [equation.linearised(np.empty(0)) for equation in made]


def iterations(system: System) -> int:
    solver = Amg(method="amg").solver()
    found = solver.solve(system, None)
    assert found.result.ok
    return found.stats.iterations


def beside(problem: dict[str, Any], options: dict[str, Any]) -> tuple[float, Any]:
    """How far a solution of a method is from that of ``direct``, and its label."""
    one, _ = solved(opened(problem, solver={"method": "direct"}))
    other, label = solved(opened(problem, solver=options))
    return float(np.linalg.norm(other - one) / np.linalg.norm(one)), label


PERIODIC: dict[str, Any] = {
    "family": "weak_form", "resolution": [12, 12], "unknowns": {"u": {"element": "P2", "shape": "vector"}},
    "coefficients": {"E": SHAKEN}, "constraints": {"u": {"mean": [0.0, 0.0]}},
    "form": "E*inner(sym(grad(u)), sym(grad(v)))*dx + E*(grad(v)[0, 0] + 0.3*grad(v)[1, 1])*dx",
    "boundary": {"default": "periodic"},
}  # fmt: skip


@pytest.mark.parametrize(
    "problem",
    [
        BEAM,
        {**BEAM, "resolution": [16, 16], "element": "P2", "boundary": {
            "left": {"displacement": [0, None]}, "bottom": {"displacement": [None, 0]},
            "right": {"traction": [0.1, 0.2]}, "default": "free"}},
        PERIODIC,
        {"family": "weak_form", "resolution": [8, 8, 8], "unknowns": {"u": "P1"}, "coefficients": {"k": SHAKEN},
         "form": "k*inner(grad(u), grad(v))*dx - v*dx", "boundary": {"default": {"u": {"dirichlet": 0.0}}}},
    ],
    ids=["3D", "by component", "periodic", "scalar"],
)  # fmt: skip
def test_amg_finds_what_factors_find(problem: dict[str, Any]) -> None:
    apart, label = beside(problem, {"method": "amg"})
    assert label.method == "amg"
    assert 5 < label.iterations < 60
    assert apart <= 2.0 * label.algebraic_error + 1e-10 < 1e-6
    assert label.residual <= 1e-8


def test_a_known_displacement_comes_out_at_second_order() -> None:
    """u = (x⁴, y⁴, z⁴), E = 1, ν = 0: σ = ε and f = -12 (x², y², z²), in P1."""
    known = {"displacement": [formula("x**4"), formula("y**4"), formula("z**4")]}
    forces, errors = [formula("-12*x*x"), formula("-12*y*y"), formula("-12*z*z")], []
    for n in (4, 8):
        given: dict[str, Any] = {"E": 1.0, "nu": 0.0, "body_force": forces, "boundary": {"default": known}}
        job = opened({**BEAM, "resolution": [n, n, n], **given}, solver={"method": "amg"})
        found, label = solved(job)
        exact = np.stack([np.asarray(places) ** 4 for places in job.discretisation.points.coordinates.values()])
        errors.append(np.linalg.norm(found - exact) / np.linalg.norm(exact))
        assert label.method == "amg"
        assert label.algebraic_error <= 1e-7
    assert errors[1] <= 0.4 * errors[0] < 0.01


def test_rigid_motions_keep_iterations_few_on_finer_meshes() -> None:
    kept, forgotten = [], []
    for n in (16, 32, 64):
        (system,) = systems({**BEAM, "resolution": [n, n], "boundary": {"left": "clamped", "default": "free"}})
        plain = replace(system.matrix, pattern=replace(system.matrix.pattern, blocks=None), motions=None)
        system = replace(system, rhs=np.ones_like(system.rhs))
        kept.append(iterations(system))
        forgotten.append(iterations(replace(system, matrix=plain)))
    assert kept[-1] <= 1.6 * kept[0] < 40
    assert forgotten[-1] > 3 * forgotten[0] > 4 * kept[0]


def test_motions_do_no_work() -> None:
    """Of a body that nothing holds: A times each is 0."""
    free = {**BEAM, "resolution": [3, 3, 3], "boundary": {"left": "clamped", "default": "free"}}
    job = opened(free)
    grid = job.discretisation
    packed = grid.packed(job.instance("train", 0))  # type: ignore[attr-defined]
    whole = grid.assembler.whole_derivative(packed, np.zeros(grid.numbering.size))  # type: ignore[attr-defined]
    (system,) = systems(free)
    assert system.matrix.motions is not None
    motions = system.matrix.motions()
    assert len(motions) == 6
    points, count = grid.mesh.points - grid.mesh.points.mean(axis=0), len(grid.mesh.points)  # type: ignore[attr-defined]
    for motion in motions:
        at = grid.completed(motion, np.zeros(grid.numbering.size)).reshape(3, count)  # type: ignore[attr-defined]
        free_nodes = points[:, 0] > points[:, 0].min() + 1e-9
        design = np.concatenate([np.ones((count, 1)), points], axis=1)[free_nodes]
        slopes = np.linalg.lstsq(design, at[:, free_nodes].T, rcond=None)[0]
        np.testing.assert_allclose(design @ slopes, at[:, free_nodes].T, atol=1e-10)
        np.testing.assert_allclose(slopes[1:] + slopes[1:].T, 0.0, atol=1e-10)
        everywhere = (np.concatenate([np.ones((count, 1)), points], axis=1) @ slopes).T.ravel()
        assert two_norm(whole @ everywhere) <= 1e-9 * abs(whole).sum()


@pytest.mark.parametrize("contrast", [1.0, 1e4])
def test_errors_are_told_as_they_are(contrast: float) -> None:
    """The estimate of a loose solution against its distance to that of refined factors."""
    of = {"field": "gaussian", "alpha": 2.0, "tau": 5, "modes": 8}
    stiff = {"field": "threshold", "low": 1.0, "high": contrast + 1.0, "of": of}
    (system,) = systems({**BEAM, "E": stiff})
    direct = Direct(method="direct").solver()
    exact = direct.solve(system, None).value
    exact = exact + direct.solve(replace(system, rhs=system.precise_residual(exact)), None).value
    solver = Amg(method="amg", rtol=1e-3).solver()
    found = solver.solve(system, None).value
    (d,) = solver.correct([system], [system.precise_residual(found)], 0.1) or [None]
    assert d is not None
    assert 0.95 <= two_norm(d) / two_norm(found - exact) <= 1.05


def test_recycling_saves_iterations_along_slow_changes() -> None:
    slow = {**BEAM, "resolution": [24, 24], "E": {"uniform": [1.0, 1.1]}, "nu": {"uniform": [0.3, 0.32]},
            "body_force": [{"field": "gaussian", "modes": 4}, 0.0],
            "boundary": {"left": "clamped", "default": "free"}}  # fmt: skip
    job = opened(slow, samples=6, solver={"method": "skr"})
    equations = [job.discretisation.equation(job.instance("train", i)) for i in range(6)]
    carried = job.scheme.labels(equations, job.sequence(), Stopwatch())
    anew = [job.scheme.labels([one], job.sequence(), Stopwatch())[0] for one in equations]
    assert {label.method for label in (*carried, *anew)} == {"skr"}
    assert sum(label.iterations for label in carried[2:]) < 0.8 * sum(label.iterations for label in anew[2:])


@pytest.mark.parametrize(
    ("problem", "solver", "told"),
    [
        (STOKES, {"method": "amg"}, "amg needs a definite operator, and stokes has a saddle point: use direct"),
        (STOKES, {"method": "cg"}, "cg needs a definite operator"),
        (STOKES, {"method": "skr"}, "ilu divides by the diagonal, and that of stokes has zeros"),
        (STOKES, {"method": "gmres"}, "ilu divides by the diagonal, and that of stokes has zeros"),
        ({"family": "weak_form", "resolution": [4, 4], "unknowns": {"u": "P1"},
          "form": "inner(grad(u), grad(v))*dx + grad(u)[0]*v*dx - v*dx",
          "boundary": {"default": {"u": {"dirichlet": 0.0}}}},
         {"method": "amg"}, "amg needs a symmetric operator, and weak_form is not: use gmres or direct"),
        ({"family": "weak_form", "resolution": [8, 8], "unknowns": {"u": "P1"},
          "form": "inner(grad(u), grad(v))*dx - 100*u*v*dx - v*dx",
          "boundary": {"default": {"u": {"dirichlet": 0.0}}}},
         {"method": "amg"}, "amg needs a definite operator, and weak_form is not: use gmres or direct"),
    ],
    ids=["stokes amg", "stokes cg", "stokes skr", "stokes gmres", "convection", "waves"],
)  # fmt: skip
def test_what_does_not_suit_the_matrices_is_refused(problem: dict[str, Any], solver: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        opened(problem, solver=solver)


def test_estimates_take_factors_in_the_plane_and_multigrid_in_space() -> None:
    plane = opened({**BEAM, "resolution": [8, 8], "boundary": {"left": "clamped", "default": "free"}})
    space = opened({**BEAM, "resolution": [14, 14, 14]}, solver={"trial": "never"})
    assert plane.method.method == "direct"
    assert space.method.method == "amg"
    assert opened(STOKES).method.method == "direct"
    assert validate({"problem": {**BEAM, "resolution": [14, 14, 14]}, "samples": 1}).solver.method == "auto"


def test_a_trial_measures_both() -> None:
    found = pdemill.plan({"problem": {**BEAM, "resolution": [4, 4, 4]}, "samples": 8})
    assert found.measured
    assert {one.name: one.failed for one in found.candidates if one.certified} == {"direct": 0, "amg": 0}


def test_steps_of_newton_are_solved_by_amg_too() -> None:
    bent: dict[str, Any] = {
        "family": "hyperelasticity", "resolution": [4, 4, 4], "element": "P1", "E": SHAKEN, "nu": 0.3,
        "boundary": {"left": "clamped", "right": {"displacement": [0.2, 0.1, 0.0]}, "default": "free"},
    }  # fmt: skip
    apart, label = beside(bent, {"method": "amg"})
    assert label.method == "amg"
    assert apart <= 1e-7


@pytest.mark.slow
def test_bits_do_not_depend_on_workers(tmp_path: Path) -> None:
    spec: dict[str, Any] = {"problem": BEAM, "samples": 4, "solver": {"method": "amg"}, "store": {"shard": 2}}
    spec["certify"] = {"refine": 0}
    for workers in (1, 2):
        assert pdemill.generate(spec, tmp_path / f"{workers}.zarr", workers=workers).ok
    one, two = (zarr.open_group(tmp_path / f"{workers}.zarr", mode="r")["train"] for workers in (1, 2))
    assert isinstance(one, zarr.Group)
    assert isinstance(two, zarr.Group)
    for name in ("solution", "rel_residual", "algebraic_error", "iterations", "method"):
        assert np.asarray(one[name]).tobytes() == np.asarray(two[name]).tobytes(), name
    assert pdemill.verify(tmp_path / "1.zarr").ok
