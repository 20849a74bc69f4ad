"""Every bad pointwise spec is refused with the path of the bad value."""

from __future__ import annotations

from typing import Any

import pytest

from pdemill.errors import SpecError
from pdemill.spec import validate

type Json = dict[str, Any]

VARYING = {"field": "lognormal", "std": 0.3}
BALL4: Json = {"shape": "ball", "dimension": 4}
POLYGON: Json = {"shape": "polygon", "outline": [[0, 0], [1, 0], [0, 1]]}
TETRAHEDRON: Json = {
    "shape": "mesh",
    "vertices": [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "triangles": [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]],
}
FLUX: Json = {"boundary": {"left": {"neumann": 1}}}
DRAWN: Json = {"shape": "disk", "radius": {"uniform": [1, 2]}}


def points(problem: Json | None = None, **solver: Any) -> Json:
    """Poisson in a box at ten points with other keys in its problem, and options of its walks."""
    plain = {"family": "poisson", "domain": {"shape": "box", "lengths": [1, 1]}, "points": {"random": 10}}
    return {"problem": plain | (problem or {}), "samples": 2, "solver": {"method": "walks"} | solver}


def domain(value: Json, **problem: Any) -> Json:
    return points({"domain": value} | problem)


def darcy(problem: Json | None = None, **solver: Any) -> Json:
    """The same with a coefficient that varies."""
    return points({"family": "darcy", "coefficient": VARYING} | (problem or {}), **solver)


