"""Pages of jobs in every state, and what can be done there: nothing is an error, nothing leads nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from pdemill.spec.problem import families
from tests.pages.html import Reader, faults
from tests.pages.states import QUEUED, STATES, job_in
from tests.service.api import Answer, Api, Headers, bearer, key_of, keys_file, serving, without_broker

FORM: Headers = (("Sec-Fetch-Site", "same-origin"), ("Content-Type", "application/x-www-form-urlencoded"))


def post(api: Api, target: str, headers: Headers = (), **values: str) -> Answer:
    return api.ask("POST", target, (*FORM, *headers), urlencode(values).encode())


@pytest.fixture(scope="module")
def jobs(api: Api, darcy_store: Path, spoiled_store: Path) -> dict[str, str]:
    return {state: job_in(state, api, darcy_store, spoiled_store) for state in STATES}


@pytest.mark.parametrize("place", ["", "/gallery", "/gallery?page=2", "/gallery?split=test", "/use"])
@pytest.mark.parametrize("state", STATES)
def test_no_page_of_a_job_is_an_error(api: Api, jobs: dict[str, str], state: str, place: str) -> None:
    wanted = place.replace("test", "train") if state in ("queued", "poisoned", "cancelled early", "spent") else place
    answer = api.get(f"/jobs/{jobs[state]}{wanted}")
    assert answer.status == 200, answer.text
    assert faults(answer.text) == []
    for tab in ("/gallery", "/use"):
        assert f'href="/jobs/{jobs[state]}{tab}"' in answer.text


def test_pages_without_a_store_say_why(api: Api, jobs: dict[str, str]) -> None:
    def said(state: str, place: str) -> str:
        return api.get(f"/jobs/{jobs[state]}/{place}").text

    assert "the job is accepted" in said("queued", "gallery")
    assert "Once it is begun" in said("queued", "use")
    assert "pdemill.open" in said("queued", "use")
    for place in ("gallery", "use"):
        assert "the job is dismissed, and was not begun" in said("cancelled early", place)
        assert "the job is dismissed, its store was deleted" in said("deleted", place)
        assert "the job is dismissed, its store expired" in said("expired", place)
        assert "pdemill.open" not in said("deleted", place)
    assert "No sample of train is finished yet" not in said("running", "gallery")


OFFERED = {
    "queued": {"cancel"}, "running": {"cancel"}, "successful": {"delete"}, "spent": {"delete"}, "poisoned": {"retry"},
    "cancelled": {"retry", "delete"}, "cancelled early": {"retry"}, "deleted": {"retry"}, "expired": {"retry"},
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_what_is_offered_can_be_done_and_what_is_not_cannot(
    api: Api, darcy_store: Path, spoiled_store: Path, state: str
) -> None:
    """Retry where that may help; a finished store is deleted after a question; what runs is cancelled first."""
    job = job_in(state, api, darcy_store, spoiled_store)
    text = api.get(f"/jobs/{job}").text
    actions = "|".join(("cancel", "retry", "delete"))
    assert set(re.findall(f'(?:action|href)="/jobs/{job}/({actions})"', text)) == OFFERED[state]
    if state == "spent":
        assert "would fail again" in text
    if "retry" not in OFFERED[state]:
        assert post(api, f"/jobs/{job}/retry").status == 409
    else:
        again = post(api, f"/jobs/{job}/retry")
        assert again.status == 303
        assert again.headers["location"] != f"/jobs/{job}"
    if "cancel" in OFFERED[state]:
        assert api.get(f"/jobs/{job}/delete").status == post(api, f"/jobs/{job}/delete").status == 409
        assert post(api, f"/jobs/{job}/cancel").headers["location"] == f"/jobs/{job}"
        assert "dismissed" in api.get(f"/jobs/{job}").text


def test_a_store_is_deleted_after_a_question(api: Api, darcy_store: Path) -> None:
    job, dataset = api.finished(darcy_store, bytes=70_000)
    asked = api.get(f"/jobs/{job}/delete")
    assert faults(asked.text) == []
    assert "70.0 kB with 47 samples" in asked.text
    assert api.store(dataset).exists()
    assert post(api, f"/jobs/{job}/delete").headers["location"] == f"/jobs/{job}"
    assert not api.store(dataset).exists()
    assert "its store was deleted" in api.get(f"/jobs/{job}").text


@pytest.mark.parametrize(("state", "good", "bad"), [("spent", 0, 100), ("successful", 100, 0), ("queued", 0, 0)])
def test_the_bar_shows_what_is_certified(api: Api, jobs: dict[str, str], state: str, good: int, bad: int) -> None:
    """Here and in the list; a job of which all failed was full."""
    for target in (f"/jobs/{jobs[state]}", "/"):
        text = api.get(target).text
        row = text if target != "/" else text.partition(jobs[state])[2].partition("</tr>")[0]
        widths = [float(width) for width in re.findall(r'<rect class="(?:good|bad)"[^>]* width="([\d.]+)"', row)[:2]]
        assert widths == [good, bad], row[:300]
    assert ("0 of 6 samples certified, 6 failed" in api.get("/").text) is True


def test_a_job_of_which_all_failed_says_so_in_whole_sentences(api: Api, jobs: dict[str, str]) -> None:
    text = api.get(f"/jobs/{jobs['spent']}").text
    assert "<p>0 certified.</p>" in text
    assert "Why samples failed" in text
    assert "Throughput" not in text


def test_sizes_are_told(api: Api, jobs: dict[str, str]) -> None:
    assert "<dt>Store</dt><dd>70.0 kB</dd>" in api.get(f"/jobs/{jobs['successful']}").text
    assert "<dt>Store</dt><dd>about 70.0 kB</dd>" in api.get(f"/jobs/{jobs['running']}").text
    assert '<td class="n" data-label="Store">70.0 kB</td>' in api.get("/").text


def test_jobs_have_names(api: Api) -> None:
    """From the form, from YAML, from the API; retried jobs keep them; they are escaped."""
    spec = '{"problem": {"family": "poisson", "resolution": [7]}, "samples": 3}'
    place = post(api, "/new/yaml", spec=spec, name="  the <b>first </b>\t one ").headers["location"]
    text = api.get(place).text
    assert "<h1>the &lt;b&gt;first &lt;/b&gt; one</h1>" in text
    assert "poisson, 7 ·" in text
    post(api, f"{place}/cancel")
    again = post(api, f"{place}/retry").headers["location"]
    assert "the &lt;b&gt;first" in api.get(again).text
    assert post(api, f"{again}/name", name="other").status == 303
    assert "<h1>other</h1>" in api.get(again).text
    assert ">other</a>" in api.get("/").text
    for wrong in ("x" * 81, "a\x00b", "a\u202eb"):
        assert post(api, f"{again}/name", name=wrong).status == 422
        assert post(api, "/new/yaml", name=wrong, spec=spec).status == 422
    job = api.post("/v1/jobs?name=mine", QUEUED).json
    assert job["name"] == api.get(f"/v1/jobs/{job['id']}").json["name"] == "mine"


def test_every_link_leads_somewhere(tmp_path: Path, darcy_store: Path, spoiled_store: Path) -> None:
    """Also for whoever has only the cookie of a key; none asks for the key again, and none is an error."""
    keys = keys_file(tmp_path / "keys.yaml", anyone={})
    with serving(without_broker(tmp_path / "data", api_keys=keys)) as api:
        known = (("Cookie", post(api, "/key", key=key_of("anyone")).headers["set-cookie"].partition(";")[0]),)
        for state in ("successful", "spent"):
            job_in(state, api, darcy_store, spoiled_store)
        api.post("/v1/jobs", QUEUED, bearer("anyone"))
        seen: set[str] = set()
        for target in _links(api, known, seen, "/"):
            answer = api.get(target, known)
            expected = (200, 503) if target == "/readyz" else (200,)
            assert answer.status in expected, (target, answer.status, answer.text[-300:])
        assert {f"/catalogue/{family}/schema" for family in families} <= seen
        assert len(seen) > 50


def _links(api: Api, known: Headers, seen: set[str], place: str) -> Iterator[str]:
    """All places that pages link to, each once."""
    waiting = [place]
    while waiting:
        target = waiting.pop()
        if target in seen:
            continue
        seen.add(target)
        yield target
        answer = api.get(target, known)
        if answer.headers["content-type"].startswith("text/html"):
            reader = Reader()
            reader.feed(answer.text)
            hrefs = [unescape(link["href"] or "") for link in reader.all("a", "link")]
            images = [unescape(image["src"] or "") for image in reader.all("img")]
            images = [image for image in images if not image.startswith("/new/")]  # previews have tests of their own
            pages = {href.split("#")[0] for href in hrefs if not href.startswith("#")} | set(images[:1])
            waiting += [f"/{link}" if not link.startswith(("/", "?")) else _whole(target, link) for link in pages]


def _whole(target: str, link: str) -> str:
    return target.partition("?")[0] + link if link.startswith("?") else link


def test_yaml_goes_on_in_the_form(api: Api) -> None:
    """What was written is filled in; what the form cannot hold, or is no spec, stays as text."""
    spec = "problem: {family: poisson, resolution: [33]}\nsamples: 12\nseed: 77\n"
    text = post(api, "/new/yaml", spec=spec, action="form", name="kept").text
    assert faults(text) == []
    assert re.search(r'name="/seed" value="77"', text)
    assert re.search(r'name="/problem/resolution" value="33"', text)
    assert 'name="name" value="kept"' in text
    assert 'href="/new"' not in api.get("/new/yaml").text.partition("<main")[2]
    for wrong in ("seed: 77", "problem: {family: poisson, colour: 3}\nsamples: 4"):
        back = post(api, "/new/yaml", spec=wrong, action="form")
        assert back.status == 422
        assert wrong.partition("\n")[0] in unescape(back.text)


def test_a_name_goes_along_between_form_and_yaml(api: Api) -> None:
    text = post(api, "/new", action="yaml", name="kept").text
    assert 'name="name" value="kept"' in text


def test_a_single_value_is_told_and_not_drawn(api: Api, jobs: dict[str, str]) -> None:
    found: Any = re.findall(r'<figure class="chart">.*?</figure>', api.get(f"/jobs/{jobs['successful']}").text, re.S)
    assert found
    for chart in found:
        assert ("<svg" in chart) == (" for all " not in chart), chart
