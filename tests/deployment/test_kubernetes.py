"""docker/kubernetes: valid, as careful as docs/deployment.md says, and what its containers run does its work."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from pdemill.client import Client
from pdemill.process import ONE_THREAD
from pdemill.service.testing import free_port, until
from pdemill.settings import Settings
from tests.deployment.images import read_compose
from tests.deployment.pods import KUBERNETES, Probe, built, container, objects, probes, service, workloads
from tests.deployment.redis_package import Programs
from tests.deployment.stack import Stack

KEY, METRICS_KEY = "a key of the tests", "a key of KEDA"
OURS = ("api", "worker")
SPEC = {
    "problem": {"family": "poisson", "resolution": [12, 12], "source": {"field": "gaussian"}},
    "samples": 8,
    "store": {"shard": 4},
}


def _faults(found: list[dict[str, Any]]) -> list[str]:
    schemas = json.loads(Path(__file__).with_name("kubernetes.json").read_text(encoding="utf-8"))
    faults = []
    for one in found:
        schema = {"$defs": schemas["$defs"], **schemas["kinds"][one["kind"]]}
        errors = jsonschema_rs.Draft7Validator(schema).iter_errors(one)
        faults += [f"{one['kind']} {one['metadata']['name']}: {error.message}" for error in errors]
    return faults


@pytest.mark.parametrize("folder", ["base", "autoscaling", "bucket"])
def test_objects_follow_the_schemas(folder: str) -> None:
    found = objects(folder)
    assert found
    assert _faults(found) == []
    found[0]["spec" if folder == "autoscaling" else "metadata"]["nonsense"] = 1
    assert _faults(found)


def test_an_overlay_is_built_and_follows_them() -> None:
    found = built(KUBERNETES / "overlay")
    assert _faults(found) == []
    assert {one["metadata"]["namespace"] for one in found if one["kind"] != "Namespace"} == {"pdemill"}
    made = workloads(found)
    assert "replicas" not in made["worker"]["spec"]
    for name, workload in made.items():
        assert re.search(r"@sha256:[0-9a-f]{64}$", container(workload)["image"]), name
    words = container(made["redis"])["args"]
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert (options["--port"], options["--tls-port"]) == ("0", "6379")
    for name in OURS:
        values = {one["name"]: one.get("value") for one in container(made[name])["env"]}
        mounts = {one["mountPath"] for one in container(made[name])["volumeMounts"]}
        assert str(Path(str(values["PDEMILL_REDIS_CA"])).parent) in mounts


def test_an_overlay_has_its_stores_in_a_bucket() -> None:
    found = built(KUBERNETES / "overlay-bucket")
    assert _faults(found) == []
    claims = {one["metadata"]["name"]: one["spec"] for one in found if one["kind"] == "PersistentVolumeClaim"}
    assert {name: claim["accessModes"] for name, claim in claims.items()} == {"state": ["ReadWriteOnce"]}
    (settings,) = (one for one in found if one["kind"] == "ConfigMap")
    made = workloads(found)
    for name in OURS:
        said, pod = container(made[name]), made[name]["spec"]["template"]["spec"]
        assert said["envFrom"] == [
            {"configMapRef": {"name": settings["metadata"]["name"]}}, {"secretRef": {"name": "pdemill-bucket"}},
        ]  # fmt: skip
        claimed = [one["persistentVolumeClaim"] for one in pod["volumes"] if "persistentVolumeClaim" in one]
        used = {one["claimName"] for one in claimed}
        assert used == ({"state"} if name == "api" else set())
        assert {mount["name"] for mount in said["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
        own = {one["name"]: one["value"] for one in said["env"] if "value" in one and one["name"] != "PDEMILL_API_KEYS"}
        read = Settings.read({**settings["data"], **own, "PDEMILL_REDIS_CA": "", "PDEMILL_REDIS_URL": ""})
        assert str(read.data_dir).startswith("s3://")
        mounts = {mount["name"]: mount["mountPath"] for mount in said["volumeMounts"]}
        assert (None if read.state_dir is None else str(read.state_dir)) == mounts.get("state")


@pytest.mark.parametrize("name", ["api", "worker", "redis"])
def test_containers_may_do_little(name: str) -> None:
    workload = workloads(objects("base"))[name]
    pod, said = workload["spec"]["template"]["spec"], container(workload)
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert said["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert {"cpu", "memory"} <= set(said["resources"]["requests"])
    assert "memory" in said["resources"]["limits"]
    assert not any("exec" in said.get(probe, {}) for probe in ("startupProbe", "readinessProbe", "livenessProbe"))
    assert {"startupProbe", "livenessProbe"} <= set(said)


@pytest.mark.parametrize("name", OURS)
def test_environments_are_those_of_the_images(name: str) -> None:
    said = service(workloads(objects("base"))[name])
    assert said.environment.items() >= ONE_THREAD.items()
    assert said.environment["PDEMILL_DATA_DIR"] == "/data"
    grace = workloads(objects("base"))[name]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert name == "api" or grace >= Settings.stop_seconds + 20


def test_the_broker_is_that_of_the_compose_file() -> None:
    said = container(workloads(objects("base"))["redis"])
    compose = read_compose()["services"]["redis"]
    assert said["image"] == compose["image"]
    assert [*said["command"], *said["args"]] == [*compose["command"], "--requirepass", "$(REDIS_PASSWORD)"]


@pytest.fixture(scope="module")
def pods(redis_programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The containers of the base as processes, once the API is there."""
    folder = tmp_path_factory.mktemp("pods")
    keys = folder / "api-keys.yaml"
    entries = [
        {"name": "tester", "sha256": _hashed(KEY)},
        {"name": "keda", "sha256": _hashed(METRICS_KEY), "role": "metrics"},
    ]
    keys.write_text(json.dumps(entries))
    services = {name: service(workload) for name, workload in workloads(objects("base")).items()}
    (key,) = {"/run/keys/api-keys.yaml"} & set(services["api"].environment.values())
    found = Stack(folder, redis_programs, keys, services, {key: str(keys), "8001": str(free_port())})
    try:
        for name in ("redis", "api", "worker"):
            found.start(name)
        yield found
    finally:
        found.stop()


