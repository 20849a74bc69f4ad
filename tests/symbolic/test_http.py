"""An equation as text over HTTP: its schema, a dry run, a refusal, and a job with the bits of ``generate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

import pdemill
from pdemill.service.testing import Server
from tests.spectral.test_trajectories import changed

SPEC: dict[str, Any] = {
    "problem": {
        "family": "spectral",
        "resolution": [48],
        "domain": {"lengths": [22]},
        "equations": "u_t = -0.5*d(u**2, x) - d(u, x, 2) - nu*d(u, x, 4)",
        "where": {"nu": {"uniform": [0.9, 1.1]}},
        "initial": {"field": "sines", "waves": [1, 3]},
        "time": {"end": 2.0, "intervals": 2},
    },
    "samples": 4,
}


@pytest.mark.slow
def test_an_equation_is_solved_over_http_as_it_is_here(tmp_path: Path) -> None:
    assert not pdemill.generate(SPEC, tmp_path / "here.zarr", workers=0).failures
    here = pdemill.verify(tmp_path / "here.zarr")
    assert here.ok
    with Server(tmp_path / "server", workers=1) as server, server.client() as client:
        schema = httpx.get(f"{server.url}/v1/problems/spectral/schema")
        assert "equations" in schema.text
        dry = httpx.post(f"{server.url}/v1/jobs/validate", json=SPEC)
        assert dry.status_code == 200, dry.text
        bad = changed(SPEC, problem__equations="u_t = __import__('os').getcwd()")
        refused = httpx.post(f"{server.url}/v1/jobs", json=bad)
        assert refused.status_code == 422
        assert [error["pointer"] for error in refused.json()["errors"]] == ["/problem/equations"]
        job = client.submit(SPEC).wait(120)
        assert job.status == "successful"
        there = pdemill.verify(job.results()["store"]["path"])
        assert (there.ok, there.content) == (True, here.content)
