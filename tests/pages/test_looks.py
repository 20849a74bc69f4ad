"""Pages in Chromium, of jobs in every state: nothing is cut or jumps, times slide, and what was typed in is kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pdemill
from pdemill.service.testing import until
from tests.pages.browser import CONTRAST, SHOTS, settle, tab
from tests.pages.states import STATES, job_in
from tests.service.api import Api

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
WIDTHS = (400, 1280)

CUT = """() => [...document.querySelectorAll("th, td, dd, dt, h1, p, label, input, select, button, output, figcaption")]
  .filter((node) => node.checkVisibility() && !node.closest(".unseen, .skip, .cards thead"))
  .filter((node) => {
    const box = node.getBoundingClientRect();
    const cell = node.matches("th, td") && node.scrollWidth > node.clientWidth + 1;
    return box.width && (box.left < -0.5 || box.right > innerWidth + 0.5 || cell);
  })
  .map((node) => `${node.tagName} ${node.textContent.trim().slice(0, 40)}`)"""
"""What reaches beyond the window, or out of its cell."""

JUMPS = """() => {
  window.jumps = [];
  const element = (node) => node instanceof Element ? node : node?.parentElement;
  const moved = (entry) => entry.sources.map((source) => element(source.node))
    .filter((node) => node && !node.closest("dd, td.n"));
  new PerformanceObserver((list) => list.getEntries().forEach((entry) =>
    window.jumps.push(...moved(entry).map((node) => node.outerHTML.slice(0, 80)))
  )).observe({ type: "layout-shift", buffered: true });
}"""
"""Notes what moves without having been asked to; a number may grow in its own place."""


@pytest.fixture(scope="module")
def jobs(api: Api, darcy_store: Path, spoiled_store: Path) -> dict[str, str]:
    return {state: job_in(state, api, darcy_store, spoiled_store) for state in STATES}


@pytest.fixture(scope="module")
def chaos(api: Api, chaos_store: Path) -> str:
    return api.finished(chaos_store)[0]


@pytest.fixture(scope="module")
def flow(api: Api, flow_store: Path) -> str:
    return api.finished(flow_store)[0]


@pytest.fixture(scope="module")
def planned(api: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A job with a plan."""
    out = tmp_path_factory.mktemp("planned") / "a.zarr"
    spec = pdemill.preset("condiff", ["splits={train: 6}", "solver={trial: always}", "problem.resolution=[24, 24]"])
    assert pdemill.generate(spec, out, workers=0).ok
    return api.finished(out)[0]


@pytest.mark.slow
@pytest.mark.needs("petsc4py")
def test_nothing_is_cut_at_any_width(
    browser: Any, api: Api, jobs: dict[str, str], planned: str, chaos: str, flow: str, complaints: list[str]
) -> None:
    """Of the pages of jobs in every state, in the light and in the dark; texts can be told from their ground."""
    pages = {"jobs": "/?owner=*", "server": "/server", "catalogue": "/catalogue", "new": "/new", "yaml": "/new/yaml",
             "plan": f"/jobs/{planned}", "chaos": f"/jobs/{chaos}/gallery", "flow": f"/jobs/{flow}/gallery",
             "delete": f"/jobs/{jobs['successful']}/delete", "gallery": f"/jobs/{jobs['successful']}/gallery",
             "queued-gallery": f"/jobs/{jobs['queued']}/gallery",
             "queued-use": f"/jobs/{jobs['queued']}/use"}  # fmt: skip
    pages |= {f"job-{state.replace(' ', '-')}": f"/jobs/{job}" for state, job in jobs.items()}
    SHOTS.mkdir(parents=True, exist_ok=True)
    wrong: dict[str, list[str]] = {}
    with tab(browser, complaints) as page:
        for name, place in pages.items():
            page.goto(api.url + place)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                for scheme in ("light", "dark"):
                    page.emulate_media(color_scheme=scheme)
                    if name not in ("new", "yaml"):  # previews have tests of their own
                        settle(page)
                    faint = [f"faint: {text}" for text in page.evaluate(CONTRAST)]
                    if found := page.evaluate(CUT) + faint:
                        wrong[f"{name} {width} {scheme}"] = found
                    page.screenshot(path=SHOTS / f"{name}-{scheme}-{width}.png", full_page=True)
                if (broad := page.evaluate("document.documentElement.scrollWidth")) > width:
                    wrong[f"{name} {width}"] = [f"{broad} pixels broad"]
    assert not wrong


