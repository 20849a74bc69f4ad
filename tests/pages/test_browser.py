"""Pages in a browser, on a real server: a job from the form to the gallery, and another one cancelled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from pdemill.service.testing import Server, until
from tests.conftest import DARCY
from tests.pages.browser import CONTRAST, NARROW, SHOTS, WIDE, settle, tab

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
LONG = {**DARCY, "splits": {"train": 100_000, "test": 2000}, "solver": {"method": "skr"}}


@pytest.fixture(scope="module")
def server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("pages"), workers=1) as running:
        yield running


def test_a_job_from_the_form_to_the_gallery(browser: Any, server: Server, complaints: list[str]) -> None:
    with tab(browser, complaints) as page:
        page.goto(f"{server.url}/new?preset=fno-darcy")
        page.get_by_label("resolution").fill("24, 24")
        page.get_by_label("splits").fill("{train: 120, test: 8}")
        page.get_by_label("seed").click()
        playwright.expect(page.locator("#checked")).to_contain_text("576")
        page.locator("select[name='/problem/source#']").select_option("Bumps")
        playwright.expect(page.locator("[name='/problem/source/width']")).to_be_visible()
        preview = page.locator("#checked img")
        until(lambda: preview.evaluate("image => image.naturalWidth") > 100, what="the preview")
        page.get_by_role("button", name="Submit").click()
        playwright.expect(page).to_have_url(re.compile("/jobs/[0-9a-f]+$"))
        page.evaluate("window.stayed = true")
        playwright.expect(page.locator("#live .status")).to_have_text("successful", timeout=120_000)
        playwright.expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
        assert page.evaluate("window.stayed") is True
        playwright.expect(page.locator("#rates canvas")).to_be_visible()
        playwright.expect(page.locator("#findings")).to_contain_text("128 certified")
        playwright.expect(page.locator("#spoken")).to_contain_text("Finished")
        page.get_by_role("link", name="Gallery").click()
        settle(page)
        assert page.locator(".gallery img").count() == 12
        assert all(
            width > 100 for width in page.locator(".gallery img").evaluate_all("all => all.map(i => i.naturalWidth)")
        )
        page.get_by_role("link", name="Use it").click()
        playwright.expect(page.locator("#t1")).to_contain_text("pdemill.open")
        assert page.get_by_role("button", name="Copy").count() == 5


def test_a_job_that_runs_is_followed_and_cancelled(browser: Any, server: Server, complaints: list[str]) -> None:
    with server.client() as client, tab(browser, complaints) as page:
        job = client.submit(LONG)
        until(lambda: _state(server, job.id)["samples_done"] > 32, 60)
        page.goto(f"{server.url}/jobs/{job.id}")
        page.evaluate("window.stayed = true")
        done = page.locator("#live dd").nth(1)
        before = done.inner_text()
        playwright.expect(done).not_to_have_text(before, timeout=120_000)
        cells = page.locator("#live .finished").count()
        page.wait_for_event("requestfinished", lambda request: request.url.endswith("/findings"), timeout=120_000)
        assert page.locator("#live .finished").count() >= cells
        _shots(browser, complaints, {"running": f"{server.url}/jobs/{job.id}"})
        page.keyboard.press("Tab")
        playwright.expect(page.get_by_text("Skip to the content")).to_be_focused()
        page.get_by_role("button", name="Cancel").focus()
        page.keyboard.press("Enter")
        playwright.expect(page.locator("#live .status")).to_have_text("dismissed")
        page.get_by_role("link", name="Jobs", exact=True).click()
        playwright.expect(page.locator("tbody tr").first).to_contain_text("dismissed")


def test_everything_works_without_javascript(browser: Any, server: Server, complaints: list[str]) -> None:
    with tab(browser, complaints, java_script_enabled=False) as page:
        page.goto(server.url)
        page.get_by_role("link", name="New job").first.click()
        page.locator("select[name='/problem/coefficient#']").select_option("Lognormal")
        page.get_by_label("resolution").fill("16, 16")
        page.get_by_label("splits").fill("{train: 20}")
        page.get_by_role("button", name="Check").click()
        playwright.expect(page.locator("[name='/problem/coefficient/std']")).to_be_visible()
        page.get_by_role("button", name="Submit").click()
        job = page.url.rpartition("/")[2]
        until(lambda: _state(server, job)["status"] == "successful", 60)
        page.reload()
        playwright.expect(page.locator("#live .status")).to_have_text("successful")
        playwright.expect(page.locator("#findings")).to_contain_text("20 certified")
        page.get_by_role("link", name="Gallery").click()
        playwright.expect(page.locator(".gallery figure")).to_have_count(12)
        page.get_by_role("link", name="Next").click()
        playwright.expect(page.locator(".gallery figure")).to_have_count(8)


@pytest.mark.slow
def test_pages_can_be_read_in_light_and_dark_narrow_and_wide(
    browser: Any, server: Server, complaints: list[str]
) -> None:
    with server.client() as client:
        job = client.submit(DARCY).wait(180)
    pages = {"jobs": "/", "job": f"/jobs/{job.id}", "gallery": f"/jobs/{job.id}/gallery", "use": f"/jobs/{job.id}/use",
             "new": "/new", "yaml": "/new/yaml", "catalogue": "/catalogue"}  # fmt: skip
    _shots(browser, complaints, {name: server.url + place for name, place in pages.items()})


def _state(server: Server, job: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{server.url}/v1/jobs/{job}").json()
    return found


def _shots(browser: Any, complaints: list[str], pages: dict[str, str]) -> None:
    """A picture of every page in every guise, in which nothing sticks out and no text is faint."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    faint = {}
    with tab(browser, complaints) as page:
        for name, url in pages.items():
            page.goto(url)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                for size, viewport in (("wide", WIDE), ("narrow", NARROW)):
                    page.set_viewport_size(viewport)
                    settle(page)
                    page.screenshot(path=SHOTS / f"{name}-{scheme}-{size}.png", full_page=True)
                    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], (name, size)
                if found := page.evaluate(CONTRAST):
                    faint[f"{name}, {scheme}"] = found
    assert not faint
