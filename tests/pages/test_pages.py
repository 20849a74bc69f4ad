"""Pages over plain HTTP: they render, refuse what other sites send, and escape what people write."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import yaml
import zarr

import pdemill
from pdemill import arrays
from pdemill.planning import read_plan
from pdemill.service.pages.form.spec import write_spec
from pdemill.service.pages.render import STATIC
from pdemill.spec.load import load_preset, preset_names, read_preset, validate
from tests.pages.html import faults
from tests.service.api import Answer, Api, Headers

OURS: Headers = (("Sec-Fetch-Site", "same-origin"),)
FORM: Headers = (("Content-Type", "application/x-www-form-urlencoded"),)
HOSTILE = "1<script>alert(1)</script>"

PAGES = (
    "/", "/?status=failed", "/new", "/new?preset=poisson-10d", "/new?family=thermal", "/new?family=screened_poisson",
    "/new/yaml", "/new/yaml?preset=skr-thermal", "/catalogue", "/jobs/JOB", "/jobs/JOB/gallery",
    "/jobs/JOB/gallery?split=test", "/jobs/JOB/gallery?page=4", "/jobs/JOB/use", "/new?job=JOB", "/new/yaml?job=JOB",
)  # fmt: skip


def post(api: Api, target: str, values: dict[str, str], headers: Headers = OURS) -> Answer:
    return api.ask("POST", target, (*FORM, *headers), urlencode(values).encode())


@pytest.mark.parametrize("target", PAGES)
def test_pages_are_sound_html(api: Api, job: str, target: str) -> None:
    answer = api.get(target.replace("JOB", job))
    assert answer.status == 200, answer.text[:500]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert faults(answer.text) == []


@pytest.mark.parametrize(
    "target", ["/jobs/none", "/jobs/JOB/gallery?split=x", "/?status=odd", "/jobs/JOB/gallery?page=0"]
)
def test_what_is_not_there_is_told_in_a_page(api: Api, job: str, target: str) -> None:
    answer = api.get(target.replace("JOB", job))
    assert answer.status in (404, 422)
    assert faults(answer.text) == []


def test_a_job_shows_its_shards_and_distributions(api: Api, job: str) -> None:
    text = api.get(f"/jobs/{job}").text
    assert text.count('<span class="finished" title=') == 4
    assert "train: 3 of 3 shards are finished" in text
    assert "47 certified" in text
    assert re.search(r"Discretisation error estimated on \d+ of 47\.", text)
    assert 'aria-label="Relative residual: median' in text


@pytest.fixture(scope="module")
def windy(api: Api, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A job with samples whose cell Peclet number is above 2, and its store."""
    store = tmp_path_factory.mktemp("windy") / "wind.zarr"
    problem = {
        "family": "convection_diffusion", "resolution": [16, 16], "velocity": [{"uniform": [20, 44]}, 0], "source": 1,
        "flux": "central",
    }  # fmt: skip
    assert pdemill.generate({"problem": problem, "splits": {"train": 8}}, store, workers=0).ok
    return api.finished(store)[0], store


def test_flags_are_told_of_jobs_and_samples(api: Api, windy: tuple[str, Path]) -> None:
    job, store = windy
    values: Any = zarr.open_array(store / "train/flags", mode="r")[...]
    flagged, peclet = int(np.count_nonzero(values)), int(np.count_nonzero(values & 1))
    assert 0 < peclet < 8
    assert f"{flagged} flagged for a second look: cell Peclet number above 2 ({peclet})" in api.get(f"/jobs/{job}").text
    captions = re.findall(r"<figcaption>.*?</figcaption>", api.get(f"/jobs/{job}/gallery").text)
    assert ["cell Peclet number above 2" in caption for caption in captions] == [bool(v & 1) for v in values.tolist()]
    assert all("algebraic error" in caption and "as it is stored" in caption for caption in captions)
    results = api.get(f"/v1/jobs/{job}/results").json
    assert results["flagged"] == flagged
    assert results["flags"][0] == {"flag": "peclet", "meaning": "cell Peclet number above 2", "samples": peclet}
    for number, value in enumerate(values.tolist()):
        sample = api.get(f"/v1/jobs/{job}/samples/{number}").json
        assert sample["flags"] == [name for name, mask in (("peclet", 1), ("estimate", 2)) if value & mask]
        assert 0 <= sample["algebraic_error"] <= sample["stored_error"] <= 1e-5