BAD: dict[str, tuple[Json, str, str]] = {
    # points
    "both": (points({"resolution": [8, 8]}), "problem.points", "give either points"),
    "negative reaction": (points({"family": "helmholtz"}), "problem.wavenumber", "walks takes a reaction >= 0 only"),
    "convection": (
        points({"family": "convection_diffusion", "velocity": [1, 0]}), "problem.velocity",
        "a convection term, which the discretiser walks does not take"),
    "points as a number": (points({"points": 100}), "problem.points", "should be {random: 1024}"),
    "points of two kinds": (points({"points": {"random": 5, "grid": [2, 2]}}), "problem.points", "should be"),
    "no points": (points({"points": {"random": 0}}), "problem.points.random", "greater than or equal to 1"),
    "too many points": (points({"points": {"random": 10**7}}), "problem.points.random", "less than or equal to"),
    "shared as text": (points({"points": {"random": 5, "shared": "yes"}}), "problem.points.shared", "boolean"),
    "grid of three axes": (points({"points": {"grid": [4, 4, 4]}}), "problem.points.grid", "3 entries for 2 axes"),
    "grid without cells": (points({"points": {"grid": [4, 0]}}), "problem.points.grid[1]", "greater than"),
    "grid too large": (points({"points": {"grid": [2000, 2000]}}), "problem.points", "more than 1,000,000"),
    "empty list": (points({"points": {"list": []}}), "problem.points.list", "at least 1"),
    "a point in space": (points({"points": {"list": [[0.5, 0.5], [0.5] * 3]}}), "problem.points.list[1]", "has 3"),
    "a point of text": (points({"points": {"list": [["0.5", 0.5]]}}), "problem.points.list[0][0]", "number"),
    "grid in a drawn domain": (domain(DRAWN, points={"grid": [4, 4]}), "problem.points", "must be random"),
    "sensors": (points({"sensors": -1}), "problem.sensors", "greater than or equal to 0"),
    # domains
    "a line": (points({"domain": {"lengths": [1]}}), "problem.domain.lengths", "2 to 20 lengths"),
    "unknown shape": (domain({"shape": "discus"}), "problem.domain.shape", "choose box or polygon or disk"),
    "radius negative": (domain({"shape": "disk", "radius": -1}), "problem.domain.radius", "must be positive"),
    "radius may be zero": (
        domain({"shape": "disk", "radius": {"uniform": [0, 1]}}), "problem.domain.radius", "must be positive"),
    "21 axes": (domain({"shape": "ball", "dimension": 21}), "problem.domain.dimension", "less than or equal to 20"),
    "annulus inside out": (domain({"shape": "annulus", "inner": 2}), "problem.domain.inner", "can reach 2"),
    "shell inside out": (
        domain({"shape": "shell", "inner": {"uniform": [0.5, 1.5]}}), "problem.domain.inner", "can reach 1.5"),
    "star without harmonics": (domain({"shape": "star"}), "problem.domain.harmonics", "is missing"),
    "harmonic of order 0": (
        domain({"shape": "star", "harmonics": [{"order": 0}]}), "problem.domain.harmonics[0].order", "greater than"),
    "edges": (
        domain({"shape": "star", "harmonics": [{"order": 2}], "edges": 3}), "problem.domain.edges", "equal to 16"),
    "mesh of nothing": (domain({"shape": "mesh"}), "problem.domain", "needs either vertices and triangles"),
    "mesh and blob": (domain(TETRAHEDRON | {"blob": {}}), "problem.domain", "or blob"),
    "no such vertex": (
        domain(TETRAHEDRON | {"triangles": [[0, 1, 2], [0, 1, 4]]}), "problem.domain.triangles[1]", "numbered 0 to 3"),
    "vertex in the plane": (
        domain(TETRAHEDRON | {"vertices": [[0, 0]]}), "problem.domain.vertices[0][2]", "is missing"),
    "mesh in a file": (
        domain({"shape": "mesh", "file": "/etc/passwd"}), "problem.domain.file", "give vertices and triangles here"),
    "blob too fine": (
        domain({"shape": "mesh", "blob": {"subdivisions": 7}}), "problem.domain.blob.subdivisions", "equal to 6"),
    # sides
    "robin": (
        points({"boundary": {"left": {"robin": {"coefficient": 1, "value": 0}}}}), "problem.boundary.left",
        "left robin, which the discretiser walks does not take (it takes dirichlet, neumann)"),
    "periodic": (
        points({"boundary": {"left": "periodic", "right": "periodic"}}), "problem.boundary.left",
        "left periodic, which the discretiser walks does not take (it takes dirichlet, neumann)"),
    "flux everywhere": (
        points({"boundary": {"default": {"neumann": 0}}, "source": 0}), "problem.boundary", "at least one"),
    "no such side": (
        domain({"shape": "disk"}, boundary={"left": {"dirichlet": 1}}), "problem.boundary.left", "no such side"),
    # what walks cannot do
    "walks on a grid": (
        {"problem": {"family": "poisson", "resolution": [8, 8]}, "samples": 2, "solver": {"method": "walks"}},
        "solver.method", "replace problem.resolution by problem.points"),
    "direct at points": (points() | {"solver": {"method": "direct"}}, "solver.method", "solves for whole fields"),
    "a coefficient that jumps": (
        darcy({"coefficient": {"field": "threshold", "low": 1, "high": 2, "of": {"field": "gaussian"}}}),
        "solver.method", "coefficient jumps"),
    "a tensor": (
        darcy({"coefficient": {"diagonal": [1, 2]}}), "problem.coefficient",
        "walks takes one coefficient for all axes"),
    "a field in four dimensions": (
        darcy({"domain": BALL4, "coefficient": {"field": "expression", "formula": "exp(x1)"}}),
        "solver.method", "in 2 and 3 dimensions only"),
    "flux beside a field": (darcy(FLUX), "solver.method", "coefficients that are constant in space only"),
    "flux on one rim": (
        domain({"shape": "annulus"}, boundary={"inner": {"neumann": 0}}), "solver.method", "boxes and polygons only"),
    "flux in four dimensions": (
        domain({"lengths": [1] * 4}, boundary={"x2_low": {"neumann": 1}}),
        "solver.method", "flux other than 0 in 2 and 3"),
    # options
    "one walk": (points(walks=1), "solver.walks", "greater than or equal to 2"),
    "walks and target": (points(walks=10, target_stderr=0.1), "solver.walks", "either walks or target_stderr"),
    "target zero": (points(target_stderr=0), "solver.target_stderr", "greater than 0"),
    "too few for a target": (points(target_stderr=0.1, max_walks=100), "solver.max_walks", "equal to 512"),
    "epsilon": (points(epsilon=0.5), "solver.epsilon", "less than or equal to 0.1"),
    "max_steps": (points(max_steps=5), "solver.max_steps", "equal to 10"),
    "estimator": (points(estimator="best"), "solver.estimator", "'independent'"),
    "rtol": (points(rtol=1e-6), "solver.rtol", "unknown key"),
    "few for sobol": (points(sobol=True, walks=1000), "solver.walks", "at least 8192"),
    "sobol through a field": (darcy(sobol=True, walks=8192), "solver.sobol", "needs constant coefficients"),
    "sobol in four dimensions": (
        points({"domain": BALL4}, sobol=True, walks=8192), "solver.sobol", "in 2 or 3 dimensions"),
    "batches of a target": (
        points(None, target_stderr=0.1, **{"return": "per_batch"}), "solver.return", "fixed number of walks"),
    "gradients through a field": (darcy(gradients=True), "solver.gradients", "constant coefficients"),
    "gradients beside a flux": (points(FLUX, gradients=True), "solver.gradients", "dirichlet sides only"),
    "harmonic with reaction": (
        points({"family": "screened_poisson"}, control_variate="harmonic"), "solver.control_variate", "no reaction"),
    "grid in a disk": (
        points({"domain": {"shape": "disk"}}, control_variate="grid"), "solver.control_variate", "needs a box"),
    "shared, drawn points": (points(estimator="shared"), "solver.estimator", "need a fixed domain and shared points"),
    "shared, drawn domain": (
        points({"domain": DRAWN, "points": {"random": 5, "shared": True}}, estimator="shared"),
        "solver.estimator", "need a fixed domain"),
    "shared, four dimensions": (
        points({"domain": BALL4, "points": {"random": 5, "shared": True}}, estimator="shared"),
        "solver.estimator", "in 2 and 3 dimensions"),
    "shared, flux": (
        points({"points": {"grid": [4, 4]}} | FLUX, estimator="shared"), "solver.estimator", "dirichlet sides"),
    "shared, drawn screening": (
        points({"family": "screened_poisson", "screening": {"uniform": [1, 2]}, "points": {"grid": [4, 4]}},
               estimator="shared"), "solver.estimator", "the same reaction in all samples"),
    "shared, gradients": (
        points({"points": {"grid": [4, 4]}}, estimator="shared", gradients=True), "solver.gradients",
        "with independent walks only"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_the_fault_names_the_bad_value(case: str) -> None:
    spec, path, part = BAD[case]
    with pytest.raises(SpecError) as caught:
        validate(spec)
    (fault,) = caught.value.faults
    assert fault.dotted == path
    assert part in fault.message


def test_what_they_were_made_of_is_sound() -> None:
    sides = {"edge0": {"neumann": 1}}
    for spec in (points(), darcy(), domain(TETRAHEDRON), domain(DRAWN), domain(POLYGON, boundary=sides)):
        assert validate(spec).samples == 2