@pytest.mark.parametrize("width", WIDTHS)
def test_pictures_have_their_place_before_they_are_there(
    browser: Any, api: Api, job: str, flow: str, complaints: list[str], width: int
) -> None:
    with tab(browser, complaints, viewport={"width": width, "height": 900}) as page:
        page.add_init_script(f"({JUMPS})()")
        for place in (f"/jobs/{job}/gallery", f"/jobs/{flow}/gallery"):
            page.goto(api.url + place)
            settle(page)
            drawn, real = page.locator(".gallery img").evaluate_all(
                "all => [all.map(i => [i.width, i.height]), all.map(i => [i.naturalWidth, i.naturalHeight])]"
            )
            assert real
            for (w, h), (wide, high) in zip(drawn, real, strict=True):
                assert h / w == pytest.approx(high / wide, rel=0.02)
            assert page.evaluate("window.jumps") == []


@pytest.mark.slow
def test_figures_that_change_move_nothing(browser: Any, api: Api, darcy_store: Path, complaints: list[str]) -> None:
    """A job's page and the list, while samples are counted and a job ends."""
    job, dataset = api.finished(darcy_store, status="accepted", done=0, finished=None, bytes=70_000)
    folder = api.store(dataset) / "_manifest"
    aside = {path: path.read_bytes() for path in folder.glob("train-*.json")}
    for path in aside:
        path.unlink()
    api.state.ledger.begun(dataset)
    with tab(browser, complaints) as page, tab(browser, complaints) as other:
        for each, place in ((page, f"/jobs/{job}"), (other, "/")):
            each.goto(api.url + place)
            each.wait_for_load_state("networkidle" if each is other else "load")
        row = other.locator("tr", has_text=job)
        playwright.expect(row).to_contain_text("7 / 47")
        playwright.expect(page.locator("#live")).to_contain_text("7 of 47")
        for each in (page, other):
            each.evaluate(JUMPS)
            each.evaluate("window.jumps = []")
        for done, (path, text) in zip((23, 39, 47), sorted(aside.items()), strict=True):
            path.write_bytes(text)
            playwright.expect(page.locator("#live")).to_contain_text(f"{done} of 47", timeout=60_000)
            playwright.expect(row).to_contain_text(f"{done} / 47", timeout=60_000)
        for each in (page, other):
            moved = [jump for jump in each.evaluate("window.jumps") if "findings" not in jump]
            assert moved == []
        api.state.ledger.ended(dataset, "successful", "", 47, 0)


# Times


def test_a_trajectory_slides_through_its_times(browser: Any, api: Api, chaos: str, complaints: list[str]) -> None:
    """By keyboard; what is beyond valid_until is said to be, in words, to those who listen, and in the picture."""
    with tab(browser, complaints) as page:
        page.goto(f"{api.url}/jobs/{chaos}/gallery")
        settle(page)
        slider, image = page.get_by_label(re.compile("Stored time")).first, page.locator(".gallery img").first
        last = int(slider.get_attribute("data-last"))
        times = page.evaluate("JSON.parse(document.querySelector('.gallery').dataset.times)")
        assert (len(times), times[-1]) == (17, "160")
        assert 0 < last < 8
        assert slider.input_value() == str(last)
        assert "beyond" not in slider.get_attribute("aria-valuetext")
        first = image.evaluate("image => image.currentSrc")
        slider.focus()
        page.keyboard.press("ArrowRight")
        words = f"t = {times[last + 1]}, beyond valid_until = {times[last]}: not certified"
        playwright.expect(page.locator(".times output").first).to_have_text(words)
        assert page.locator(".times output").first.evaluate("said => said.classList.contains('fault')")
        assert slider.get_attribute("aria-valuetext") == words
        assert image.get_attribute("alt").endswith(words)
        until(lambda: f"frame={last + 1}&" in image.evaluate("image => image.currentSrc"), what="the next picture")
        assert image.evaluate("image => image.currentSrc") != first
        page.keyboard.press("Home")
        playwright.expect(page.locator(".times output").first).to_have_text("t = 0")
        page.keyboard.press("End")
        until(lambda: _shows(image, 16), what="the last picture")
        assert page.locator(".gallery img").nth(1).evaluate("image => image.currentSrc").count("frame=16") == 0


def _shows(image: Any, frame: int) -> bool:
    return bool(image.evaluate("(image, part) => image.complete && image.currentSrc.includes(part)", f"frame={frame}&"))


def test_times_can_be_chosen_without_javascript(browser: Any, api: Api, chaos: str, complaints: list[str]) -> None:
    with tab(browser, complaints, java_script_enabled=False) as page:
        page.goto(f"{api.url}/jobs/{chaos}/gallery")
        second = page.locator("#s1")
        second.get_by_label(re.compile("Stored time")).fill("16")
        second.get_by_role("button", name="Show").click()
        assert page.url.endswith("frame=16#s1")
        playwright.expect(second.locator("output")).to_contain_text("t = 160, beyond valid_until")
        assert "frame=16&" in second.locator("img").get_attribute("src")
        assert "frame=16&" not in page.locator("#s0 img").get_attribute("src")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_of_times_follow_the_colours_of_the_page(
    browser: Any, api: Api, flow: str, complaints: list[str], scheme: str
) -> None:
    with tab(browser, complaints, color_scheme=scheme) as page:
        page.goto(f"{api.url}/jobs/{flow}/gallery")
        settle(page)
        image = page.locator(".gallery img").first
        page.get_by_label(re.compile("Stored time")).first.fill("3")
        until(lambda: _shows(image, 3), what="the picture")
        assert f"theme={scheme}" in image.evaluate("image => image.currentSrc")


