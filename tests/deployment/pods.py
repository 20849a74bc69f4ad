"""What docker/kubernetes says, read for the tests: its objects, what containers run, and how they are asked."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.images import ROOT, Image, Service, read_images

KUBERNETES = ROOT / "docker" / "kubernetes"
SECRETS = {("pdemill-redis", "url"): "redis://:PASSWORD@redis:6379/0", ("pdemill-redis", "password"): "PASSWORD"}
"""What the secrets that docs/deployment.md has made hold."""

type Json = dict[str, Any]


@dataclass(frozen=True)
class Probe:
    """A request, and whose it is."""

    path: str
    port: int
    headers: dict[str, str]


def objects(folder: str) -> list[Json]:
    """The objects in the files of a folder, as they stand there."""
    found: list[Json] = []
    for path in sorted((KUBERNETES / folder).glob("*.yaml")):
        found += [
            one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if "kustomize" not in one["apiVersion"]
        ]
    return found


def built(folder: Path) -> list[Json]:
    """The objects that an overlay gives. Skips where there is no kubectl."""
    if not shutil.which("kubectl"):
        pytest.skip("needs kubectl")
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def workloads(found: list[Json]) -> dict[str, Json]:
    """Deployments and the like by name."""
    return {one["metadata"]["name"]: one for one in found if one["kind"] in ("Deployment", "StatefulSet")}


def container(workload: Json) -> Json:
    (only,) = workload["spec"]["template"]["spec"]["containers"]
    found: Json = only
    return found


def service(workload: Json) -> Service:
    """What the container of a workload runs, the image's part included."""
    said = container(workload)
    target = said["image"].partition("@")[0].rpartition("/")[2].removeprefix("pdemill-")
    image = read_images().get(target, Image(said["image"]))
    values = {**image.environment, **(_settings() if "envFrom" in said else {})}
    values |= {one["name"]: _value(one) for one in said["env"]}
    words = [*said.get("command", image.entrypoint), *said["args"]]
    for name, value in values.items():
        words = [word.replace(f"$({name})", value) for word in words]
    return Service(tuple(words), (), values)


def _settings() -> dict[str, str]:
    lines = (KUBERNETES / "base" / "settings.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def _value(variable: Json) -> str:
    if "value" in variable:
        return str(variable["value"])
    key = variable["valueFrom"]["secretKeyRef"]
    return SECRETS[key["name"], key["key"]]


def probes(workload: Json) -> dict[str, Probe]:
    """The HTTP probes of a workload by name."""
    said = container(workload)
    ports = {port["name"]: port["containerPort"] for port in said["ports"]}
    found = {}
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        if (request := said.get(name, {}).get("httpGet")) is not None:
            headers = {one["name"]: one["value"] for one in request.get("httpHeaders", [])}
            found[name] = Probe(request["path"], ports[request["port"]], headers)
    return found
