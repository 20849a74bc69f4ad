"""Thousands of requests made up from the API's own description: no 5xx, nothing undocumented."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from pdemill import arrays
from pdemill.service.submission import queued
from pdemill.settings import Settings
from pdemill.solvers.estimate import estimate
from pdemill.spec.load import load_spec, preset_names, read_preset
from tests.conftest import DARCY
from tests.service.api import SECONDS, Api, serving
from tests.service.broker import valkey

type Json = dict[str, Any]

CASES: dict[str, tuple[int, int]] = {
    "POST /v1/jobs": (300, 200), "POST /v1/jobs/validate": (300, 200), "GET /v1/jobs": (100, 100),
    "GET /v1/jobs/{job}": (100, 0), "DELETE /v1/jobs/{job}": (80, 80), "GET /v1/jobs/{job}/events": (80, 0),
    "GET /v1/jobs/{job}/results": (80, 0), "GET /v1/jobs/{job}/samples/{sample}": (80, 80),
    "GET /v1/datasets/{dataset}/store/{path}": (200, 0), "GET /v1/problems/{family}/schema": (60, 0),
    "GET /v1/presets/{preset}": (120, 0), "GET /v1/problems": (1, 0), "GET /v1/presets": (1, 0), "GET /healthz": (1, 0),
    "GET /readyz": (1, 0), "GET /metrics": (1, 0), "GET /v1/server": (1, 0), "PUT /v1/server/{switch}": (4, 30),
    "DELETE /v1/server/{switch}": (4, 30), "POST /v1/arrays": (60, 60), "GET /v1/arrays": (1, 0),
    "GET /v1/arrays/{array}": (30, 30), "GET /v1/arrays/uploads/{upload}": (30, 30),
    "PUT /v1/arrays/uploads/{upload}": (60, 60), "POST /v1/arrays/uploads/{upload}": (30, 30),
    "DELETE /v1/arrays/uploads/{upload}": (30, 30), "POST /v1/mixtures": (60, 60),
    "POST /v1/datasets/{dataset}/links": (30, 30),
}  # fmt: skip
"""Requests to draw for each operation: some that fit its description, some that do not (where all text fits, there
are none). Those that schemathesis derives from every part of the description come on top."""
DERIVED: dict[str, tuple[int | None, int]] = {"POST /v1/jobs": (None, 25), "POST /v1/jobs/validate": (500, 1)}
"""Of the 30,000 requests derived from the description of specs: up to which, and every how-manieth. The quick tests
leave them out: a minute and more passes before schemathesis has derived the first of them."""
SUCCESS = {
    "GET /readyz": 503, "POST /v1/jobs": 202, "POST /v1/mixtures": 202, "POST /v1/arrays": 201,
    "DELETE /v1/arrays/uploads/{upload}": 204, "POST /v1/datasets/{dataset}/links": 201,
}  # fmt: skip
FEW, MOST = 10, 100
"""The quick tests draw one request in FEW, and take those derived up to MOST."""
CHECKS = [
    status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance,
    unsupported_method,
]  # fmt: skip
VALUES = np.ones((1, 2, 2))
FUZZ = settings(
    derandomize=True, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """The address of a real Valkey."""
    with valkey() as broker:
        yield broker.url


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, broker: str) -> Iterator[Api]:
    """An API with a broker, but no workers, that accepts small jobs only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PDEMILL_MAX_UNKNOWNS", str(10**7))
        with serving(Settings(data_dir=tmp_path_factory.mktemp("fuzz"), redis_url=broker)) as api:
            yield api


@pytest.fixture(autouse=True)
def switched_off(api: Api) -> Iterator[None]:
    """What a test has switched on is off for the next: a drained server refuses jobs, rightly, with 503."""
    yield
    for switch in api.state.ledger.switches():
        api.state.ledger.switch(switch, False, "anyone")


@pytest.fixture(scope="module")
def schema(api: Api) -> Any:
    return schemathesis.openapi.from_dict(api.get("/v1/openapi.json").json)


def uploaded(api: Api) -> str:
    """An upload of VALUES that is all there."""
    data = b"".join(arrays.npy_parts(arrays.hold(VALUES), 10**6))
    begun = api.post("/v1/arrays", {"bytes": len(data)}).json["id"]
    api.ask("PUT", f"/v1/arrays/uploads/{begun}", (), data)
    return str(begun)


