"""The prefix form of equations says what the equations say, number by number."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

import pdemill
from pdemill.draws import Draw
from pdemill.errors import SpecError, StoreError
from pdemill.solvers.instance import InvalidSample
from pdemill.solvers.opening import open_work
from pdemill.solvers.symbolic.equations import Equations
from pdemill.solvers.symbolic.prefix import Prefix, number_words
from pdemill.solvers.trajectories.check import Checked
from pdemill.solvers.trajectories.job import TrajectoryJob
from pdemill.solvers.trajectories.shard import Refined
from tests.spectral.test_trajectories import changed

type Grid = NDArray[np.float64]
POINTS = 48
OPERATORS: dict[str, Any] = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "pow": np.power}
UNARY: dict[str, Any] = {"neg": np.negative, "pow2": np.square, "pow3": lambda u: u**3}
LINE: dict[str, Any] = {
    "problem": {
        "family": "spectral",
        "resolution": [32],
        "equations": "u_t = nu*d(u, x, 2) - 0.5*d(u**2, x)",
        "where": {"nu": {"uniform": [0.1, 0.2]}},
        "initial": {"field": "sines", "waves": [1, 2]},
        "time": {"end": 0.1, "intervals": 1},
    },
    "samples": 3,
    "store": {"prefix": True},
}


def slope(u: Grid, axis: int, order: int = 1) -> Grid:
    """A derivative of a trigonometric polynomial on the unit box."""
    k = 2j * np.pi * np.fft.fftfreq(POINTS, 1.0 / POINTS)
    shape = [POINTS if number == axis else 1 for number in range(u.ndim)]
    return np.asarray(np.fft.ifftn(np.fft.fftn(u) * k.reshape(shape) ** order).real)


def written(node: ast.expr, known: dict[str, Any], dimension: int) -> Any:
    """A right-hand side as it stands."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return known[name]
        case ast.UnaryOp(op=op, operand=inner):
            found = written(inner, known, dimension)
            return -found if isinstance(op, ast.USub) else found
        case ast.Call(func=ast.Name(id="d"), args=[inner, ast.Name(id=axis), *order]):
            many = order[0].value if order and isinstance(order[0], ast.Constant) else 1
            assert isinstance(many, int)
            return slope(written(inner, known, dimension), "xyz".index(axis), many)
        case ast.Call(func=ast.Name(id="lap"), args=[inner]):
            under = written(inner, known, dimension)
            return sum(slope(under, axis, 2) for axis in range(dimension))
        case ast.BinOp(left=left, op=op, right=right):
            one, two = written(left, known, dimension), written(right, known, dimension)
            names = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow"}
            return OPERATORS[names[type(op)]](one, two)
    raise AssertionError(ast.dump(node))


def read(words: list[str], fields: list[Grid]) -> Any:
    """The value of the first expression of words, which are taken away."""
    word = words.pop(0)
    if word in OPERATORS:
        one = read(words, fields)
        return OPERATORS[word](one, read(words, fields))
    if word in UNARY:
        return UNARY[word](read(words, fields))
    if word in "+-":
        digits, exponent = words.pop(0), words.pop(0)
        return float(f"{word}{digits[1:]}e{exponent[1:]}")
    if word.isdigit():
        return int(word)
    name, _, number = word.partition("_")
    found = fields[int(number)]
    for axis in name[1:]:
        found = slope(found, "xyz".index(axis))
    return found


