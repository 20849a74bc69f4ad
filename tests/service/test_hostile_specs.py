"""Specs that are bombs: refused at once, with a pointer to the place, in few words."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from pdemill.spec.load import preset_names, read_preset
from tests.sampling import sample
from tests.service.api import Api

type Json = dict[str, Any]

DARCY: Json = {"problem": {"family": "darcy", "resolution": [8, 8], "source": 1.0}, "splits": {"train": 4}}
TEXT = json.dumps(DARCY)


pytestmark = pytest.mark.usefixtures("unharmed")


def darcy(**problem: Any) -> Json:
    return {**DARCY, "problem": {**DARCY["problem"], **problem}}


def formula(text: str, **where: Any) -> Json:
    return darcy(source={"field": "expression", "formula": text, "where": where})


def ring(corners: int, radius: float, x: float = 0.0, y: float = 0.0) -> list[list[float]]:
    angles = [2 * math.pi * i / corners for i in range(corners)]
    return [[round(x + radius * math.cos(a), 5), round(y + radius * math.sin(a), 5)] for a in angles]


def sieve(corners: int, holes: int) -> Json:
    rims = [ring(corners, 0.05, -0.6 + 0.12 * (j % 10), -0.3 + 0.12 * (j // 10)) for j in range(holes)]
    domain = {"shape": "polygon", "outline": ring(corners, 1.0), "holes": rims}
    return {"problem": {"family": "thermal", "resolution": {"h": 0.1}, "domain": domain}, "samples": 2}


def nested(depth: int) -> bytes:
    opened = '{"field":"threshold","low":3,"high":12,"of":' * depth
    return json.dumps(darcy(coefficient=7)).replace("7", f'{opened}{{"field":"gaussian"}}{"}" * depth}').encode()


MAY_NOT, MAY_RAISE, NO_FORMULA = "may not contain", "may raise to a number", "not a formula"
FORMULAS = {
    "long": ("x" * 1_001, "1000 characters"), "wide": ("+".join("x" * 400), "200 parts"), "blank": (" ", NO_FORMULA),
    "deep brackets": ("(" * 499 + "x" + ")" * 499, NO_FORMULA), "deep signs": ("-" * 999 + "x", "200 parts"),
    "deep calls": ("sin(" * 240 + "x", NO_FORMULA), "deep names": ("x" + ".x" * 499, "200 parts"),
    "tower": ("9**9**9**9", MAY_RAISE), "power": ("x**65", MAY_RAISE), "power of names": ("x**x", MAY_RAISE),
    "hex": ("0x" + "f" * 900, "1e100"), "infinite": ("1e999", "1e100"), "shift": ("1<<9999", "+ - * / **"),
    "text": ("'a'*10**9", MAY_NOT), "attribute": ("x.__class__", MAY_NOT), "dunder": ("__builtins__", "unknown name"),
    "subclasses": ("().__class__.__base__.__subclasses__()", MAY_NOT), "import": ("__import__('os')", MAY_NOT),
    "open": ("open('/etc/passwd')", MAY_NOT), "eval": ("eval(x)", MAY_NOT), "look-alike": ("ѕin(x)", MAY_NOT),
    "lambda": ("(lambda: x)()", MAY_NOT), "comprehension": ("[x for x in (1,2)]", MAY_NOT), "two": ("x;x", NO_FORMULA),
    "f-string": ("f'{x}'", MAY_NOT), "index": ("x[0]", MAY_NOT), "star": ("sin(*x)", MAY_NOT),
    "complex": ("1j", MAY_NOT), "keyword": ("sin(x=x)", MAY_NOT), "two lines": ("x\nx", NO_FORMULA),
    "NUL": ("x\0", NO_FORMULA), "walrus": ("(a:=1)", MAY_NOT), "bare function": ("sin", "without arguments"),
    "comment": ("# x", NO_FORMULA), "surrogate": ("\ud800", "valid string"),
    "two arguments": ("sin(x, x)", "2 arguments"), "digits": ("9" * 999, "1e100"), "matrix": ("x @ x", "+ - * / **"),
}  # fmt: skip


@pytest.mark.parametrize("case", FORMULAS)
def test_an_expression_bomb_does_not_go_off(api: Api, case: str) -> None:
    text, part = FORMULAS[case]
    answer = api.post("/v1/jobs", formula(text))
    answer.problem(422, part)
    assert answer.pointers() == ["/problem/source/formula"]
    assert len(answer.body) < 2_000


HUGE = 10**90
SQUARE = {"shape": "polygon", "outline": [[0, 0], [1, 0], [1, 1], [0, 1]]}
SMALLEST = {"family": "poisson", "resolution": [4]}
BOMBS: dict[str, tuple[Json | bytes, str, str]] = {
    "negative samples": ({**DARCY, "splits": {"train": -1}}, "/splits/train", "greater than or equal to 1"),
    "no samples": ({**DARCY, "splits": {"train": 0}}, "/splits/train", "greater than or equal to 1"),
    "no splits": ({**DARCY, "splits": {}}, "/splits", "at least one"),
    "huge samples": ({**DARCY, "splits": {"train": HUGE}}, "/splits", "limit"),
    "huge sum": ({**DARCY, "splits": {f"a{i}": 10**99 for i in range(100)}}, "/splits", "limit"),
    "too many unknowns": ({**DARCY, "splits": {"train": 10**10}}, "/splits", "PDEMILL_MAX_UNKNOWNS"),
    "too many bytes": (
        {"problem": SMALLEST, "samples": 2 * 10**10, "store": {"dtype": "float64"}}, "/splits", "PDEMILL_MAX_BYTES",
    ),
    "too many shards": ({"problem": SMALLEST, "samples": 10**9, "store": {"shard": 1}}, "/splits", "shards"),
    "70,000 splits": ({**DARCY, "splits": {f"a{i}": 1 for i in range(70_000)}}, "/splits", "at most"),
    "negative seed": ({**DARCY, "seed": -1}, "/seed", "greater than or equal to 0"),
    "huge seed": ({**DARCY, "seed": HUGE}, "/seed", "less than"),
    "negative cells": (darcy(resolution=[8, -8]), "/problem/resolution/1", "greater than or equal to 4"),
    "no cells": (darcy(resolution=[0, 8]), "/problem/resolution/0", "greater than or equal to 4"),
    "huge cells": (darcy(resolution=[HUGE, 8]), "/problem/resolution", "more than"),
    "100,000 axes": (darcy(resolution=[8] * 100_000), "/problem/resolution", "at most 3"),
    "1e999": (TEXT.replace("1.0", "1e999").encode(), "/problem/source", "finite"),
    "-1e999": (TEXT.replace("1.0", "-1e999").encode(), "/problem/source", "finite"),
    "tiny mesh": (
        {"problem": {"family": "thermal", "resolution": {"h": 5e-324}, "domain": SQUARE}, "samples": 1},
        "/problem/resolution", "more than",
    ),
    "a function as a name": (formula("x", sin=1), "/problem/source/where/sin", "not a free name"),
    "50,000 names": (formula("x", **{f"a{i}": 1 for i in range(50_000)}), "/problem/source/where", "at most"),
    "50 holes of 500 corners": (sieve(500, 50), "/problem/domain", "corners"),
    "fields in fields": (nested(1_000), "", "nested too deeply"),
    "a surrogate as key": (b'{"problem": {}, "samples": 1, "\\ud800": 1}', "", "valid string"),
}  # fmt: skip


@pytest.mark.parametrize("case", BOMBS)
def test_a_bomb_does_not_go_off(api: Api, case: str) -> None:
    spec, pointer, part = BOMBS[case]
    answer = api.post("/v1/jobs", spec)
    answer.problem(422, part)
    assert any(found == pointer or found.startswith(f"{pointer}/") for found in answer.pointers())
    assert len(answer.body) < 3_000


LONG = "k" * 400_000
WIDE: dict[str, Json] = {
    "100,000 unknown keys": {**DARCY, **{f"{i:x}": 1 for i in range(80_000)}},
    "100,000 unknown keys below": darcy(**{f"{i:x}": 1 for i in range(80_000)}),
    "70,000 bad splits": {**DARCY, "splits": {f"a{i}": 0 for i in range(70_000)}},
    "30,000 sides": darcy(boundary={f"a{i}": {"dirichlet": 0} for i in range(30_000)}),
    "a long key": {**DARCY, LONG: 1},
    "faults below a long key": darcy(boundary={LONG: {"robin": {f"b{i}": 1 for i in range(200)}}}),
    "a long family": darcy(family=LONG), "a long method": {**DARCY, "solver": {"method": LONG}},
    "a long split": {**DARCY, "splits": {LONG: 1}}, "a long shape": darcy(domain={"shape": LONG}),
    "long text for a number": darcy(resolution=[LONG, 8]),
}  # fmt: skip


@pytest.mark.parametrize("case", WIDE)
def test_an_answer_stays_short(api: Api, case: str) -> None:
    answer = api.post("/v1/jobs/validate", WIDE[case])
    assert answer.problem(422)["errors"]
    assert len(answer.body) < 100_000


VALUES: tuple[Any, ...] = (0, -1, 0.5, 1e308, -1e308, 5e-324, 2**31, 2**63, 10**99, True, None, "", "1", [], {}, [[]])


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in a spec that are no containers."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    if not items:
        yield path
    for key, value in items:
        yield from leaves(value, (*path, key))


QUICK = ("helmholtz-indefinite", "pdebench-advection", "wos-no-poisson")


@pytest.mark.parametrize("preset", sample(preset_names(), *QUICK))
def test_every_value_of_a_preset_may_be_wrong(api: Api, preset: str) -> None:
    """Each value replaced by each of VALUES: a spec with finite costs, or faults with pointers."""
    right = read_preset(preset)
    for path in leaves(right):
        for value in VALUES:
            spec = deepcopy(right)
            place: Any = spec
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = value
            answer = api.post("/v1/jobs/validate", spec)
            if answer.status == 200:
                assert math.isfinite(answer.json["cpu_seconds"]), (path, value)
            else:
                assert answer.pointers(), (path, value)
