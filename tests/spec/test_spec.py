"""The model, its canonical form, its files and its schema."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pdemill.errors import Fault, SpecError
from pdemill.spec import (
    family_schema,
    load_preset,
    load_spec,
    preset_names,
    preset_text,
    spec_schema,
    validate,
)
from pdemill.spec.certify import Certify
from pdemill.spec.field import fields, scalars
from pdemill.spec.job import Spec
from pdemill.spec.load import gather, parse
from pdemill.spec.method import LinearMethod, methods
from pdemill.spec.problem import families
from tests.sampling import sample

type Json = dict[str, Any]

PRESETS = preset_names()
RAW: dict[str, Json] = {name: parse(preset_text(name)) for name in PRESETS}
RICH: Json = {
    "problem": {
        "family": "convection_diffusion",
        "resolution": [8, 6],
        "domain": {"shape": "box", "lengths": [2, 1]},
        "coefficient": {"diagonal": [{"uniform": [1, 2]}, {"field": "lognormal", "std": 0.5, "modes": 8}]},
        "velocity": [{"normal": [1, 2]}, {"field": "expression", "formula": "a*x", "where": {"a": {"normal": [0, 1]}}}],
        "reaction": 1,
        "source": {"field": "bumps", "count": {"geometric": 0.5}, "amplitude": [-1, 1]},
        "boundary": {
            "left": "periodic",
            "right": "periodic",
            "bottom": {"robin": {"coefficient": {"uniform": [0, 1]}, "value": {"field": "fourier"}}},
            "top": {"neumann": {"field": "chebyshev", "along": "x"}},
        },
    },
    "splits": {"train": 3, "valid-2": 2},
    "solver": {"method": "gmres", "preconditioner": "bjacobi", "rtol": 1e-6},
    "store": {"dtype": "float64", "shard": 16},
    "certify": {"refine": 0},
}  # fmt: skip
SPECS: dict[str, Json] = RAW | {"rich": RICH}
MINIMAL: Json = {"problem": {"family": "poisson", "resolution": [8, 8]}, "samples": 3}


@pytest.mark.parametrize("name", SPECS)
def test_the_canonical_form_is_a_fixed_point(name: str) -> None:
    spec = validate(SPECS[name])
    again = validate(json.loads(spec.canonical()))
    assert again == spec
    assert again.canonical() == spec.canonical()
    assert validate(json.loads(spec.written())).sha256() == spec.sha256()
    assert load_spec(spec) is spec


def test_a_spec_is_the_same_however_it_is_written() -> None:
    spec = validate(MINIMAL)
    written_out: Json = {
        "certify": {"refine": Certify().refine},
        "store": {"shard": None, "dtype": "float32"},
        "solver": {"sort": "auto", "rtol": 1e-8, "method": "auto"},
        "seed": 0,
        "splits": {"train": 3},
        "problem": {
            "compatibility": "refuse",
            "boundary": {},
            "source": 1,
            "domain": {"lengths": None, "shape": "box"},
            "resolution": [8, 8],
            "family": "poisson",
        },
    }
    assert validate(written_out) == spec
    assert validate(written_out).sha256() == spec.sha256()
    assert validate(MINIMAL | {"solver": {"rtol": 1e-8}}).sha256() == spec.sha256()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"samples": 4},
        {"solver": {"rtol": 1e-7}},
        {"store": {"dtype": "float64"}},
        {"problem": {"family": "poisson", "resolution": [8, 8], "source": 1.0000000000000002}},
        {"problem": {"family": "poisson", "resolution": [8, 9]}},
    ],
    ids=str,
)
def test_another_dataset_has_another_hash(change: Json) -> None:
    assert validate(MINIMAL | change).sha256() != validate(MINIMAL).sha256()


def test_samples_is_the_split_train() -> None:
    assert validate(MINIMAL) == validate({"problem": MINIMAL["problem"], "splits": {"train": 3}})
    assert dict(load_preset("fno-darcy", ["samples=5"]).splits) == {"train": 5}


def test_validation_leaves_its_argument_alone() -> None:
    data = deepcopy(RICH)
    validate(data)
    load_spec(data, ["problem.domain.lengths=[1, 1]", "splits.train=9"])
    assert data == RICH


def _rtol(spec: Spec) -> float:
    assert isinstance(spec.solver, LinearMethod)
    return spec.solver.rtol


@pytest.mark.parametrize("text", ["1e-8", "1E-8", "1.0e-8", "1.e-08", "0.00000001"])
def test_powers_of_ten_in_yaml_are_numbers(text: str, tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(f"problem: {{family: poisson, resolution: [8]}}\nsamples: 1\nsolver: {{rtol: {text}}}\n")
    assert _rtol(load_spec(file)) == 1e-8
    assert _rtol(load_spec(str(file), [f"solver.rtol={text}"])) == 1e-8


@pytest.mark.parametrize(
    ("text", "value"),
    [("-2e3", -2000.0), ("+1e2", 100.0), ("3", 3), ("1_000", 1000), ("on_1e3", "on_1e3"), ("e5", "e5"), (".5", 0.5)],
)
def test_other_yaml_scalars_are_what_they_were(text: str, value: Any) -> None:
    (parsed,) = parse(f"a: {text}").values()
    assert parsed == value
    assert type(parsed) is type(value)


def test_settings_change_single_values() -> None:
    spec = load_preset(
        "fno-darcy",
        ["problem.resolution=[16, 8]", "problem.coefficient.of.tau=5", "splits.valid=7", "solver.rtol=1e-6"],
    )
    assert spec.problem.size == 128
    assert spec.model_dump()["problem"]["coefficient"]["of"]["tau"] == 5.0
    assert spec.splits == {"train": 1000, "test": 200, "valid": 7}
    assert _rtol(spec) == 1e-6
    assert load_spec(spec, ["samples=2"]).splits == {"train": 2}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_name_their_source(name: str) -> None:
    assert validate(RAW[name]) == load_preset(name)
    title, *rest = preset_text(name).splitlines()
    header = " ".join(line for line in rest[: next(i for i, line in enumerate(rest) if not line.startswith("#"))])
    assert title.startswith("# ")
    assert re.search(r"\bet al\. 20\d\d|\bOurs\b|\bdemo\.m\b", header)
    commented = [line for line in rest if re.search(r"\d.*# ", line.split("#")[0] + "# ") and " #" in line]
    assert commented


def test_the_presets_that_were_asked_for_are_there() -> None:
    wanted = {"fno-darcy", "darcy-lognormal", "skr-darcy", "skr-thermal", "skr-poisson", "skr-helmholtz",
              "poseidon-poisson", "condiff", "darcy-3d"}  # fmt: skip
    assert wanted <= set(PRESETS)
    assert load_preset("darcy-3d").problem.dimension == 3


# --- schema


def nodes(node: Any) -> Iterator[Json]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from nodes(value)


@cache
def schema_of(name: str) -> Json:
    """That of a family, or of ``the spec``."""
    return spec_schema() if name == "the spec" else family_schema(name)


@pytest.mark.parametrize("name", ["the spec", *families])
def test_every_reference_of_a_schema_resolves(name: str) -> None:
    schema = schema_of(name)
    references = [node["$ref"] for node in nodes(schema) if isinstance(node.get("$ref"), str)]
    assert references
    for reference in references:
        assert reference.removeprefix("#/$defs/") in schema["$defs"]
    assert not any("x-slot" in node for node in nodes(schema))
    assert json.loads(json.dumps(schema, allow_nan=False)) == schema


@pytest.mark.parametrize("name", ["the spec", *families])
def test_limits_of_a_schema_are_words_of_json_schema(name: str) -> None:
    assert [node for node in nodes(schema_of(name)) if {"gt", "ge", "lt", "le"} & set(node)] == []


def test_the_schema_knows_everything_that_is_registered() -> None:
    definitions = schema_of("the spec")["$defs"]
    for registry in (families, fields, methods):
        for member in registry.values():
            assert member.__name__ in definitions
    assert {scalars[name].__name__ for name in ("normal", "uniform")} <= set(definitions)


PYTHON: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "number": (int, float), "integer": (int,),
    "boolean": (bool,), "null": (type(None),),
}  # fmt: skip


def fits(value: Any, schema: Json, root: Json) -> bool:
    """Whether a value fits a schema, as far as the words go that pdemill's schemas use for structure."""
    if "$ref" in schema and not fits(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root):
        return False
    if "anyOf" in schema and not any(fits(value, part, root) for part in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(fits(value, part, root) for part in schema["oneOf"]) != 1:
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "type" in schema and type(value) not in PYTHON[schema["type"]]:
        return False
    if isinstance(value, dict):
        known, other = schema.get("properties", {}), schema.get("additionalProperties", True)
        return set(schema.get("required", ())) <= set(value) and all(
            fits(item, known[key], root) if key in known else other is not False and fits(item, dict(other or {}), root)
            for key, item in value.items()
            if key in known or other is not True
        )
    if isinstance(value, list):
        heads = schema.get("prefixItems", [])
        return schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)) and all(
            fits(item, heads[i] if i < len(heads) else schema.get("items", {}), root) for i, item in enumerate(value)
        )
    return True