def _hashed(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def _answer(stack: Stack, probe: Probe) -> int:
    """The status that a probe gets."""
    port = stack.here[str(probe.port)]
    try:
        return httpx.get(f"http://127.0.0.1:{port}{probe.path}", headers=probe.headers).status_code
    except httpx.TransportError:
        return 0


def _passes(stack: Stack, probe: Probe) -> bool:
    return _answer(stack, probe) == 200


def test_what_pods_run_does_its_work_and_tells_how_it_is(pods: Stack) -> None:
    asked = {name: probes(workloads(objects("base"))[name]) for name in OURS}
    for name in OURS:
        assert set(asked[name]) == {"startupProbe", "readinessProbe", "livenessProbe"}
        for probe in asked[name].values():
            until(partial(_passes, pods, probe), what=f"{name} {probe.path}")
    with Client(pods.url, KEY) as client:
        client.submit(SPEC).wait(timeout=120, every=0.1)
    pods.running("redis")[0].kill()
    until(lambda: _answer(pods, asked["worker"]["readinessProbe"]) == 503, what="the worker's notice")
    for name in OURS:
        assert _answer(pods, asked[name]["livenessProbe"]) == 200
    pods.start("redis")
    until(lambda: _answer(pods, asked["worker"]["readinessProbe"]) == 200, what="the worker's return")
    port = pods.here["8001"]
    assert httpx.get(f"http://127.0.0.1:{port}/metrics").status_code == 404


def test_keda_finds_the_backlog(pods: Stack) -> None:
    """As its metrics-api scaler does: by a bearer token, in a line of Prometheus' format."""
    (scaled,) = (one for one in objects("autoscaling") if one["kind"] == "ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]
    asked = trigger["metadata"]
    assert (asked["format"], asked["authMode"]) == ("prometheus", "bearer")
    url = httpx.URL(asked["url"])
    assert str(url.host) in service(workloads(objects("base"))["api"]).environment["PDEMILL_ALLOWED_HOSTS"].split()
    for container_ in pods.running("worker"):
        container_.stop()
    with Client(pods.url, KEY) as client:
        job = client.submit({**SPEC, "seed": 5, "samples": 40})

        def backlog() -> float:
            headers = {"Authorization": f"Bearer {METRICS_KEY}", "Host": str(url.host)}
            text = httpx.get(f"{pods.url}{url.path}", headers=headers).raise_for_status().text
            (line,) = (line for line in text.splitlines() if line.startswith(f"{asked['valueLocation']} "))
            return float(line.split()[1])

        assert backlog() == 10
        job.cancel()
        until(lambda: backlog() == 0, what="an empty backlog")
