"""Settings of a server, each from one environment variable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pdemill.addresses import on_disk
from pdemill.errors import PdemillError

LOOPBACK = ("127.0.0.1", "::1", "localhost")

type LogFormat = Literal["text", "json"]


@dataclass(frozen=True)
class Settings:
    """Settings of the API and of workers; ``read`` takes them from the environment."""

    data_dir: Path = Path("pdemill-data")
    """PDEMILL_DATA_DIR: jobs, stores and the embedded broker's state. All workers must see the same folder."""
    data_id: str = ""
    """PDEMILL_DATA_ID: the id that the data directory must have; ``pdemill serve`` sets it."""
    redis_url: str = "redis://127.0.0.1:6379/0"
    """PDEMILL_REDIS_URL: ``redis://``, ``rediss://`` or ``unix://``."""
    api_keys: Path | None = None
    """PDEMILL_API_KEYS: a YAML file of hashed keys and their limits; without it, only loopback is served."""
    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    """PDEMILL_ALLOWED_HOSTS: host names that requests may be addressed to; ``*`` for any."""
    max_bytes: int = 10**12
    """PDEMILL_MAX_BYTES: uncompressed bytes of one job's store."""
    max_queue: int = 20_000
    """PDEMILL_MAX_QUEUE: unfinished jobs, all keys together."""
    scrub_rate: float = 10e6
    """PDEMILL_SCRUB_RATE: bytes per second that are read of finished stores to find damage; 0 for none."""
    scrub_hours: float = 24.0
    """PDEMILL_SCRUB_HOURS: how long a store that was read in full is then left alone."""
    stop_seconds: float = 60.0
    """PDEMILL_STOP_SECONDS: how long a worker that is told to stop may go on with its shard."""
    log: LogFormat = "text"
    """PDEMILL_LOG: ``text`` or ``json``."""

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """The settings of this process. Raises PdemillError naming the variable that is wrong."""
        source = _Source(environment)
        return cls(
            data_dir=source.path("DATA_DIR") or cls.data_dir.absolute(),
            data_id=source.text("DATA_ID"),
            redis_url=source.url("REDIS_URL") or cls.redis_url,
            api_keys=source.path("API_KEYS"),
            allowed_hosts=tuple(source.text("ALLOWED_HOSTS").replace(",", " ").split()) or cls.allowed_hosts,
            max_bytes=int(source.number("MAX_BYTES", cls.max_bytes)),
            max_queue=int(source.number("MAX_QUEUE", cls.max_queue)),
            scrub_rate=source.number("SCRUB_RATE", cls.scrub_rate),
            scrub_hours=source.number("SCRUB_HOURS", cls.scrub_hours),
            stop_seconds=source.number("STOP_SECONDS", cls.stop_seconds),
            log=source.log_format(),
        )

    def check_host(self, host: str) -> None:
        """Raise PdemillError for an address beyond the loopback while there are no keys."""
        if host not in LOOPBACK and self.api_keys is None:
            raise PdemillError(f"to listen on {host}, set PDEMILL_API_KEYS; without keys only loopback is open")

    @property
    def datasets(self) -> Path:
        """The folder of all stores."""
        return self.data_dir / "datasets"

    def store(self, dataset: str) -> Path:
        """The store of a dataset."""
        return self.datasets / f"{dataset}.zarr"


class _Source:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str) -> str:
        return self._environment.get(f"PDEMILL_{name}", "").strip()

    def path(self, name: str) -> Path | None:
        text = self.text(name)
        return on_disk(text, f"PDEMILL_{name}", PdemillError) if text else None

    def number(self, name: str, default: float) -> float:
        text = self.text(name)
        try:
            value = float(text or default)
        except ValueError:
            value = -1.0
        if not 0 <= value < float("inf"):
            raise PdemillError(f"PDEMILL_{name} should be a number that is not negative, not {text!r}")
        return value

    def url(self, name: str) -> str:
        url = self.text(name)
        if url and not url.startswith(("redis://", "rediss://", "unix://")):
            raise PdemillError(f"PDEMILL_{name} should begin with redis://, rediss:// or unix://")
        return url

    def log_format(self) -> LogFormat:
        match self.text("LOG") or "text":
            case "text":
                return "text"
            case "json":
                return "json"
            case other:
                raise PdemillError(f"PDEMILL_LOG should be text or json, not {other!r}")