@pytest.mark.needs("petsc4py")
def test_what_the_planner_measured_is_a_table(api: Api, tmp_path: Path) -> None:
    spec = pdemill.preset("condiff", ["splits={train: 6}", "solver={trial: always}", "problem.resolution=[24, 24]"])
    assert pdemill.generate(spec, tmp_path / "a.zarr", workers=0).ok
    plan = read_plan(tmp_path / "a.zarr")
    assert plan is not None
    assert plan.measured
    table = api.get(f"/jobs/{api.finished(tmp_path / 'a.zarr')[0]}").text.partition("<h2>Plan</h2>")[2]
    assert plan.reason in unescape(table)
    rows = re.findall(r"<tr.*?</tr>", table.partition("<tbody>")[2], re.DOTALL)
    assert len(rows) == len(plan.candidates)
    assert [name for row in rows for name in re.findall(r'<th scope="row">([^<]*) <span class="soft">chosen', row)] == [
        next(c.name for c in plan.candidates if c.method == plan.method)
    ]
    tried = [c for c in plan.candidates if c.seconds]
    assert sum('<td class="n">–</td>' not in row for row in rows) == len(tried)


def test_samples_are_pictures(api: Api, job: str) -> None:
    text = api.get(f"/jobs/{job}/gallery?page=4").text
    assert "train 36" in text
    assert "page 4 of 4" in text
    light, dark = (api.get(f"/jobs/{job}/samples/train/39.png?theme={theme}") for theme in ("light", "dark"))
    assert light.body[:4] == dark.body[:4] == b"\x89PNG"
    assert light.body != dark.body
    assert api.get(f"/jobs/{job}/samples/train/40.png").status == 404
    assert api.get(f"/jobs/{job}/samples/train/1.png", (("Sec-Fetch-Site", "cross-site"),)).status == 403