def known(api: Api, store: Path, label: str) -> st.SearchStrategy[dict[str, Any]]:
    """Path parameters that lead to something."""
    job, dataset = api.finished(store)
    jobs = [job]
    if label == "DELETE /v1/jobs/{job}":
        spec = load_spec(DARCY, ["seed=99"])
        jobs += [api.state.ledger.submit("anyone", queued(spec, estimate(spec)), None)[0].id for _ in range(20)]
    files = [str(path.relative_to(store)) for path in store.rglob("*") if path.is_file()]
    uploads = [uploaded(api) for _ in range(20 if label.startswith("DELETE /v1/arrays") else 1)]
    values = {
        "job": st.sampled_from(jobs), "dataset": st.just(dataset), "path": st.sampled_from(files),
        "sample": st.integers(-1, 50), "family": st.sampled_from(["darcy", "thermal"]),
        "preset": st.sampled_from(preset_names()), "switch": st.sampled_from(["paused", "drained"]),
        "array": st.just(arrays.hold(VALUES)), "upload": st.sampled_from(uploads),
    }  # fmt: skip
    return st.fixed_dictionaries({name: values[name] for name in values if f"{{{name}}}" in label})


@st.composite
def specs(draw: st.DrawFn) -> Json:
    """Specs that are right, or nearly."""
    presets = [{**read_preset(name), "splits": {"train": 2}} for name in preset_names()]
    spec: Json = deepcopy(draw(st.sampled_from([DARCY, *presets])))
    spec["seed"] = draw(st.integers(0, 5) | st.integers())
    if draw(st.booleans()):
        spec["splits"] = draw(
            st.dictionaries(st.from_regex("[a-z]{1,3}", fullmatch=True) | st.text(), st.integers(-1, 9))
        )
    if draw(st.booleans()):
        spec["solver"] = {"method": draw(st.sampled_from(["auto", "cg", "skr", "fft", "direct", ""]))}
    return spec


def drawn(api: Api, store: Path, operation: Any, mode: GenerationMode) -> st.SearchStrategy[Case[Any]]:
    """Requests for an operation: all made up, or with known ids, or with a spec that is nearly right."""
    made_up: st.SearchStrategy[Case[Any]] = operation.as_strategy(generation_mode=mode)
    if mode is GenerationMode.NEGATIVE:
        return made_up
    choices = [made_up]
    if operation.path_parameters:
        choices.append(st.builds(_led, made_up, known(api, store, operation.label)))
    if operation.body:
        mixed = operation.label == "POST /v1/mixtures"
        bodies = specs().map(lambda spec: {"mixture": [spec, {**spec, "name": "other"}]}) if mixed else specs()
        choices.append(st.builds(_told, made_up, bodies))
    return st.one_of(choices)


def _led(case: Case[Any], parameters: dict[str, Any]) -> Case[Any]:
    case.path_parameters = parameters
    return case


def _told(case: Case[Any], spec: Json) -> Case[Any]:
    case.body = spec
    return case


@pytest.mark.parametrize(
    "share", [pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(1800)]), FEW], ids=["all", "some"]
)
@pytest.mark.parametrize("label", CASES)
def test_an_operation_keeps_its_word(
    api: Api, schema: Any, darcy_store: Path, label: str, share: int, caplog: pytest.LogCaptureFixture
) -> None:
    """``share``: one in so many of the requests."""
    operation = schema.find_operation_by_label(label)
    statuses: list[int] = []
    checks = CHECKS if label == "GET /readyz" else [not_a_server_error, *CHECKS]
    with requests.Session() as session:

        def ask(case: Case[Any]) -> None:
            answer = case.call_and_validate(base_url=api.url, session=session, checks=checks, timeout=SECONDS)
            statuses.append(answer.status_code)

        if share == 1 or label not in DERIVED:
            every = schema.iter_coverage_cases(
                operation, generation_modes=list(GenerationMode), generation_config=schema.config.generation
            )
            most, step = DERIVED.get(label, (None, 1))
            for case in islice(every, 0, most if share == 1 else MOST, step):
                ask(case)
        derived = len(statuses)
        for mode, number in zip((GenerationMode.POSITIVE, GenerationMode.NEGATIVE), CASES[label], strict=True):
            if number:
                some = settings(FUZZ, max_examples=ceil(number / share))
                some(given(drawn(api, darcy_store, operation, mode))(ask))()
    assert derived > 0 or (share != 1 and label in DERIVED)
    assert len(statuses) - derived >= sum(CASES[label]) / share
    success = SUCCESS.get(label, 200)
    assert success in statuses[derived:]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_two_thousand_cases_over_all_operations(schema: Any) -> None:
    assert {result.ok().label for result in schema.get_all_operations()} == set(CASES)
    assert sum(map(sum, CASES.values())) >= 2_000