@pytest.mark.parametrize(
    ("texts", "where", "dimension", "begins"),
    [
        (("u_t = c*d(u, x, 2)",), {"c": 0.003}, 1, "sub ut_0 mul + N300 E-5 uxx_0"),
        (("u_t = -u*d(u, x) - d(u, x, 3)",), {}, 1, "sub ut_0 sub mul neg u_0 ux_0 uxxx_0"),
        (("u_t = -0.5*d(u**2, x) - a/pi*d(u, x, 4)",), {"a": 2}, 1, "sub ut_0 sub mul - N500 E-3 mul 2 mul u_0 ux_0"),
        (("u_t = d(u**3 - u, x, 2) - d(u, x, 4)",), {}, 1, "sub ut_0 sub sub"),
        (("u_t = r*u**2*(1 - u)**2 + d((u + 2)*(u - d(u, x))/3, x)",), {"r": 1.5}, 1, "sub ut_0 add mul"),
        (("u_t = v", "v_t = c**2*lap(u) - 3*u + d(u*v, x)"), {"c": 2}, 2, "sub ut_0 u_1 | sub ut_1 add sub mul"),
        (("u_t = lap(u**2)*u**1 + lap(2*u) + u**4",), {}, 2, "sub ut_0"),
    ],
)
def test_the_words_say_what_the_equation_says(
    texts: tuple[str, ...], where: dict[str, Any], dimension: int, begins: str
) -> None:
    field = Equations.model_validate({"texts": texts, "where": where, "dimension": dimension})
    equations = field.realise(Draw(0, "train", 0))
    form = Prefix(field.unknowns, equations, dimension)
    words = [form.words[place] for place in form.row(equations)]
    assert " ".join(words).startswith(begins)
    rng, x = np.random.default_rng(0), np.arange(POINTS) / POINTS
    coordinates = np.meshgrid(*[x] * dimension, indexing="ij")
    fields: list[Grid] = [
        np.asarray(sum(rng.uniform(-1, 1) * np.sin(2 * np.pi * (k * sum(coordinates) + rng.uniform())) for k in (1, 2)))
        for _ in texts
    ]
    known = dict(equations.names) | dict(zip(field.unknowns, fields, strict=True))
    for number, tree in enumerate(equations.trees):
        if number:
            assert words.pop(0) == "|"
        assert [words.pop(0), words.pop(0)] == ["sub", f"ut_{number}"]
        found, exact = read(words, fields), written(tree, known, dimension)
        np.testing.assert_allclose(found, exact, rtol=0, atol=5e-3 * float(np.abs(exact).max()))
    assert words == []


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.022**2, "+ N484 E-6"), (-1.0, "- N100 E-2"), (0.0, "+ N000 E-2"), (3e-13, "+ N000 E0"), (9.996, "+ N100 E-1")],
)
def test_numbers_are_written_as_prose_writes_them(value: float, words: str) -> None:
    assert " ".join(number_words(value)) == words
    with pytest.raises(InvalidSample, match="too large"):
        number_words(1e13)


def test_every_sample_has_its_equation(tmp_path: Path) -> None:
    assert pdemill.generate(LINE, tmp_path / "s.zarr", workers=0).ok
    assert pdemill.verify(tmp_path / "s.zarr").ok
    data = pdemill.open(tmp_path / "s.zarr")
    numbers = data.column(data.shards[0], "params")[:, 0]
    for row, nu in enumerate(numbers):
        assert data.prefix(row)[:7] == ("sub", "ut_0", "sub", "mul", *number_words(nu))
    job, store = open_work(tmp_path / "s.zarr")
    assert isinstance(job, TrajectoryJob)
    part: Any = zarr.open_group(tmp_path / "s.zarr", mode="r")["train"]
    stored = {name: np.asarray(part[name][0]) for name in part.array_keys()} | {"prefix": np.asarray(part["prefix"][2])}
    (shard,) = store.layout.shards()
    told = list(Checked(job, Refined(job, shard), 0, stored).faults(by_reference=False))
    assert told == ["its prefix is not what the spec draws"]


def test_what_has_no_text_has_no_prefix(tmp_path: Path) -> None:
    burgers = changed(LINE, problem__family="burgers", problem__viscosity=0.1)
    for key in ("equations", "where"):
        del burgers["problem"][key]
    with pytest.raises(SpecError, match=r"store\.prefix"):
        pdemill.generate(burgers, tmp_path / "b.zarr", workers=0)
    assert pdemill.generate(changed(LINE, store={}, samples=1), tmp_path / "n.zarr", workers=0).ok
    with pytest.raises(StoreError, match="no column prefix"):
        pdemill.open(tmp_path / "n.zarr").prefix(0)
