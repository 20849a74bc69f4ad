"""Every bad spec is refused with the path of the bad value, and never with a traceback."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from pdemill.errors import SpecError
from pdemill.spec import load_preset, load_spec, validate
from pdemill.spec.load import override
from tests.command import pdemill

type Json = dict[str, Any]

DROP = object()
DARCY: Json = {
    "problem": {
        "family": "darcy",
        "resolution": [8, 8],
        "coefficient": {"field": "threshold", "low": 3, "high": 12, "of": {"field": "gaussian"}},
        "source": 1.0,
        "boundary": {"default": {"dirichlet": 0.0}},
    },
    "splits": {"train": 4},
    "seed": 7,
}
L_SHAPE = [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]]
SQUARE_HOLE = [[0.5, 0.5], [1.0, 0.5], [1.0, 1.0], [0.5, 1.0]]
THERMAL: Json = {
    "problem": {
        "family": "thermal",
        "resolution": {"h": 0.2},
        "domain": {"shape": "polygon", "outline": [[0, 0], [2, 0], [2, 2], [0, 2]], "holes": [SQUARE_HOLE]},
    },
    "splits": {"train": 2},
}


def changed(spec: Json, changes: Mapping[str, Any]) -> Json:
    """A copy of ``spec`` with values set, or dropped, at dotted paths."""
    result = deepcopy(spec)
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = result
        for part in parents:
            place = place.setdefault(part, {})
        if value is DROP:
            del place[last]
        else:
            place[last] = value
    return result


def darcy(**problem: Any) -> Json:
    """The Darcy spec with other keys in its problem part; ``__`` goes a level down."""
    return changed(DARCY, {"problem." + key.replace("__", "."): value for key, value in problem.items()})


def thermal(**problem: Any) -> Json:
    return changed(THERMAL, {"problem." + key.replace("__", "."): value for key, value in problem.items()})


def formula(text: str, **where: Any) -> Json:
    return darcy(source={"field": "expression", "formula": text, "where": where})


INSULATED = {"default": {"neumann": 0.0}}
HELMHOLTZ = darcy(family="helmholtz")
CONVECTION = darcy(family="convection_diffusion", velocity=[1.0, 0.0])

BAD: dict[str, tuple[Json, str, str]] = {
    # the family and its grid
    "unknown family": (darcy(family="darzy"), "problem.family", "did you mean 'darcy'?"),
    "family missing": (darcy(family=DROP), "problem.family", "is missing"),
    "problem missing": (changed(DARCY, {"problem": DROP}), "problem", "is missing"),
    "problem not an object": (changed(DARCY, {"problem": 4}), "problem", "should be an object"),
    "four axes": (darcy(resolution=[8] * 4), "problem.resolution", "at most 3"),
    "no axes": (darcy(resolution=[]), "problem.resolution", "at least 1"),
    "too few cells": (darcy(resolution=[8, 3]), "problem.resolution[1]", "greater than or equal to 4"),
    "cells not whole": (darcy(resolution=[8, 8.5]), "problem.resolution[1]", "valid integer"),
    "cells true": (darcy(resolution=[True, 8]), "problem.resolution[0]", "valid integer"),
    "cells as text": (darcy(resolution=["8", 8]), "problem.resolution[0]", "valid integer"),
    "resolution as text": (darcy(resolution="88"), "problem.resolution", "should be the cells per axis"),
    "more cells than any job": (darcy(resolution=[10**30, 8]), "problem.resolution", "are more than 50,000,000"),
    "mesh size on a grid": (
        darcy(resolution={"h": 0.1}, discretiser="box"), "problem.discretiser", "box needs a box as domain"),
    "cells as a number": (darcy(resolution=16), "problem.resolution", "such as [16, 16], or {h: 0.05}"),
    "lengths as a number": (darcy(domain={"lengths": 1}), "problem.domain.lengths", "in brackets, such as [1, 2]"),
    "domain as a word": (darcy(domain="box"), "problem.domain", "such as {shape: box}"),
    "problem as a word": (changed(DARCY, {"problem": "poisson"}), "problem", "such as {family: poisson}"),
    "solver as a word": (changed(DARCY, {"solver": "cg"}), "solver", "such as {method: cg}"),
    "store as a word": (changed(DARCY, {"store": "float64"}), "store", "an object with the keys dtype, shard"),
    "sides as a word": (darcy(boundary="periodic"), "problem.boundary", "such as {default: {dirichlet: 0.0}"),
    "points for walks": (darcy(discretiser="walks"), "problem.discretiser", "walks needs points"),
    "cells for elements": (darcy(discretiser="elements"), "problem.discretiser", "resolution: {h: 0.05}"),
    "mesh of three axes": (
        darcy(resolution={"h": 0.1}, domain={"lengths": [1, 1, 1]}), "problem.domain.lengths", "needs two entries"),
    "unknown discretiser": (darcy(discretiser="elemnts"), "problem.discretiser", "did you mean 'elements'?"),
    "length per axis": (darcy(domain={"lengths": [1]}), "problem.domain.lengths", "1 entries, but resolution has 2"),
    "length per axis, insulated": (
        darcy(domain={"lengths": [1]}, boundary=INSULATED, source=0), "problem.domain.lengths", "resolution has 2"),
    "length negative": (darcy(domain={"lengths": [1, -1]}), "problem.domain.lengths[1]", "greater than 0"),
    "length infinite": (darcy(domain={"lengths": [1, math.inf]}), "problem.domain.lengths[1]", "finite"),
    "polygon for a grid": (
        darcy(domain={"shape": "polygon", "outline": [[0, 0], [1, 0], [1, 1]]}), "problem.resolution",
        "should be {h: 0.05}"),
    "disk for a grid": (darcy(domain={"shape": "disk"}), "problem.domain.shape", "choose box"),
    "shape not a word": (darcy(domain={"shape": ["box"]}), "problem.domain.shape", "not possible"),
    # numbers and fields
    "number as text": (darcy(source="1e-3"), "problem.source", "write 0.001 without quotes"),
    "formula as text": (
        darcy(source="sin(pi*x)"), "problem.source", 'write {field: expression, formula: "sin(pi*x)"}'),
    "field as a word": (darcy(coefficient__of="gaussian"), "problem.coefficient.of", "write {field: gaussian}"),
    "interval as a number": (darcy(source={"uniform": 3}), "problem.source.uniform", "such as [1, 2], not 3"),
    "number true": (darcy(source=True), "problem.source", "should be a number or one of"),
    "number null": (darcy(source=None), "problem.source", "should be a number or one of"),
    "number not a number": (darcy(source=math.nan), "problem.source", "finite number"),
    "number infinite": (darcy(coefficient__high=-math.inf), "problem.coefficient.high", "finite number"),
    "number too large to be one": (darcy(coefficient__high=10**400), "problem.coefficient.high", "finite number"),
    "option as text": (darcy(coefficient__low="3"), "problem.coefficient.low", "valid number"),
    "option true": (darcy(coefficient__low=True), "problem.coefficient.low", "not true or false"),
    "unknown field": (darcy(source={"field": "gausian"}), "problem.source.field", "did you mean 'gaussian'?"),
    "field missing": (darcy(source={}), "problem.source.field", "is missing"),
    "inner field missing": (darcy(coefficient__of=DROP), "problem.coefficient.of", "is missing"),
    "uniform empty": (darcy(source={"uniform": [1, 1]}), "problem.source.uniform", "needs lo < hi"),
    "uniform of three": (darcy(source={"uniform": [1, 2, 3]}), "problem.source.uniform", "at most 2"),
    "normal without spread": (darcy(source={"normal": [1, 0]}), "problem.source.normal", "needs std > 0"),
    "gaussian tau": (darcy(coefficient__of__tau=0), "problem.coefficient.of.tau", "greater than or equal to"),
    "gaussian sides": (darcy(coefficient__of__boundary="robin"), "problem.coefficient.of.boundary", "'periodic'"),
    "gaussian modes": (
        darcy(resolution=[8, 8, 8], coefficient__of__modes=2048), "problem.coefficient.of", "16,777,216"),
    "chebyshev argument": (
        darcy(source={"field": "chebyshev", "argument": [0, 2]}), "problem.source.argument", "hi <= 1"),
    "chebyshev along z": (darcy(source={"field": "chebyshev", "along": "z"}), "problem.source", "only x, y"),
    "bumps width": (darcy(source={"field": "bumps", "width": [0.2, 0.1]}), "problem.source.width", "needs lo <= hi"),
    "bumps amplitude": (
        darcy(source={"field": "bumps", "amplitude": [1, -1]}), "problem.source.amplitude", "needs lo <= hi"),
    "bumps count": (darcy(source={"field": "bumps", "count": [3, 1]}), "problem.source.count", "needs lo <= hi"),
    "bumps none": (darcy(source={"field": "bumps", "count": 0}), "problem.source.count", "from 1 to 1000"),
    "bumps geometric": (
        darcy(source={"field": "bumps", "count": {"geometric": 2}}), "problem.source.count.geometric", "equal to 1"),
    "field on a point": (
        darcy(resolution=[8], boundary={"left": {"dirichlet": {"field": "gaussian"}}}),
        "problem.boundary.left.dirichlet", "is a point"),
    # unknown keys
    "unknown key": (changed(DARCY, {"foo": 1}), "foo", "unknown key"),
    "unknown key of the problem": (darcy(foo=1), "problem.foo", "unknown key"),
    "unknown key of a field": (darcy(coefficient__of__foo=1), "problem.coefficient.of.foo", "unknown key"),
    "unknown key of the store": (changed(DARCY, {"store.foo": 1}), "store.foo", "unknown key"),
    "unknown key of a side": (
        darcy(boundary={"left": {"robin": {"coefficient": 1, "value": 0, "foo": 1}}}),
        "problem.boundary.left.robin.foo", "unknown key"),
    # sides
    "periodic on one side": (darcy(boundary={"left": "periodic"}), "problem.boundary.left", "right must be periodic"),
    "periodic on a polygon": (
        thermal(boundary={"edge0": "periodic"}), "problem.boundary.edge0", "elements does not take"),
    "unknown side": (darcy(boundary={"lefft": {"dirichlet": 0}}), "problem.boundary.lefft", "left, right, bottom, top"),
    "side of another dimension": (darcy(boundary={"back": {"dirichlet": 0}}), "problem.boundary.back", "no such side"),
    "unknown condition": (darcy(boundary={"left": {"dirichlt": 0}}), "problem.boundary.left", "should be {dirichlet"),
    "two conditions": (
        darcy(boundary={"left": {"dirichlet": 0, "neumann": 0}}), "problem.boundary.left", "should be {dirichlet"),
    "robin negative": (
        darcy(boundary={"left": {"robin": {"coefficient": -1, "value": 0}}}),
        "problem.boundary.left.robin.coefficient", "must not be negative"),
    # problems without a unique solution
    "insulated and heated": (darcy(boundary=INSULATED), "problem.source", "integrate to zero"),
    "insulated, random source": (
        darcy(boundary=INSULATED, source={"uniform": [-1, 1]}), "problem.source", "integrate to zero"),
    "insulated, reaction of unknown sign": (
        darcy(boundary=INSULATED, compatibility="project", reaction={"field": "expression", "formula": "1 + x*y"}),
        "problem.reaction", "is not known to be positive"),
    "insulated, reaction that may be zero": (
        darcy(boundary=INSULATED, compatibility="project", reaction={"uniform": [0, 1]}),
        "problem.reaction", "is not known to be positive"),
    "periodic and heated": (darcy(boundary={"default": "periodic"}), "problem.source", "integrate to zero"),
    "insulated polygon, field that balances on its box only": (
        thermal(boundary=INSULATED, source={"field": "gaussian"}), "problem.source", "integrate to zero"),
    "robin without exchange": (
        darcy(boundary={"default": {"robin": {"coefficient": 0, "value": 5}}}, source=0),
        "problem.source", "integrate to zero"),
    "convection without a held side": (
        darcy(family="convection_diffusion", velocity=[1, 0], boundary=INSULATED),
        "problem.boundary", "up to a constant"),
    "velocity of one axis": (
        darcy(family="convection_diffusion", velocity=[1]), "problem.velocity", "2 entries, one per axis"),
    # coefficients
    "coefficient zero": (darcy(coefficient=0), "problem.coefficient", "must be positive"),
    "coefficient uniform": (darcy(coefficient={"uniform": [-1, 1]}), "problem.coefficient", "down to -1"),
    "coefficient threshold": (darcy(coefficient__low=0), "problem.coefficient", "must be positive"),
    "coefficient gaussian": (darcy(coefficient={"field": "gaussian"}), "problem.coefficient", "lognormal"),
    "coefficient normal": (darcy(coefficient={"normal": [5, 1]}), "problem.coefficient", "lognormal"),
    "screening zero": (
        changed(DARCY, {"problem": {"family": "screened_poisson", "resolution": [8], "screening": 0}}),
        "problem.screening", "must be positive"),
    "diagonal of three": (darcy(coefficient={"diagonal": [1, 1, 1]}), "problem.coefficient.diagonal", "2 entries"),
    "diagonal negative": (
        darcy(coefficient={"diagonal": [1, -1]}), "problem.coefficient.diagonal[1]", "must be positive"),
    # how many samples
    "samples and splits": (changed(DARCY, {"samples": 3}), "samples", "not both"),
    "neither samples nor splits": (changed(DARCY, {"splits": DROP}), "splits", "is missing"),
    "no samples": (changed(DARCY, {"splits": DROP, "samples": 0}), "samples", "greater than or equal to 1"),
    "samples as text": (changed(DARCY, {"splits": DROP, "samples": "4"}), "samples", "valid integer"),
    "empty split": (changed(DARCY, {"splits.test": 0}), "splits.test", "greater than or equal to 1"),
    "split with a blank": (changed(DARCY, {"splits": {"a b": 1}}), "splits.a b", "not a name for a split"),
    "split like a coordinate": (changed(DARCY, {"splits": {"x": 1}}), "splits.x", "not a name for a split"),
    "split outside the store": (changed(DARCY, {"splits": {"../up": 1}}), "splits.../up", "not a name for a split"),
    "no splits": (changed(DARCY, {"splits": {}}), "splits", "at least one split"),
    "too many unknowns": (changed(DARCY, {"splits": {"train": 10**11}}), "splits", "limit of 100,000,000,000"),
    "seed negative": (changed(DARCY, {"seed": -1}), "seed", "greater than or equal to 0"),
    "dtype": (changed(DARCY, {"store.dtype": "float16"}), "store.dtype", "'float32' or 'float64'"),
    "refine": (changed(DARCY, {"certify.refine": 2}), "certify.refine", "less than or equal to 1"),
    # methods
    "unknown method": (changed(DARCY, {"solver.method": "gmrs"}), "solver.method", "did you mean 'gmres'?"),
    "option of another method": (
        changed(DARCY, {"solver": {"method": "direct", "restart": 30}}), "solver.restart", "unknown key"),
    "restart below 4": (
        changed(DARCY, {"solver": {"method": "skr", "restart": 1}}),
        "solver.restart", "should be a whole number from 4 to 1000, or auto, not 1"),
    "recycle in words": (
        changed(DARCY, {"solver": {"method": "skr", "recycle": "many"}}),
        "solver.recycle", "should be a whole number from 1 to 500, or auto, not 'many'"),
    "recycle without room": (
        changed(DARCY, {"solver": {"method": "skr", "restart": 20, "recycle": 19}}),
        "solver.recycle", "at most restart - 2 = 18"),
    "cg on helmholtz": (changed(HELMHOLTZ, {"solver.method": "cg"}), "solver.method", "needs a definite operator"),
    "fft on a field": (changed(DARCY, {"solver.method": "fft"}), "solver.method", "constant in space, and coefficient"),
    "fft with convection": (changed(CONVECTION, {"solver.method": "fft"}), "solver.method", "has convection: use"),
    "fft on a mesh": (changed(THERMAL, {"solver": {"method": "fft"}}), "solver.method", "a box grid, and thermal"),
    "fft on robin": (
        changed(
            darcy(coefficient=1, boundary={"left": {"robin": {"coefficient": 1, "value": 0}}}), {"solver.method": "fft"}
        ),
        "solver.method", "periodic sides, and left is robin: use direct or auto"),
    "cg with convection": (changed(CONVECTION, {"solver.method": "cg"}), "solver.method", "needs a symmetric operator"),
    "icc on helmholtz": (
        changed(HELMHOLTZ, {"solver": {"method": "gmres", "preconditioner": "icc"}}),
        "solver.preconditioner", "use ilu"),
    "cg with ilu": (
        changed(DARCY, {"solver": {"method": "cg", "preconditioner": "ilu"}}), "solver.preconditioner", "use icc"),
    "unknown preconditioner": (
        changed(DARCY, {"solver": {"method": "cg", "preconditioner": "amg"}}), "solver.preconditioner", "'gamg'"),
    "rtol loose": (changed(DARCY, {"solver.rtol": 1.0}), "solver.rtol", "less than or equal to 0.1"),
    "rtol tight": (changed(DARCY, {"solver.rtol": 1e-20}), "solver.rtol", "greater than or equal to"),
    "rtol as text": (changed(DARCY, {"solver.rtol": "1e-8"}), "solver.rtol", "valid number"),
    # formulas
    "formula, unknown name": (formula("1 + a"), "problem.source.formula", "unknown name 'a'"),
    "formula, attribute": (formula("x.real"), "problem.source.formula", "may not contain 'x.real'"),
    "formula, import": (formula("__import__('os')"), "problem.source.formula", "may not contain"),
    "formula, unknown function": (formula("eval(x)"), "problem.source.formula", "may not contain 'eval(x)'"),
    "formula, keyword argument": (formula("sin(x=1)"), "problem.source.formula", "may not contain"),
    "formula, arguments": (formula("sin(x, y)"), "problem.source.formula", "2 arguments instead of 1"),
    "formula, function as a number": (formula("sin + 1"), "problem.source.formula", "without arguments"),
    "formula, tower of powers": (formula("9**9**9"), "problem.source.formula", "between -64 and 64"),
    "formula, exponent too large": (formula("x**(8*9)"), "problem.source.formula", "between -64 and 64"),
    "formula, exponent not a number": (formula("x**((-8)**(1/3))"), "problem.source.formula", "such as x**(1/2)"),
    "formula, exponent without end": (formula("x**(1/0)"), "problem.source.formula", "between -64 and 64"),
    "formula, exponent with a call": (formula("x**sqrt(2)"), "problem.source.formula", "between -64 and 64"),
    "formula, exponent of another kind": (formula("x**'2'"), "problem.source.formula", "between -64 and 64"),
    "formula, power of a point": (formula("2**x"), "problem.source.formula", "between -64 and 64"),
    "formula, lambda": (formula("lambda: 1"), "problem.source.formula", "may not contain 'lambda: 1'"),
    "formula, comprehension": (formula("[i for i in x]"), "problem.source.formula", "may not contain"),
    "formula, condition": (formula("1 if x else 2"), "problem.source.formula", "may not contain"),
    "formula, text": (formula("'a' * 9"), "problem.source.formula", "may not contain"),
    "formula, imaginary": (formula("1j * x"), "problem.source.formula", "may not contain '1j'"),
    "formula, huge number": (formula("9" * 900), "problem.source.formula", "above 1e100"),
    "formula, too long": (formula("x+" * 600 + "x"), "problem.source.formula", "at most 1000 characters"),
    "formula, too many parts": (formula("1+" * 300 + "1"), "problem.source.formula", "more than 200 parts"),
    "formula, many signs": (formula("-" * 900 + "x"), "problem.source.formula", "more than 200 parts"),
    "formula, deep brackets": (formula("(" * 400 + "x" + ")" * 400), "problem.source.formula", "can be read"),
    "formula, no formula": (formula("x y"), "problem.source.formula", "can be read"),
    "formula, null byte": (formula("x\0"), "problem.source.formula", "can be read"),
    "formula, z in two dimensions": (formula("z"), "problem.source", "only x, y"),
    "formula, where takes x": (formula("x", x=1), "problem.source.where.x", "not a free name"),
    "formula, where holds a field": (
        formula("a", a={"field": "gaussian"}), "problem.source.where.a", "should be a number or an object"),
    "formula, where is empty": (formula("a", a={"uniform": [2, 1]}), "problem.source.where.a.uniform", "lo < hi"),
    # meshes
    "outline crosses itself": (
        thermal(domain={"shape": "polygon", "outline": [[0, 0], [2, 2], [2, 0], [0, 1]]}),
        "problem.domain.outline", "crosses itself: edge 0 meets edge 2"),
    "outline folds back": (
        thermal(domain={"shape": "polygon", "outline": [[0, 0], [2, 0], [1, 0], [1, 1], [0, 1]]}),
        "problem.domain.outline", "crosses itself"),
    "outline nearly closed": (
        thermal(domain={"shape": "polygon", "outline": [[0, 0], [2, 0], [2, 1], [0, 1], [1e-13, 0]]}),
        "problem.domain.outline", "corners 4 and 0 are equal, or nearly so"),
    "outline nearly closed, rounded": (
        thermal(domain={"shape": "polygon", "outline": [[0, 0], [2, 0], [2, 1], [0, 1], [1e-6, 0]]}),
        "problem.domain.outline", "corners 4 and 0 are equal, or nearly so"),
    "outline of nearly equal corners": (
        thermal(domain={"shape": "polygon", "outline": [[0, 0], [2, 0], [2, 1e-10], [2, 1], [0, 1]]}),
        "problem.domain.outline", "corners 1 and 2 are equal, or nearly so"),
    "outline of two corners, closed": (
        thermal(domain={"shape": "polygon", "outline": [[0, 0], [1, 1], [0, 0]]}), "problem.domain.outline", "no area"),
    "outline without area": (
        thermal(domain={"shape": "polygon", "outline": [[0, 0], [1, 1], [2, 2]]}), "problem.domain.outline", "no area"),
    "outline of two corners": (
        thermal(domain={"shape": "polygon", "outline": [[0, 0], [1, 1]]}), "problem.domain.outline", "at least 3"),
    "hole outside": (
        thermal(domain__holes=[[[3, 3], [4, 3], [4, 4]]]), "problem.domain.holes[0]", "not inside the outline"),
    "hole across the outline": (
        thermal(domain__holes=[[[1.5, 0.5], [2.5, 0.5], [2, 1]]]), "problem.domain.holes[0]", "not inside the outline"),
    "hole across a notch": (
        thermal(domain={"outline": L_SHAPE, "holes": [[[0.5, 1.8], [1.8, 0.5], [0.5, 0.5]]]}),
        "problem.domain.holes[0]", "not inside the outline"),
    "holes overlap": (
        thermal(domain__holes=[SQUARE_HOLE, [[0.7, 0.7], [1.2, 0.7], [1.2, 1.2]]]),
        "problem.domain.holes[1]", "overlaps hole 0"),
    "hole in a hole": (
        thermal(domain__holes=[SQUARE_HOLE, [[0.6, 0.6], [0.7, 0.6], [0.7, 0.7]]]),
        "problem.domain.holes[1]", "overlaps hole 0"),
    "names of sides": (thermal(domain__sides=["a", "b"]), "problem.domain.sides", "needs 4 names"),
    "h too small": (thermal(resolution={"h": 1e-6}), "problem.resolution.h", "unknowns, more than 50,000,000"),
    "h larger than the domain": (thermal(resolution={"h": 3}), "problem.resolution.h", "than the domain (2 x 2)"),
    "h zero": (thermal(resolution={"h": 0}), "problem.resolution.h", "greater than 0"),
    "cells on a mesh": (thermal(resolution=[8, 8]), "problem.resolution", "should be {h: 0.05}"),
    "order": (thermal(order=3), "problem.order", "1 or 2"),
}  # fmt: skip


def fault_of(spec: Mapping[str, Any]) -> tuple[str, str, str]:
    """The path, the pointer and the message of the only fault of a spec."""
    with pytest.raises(SpecError) as caught:
        validate(spec)
    (fault,) = caught.value.faults
    return fault.dotted, fault.pointer, fault.message


@pytest.mark.parametrize("case", BAD)
def test_the_fault_names_the_bad_value(case: str) -> None:
    spec, path, part = BAD[case]
    dotted, _, message = fault_of(spec)
    assert dotted == path
    assert part in message


@pytest.mark.parametrize("case", BAD)
def test_the_pointer_leads_to_the_bad_value(case: str) -> None:
    spec = BAD[case][0]
    _, pointer, _ = fault_of(spec)
    tokens = [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]
    place: Any = spec
    for token in tokens[:-1]:
        place = place[int(token)] if isinstance(place, list) else place[token]
    assert isinstance(place, dict) or int(tokens[-1]) < len(place)


def test_there_are_enough_bad_specs() -> None:
    assert len(BAD) >= 45
    assert validate(DARCY).samples == 4
    assert validate(THERMAL).samples == 2
    assert validate(darcy(coefficient={"field": "fourier", "mean": 5})).problem.family == "darcy"


BALANCED: dict[str, Json] = {
    "nothing": {"source": 0},
    "a field without a mean": {"source": {"field": "gaussian"}},
    "source and fluxes": {"source": 1, "boundary": {"default": {"neumann": -0.25}}},
    "source and one flux": {
        "source": 1, "domain": {"lengths": [3, 2]}, "boundary": INSULATED | {"left": {"neumann": -3}}},
    "robin without exchange": {
        "source": 1, "boundary": {"default": {"robin": {"coefficient": 0, "value": -0.25}}}},
    "projected": {"source": {"uniform": [0, 1]}, "compatibility": "project"},
}  # fmt: skip


@pytest.mark.parametrize("case", BALANCED)
def test_balanced_specs_without_a_held_side_are_accepted(case: str) -> None:
    assert validate(darcy(**({"boundary": INSULATED} | BALANCED[case]))).problem.singular


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        validate(changed(darcy(source="a", resolution=[8, 2]), {"seed": -1, "store.dtype": "f8"}))
    assert {fault.dotted for fault in caught.value.faults} == {
        "problem.source", "problem.resolution[1]", "seed", "store.dtype"}  # fmt: skip
    assert all(str(fault) in str(caught.value) for fault in caught.value.faults)


def test_pointers_are_escaped_as_in_rfc_6901() -> None:
    dotted, pointer, _ = fault_of(changed(DARCY, {"store": {"a/b~c": 1}}))
    assert (dotted, pointer) == ("store.a/b~c", "/store/a~1b~0c")
    assert fault_of(darcy(domain={"lengths": [1, -1]}))[1] == "/problem/domain/lengths/1"


def test_the_limit_is_set_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDEMILL_MAX_UNKNOWNS", "255")
    assert fault_of(DARCY)[0] == "splits"
    monkeypatch.setenv("PDEMILL_MAX_UNKNOWNS", "256")
    assert validate(DARCY).samples * validate(DARCY).problem.size == 256


def nested(depth: int) -> Json:
    field: Json = {"field": "gaussian"}
    for _ in range(depth):
        field = {"field": "threshold", "low": 1, "high": 2, "of": field}
    return field


def endless() -> Json:
    field: Json = {"field": "threshold", "low": 1, "high": 2}
    field["of"] = field
    return field


EXTREME = {
    "deep nesting": darcy(coefficient=nested(3000)),
    "a field in itself": darcy(coefficient=endless()),
    "a mesh size whose square is zero": thermal(resolution={"h": 1e-200}),
    "an outline of infinite area": thermal(
        domain={"shape": "polygon", "outline": [[0, 0], [1e200, 0], [1e200, 1e200]]}
    ),
    "keys that are not text": changed(DARCY, {"store": {1: 2}}),
}


@pytest.mark.parametrize("spec", EXTREME.values(), ids=EXTREME)
def test_extreme_values_are_refused(spec: Json) -> None:
    with pytest.raises(SpecError):
        validate(spec)


FILES = {
    "not there": (None, "No such file"),
    "not text": (b"\xff\xfe\x00", "it is not text"),
    "not a mapping": (b"- 1", "should be an object"),
    "unparsable": (b"problem: [1", "is not valid YAML or JSON"),
    "a key twice": (b'{"samples": 1, "samples": 2}', "the key 'samples' stands twice"),
    "an inner key twice": (b"problem:\n  family: darcy\n  family: poisson\n", "the key 'family' stands twice"),
    "a date that is none": (b"a: 2024-13-45", "month must be in 1..12"),
    "a list as a key": (b"? [1, 2]\n: 3", "unhashable"),
    "an object of Python": (b"!!python/object/apply:os.getcwd []", "is not valid YAML or JSON"),
    "too long": (b"a: " + b"x" * 1_000_001, "longer than 1,000,000"),
    "too deep": (b"a: " + b"[" * 3000, "is not valid YAML or JSON"),
}


@pytest.mark.parametrize("case", FILES)
def test_bad_files(case: str, tmp_path: Path) -> None:
    content, message = FILES[case]
    if content is not None:
        (tmp_path / "spec.yaml").write_bytes(content)
    with pytest.raises(SpecError, match=message):
        load_spec(tmp_path / "spec.yaml")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("samples", "should be KEY=VALUE"),
        ("=3", "should be KEY=VALUE"),
        ("problem..source=3", "should be KEY=VALUE"),
        ("problem.source.mean=3", "cannot go below 'problem.source', which is not an object"),
        (
            "problem.resolution[2]=3",
            r"problem.resolution: --set finds no \[2\] here: it has 2 entries",
        ),
        ("problem.source[0]=3", r"problem.source: --set finds no \[0\] here: it is no list"),
        ("problem.resolution.0=3", "cannot go below 'problem.resolution', which is not an object"),
        ("problem.resolution[-1]=3", "should be KEY=VALUE"),
        ("samples=[", "not valid YAML"),
        ("samples=2.5", "samples: should be a valid integer"),
        ("problem.foo=1", "problem.foo: unknown key"),
    ],
)
def test_bad_settings(setting: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        load_preset("fno-darcy", [setting])


def test_entries_of_lists_are_set() -> None:
    assert load_preset("fno-darcy", ["problem.resolution[1]=32"]).model_dump()["problem"]["resolution"] == [128, 32]
    drawn = {"a": [{"b": 1, "c": [[2, 3]]}]}
    assert override(drawn, ["a[0].b=5", "a[0].c[0][1]={d: 1}"]) == {"a": [{"b": 5, "c": [[2, {"d": 1}]]}]}
    assert drawn == {"a": [{"b": 1, "c": [[2, 3]]}]}


def test_unknown_preset() -> None:
    with pytest.raises(SpecError, match=r"unknown preset '\.\./x'.*fno-darcy"):
        load_preset("../x")


def generate(arguments: Sequence[str], folder: Path) -> CompletedProcess[str]:
    return pdemill("generate", *arguments, "--out", folder / "o.zarr")


@pytest.mark.parametrize(
    "case", ["unknown family", "periodic on one side", "formula, import", "cg on helmholtz", "too many unknowns"]
)
def test_the_command_line_says_it_in_one_line(case: str, tmp_path: Path) -> None:
    spec, path, part = BAD[case]
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    done = generate([str(tmp_path / "spec.json")], tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {path}: ")
    assert part in line
    assert not (tmp_path / "o.zarr").exists()


def test_the_command_line_lists_every_fault(tmp_path: Path) -> None:
    done = generate(["--preset", "fno-darcy", "--set", "samples=0", "--set", "store.a:x:b=1"], tmp_path)
    assert done.returncode == 2
    starts = sorted(line.rsplit(": ", 1)[0] for line in done.stderr.splitlines())
    assert starts == ["error: samples", "error: store.a:x:b"]


@pytest.mark.parametrize("setting", ["samples", "samples=[", "solver.method.x.y=1"])
def test_the_command_line_refuses_settings(setting: str, tmp_path: Path) -> None:
    done = generate(["--preset", "fno-darcy", "--set", setting], tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize("method", ["amg", "cg", "gmres", "multigrid", "skr", "sor"])
def test_more_iterations_than_solvers_count_are_refused(method: str) -> None:
    with pytest.raises(SpecError, match=r"solver\.max_iterations"):
        validate({**DARCY, "solver": {"method": method, "max_iterations": 3_000_000_000}})
