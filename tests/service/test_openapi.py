"""The API's description: golden, valid, and complete."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from pdemill.service.app import create
from pdemill.service.problems import MEDIA_TYPE
from pdemill.settings import Settings
from pdemill.spec.load import preset_names, read_preset
from tests.conftest import DARCY

type Json = dict[str, Any]

GOLDEN = Path(__file__).parents[2] / "docs" / "openapi.json"
RENEW = "the API's description has changed: if that is meant, run 'make openapi', and tell of it in CHANGELOG.md"
KNOWN, SPEC_BODY, ONE = {401, 403, 421, 429, 503}, {400, 413, 415, 422}, {404, 422}
OPERATIONS: dict[str, set[int]] = {
    "POST /v1/jobs": {202, 404, 409, 507} | KNOWN | SPEC_BODY,
    "POST /v1/mixtures": {202, 404, 409, 507} | KNOWN | SPEC_BODY,
    "GET /v1/jobs": {200, 422} | KNOWN,
    "POST /v1/jobs/validate": {200} | KNOWN | SPEC_BODY,
    "GET /v1/jobs/{job}": {200, 304} | KNOWN | ONE,
    "DELETE /v1/jobs/{job}": {200, 409} | KNOWN | ONE,
    "GET /v1/jobs/{job}/events": {200} | KNOWN | ONE,
    "GET /v1/jobs/{job}/results": {200, 409} | KNOWN | ONE,
    "GET /v1/jobs/{job}/samples/{sample}": {200, 409} | KNOWN | ONE,
    "POST /v1/arrays": {201, 400, 413, 422, 507} | KNOWN,
    "GET /v1/arrays": {200} | KNOWN,
    "GET /v1/arrays/{array}": {200} | KNOWN | ONE,
    "GET /v1/arrays/uploads/{upload}": {200} | KNOWN | ONE,
    "PUT /v1/arrays/uploads/{upload}": {200, 400, 409, 413} | KNOWN | ONE,
    "POST /v1/arrays/uploads/{upload}": {200, 409} | KNOWN | ONE,
    "DELETE /v1/arrays/uploads/{upload}": {204} | KNOWN | ONE,
    "GET /v1/datasets/{dataset}/store/{path}": {200, 206, 304, 307, 400, 416} | KNOWN | ONE,
    "POST /v1/datasets/{dataset}/links": {201, 400, 413} | KNOWN | ONE,
    "GET /v1/problems": {200} | KNOWN,
    "GET /v1/problems/{family}/schema": {200} | KNOWN | ONE,
    "GET /v1/presets": {200} | KNOWN,
    "GET /v1/presets/{preset}": {200} | KNOWN | ONE,
    "GET /healthz": {200, 421},
    "GET /readyz": {200, 421, 503},
    "GET /metrics": {200} | (KNOWN - {403}),
    "GET /v1/server": {200} | KNOWN,
    "PUT /v1/server/{switch}": {200, 422} | KNOWN,
    "DELETE /v1/server/{switch}": {200, 422} | KNOWN,
}
"""Every operation with the statuses that it may answer."""


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Json]:
    app = create(Settings(data_dir=tmp_path_factory.mktemp("openapi")))
    yield app.openapi()
    app.state.service.ledger.close()


def operations(document: Json) -> dict[str, Json]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_it_is_the_golden_one(document: Json) -> None:
    assert GOLDEN.exists(), RENEW
    golden = json.loads(GOLDEN.read_text())
    assert document == golden, RENEW
    assert GOLDEN.read_text() == json.dumps(document, indent=1, sort_keys=True) + "\n", RENEW


def test_it_is_openapi(document: Json) -> None:
    assert document["openapi"].startswith("3.1.")
    faults = [
        f"{'/'.join(map(str, e.instance_path))}: {e.message[:200]}" for e in OPENAPI_31_VALIDATOR.iter_errors(document)
    ]
    assert not faults


def test_its_schemas_are_json_schemas(document: Json) -> None:
    """Each is one, and what it refers to is there."""
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        assert jsonschema_rs.meta.is_valid({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}), name
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def test_every_route_is_told_of(document: Json) -> None:
    assert set(operations(document)) == set(OPERATIONS)


@pytest.mark.parametrize("label", OPERATIONS)
def test_an_operation_tells_what_it_answers(document: Json, label: str) -> None:
    """All its statuses; errors are problems, all else has a type, and somebody wrote what it does."""
    operation = operations(document)[label]
    assert {int(status) for status in operation["responses"]} == OPERATIONS[label]
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        if int(status) >= 400 and (label, status) != ("GET /readyz", "503"):
            assert content == {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
        else:
            assert content or status in ("204", "304", "307")
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]


@pytest.fixture(scope="module")
def spec_schema(document: Json) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for({"$ref": "#/components/schemas/Spec", "components": document["components"]})


@pytest.mark.parametrize("preset", preset_names())
def test_presets_fit_the_schema_of_specs(spec_schema: jsonschema_rs.Validator, preset: str) -> None:
    spec_schema.validate(read_preset(preset))


@pytest.mark.parametrize(
    "changes",
    [{"splits": {"train": 0}}, {"samples": 1}, {"seed": -1}, {"problem": {"family": "darzy"}}, {"extra": 1},
     {"problem": {**DARCY["problem"], "resolution": [8] * 4}}, {"solver": {"method": "skr", "restart": 1}}],
    ids=str,
)  # fmt: skip
def test_bad_specs_do_not(spec_schema: jsonschema_rs.Validator, changes: Json) -> None:
    spec_schema.validate(DARCY)
    assert not spec_schema.is_valid({**DARCY, **changes})
