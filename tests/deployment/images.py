"""What docker/Dockerfile and docker-compose.yml say, read for the tests: images, services, and what they run."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
COMPOSE = ROOT / "docker-compose.yml"
PACKAGES = re.compile(r"apt-get install ([^&]*)")
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


@dataclass(frozen=True)
class Image:
    """What a stage of the Dockerfile, with those it builds on, tells about its containers."""

    base: str
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    folder: str = "/"
    stop_signal: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    health: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    """What apt-get installs."""


@dataclass(frozen=True)
class Service:
    """What a container of a service runs, and with which environment."""

    command: tuple[str, ...]
    health: tuple[str, ...]
    environment: dict[str, str]


def read_images() -> dict[str, Image]:
    """The stages of the Dockerfile by name."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    images: dict[str, Image] = {}
    name = ""
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.split()
            images[name] = images.get(base, Image(base))
        elif word:
            images[name] = _step(images[name], word, rest)
    return images


def _step(image: Image, word: str, rest: str) -> Image:
    match word:
        case "ENV":
            values = dict(pair.split("=", 1) for pair in shlex.split(rest))
            return replace(image, environment=image.environment | values)
        case "USER":
            return replace(image, user=rest)
        case "WORKDIR":
            return replace(image, folder=rest)
        case "STOPSIGNAL":
            return replace(image, stop_signal=rest)
        case "ENTRYPOINT":
            return replace(image, entrypoint=_words(rest))
        case "CMD":
            return replace(image, command=_words(rest))
        case "HEALTHCHECK":
            return replace(image, health=_words(rest.partition(" CMD ")[2]))
        case "COPY" if not rest.startswith("--from"):
            return replace(image, copied=(*image.copied, *rest.split()[:-1]))
        case "RUN" if found := PACKAGES.search(rest):
            words = [word for word in found[1].split() if not word.startswith("-")]
            return replace(image, packages=(*image.packages, *words))
        case "COPY" | "RUN" | "EXPOSE":
            return image
    raise AssertionError(f"these tests do not know {word}")


def _words(text: str) -> tuple[str, ...]:
    """The words of a command in exec form: a JSON list; a shell in between would swallow signals."""
    words = json.loads(text)
    assert isinstance(words, list)
    return tuple(words)


def read_compose() -> dict[str, Any]:
    """The compose file with the defaults of its variables."""
    found: dict[str, Any] = _filled(yaml.safe_load(COMPOSE.read_text()))
    return found


def _filled(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(item) for item in node]
    return VARIABLE.sub(r"\2", node) if isinstance(node, str) else node


def read_services() -> dict[str, Service]:
    """What the containers run: the compose file's word, else the image's."""
    images, services = read_images(), {}
    for name, said in read_compose()["services"].items():
        image = images[said["build"]["target"]] if "build" in said else Image(said["image"])
        command = (*image.entrypoint, *said.get("command", image.command))
        health = said["healthcheck"]["test"][1:] if "healthcheck" in said else image.health
        services[name] = Service(command, tuple(health), image.environment | said.get("environment", {}))
    return services
