"""No id and no path in a request, and no link on the disk, leads out of a store."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from shutil import move

import pytest

from tests.service.api import Answer, Api, serving, without_broker

SECRET = "the secret outside the data directory"

PLACES = {
    "GET": (
        "/v1/jobs/{}", "/v1/jobs/{}/events", "/v1/jobs/{}/results", "/v1/jobs/{}/samples/0",
        "/v1/datasets/{}/store/zarr.json", "/v1/problems/{}/schema", "/v1/presets/{}",
    ),
    "DELETE": ("/v1/jobs/{}", "/v1/jobs/{}?delete_store=true"),
}  # fmt: skip
IDS = {
    "dots": "..", "dot": ".", "encoded dots": "%2e%2e", "encoded slash": "..%2f..%2fjobs.sqlite",
    "all encoded": "%2e%2e%2fjobs.sqlite", "encoded twice": "%252e%252e%252f", "backslashes": "..%5c..%5cjobs.sqlite",
    "NUL": "%00", "NUL behind": "0123456789abcdef%00.json", "absolute": "%2fetc%2fpasswd", "empty": "",
    "very long": "a" * 20_000, "not UTF-8": "%ff%fe", "overlong dot": "%c0%ae%c0%ae", "wide dots": "%ef%bc%8e%ef%bc%8e",
    "right to left": "%e2%80%aegpj", "wildcard": "*", "SQL": "'%20OR%201=1--", "SQL wildcard": "%25", "broken %": "%",
    "not hex": "%zz", "newlines": "%0d%0aX-Evil:%201", "template": "{job}",
}  # fmt: skip
PATHS = {
    "up": "../../jobs.sqlite", "encoded slash": "..%2f..%2fjobs.sqlite", "encoded dots": "%2e%2e/%2e%2e/jobs.sqlite",
    "all encoded": "%2e%2e%2f%2e%2e%2fjobs.sqlite", "encoded twice": "%252e%252e/%252e%252e/jobs.sqlite",
    "in and out": "train/../../../jobs.sqlite", "beside": "train/../zarr.json", "backslashes": "..%5c..%5cjobs.sqlite",
    "raw backslashes": "..\\..\\jobs.sqlite", "absolute": "/etc/passwd", "encoded absolute": "%2fetc%2fpasswd",
    "NUL": "%00", "NUL behind": "zarr.json%00", "NUL inside": "zarr.json%00.txt", "here": "./zarr.json",
    "two slashes": "train//zarr.json", "slash behind": "zarr.json/", "folder": "train", "nothing": "", "home": "~root",
    "long name": "a" * 300, "very long name": "a" * 20_000, "long path": "a/" * 9_000 + "a", "drive": "C:%5czarr.json",
    "share": "%5c%5chost%5cshare", "overlong dots": "%c0%ae%c0%ae/jobs.sqlite", "not UTF-8": "%ff",
    "wide dots": "%ef%bc%8e%ef%bc%8e/jobs.sqlite", "IIS": "%u002e%u002e/jobs.sqlite", "matrix": "..;/jobs.sqlite",
    "three dots": ".../zarr.json", "hidden": ".zarr.json.partial", "space": "zarr.json%20", "query": "zarr.json%3fx",
}  # fmt: skip


pytestmark = pytest.mark.usefixtures("unharmed")


@pytest.mark.parametrize("case", IDS)
def test_an_id_is_only_looked_up(api: Api, case: str) -> None:
    for method, places in PLACES.items():
        for place in places:
            api.ask(method, place.replace("{}", IDS[case])).problem(404)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("case", PATHS)
def test_a_path_stays_in_its_store(api: Api, finished: tuple[str, str], case: str, method: str) -> None:
    answer = api.ask(method, f"/v1/datasets/{finished[1]}/store/{PATHS[case]}")
    assert answer.status == 404
    if method == "GET":
        answer.problem(404)


def test_files_of_the_store_are_served(api: Api, finished: tuple[str, str], darcy_store: Path) -> None:
    for path in ("zarr.json", "train/zarr.json", "_manifest/train-00000.json", "train/input/c/0/0/0/0"):
        answer = api.get(f"/v1/datasets/{finished[1]}/store/{path}")
        assert (answer.status, answer.body) == (200, (darcy_store / path).read_bytes())


def _file(root: Path, outside: Path) -> None:
    (root / "leak.json").symlink_to(outside / "leak.json")


def _relative(root: Path, outside: Path) -> None:
    (root / "leak.json").symlink_to(os.path.relpath(outside / "leak.json", root))


def _folder(root: Path, outside: Path) -> None:
    (root / "leak").symlink_to(outside)


def _replaced_folder(root: Path, outside: Path) -> None:
    move(root / "train", outside / "train")
    (root / "train").symlink_to(outside / "train")


def _chain(root: Path, outside: Path) -> None:
    (root / "one").symlink_to("two")
    (root / "two").symlink_to(outside)


def _loop(root: Path, outside: Path) -> None:
    (root / "leak.json").symlink_to("leak.json")


def _dangling(root: Path, outside: Path) -> None:
    (root / "leak.json").symlink_to(outside / "nothing")


def _pipe(root: Path, outside: Path) -> None:
    os.mkfifo(root / "leak.json")


def _store(root: Path, outside: Path) -> None:
    move(root, outside / root.name)
    root.symlink_to(outside / root.name)


def _parent(root: Path, outside: Path) -> None:
    move(root.parent, outside / "datasets")
    root.parent.symlink_to(outside / "datasets")


LINKS: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "file": (_file, "leak.json"), "relative": (_relative, "leak.json"), "folder": (_folder, "leak/leak.json"),
    "replaced folder": (_replaced_folder, "train/zarr.json"), "chain": (_chain, "one/leak.json"),
    "loop": (_loop, "leak.json"), "dangling": (_dangling, "leak.json"), "pipe": (_pipe, "leak.json"),
    "store": (_store, "zarr.json"), "parent": (_parent, "zarr.json"),
}  # fmt: skip


def linked(api: Api, store: Path, outside: Path, case: str) -> tuple[str, str]:
    """A finished job with a link planted in its store, and the address of what lies behind it."""
    (outside / "leak.json").write_text(SECRET)
    job, dataset = api.finished(store)
    plant, path = LINKS[case]
    plant(api.store(dataset), outside)
    return job, f"/v1/datasets/{dataset}/store/{path}"


@pytest.mark.parametrize("case", LINKS)
def test_links_are_not_followed(case: str, tmp_path: Path, darcy_store: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with serving(without_broker(tmp_path / "data")) as api:
        _, address = linked(api, darcy_store, outside, case)
        answer = api.get(address)
        answer.problem(404)
        assert SECRET not in answer.text
        assert api.ask("HEAD", address).status == 404


@pytest.mark.parametrize("case", ["store", "parent"])
def test_a_store_elsewhere_is_no_store(case: str, tmp_path: Path, darcy_store: Path) -> None:
    """A store that is a link, or lies below one, is neither described nor shown, nor deleted where it points."""
    outside = tmp_path / "outside"
    outside.mkdir()
    with serving(without_broker(tmp_path / "data")) as api:
        job, _ = linked(api, darcy_store, outside, case)
        answers: list[Answer] = [api.get(f"/v1/jobs/{job}/{part}") for part in ("results", "samples/0")]
        before = sorted(outside.rglob("*"))
        answers.append(api.ask("DELETE", f"/v1/jobs/{job}?delete_store=true"))
        assert sorted(outside.rglob("*")) == before
        for answer in answers:
            answer.problem(404)


def test_the_data_directory_may_be_a_link(tmp_path: Path, darcy_store: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to("disk")
    with serving(without_broker(tmp_path / "data")) as api:
        job, dataset = api.finished(darcy_store)
        assert api.get(f"/v1/datasets/{dataset}/store/zarr.json").status == 200
        assert api.get(f"/v1/jobs/{job}/samples/0").status == 200
