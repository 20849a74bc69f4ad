"""Weak forms over HTTP that nobody should compile: refused with a pointer to the form, at once, and nothing is run."""

from __future__ import annotations

from time import perf_counter

import pytest

from tests.service.api import Api
from tests.weak.hostile import HOSTILE
from tests.weak.problems import POISSON

pytestmark = pytest.mark.usefixtures("unharmed")
SECONDS = 1.0
LARGEST = 900_000
"""Characters of a form: a body has at most 1,000,000 bytes."""


def test_hostile_forms_are_refused(api: Api) -> None:
    right = {"problem": POISSON, "samples": 4}
    assert api.post("/v1/jobs/validate", right).status == 200
    assert len(HOSTILE) >= 40
    for text, _ in HOSTILE:
        begin = perf_counter()
        answer = api.post("/v1/jobs", right | {"problem": POISSON | {"form": text[:LARGEST]}})
        assert perf_counter() - begin < SECONDS, text[:60]
        assert answer.pointers() == ["/problem/form"], text[:60]
        assert len(answer.body) < 3_000
