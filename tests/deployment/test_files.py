"""docker-compose.yml, docker/Dockerfile and their locks: valid, and as careful as docs/deployment.md says; what runs
before a commit and after a push.
"""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from pdemill.process import ONE_THREAD
from pdemill.settings import Settings
from pdemill.spec.job import DEFAULT_LIMIT
from tests.deployment.images import COMPOSE, DOCKERFILE, ROOT, VARIABLE, read_compose, read_images, read_services

OURS = ("api", "worker")
LOCKS = ("run", "build")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return read_compose()


def _seconds(text: str) -> float:
    assert text.endswith("s"), text
    return float(text.removesuffix("s"))


def test_compose_file_follows_the_specification(compose: dict[str, Any]) -> None:
    schema = json.loads(Path(__file__).with_name("compose-spec.json").read_text())
    validator = jsonschema_rs.Draft7Validator(schema)
    assert [error.message for error in validator.iter_errors(compose)] == []
    assert not validator.is_valid({"services": {"api": {"imagee": "pdemill-api"}}})


def test_every_volume_and_secret_is_declared(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(compose["volumes"])
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
        assert set(service.get("depends_on", {})) <= set(compose["services"])


@pytest.mark.parametrize("name", ["api", "worker", "redis"])
def test_containers_may_do_little(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert "privileged" not in service
    assert read_services()[name].health
    limits = service["deploy"]["resources"]["limits"]
    assert re.fullmatch(r"\d+g", limits["memory"])
    assert limits["pids"] <= 2048


def test_workers_can_be_scaled(compose: dict[str, Any]) -> None:
    worker = compose["services"]["worker"]
    assert not {"container_name", "ports", "hostname"} & set(worker)
    assert _seconds(worker["stop_grace_period"]) >= Settings.stop_seconds + 20


def test_only_the_api_is_published_and_only_on_loopback(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {"api": ["127.0.0.1:8000:8000"]}
    assert compose["services"]["api"]["environment"]["PDEMILL_API_KEYS"] == "/run/secrets/api_keys"


def test_all_wait_for_a_broker_that_keeps_what_it_is_told(compose: dict[str, Any]) -> None:
    for name in OURS:
        assert compose["services"][name]["depends_on"] == {"redis": {"condition": "service_healthy"}}
    words = read_services()["redis"].command
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert options == {
        "--appendonly": "yes", "--appendfsync": "everysec", "--save": "", "--maxmemory-policy": "noeviction",
    }  # fmt: skip
    assert "broker:/data" in compose["services"]["redis"]["volumes"]
    assert compose["services"]["redis"]["healthcheck"]["test"][0] == "CMD"


def test_api_and_workers_share_one_data_folder(compose: dict[str, Any]) -> None:
    for name in OURS:
        assert compose["services"][name]["volumes"] == ["data:/data"]
        assert read_services()[name].environment["PDEMILL_DATA_DIR"] == "/data"
        assert read_services()[name].environment["PDEMILL_LOG"] == "json"


@pytest.mark.parametrize("name", OURS)
def test_images_run_as_an_ordinary_user_with_one_thread(name: str) -> None:
    image = read_images()[name]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", image.user)
    assert image.stop_signal == "SIGTERM"
    assert image.environment.items() >= ONE_THREAD.items()
    assert {image.environment[name].split("/")[1] for name in ("HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR")} == {"tmp"}
    assert image.entrypoint


def test_workers_can_compile_weak_forms_and_load_them(compose: dict[str, Any]) -> None:
    images = read_images()
    assert {"gcc", "libc6-dev"} <= set(images["worker"].packages)
    assert not images["api"].packages
    folder = Path(images["worker"].environment["NUMBA_CACHE_DIR"]).parent
    assert compose["services"]["worker"]["tmpfs"] == [f"{folder}:exec"]


def test_every_package_of_ours_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = read_images()["build"].copied
    links = {path.name for path in (ROOT / "pdemill").iterdir() if path.is_symlink()}
    assert set(packages) | links | {f"docker/{name}.lock" for name in LOCKS} <= set(copied)
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line.removeprefix("!") for line in ignore if line.startswith("!")} == set(copied)
    assert all((ROOT / path).exists() for path in copied)


def test_linter_has_nothing_to_say() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    ran = subprocess.run([linter, DOCKERFILE], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("name", LOCKS)
def test_images_are_built_from_the_versions_that_are_tested(name: str) -> None:
    tested, used = _pins(ROOT / "requirements.lock"), _pins(ROOT / "docker" / f"{name}.lock")
    assert {package: tested.get(package) for package in used} == used, "run 'make lock'"


def test_images_hold_what_pyproject_asks_for_and_no_tools() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {_name(line) for line in project["project"]["dependencies"] if "!= 'linux'" not in line}
    locked = set(_pins(ROOT / "docker" / "run.lock"))
    assert wanted <= locked, "run 'make lock'"
    assert not locked & {"pytest", "mypy", "ruff", "hypothesis"}
    assert {_name(line) for line in project["build-system"]["requires"]} <= set(_pins(ROOT / "docker" / "build.lock"))


def test_page_names_every_setting_and_every_variable_of_the_compose_file() -> None:
    page = (ROOT / "docs" / "deployment.md").read_text()
    settings = {f"PDEMILL_{item.name.upper()}" for item in dataclasses.fields(Settings)}
    variables = {match[1] for match in VARIABLE.finditer(COMPOSE.read_text())}
    assert {name for name in settings | variables if f"`{name}`" not in page} == set()


def test_every_limit_can_be_set(compose: dict[str, Any]) -> None:
    limits = {f"PDEMILL_{item.name.upper()}" for item in dataclasses.fields(Settings) if item.name.startswith("max_")}
    assert limits <= set(compose["services"]["api"]["environment"])
    for name in OURS:
        assert compose["services"][name]["environment"]["PDEMILL_MAX_UNKNOWNS"] == str(DEFAULT_LIMIT)


def test_pushes_run_what_must_be_green() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]
    (python,) = (step["with"]["python-version-file"] for step in job["steps"] if "with" in step)
    assert (ROOT / python).read_text().strip() == "3.12"


def test_hooks_before_a_commit_are_our_own_tools() -> None:
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    for hook in local["hooks"]:
        assert hook["language"] == "system"
        assert Path(sys.executable).with_name(Path(hook["entry"].split()[0]).name).exists()


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_.-]", requirement)[0].lower().replace("_", "-")


def _pins(lock: Path) -> dict[str, str]:
    """The blocks of a lock, versions and hashes, by package."""
    blocks = re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8").strip())
    return {block.partition("==")[0]: block for block in blocks}
