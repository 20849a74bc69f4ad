"""Unknowns whose level nothing but a constraint fixes, and boxes whose sides are joined."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill
from pdemill.errors import SpecError
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import validate
from pdemill.spec.load import load_preset
from tests.weak.problems import POISSON, errors, formula, opened, solved
from tests.weak.test_units import TAYLOR_HOOD

pytestmark = pytest.mark.needs("ffcx")
NEUMANN: dict[str, Any] = POISSON | {
    "form": "inner(grad(u), grad(v))*dx - pi**2*cos(pi*x)*v*dx", "boundary": {"default": "natural"},
}  # fmt: skip
CELL: dict[str, Any] = POISSON | {"boundary": {"default": "periodic"}}
WAVE = "sin(2*pi*x)*cos(2*pi*y)"


def wave(x: Any, y: Any) -> Any:
    return np.sin(2 * np.pi * x) * np.cos(2 * np.pi * y)


@pytest.mark.parametrize(
    ("constraint", "level"),
    [({"mean": 2.0}, 2.0), ({"at": [0.5, 0.3], "value": -1.0}, -1.0), ({"at": [0.5, 0.5], "value": 1}, 1.0)],
)
@pytest.mark.parametrize(("element", "least"), [("P1", 1.9), ("P2", 2.9)])
def test_the_level_of_a_neumann_problem(constraint: dict[str, Any], level: float, element: str, least: float) -> None:
    """u = cos πx + a constant."""
    problem = NEUMANN | {"unknowns": {"u": element}, "constraints": {"u": constraint}}
    exact = (lambda x, y: np.cos(np.pi * x) + level,)
    coarse, fine = (errors(problem | {"resolution": [n, n]}, exact) for n in (6, 12))
    assert np.log2(coarse / fine) >= least


def test_loads_that_are_not_in_balance_are_refused(tmp_path: Path) -> None:
    problem = NEUMANN | {
        "form": "inner(grad(u), grad(v))*dx - (f + cos(pi*x))*v*dx", "coefficients": {"f": {"uniform": [0.1, 1.0]}},
        "constraints": {"u": {"mean": 0.0}},
    }  # fmt: skip
    report = pdemill.generate({"problem": problem, "samples": 1}, tmp_path / "s.zarr", workers=0)
    assert "its loads on u are not in balance" in str(report.failures[0])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"constraints": {"w": {"mean": 0.0}}}, r"constraints\.w: no such unknown"),
        ({"constraints": {"u": {"mean": [0.0, 0.0]}}}, r"constraints\.u\.mean: needs a number"),
        ({"constraints": {"u": {"mean": 0.0, "at": [0, 0]}}}, r"constraints\.u: should be \{mean"),
        ({"constraints": {"u": {"at": [0, 0, 0], "value": 0}}}, r"constraints\.u\.at: needs 2"),
        (
            {"constraints": {"u": {"mean": 0.0}}, "boundary": {"default": {"u": {"dirichlet": 0.0}}}},
            r"constraints\.u: is too much: u is given on left",
        ),
        ({"boundary": {"left": "periodic", "default": "natural"}}, r"boundary\.left: is periodic, so right must be"),
        (
            {"boundary": {"default": "periodic"}, "form": "inner(grad(u), grad(v))*dx - v*ds('left')"},
            r"form: has an integral over left, which is periodic",
        ),
    ],
)
def test_mistakes_in_constraints_are_told_with_their_path(change: dict[str, Any], why: str) -> None:
    with pytest.raises(SpecError, match=why):
        validate({"problem": NEUMANN | change, "samples": 1})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, r"boundary: .*set constraints: \{u: \{mean: 0\.0\}\}"),
        ({"constraints": {"u": {"at": [2, 0], "value": 0}}}, r"constraints: \(2, 0\) is outside"),
        (
            {"constraints": {"u": {"mean": 0.0}}, "form": "inner(grad(u), grad(v))*dx + u*v*dx - x*v*dx"},
            r"constraints: fixes u, which the form and its sides determine already",
        ),
        (
            {"constraints": {"u": {"mean": 0.0}}, "form": "inner(grad(u), grad(v))*dx + u**2*v*dx - cos(pi*x)*v*dx"},
            r"constraints: fixes u, which the form and its sides determine already",
        ),
    ],
)
def test_what_constraints_miss_or_overdo_is_told_when_it_is_opened(change: dict[str, Any], why: str) -> None:
    with pytest.raises(SpecError, match=why):
        opened(NEUMANN | change)


def test_pressure_in_a_closed_box() -> None:
    """Stokes with u = (cos πx sin πy, -sin πx cos πy), given on all sides, and p = cos πx sin πy of mean 0."""
    u = "[cos(pi*x)*sin(pi*y), -sin(pi*x)*cos(pi*y)]"
    load = f"2*pi**2*inner({u}, v) + pi*(-sin(pi*x)*sin(pi*y)*v[0] + cos(pi*x)*cos(pi*y)*v[1])"
    problem = POISSON | {
        "unknowns": TAYLOR_HOOD, "degree": 6, "constraints": {"p": {"mean": 0.0}},
        "form": f"inner(grad(u), grad(v))*dx - p*div(v)*dx - q*div(u)*dx - ({load})*dx",
        "boundary": {
            "default": {"u": {"dirichlet": [formula("cos(pi*x)*sin(pi*y)"), formula("-sin(pi*x)*cos(pi*y)")]}},
        },
    }  # fmt: skip
    exact = (
        lambda x, y: np.cos(np.pi * x) * np.sin(np.pi * y),
        lambda x, y: -np.sin(np.pi * x) * np.cos(np.pi * y),
        lambda x, y: np.cos(np.pi * x) * np.sin(np.pi * y),
    )
    coarse, fine = (errors(problem | {"resolution": [n, n]}, exact) for n in (5, 10))
    assert (np.log2(coarse / fine) >= (2.9, 2.9, 1.9)).all()


@pytest.mark.parametrize(("element", "least"), [("P1", 1.8), ("P2", 2.8)])
@pytest.mark.parametrize("way", ["linear", "nonlinear", "strip"])
def test_orders_on_periodic_boxes(element: str, least: float, way: str) -> None:
    """u = sin 2πx cos 2πy."""
    load = f"8*pi**2*{WAVE}"
    changes: dict[str, dict[str, Any]] = {
        "linear": {"form": f"inner(grad(u), grad(v))*dx - {load}*v*dx", "constraints": {"u": {"mean": 0.0}}},
        "nonlinear": {"form": f"inner(grad(u), grad(v))*dx + u**3*v*dx - ({load} + ({WAVE})**3)*v*dx"},
        "strip": {
            "form": f"inner(grad(u), grad(v))*dx - {load}*v*dx",
            "boundary": {
                "left": "periodic", "right": "periodic", "default": {"u": {"dirichlet": formula("sin(2*pi*x)")}}
            },
        },
    }  # fmt: skip
    problem = CELL | {"unknowns": {"u": element}} | changes[way]
    coarse, fine = (errors(problem | {"resolution": [n, n]}, (wave,)) for n in (8, 16))
    assert np.log2(coarse / fine) >= least


def test_a_laminate_in_a_periodic_cell(tmp_path: Path) -> None:
    """Two layers of E = 1 and 3 under a mean strain along x: the stress is the harmonic mean of E, 1.5, and u a zigzag,
    which the elements hold exactly. Two workers write the bits of one."""
    strain = "sym(grad(u)) + [[1, 0], [0, 0]]"
    spec: dict[str, Any] = {
        "problem": CELL | {
            "unknowns": {"u": {"element": "P2", "shape": "vector"}}, "resolution": [4, 4],
            "coefficients": {"E": formula("2 - sign(x - 0.5)"), "s": {"uniform": [1, 2]}}, "cellwise": ["E"],
            "form": f"s*E*inner({strain}, sym(grad(v)))*dx", "constraints": {"u": {"mean": [0.0, 0.0]}},
        },
        "samples": 4, "store": {"shard": 2}, "certify": {"refine": 1},
    }  # fmt: skip
    reports = [pdemill.generate(spec, tmp_path / f"{n}.zarr", workers=n) for n in (1, 2)]
    assert all(report.ok for report in reports)
    one, two = (pdemill.verify(tmp_path / f"{n}.zarr") for n in (1, 2))
    assert one.faults + two.faults == ()
    assert one.content == two.content
    data = pdemill.open(tmp_path / "1.zarr")
    x = data.shared()["points"][:, 0]
    zigzag = np.where(x < 0.5, -0.5 * x, 0.5 * (x - 1.0)) + 0.125
    np.testing.assert_allclose(data[1]["y"][0], zigzag, atol=1e-6)
    np.testing.assert_allclose(data[1]["y"][1], 0.0, atol=1e-6)


def test_periodic_boxes_of_three_axes() -> None:
    form = "inner(grad(u), grad(v))*dx + u*v*dx - (1 + 8*pi**2)*sin(2*pi*x)*cos(2*pi*z)*v*dx"
    problem = CELL | {"form": form, "unknowns": {"u": "P2"}}
    exact = (lambda x, y, z: np.sin(2 * np.pi * x) * np.cos(2 * np.pi * z),)
    coarse, fine = (errors(problem | {"resolution": [n, 2, n]}, exact) for n in (4, 8))
    assert np.log2(coarse / fine) >= 2.5


def test_a_box_of_one_size_of_cells_is_periodic_too() -> None:
    job = opened(CELL | {"resolution": {"h": 0.2}, "form": f"inner(grad(u), grad(v))*dx + u*v*dx - {WAVE}*v*dx"})
    fields, _ = solved(job)
    x, y = job.discretisation.points.coordinates.values()
    known = wave(x, y) / (1.0 + 8.0 * np.pi**2)
    assert np.linalg.norm(fields[0] - known) < 0.2 * np.linalg.norm(known)


def test_specs_with_constraints_survive_being_written_and_read() -> None:
    problem = CELL | {"constraints": {"u": {"at": [0, 0.5], "value": 1}}}
    spec = validate({"problem": problem, "samples": 1})
    written = spec.model_dump(mode="json")["problem"]
    assert written["boundary"] == {"default": "periodic"}
    assert written["constraints"] == {"u": {"at": [0.0, 0.5], "value": 1.0}}
    assert validate(spec.model_dump(mode="json")) == spec


def test_what_gets_out_of_balance_as_it_is_solved_is_never_absorbed() -> None:
    """A sink that begins where the gradient is above 10, so that nothing shows it near 0: there is no solution."""
    problem = NEUMANN | {
        "form": "inner(grad(u), grad(v))*dx - 2000*(x-0.5)*v*dx + 3e-4*max_value(dot(grad(u), grad(u))-100, 0)*v*dx",
        "constraints": {"u": {"mean": 0.0}},
    }
    job = opened(problem)
    equation = job.discretisation.equation(job.instance("train", 0))
    (label,) = job.scheme.labels([equation], job.sequence(), Stopwatch())
    assert label.unknowns is None


def test_a_point_that_a_sample_does_not_reach_is_a_failure_of_that_sample() -> None:
    problem = NEUMANN | {
        "domain": {"shape": "disk", "radius": {"uniform": [0.5, 2]}}, "resolution": {"h": 0.5},
        "form": "inner(grad(u), grad(v))*dx - x*v*dx", "constraints": {"u": {"at": [1, 0], "value": 2.0}},
    }  # fmt: skip
    job = opened(problem, samples=8)
    told = []
    for sample in range(8):
        try:
            job.discretisation.equation(job.instance("train", sample))
        except InvalidSample as fault:
            told.append(str(fault))
    assert 0 < len(told) < 8
    assert set(told) == {"the point of a constraint, (1, 0) is outside of the domain"}


ARRAY: dict[str, Any] = POISSON | {
    "resolution": {"h": 0.1}, "unknowns": {"u": "P2"}, "form": "k*(inner(grad(u), grad(v)) + grad(v)[0])*dx",
    "boundary": {"default": "periodic"}, "constraints": {"u": {"mean": 0.0}},
    "outputs": {"kx": "k*(grad(u)[0] + 1)*dx", "ky": "k*grad(u)[1]*dx"},
}  # fmt: skip
DISK = {"shape": "disk", "radius": 0.3, "centre": [{"uniform": [0.4, 0.6]}, {"uniform": [0.4, 0.6]}]}


def square_array(contrast: float, fraction: float) -> float:
    """The conductivity of disks in a square lattice (Rayleigh 1892; Perrins, McKenzie and McPhedran 1979)."""
    t = (1.0 + contrast) / (1.0 - contrast)
    rest = 0.305827 * fraction**4 * t / (t**2 - 1.402958 * fraction**8) + 0.013362 * fraction**8 / t
    return 1.0 - 2.0 * fraction / (t + fraction - rest)


@pytest.mark.parametrize(
    ("change", "contrast"),
    [
        ({"domain": {"inclusions": [DISK]},
          "coefficients": {"k": {"field": "regions", "values": {"inclusion0": 10, "default": 1}}}}, 10.0),
        ({"domain": {"without": [DISK]}, "coefficients": {"k": {"constant": 1.0}},
          "boundary": {"hole0": "natural", "default": "periodic"}}, 0.0),
    ],
)  # fmt: skip
def test_a_lattice_of_disks_wherever_they_are_in_the_cell(change: dict[str, Any], contrast: float) -> None:
    """Edges that are straight take 1.8 % of a disk, here: the fraction is that of the polygon."""
    pytest.importorskip("netgen")
    job = opened(ARRAY | change, samples=3)
    count = len(job.discretisation.points.regions) if contrast else 0  # type: ignore[arg-type]
    assert not contrast or count == job.discretisation.points.shape[0]
    edges = int(np.ceil(2 * np.pi * 0.3 / 0.1))
    known = square_array(contrast, edges / 2 * 0.3**2 * np.sin(2 * np.pi / edges))
    for sample in range(3):
        instance = job.instance("train", sample)
        fields, _ = solved(job, sample)
        (kx, ky), _ = job.discretisation.outputs(job.discretisation.from_fields(fields), instance)
        assert kx == pytest.approx(known, rel=2e-3)
        assert ky == pytest.approx(0.0, abs=2e-4)


def test_two_phases_that_change_places() -> None:
    """k_x of (1, 10) times k_y of (10, 1) is 10, whatever the shape (Keller 1964)."""
    pytest.importorskip("netgen")
    star = {"shape": "star", "radius": 0.3, "harmonics": [{"order": 2, "cosine": 0.3}, {"order": 3, "sine": 0.2}]}
    found = []
    for axis, inside, outside in ((0, 10.0, 1.0), (1, 1.0, 10.0)):
        k = {"field": "regions", "values": {"inclusion0": inside, "default": outside}}
        problem = ARRAY | {
            "domain": {"inclusions": [star]}, "coefficients": {"k": k},
            "form": f"k*(inner(grad(u), grad(v)) + grad(v)[{axis}])*dx", "outputs": {"k": f"k*(grad(u)[{axis}]+1)*dx"},
        }  # fmt: skip
        job = opened(problem)
        fields, _ = solved(job)
        found.append(job.discretisation.outputs(job.discretisation.from_fields(fields), job.instance("train", 0))[0])
    assert found[0] * found[1] == pytest.approx(10.0, rel=1e-2)


def test_the_law_of_the_preset_of_a_composite() -> None:
    """With fibres that are hardly other than the matrix the mean stress is that of the law under the mean strain."""
    pytest.importorskip("netgen")
    problem = load_preset("equino-rve").model_dump(mode="json")["problem"]
    problem |= {"resolution": {"h": 0.15}}
    problem["coefficients"]["fibre"][0]["values"]["inclusions"] = 1e-6
    job = opened(problem)
    fields, _ = solved(job)
    instance = job.instance("train", 0)
    found, _ = job.discretisation.outputs(job.discretisation.from_fields(fields), instance)
    x, y, xy = (instance.parameters()[name] for name in ("exx", "eyy", "exy"))
    deviator = np.array([x, y, 0.0]) - (x + y) / 3
    shear = 50 / (0.06 + np.sqrt((deviator**2).sum() + 2 * xy**2))
    np.testing.assert_allclose(found, [*(4780 * (x + y) + shear * deviator[:2]), shear * xy], rtol=1e-3)


def test_holes_and_sides_of_other_domains_are_not_periodic() -> None:
    for change, path in (
        ({"domain": {"without": [DISK]}}, r"boundary\.hole0"),
        ({"domain": {"shape": "disk"}, "constraints": {}}, r"boundary\.boundary"),
    ):
        with pytest.raises(SpecError, match=f"problem\\.{path}: cannot be periodic"):
            validate({"problem": ARRAY | {"coefficients": {"k": 1.0}} | change, "samples": 1})


STRIP: dict[str, Any] = CELL | {
    "boundary": {"left": "periodic", "right": "periodic", "default": {"u": {"dirichlet": formula("1 + x")}}}
}


def test_data_that_do_not_fit_periodic_sides_are_refused(tmp_path: Path) -> None:
    """Told of the spec where they are the same in all samples; else of the samples."""
    told = r"the values of u that are given where periodic sides begin and end differ, 1 and 2"
    with pytest.raises(SpecError, match=f"problem.boundary: {told}"):
        opened(STRIP)
    drawn = {"field": "expression", "formula": "a*x", "where": {"a": {"uniform": [1, 2]}}}
    sides = {"left": "periodic", "right": "periodic", "default": {"u": {"dirichlet": drawn}}}
    report = pdemill.generate({"problem": CELL | {"boundary": sides}, "samples": 2}, tmp_path / "s.zarr", workers=0)
    assert len(report.failures) == 2
    assert "given where periodic sides begin and end differ" in str(report.failures[0])


HYPERELASTIC: dict[str, Any] = CELL | {
    "resolution": [6, 6], "unknowns": {"u": {"element": "P1", "shape": "vector"}},
    "constraints": {"u": {"mean": [0, 0]}},
    "coefficients": {"a": 0.2, "load": 0.0},
    "definitions": {
        "F": "Identity(2) + [[a, 0], [0, 0]] + grad(u)", "J": "det(F)",
        "W": "(tr(transpose(F)*F) - 2 - 2*ln(J))/2 + ln(J)**2",
    },
    "form": "derivative(W*dx, u, v) - load*sin(2*pi*x)*v[1]*dx",
    "outputs": {"energy": "W*dx"},
}  # fmt: skip


def test_a_cell_of_one_material_has_no_fluctuation(tmp_path: Path) -> None:
    """Its residual at 0 is what rounding leaves of forces that cancel, in no proportion to which Newton's steps could
    make it small."""
    store = tmp_path / "cell.zarr"
    assert pdemill.generate({"problem": HYPERELASTIC, "samples": 1}, store, workers=0).ok
    assert pdemill.verify(store).ok
    data = zarr.open_group(store, mode="r")["train"]
    assert isinstance(data, zarr.Group)
    assert not np.asarray(data["solution"][:]).any()  # type: ignore[index]
    energy = (1.2**2 - 1 - 2 * np.log(1.2)) / 2 + np.log(1.2) ** 2
    assert np.asarray(data["outputs"][:])[0, 0] == pytest.approx(energy, rel=1e-12)  # type: ignore[index]


def test_small_loads_of_such_a_cell_are_not_lost() -> None:
    ones, others = (
        solved(opened(HYPERELASTIC | {"coefficients": {"a": 0.2, "load": size}}))[0] / size for size in (1e-5, 1e-3)
    )
    assert np.abs(ones).max() > 1e-3
    assert np.abs(ones - others).max() < 1e-3 * np.abs(ones).max()


def test_a_load_in_a_spot_is_not_lost_beside_stresses_that_cancel_elsewhere() -> None:
    spot: dict[str, Any] = {
        "family": "weak_form", "resolution": [16, 16], "unknowns": {"u": "P1"}, "coefficients": {"s": 1e11},
        "form": "(1 + u**2)*inner(grad(u), grad(v))*dx + s*grad(v)[0]*dx"
        " - exp(-3000*((x - 0.5)**2 + (y - 0.5)**2))*v*dx",
        "boundary": {"default": {"u": {"dirichlet": 0.0}}},
    }  # fmt: skip
    job = opened(spot)
    (label,) = job.scheme.labels([job.discretisation.equation(job.instance("train", 0))], job.sequence(), Stopwatch())
    assert label.unknowns is None