def test_snippets_read_the_store(api: Api, job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = api.get(f"/jobs/{job}/use").text
    python = unescape(re.findall(r'<code id="t1">(.*?)</code>', text, re.DOTALL)[0])
    scope: dict[str, object] = {}
    monkeypatch.setattr("builtins.print", lambda *words: None)
    exec(python, scope)
    data = scope["data"]
    assert isinstance(data, pdemill.Dataset)
    assert len(data) == 40


# Forms


@pytest.mark.parametrize(
    "headers",
    [(), (("Origin", "http://evil.example"),), (("Origin", "null"),), (("Sec-Fetch-Site", "cross-site"),),
     (("Sec-Fetch-Site", "same-site"),), (("Origin", "http://localhost"), ("Sec-Fetch-Site", "cross-site")),
     (("Origin", "http://localhost:1"),)],
)  # fmt: skip
@pytest.mark.parametrize("target", ["/new", "/new/yaml", "/new/check", "/jobs/JOB/cancel", "/jobs/JOB/retry", "/key"])
def test_other_sites_change_nothing(api: Api, job: str, target: str, headers: Headers) -> None:
    before = api.get("/v1/jobs").json["jobs"]
    answer = post(api, target.replace("JOB", job), {"spec": "{}", "key": "x"}, headers)
    assert answer.status == 403
    assert api.get("/v1/jobs").json["jobs"] == before


def test_the_origin_alone_will_do(api: Api) -> None:
    assert post(api, "/new/check", {"spec": "{}"}, (("Origin", "http://localhost"),)).status == 200


@pytest.mark.parametrize("name", preset_names())
def test_presets_go_through_the_form(api: Api, name: str) -> None:
    typed = write_spec({**read_preset(name), "splits": {"train": 3}})
    answer = post(api, "/new", typed)
    assert answer.status == 303, answer.text[-1500:]
    job = answer.headers["location"]
    stored = yaml.safe_load(unescape(re.findall(r"<pre.*?><code>(.*?)</code>", api.get(job).text, re.DOTALL)[0]))
    wanted = load_preset(name, ["splits={train: 3}"])
    assert validate(stored) == wanted
    assert post(api, f"{job}/cancel", {}).status == 303
    assert "dismissed" in api.get(job).text
    assert "Retry" in api.get(job).text
    again = post(api, f"{job}/retry", {}).headers["location"]
    assert again != job
    assert "accepted" in api.get(again).text


def test_a_form_that_is_wrong_comes_back_marked(api: Api) -> None:
    typed = write_spec(read_preset("fno-darcy")) | {"/problem/resolution": "8, many", "/problem/coefficient/low": "-1"}
    answer = post(api, "/new", typed)
    assert answer.status == 422
    assert faults(answer.text) == []
    for field in ("resolution", "coefficient"):
        assert f'id="e-problem-{field}' in answer.text
    assert 'value="8, many"' in answer.text


def test_another_choice_brings_its_fields_without_javascript(api: Api) -> None:
    typed = write_spec(read_preset("fno-darcy")) | {"/problem/coefficient#": "Lognormal", "action": "check"}
    answer = post(api, "/new", typed)
    assert answer.status == 200
    assert 'name="/problem/coefficient/std"' in answer.text
    assert 'name="/problem/coefficient/low"' not in answer.text


def test_the_form_goes_on_in_yaml(api: Api) -> None:
    typed = write_spec(read_preset("fno-darcy")) | {"action": "yaml"}
    text = unescape(re.findall(r"<textarea.*?>(.*?)</textarea>", post(api, "/new", typed).text, re.DOTALL)[0])
    assert validate(yaml.safe_load(text)) == load_preset("fno-darcy")
    answer = post(api, "/new/yaml", {"spec": text})
    assert answer.status == 303


@pytest.mark.parametrize("text", ["", "[", "a: 1", "problem: {family: darcy}\nsamples: 3", "[1]", "a: &a [*a]"])
def test_yaml_that_is_no_spec_comes_back(api: Api, text: str) -> None:
    answer = post(api, "/new/yaml", {"spec": text})
    assert answer.status == 422
    assert "Not yet a spec" in answer.text
    assert faults(answer.text) == []


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=%ff", b"&".join(b"a=1" for _ in range(3000))])
def test_forms_that_cannot_be_read(api: Api, body: bytes) -> None:
    assert api.ask("POST", "/new", (*FORM, *OURS), body).status == 400


def test_what_people_write_is_escaped(api: Api) -> None:
    """A formula is free text, and a split may have any of a few characters; both come back on pages."""
    spec = {
        "problem": {"family": "poisson", "resolution": [8, 8], "source": {"field": "expression", "formula": HOSTILE}}
    }
    for answer in (
        post(api, "/new/yaml", {"spec": json.dumps({**spec, "samples": 2}), "action": "check"}),
        post(api, "/new/yaml", {"spec": HOSTILE}),
        post(api, "/new", write_spec({**spec, "splits": {"train": 2}})),
        post(api, "/new", write_spec({**spec, "splits": {HOSTILE: 2}})),
        api.get(f"/jobs/{HOSTILE}".replace("/script", "%2Fscript")),
        api.get("/key?next=%22%3E%3Cscript%3E"),
    ):
        assert "<script>" not in answer.text
        assert answer.status < 500


# Previews and static files


def test_the_preview_is_a_picture_of_one_sample(api: Api) -> None:
    page = post(api, "/new/yaml", {"spec": json.dumps(_poisson()), "action": "check"})
    assert page.status == 200
    address = unescape(re.findall(r'src="(/new/preview[^"]*)"', page.text)[0])
    answer = api.get(address)
    assert answer.status == 200, answer.text
    assert answer.body[:4] == b"\x89PNG"
    assert api.get(address, (("Sec-Fetch-Site", "cross-site"),)).status == 403
    assert api.get("/new/preview.png?spec=odd").status == 422


def test_the_preview_of_an_array_is_of_its_first_row(api: Api) -> None:
    """In a process that gets this row alone."""
    known = arrays.hold(1.0 + np.random.default_rng(5).random((9, 80, 80)))
    coefficient = {"field": "array", "array": known, "rows": {"train": [4, 9]}}
    spec = {"problem": {"family": "darcy", "resolution": [80, 80], "coefficient": coefficient}, "splits": {"train": 5}}
    page = post(api, "/new/yaml", {"spec": json.dumps(spec), "action": "check"})
    address = unescape(re.findall(r'src="(/new/preview[^"]*)"', page.text)[0])
    answer = api.get(address)
    assert answer.status == 200, answer.text
    assert answer.body[:4] == b"\x89PNG"


def _poisson() -> dict[str, object]:
    problem = {"family": "poisson", "resolution": [900, 900], "source": {"field": "bumps"}}
    return {"problem": problem, "samples": 5000, "solver": {"method": "fft"}}


def test_static_files_are_those_that_are_listed() -> None:
    listed = re.findall(r"`([\w.-]+)` \| .*?`([0-9a-f]{64})`", (STATIC / "vendor" / "README.md").read_text())
    assert len(listed) == 4
    for name, known in listed:
        assert sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == known


def test_the_wheel_has_templates_and_static_files() -> None:
    """Hatch packs what lies in a package's folder, so long as git does not ignore it."""
    ignored = Path(__file__).parents[2].joinpath(".gitignore").read_text().split()
    assert not {"static", "vendor", "templates", "*.js", "*.css", "*.html"} & set(ignored)