SHORT_FORMS: dict[str, Json] = {
    "samples": MINIMAL,
    "solver without a method": RAW["fno-darcy"] | {"solver": {"rtol": 1e-6}},
    "rich": RICH,
}


@pytest.mark.parametrize("name", RAW | SHORT_FORMS)
def test_the_schema_accepts_what_validation_accepts(name: str) -> None:
    schema, data = schema_of("the spec"), (RAW | SHORT_FORMS)[name]
    spec = validate(data)
    assert fits(json.loads(spec.canonical()), schema, schema)
    assert fits(data, schema, schema)
    family = schema_of(spec.problem.family)
    assert fits(data["problem"], family, family)


@pytest.mark.parametrize(
    "change",
    [
        {"foo": 1},
        {"splits": 3},
        {"splits": {"train": "3"}},
        {"problem": {"family": "darzy"}},
        {"solver": {"method": "x"}},
    ],
    ids=str,
)
def test_the_schema_refuses_what_validation_refuses(change: Json) -> None:
    schema, data = schema_of("the spec"), RAW["fno-darcy"] | change
    assert not fits(data, schema, schema)
    with pytest.raises(SpecError):
        validate(data)


# --- arbitrary data

WORDS = st.sampled_from(
    ["periodic", "default", "left", "shape", "field", "family", "method", "of", "uniform", "normal", "constant",
     "geometric", "diagonal", "robin", "dirichlet", "gaussian", "expression", "formula", "where", "h", "lengths",
     "outline", "holes", "box", "polygon", "x", "train", "auto", "", "sin(x)", "1/0", "((x", "\ud800", "a.b", "/~"]
)  # fmt: skip
NUMBERS = st.sampled_from(
    [0, 1, -1, 2, 8, 10**30, 10**400, 1e308, 1e160, -1e308, 5e-324, 1e-200, 0.5, 1.0, True, False]
)
SCALARS = st.none() | NUMBERS | st.integers() | st.floats() | WORDS | st.text(max_size=20)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
THOROUGH = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None
)