def test_pictures_of_times_are_pictures(api: Api, chaos: str, flow: str, job: str) -> None:
    """Each its own; there are no others, and none of what has no time."""
    for name in (chaos, flow):
        found = {api.get(f"/jobs/{name}/samples/train/0.png?frame={frame}").body for frame in (0, 1, 8)}
        assert len(found) == 3
        assert all(body[:4] == b"\x89PNG" for body in found)
        assert api.get(f"/jobs/{name}/samples/train/0.png?frame=17").status == 404
        assert api.get(f"/jobs/{name}/samples/train/0.png?frame=-1").status == 422
        assert api.get(f"/jobs/{name}/gallery?sample=0&frame=99").status == 404
    assert api.get(f"/jobs/{job}/samples/train/0.png?frame=0").status == 404
    assert "Stored time" not in api.get(f"/jobs/{job}/gallery").text


# What was typed in

DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"></svg>'
"""In the place of previews, which have tests of their own."""


@pytest.fixture
def page(browser: Any, complaints: list[str]) -> Iterator[Any]:
    with tab(browser, complaints) as page:
        page.route("**/new/preview.png*", lambda route: route.fulfill(content_type="image/svg+xml", body=DRAWING))
        yield page


def test_yaml_is_there_again_on_going_back(api: Api, page: Any) -> None:
    text = "problem: {family: poisson, resolution: [21]}\nsamples: 3  # a few\n"
    page.goto(f"{api.url}/new/yaml")
    page.get_by_label("Spec").fill(text)
    page.get_by_label("name").fill("mine")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile("/jobs/[0-9a-f]+$"))
    page.go_back()
    playwright.expect(page.get_by_label("Spec")).to_have_value(text)
    playwright.expect(page.get_by_label("name")).to_have_value("mine")
    page.get_by_role("button", name="Check").click()
    playwright.expect(page.locator("#checked")).to_contain_text("Unknowns each")
    page.get_by_label("Spec").fill(text.replace("21", "22"))
    page.get_by_role("link", name="Catalogue").click()
    page.go_back()
    playwright.expect(page.get_by_label("Spec")).to_have_value(text.replace("21", "22"))
    page.reload()
    playwright.expect(page.get_by_label("Spec")).to_have_value(text.replace("21", "22"))


def test_the_form_is_there_again_on_going_back(api: Api, page: Any) -> None:
    """With what its choices brought along, from YAML, from a job that was sent, and after a check."""
    page.goto(f"{api.url}/new?preset=fno-darcy")
    page.locator("select[name='/problem/coefficient#']").select_option("Lognormal")
    std = page.locator("[name='/problem/coefficient/std']")
    std.fill("0.7")
    page.get_by_label("resolution").fill("12, 12")
    page.get_by_role("button", name="Go on in YAML").click()
    playwright.expect(page.get_by_label("Spec")).to_contain_text("std: 0.7")
    page.get_by_label("Spec").press("End")
    kept = page.get_by_label("Spec").input_value() + "# and more\n"
    page.get_by_label("Spec").fill(kept)
    page.get_by_role("button", name="Go on in the form").click()
    playwright.expect(std).to_have_value("0.7")
    page.go_back()
    playwright.expect(page.get_by_label("Spec")).to_have_value(kept)
    page.go_back()
    playwright.expect(std).to_have_value("0.7")
    playwright.expect(page.get_by_label("resolution")).to_have_value("12, 12")
    page.get_by_role("button", name="Check", exact=True).click()
    playwright.expect(page.locator("#checked")).to_contain_text("144")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile("/jobs/[0-9a-f]+$"))
    page.go_back()
    playwright.expect(std).to_have_value("0.7")
    page.get_by_label("seed").fill("5")
    page.get_by_role("link", name="Jobs", exact=True).click()
    page.go_back()
    playwright.expect(page.get_by_label("seed")).to_have_value("5")


def test_a_new_form_is_a_new_form(api: Api, page: Any) -> None:
    page.goto(f"{api.url}/new/yaml")
    page.get_by_label("Spec").fill("seed: 3")
    page.goto(f"{api.url}/new/yaml?preset=skr-thermal")
    playwright.expect(page.get_by_label("Spec")).to_contain_text("thermal")