def accepts_or_refuses(data: Mapping[str, Any]) -> None:
    """Validation ends in a spec that survives its canonical form, or in a SpecError with readable faults."""
    faults: tuple[Fault, ...] | None = None
    try:
        spec = validate(data)
    except SpecError as error:
        faults = error.faults
    if faults is None:
        assert validate(json.loads(spec.written())).sha256() == spec.sha256()
    else:
        assert faults
        assert all(fault.dotted and fault.message for fault in faults)


def places(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def with_value(spec: Json, path: tuple[str | int, ...], value: Any) -> Json:
    data: Json = json.loads(json.dumps(spec))
    node: Any = data
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return data


ODD: list[Any] = [
    None, True, -1, 0, 1, 10**30, 10**400, -0.5, 1e-200, 5e-324, 1e160, 1e308, math.nan, math.inf, "", "x", "periodic",
    "\ud800", [], {}, [[]], [{}], {"": 0}, {1: 2}, ["x"], [1, 1], [0, 10**400], {"field": ["x"]}, {"shape": {}},
    {"family": {}}, {"method": []}, {"uniform": [-1e308, 1e308]}, {"normal": [0, 1e308]}, {"geometric": 1},
    {"diagonal": {}}, {"dirichlet": {"dirichlet": 1}}, {"neumann": 0}, {"field": "fourier"},
]  # fmt: skip


@pytest.mark.parametrize("name", sample(SPECS, "rich", "poseidon-ace"))
def test_odd_values_anywhere_are_accepted_or_refused(name: str) -> None:
    spec = SPECS[name] | {"seed": 0, "store": {"shard": 16}, "certify": {"refine": 0}, "solver": {"method": "direct"}}
    crashes = set()
    for path in places(spec):
        for value in ODD:
            try:
                accepts_or_refuses(with_value(spec, path, value))
            except Exception as error:
                crashes.add(f"{'.'.join(map(str, path))} = {value!r:.40}: {type(error).__name__}: {error}")
    assert not crashes


@THOROUGH
@given(st.sampled_from(list(places(RICH))), JSON)
def test_any_value_anywhere_is_accepted_or_refused(path: tuple[str | int, ...], value: Any) -> None:
    accepts_or_refuses(with_value(RICH, path, value))


@THOROUGH
@given(st.text(alphabet="xyz01.9e+-*/()[]{},=<>! sincolgabp_'\"\\\n:~%&|^@", max_size=60))
def test_any_formula_is_accepted_or_refused(text: str) -> None:
    accepts_or_refuses(
        {"problem": {"family": "poisson", "resolution": [8, 8], "source": {"field": "expression", "formula": text}},
         "samples": 1}
    )  # fmt: skip


@THOROUGH
@given(st.text(max_size=60) | st.text(alphabet="ab:-{}[],&*!?|>'\"%@#\n 1e.", max_size=60))
def test_any_text_is_a_mapping_or_refused(text: str) -> None:
    try:
        parsed, message = parse(text), ""
    except SpecError as error:
        parsed, message = {}, str(error)
    assert isinstance(parsed, dict)
    assert "\n" not in message


def test_what_is_left_out_hashes_like_what_it_stands_for() -> None:
    short = {"problem": {"family": "poisson", "resolution": [8, 8]}, "samples": 2}
    sides = {side: {"dirichlet": 0} for side in ("left", "right", "bottom", "top")}
    long = {**short, "problem": {**short["problem"], "domain": {"lengths": [1, 1]}, "boundary": sides}}  # type: ignore[dict-item]
    other = {**short, "problem": {**short["problem"], "domain": {"lengths": [1, 2]}}}  # type: ignore[dict-item]
    assert validate(short).sha256() == validate(long).sha256() != validate(other).sha256()


def test_numbers_and_arrays_of_numpy_are_those_of_python() -> None:
    written = darcy_of([8, 6], 4, 2.5, [0.5, 1.5], 3, "float64")
    given = darcy_of(
        np.array([8, 6]),
        np.int64(4),
        np.float32(2.5),
        np.array([0.5, 1.5], np.float32),
        np.uint8(3),
        np.str_("float64"),
    )
    sent = json.loads(json.dumps(gather(given)))  # as a client sends it
    assert {spec.sha256() for spec in map(validate, (given, written, sent))} == {load_spec(given).sha256()}
    assert load_spec(darcy_of([np.int32(8), np.int8(6)], 4, np.array(2.5), (0.5, 1.5), 3, "float64")).samples == 4
    assert type(given["samples"]) is np.int64
    with pytest.raises(SpecError, match=r"problem.source: should be a number"):
        load_spec(darcy_of([8, 6], 4, np.bool_(True), [0.5, 1.5], 3, "float64"))


def darcy_of(resolution: Any, samples: Any, source: Any, uniform: Any, seed: Any, dtype: Any) -> Json:
    problem = {"family": "darcy", "resolution": resolution, "source": source, "coefficient": {"uniform": uniform}}
    return {"problem": problem, "samples": samples, "seed": seed, "store": {"dtype": dtype}}


@pytest.mark.parametrize("data", [[1], 5, None, "x"])
def test_what_is_not_an_object_is_refused(data: Any) -> None:
    with pytest.raises(SpecError, match="should be an object"):
        validate(data)


def test_threads_that_come_first_find_every_family() -> None:
    """In a process of its own: the catalogue is loaded when it is first asked for, here by many at once."""
    check = (
        "from concurrent.futures import ThreadPoolExecutor as Pool\n"
        "from threading import Barrier\n"
        "from pdemill.spec import load_preset\n"
        "together = Barrier(8)\n"
        "with Pool(8) as pool:\n"
        "    found = list(pool.map(lambda n: (together.wait(), load_preset(n)), ['fno-darcy', 'skr-thermal'] * 4))\n"
        "assert len(found) == 8\n"
    )
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
