"""Settings of a server, each from one environment variable."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pdemill.addresses import Place, home, on_disk
from pdemill.errors import PdemillError
from pdemill.passwords import HIDDEN, passwords
from pdemill.store.places import below
from pdemill.store.room import free_bytes

PUBLIC_URL = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(:\d{1,5})?")
LOOPBACK = ("127.0.0.1", "::1", "localhost")

type LogFormat = Literal["text", "json"]


@dataclass(frozen=True)
class Settings:
    """Settings of the API and of workers; ``read`` takes them from the environment."""

    data_dir: Place = Path("pdemill-data")
    """PDEMILL_DATA_DIR: the stores, users' arrays, and what is in ``state_dir`` by default: a folder that all workers
    see, or the address of a bucket's objects."""
    state_dir: Path | None = None
    """PDEMILL_STATE_DIR: the folder of what only the API and ``pdemill serve`` need, jobs above all; see ``state``."""
    data_id: str = ""
    """PDEMILL_DATA_ID: the id that the data directory must have; ``pdemill serve`` sets it."""
    redis_url: str = field(default="redis://127.0.0.1:6379/0", repr=False)
    """PDEMILL_REDIS_URL: ``redis://``, ``rediss://`` or ``unix://``."""
    redis_ca: Path | None = None
    """PDEMILL_REDIS_CA: a file of the certificates (PEM) that sign the broker's, for ``rediss://``; those that the
    system trusts, if not set."""
    api_keys: Path | None = None
    """PDEMILL_API_KEYS: a YAML file of hashed keys and their limits; without it, only loopback is served."""
    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    """PDEMILL_ALLOWED_HOSTS: host names that requests may be addressed to; ``*`` for any."""
    public_url: str = ""
    """PDEMILL_PUBLIC_URL: the address by which clients know the server, if not the one that they ask for."""
    trusted_proxies: tuple[str, ...] = ()
    """PDEMILL_TRUSTED_PROXIES: addresses and networks of proxies, whose X-Forwarded-For and -Proto are believed."""
    max_bytes: int = 10**12
    """PDEMILL_MAX_BYTES: uncompressed bytes of one job's store."""
    max_array_bytes: int = 10**10
    """PDEMILL_MAX_ARRAY_BYTES: bytes of an array that is uploaded."""
    max_queue: int = 20_000
    """PDEMILL_MAX_QUEUE: unfinished jobs, all keys together."""
    max_wrong_keys: int = 20
    """PDEMILL_MAX_WRONG_KEYS: wrong keys of one address in a minute; 0 for any number."""
    max_connections: int = 1000
    """PDEMILL_MAX_CONNECTIONS: connections at a time; fewer where the system allows the process few open files."""
    max_connections_per_address: int = 200
    """PDEMILL_MAX_CONNECTIONS_PER_ADDRESS: connections of one client at a time."""
    max_slots: int = 0
    """PDEMILL_MAX_SLOTS: shards of one key that workers solve at a time; 0 for as many as they can."""
    max_stored_bytes: int = 0
    """PDEMILL_MAX_STORED_BYTES: bytes of the stores of one key; 0 for no limit."""
    expire_days: float = 0.0
    """PDEMILL_EXPIRE_DAYS: days after which a finished store is deleted; 0 for never."""
    worker_memory: int = 0
    """PDEMILL_WORKER_MEMORY: bytes of memory that a process of a worker may use; 0 for as many as its machine has."""
    scrub_rate: float = 10e6
    """PDEMILL_SCRUB_RATE: bytes per second that are read of finished stores to find damage; 0 for none."""
    scrub_hours: float = 24.0
    """PDEMILL_SCRUB_HOURS: how long a store that was read in full is then left alone."""
    stop_seconds: float = 60.0
    """PDEMILL_STOP_SECONDS: how long a worker that is told to stop may go on with its shard."""
    bucket_links: bool = True
    """PDEMILL_BUCKET_LINKS: whether the API sends those who read data in a bucket to the bucket itself."""
    log: LogFormat = "text"
    """PDEMILL_LOG: ``text`` or ``json``."""

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """The settings of this process. Raises PdemillError naming the variable that is wrong."""
        source = _Source(environment)
        return cls(
            data_dir=source.place("DATA_DIR") or Path(cls.data_dir).absolute(),
            state_dir=source.path("STATE_DIR"),
            data_id=source.text("DATA_ID"),
            redis_url=source.url("REDIS_URL") or cls().redis_url,
            redis_ca=source.certificates("REDIS_CA", "REDIS_URL"),
            api_keys=source.path("API_KEYS"),
            allowed_hosts=tuple(source.text("ALLOWED_HOSTS").replace(",", " ").split()) or cls.allowed_hosts,
            public_url=source.public_url(),
            trusted_proxies=source.networks("TRUSTED_PROXIES"),
            max_bytes=int(source.number("MAX_BYTES", cls.max_bytes)),
            max_array_bytes=int(source.number("MAX_ARRAY_BYTES", cls.max_array_bytes)),
            max_queue=int(source.number("MAX_QUEUE", cls.max_queue)),
            max_wrong_keys=int(source.number("MAX_WRONG_KEYS", cls.max_wrong_keys)),
            max_connections=int(source.number("MAX_CONNECTIONS", cls.max_connections)),
            max_connections_per_address=int(
                source.number("MAX_CONNECTIONS_PER_ADDRESS", cls.max_connections_per_address)
            ),
            max_slots=int(source.number("MAX_SLOTS", cls.max_slots)),
            max_stored_bytes=int(source.number("MAX_STORED_BYTES", cls.max_stored_bytes)),
            expire_days=source.number("EXPIRE_DAYS", cls.expire_days),
            worker_memory=int(source.number("WORKER_MEMORY", cls.worker_memory)),
            scrub_rate=source.number("SCRUB_RATE", cls.scrub_rate),
            scrub_hours=source.number("SCRUB_HOURS", cls.scrub_hours),
            stop_seconds=source.number("STOP_SECONDS", cls.stop_seconds),
            bucket_links=source.switch("BUCKET_LINKS"),
            log=source.log_format(),
        )

    def check_host(self, host: str) -> None:
        """Raise PdemillError for an address beyond the loopback while there are no keys."""
        if host not in LOOPBACK and self.api_keys is None:
            raise PdemillError(f"to listen on {host}, set PDEMILL_API_KEYS; without keys only loopback is open")

    @property
    def expire_seconds(self) -> float:
        return 86_400 * self.expire_days

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host names that requests may be addressed to."""
        host = urlsplit(self.public_url).netloc
        return (*self.allowed_hosts, without_port(host)) if host else self.allowed_hosts

    def hide(self, text: str) -> str:
        """A text without the broker's password."""
        for password in passwords(self.redis_url):
            text = text.replace(password, HIDDEN)
        return text

    @property
    def state(self) -> Path:
        """The folder of ledger, locks, unfinished uploads, secrets, logs and the embedded broker's state: by default
        the data directory. Raises PdemillError where that is in a bucket."""
        return state_of(self.data_dir, self.state_dir)

    def free_bytes(self) -> int | None:
        """Bytes that may still be written to the data directory; None where it is in a bucket."""
        return free_bytes(self.data_dir) if isinstance(self.data_dir, Path) else None

    @property
    def datasets(self) -> Place:
        """Where all stores are."""
        return below(self.data_dir, "datasets")

    @property
    def uploads(self) -> Path:
        """The folder of arrays on their way in."""
        return self.state / "uploads"

    @property
    def graves(self) -> Path:
        """The folder with a file for every store in a bucket that is being deleted."""
        return self.state / "graves"

    @property
    def arrays(self) -> Place:
        """Where uploaded arrays are kept."""
        return below(self.data_dir, "arrays")

    def store(self, dataset: str) -> Place:
        """The store of a dataset."""
        return below(self.datasets, f"{dataset}.zarr")


def state_of(data_dir: Place, state_dir: Path | None) -> Path:
    """The state directory: by default the data directory. Raises PdemillError where that is in a bucket."""
    if state_dir is not None:
        return state_dir
    if not isinstance(data_dir, Path):
        raise PdemillError("with PDEMILL_DATA_DIR in a bucket, set PDEMILL_STATE_DIR: a folder for the list of jobs")
    return data_dir


def without_port(host: str) -> str:
    """A host without its port, in lower case."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


class _Source:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str) -> str:
        return self._environment.get(f"PDEMILL_{name}", "").strip()

    def path(self, name: str) -> Path | None:
        text = self.text(name)
        return on_disk(text, f"PDEMILL_{name}", PdemillError) if text else None

    def place(self, name: str) -> Place | None:
        text = self.text(name)
        return home(text, f"PDEMILL_{name}", PdemillError) if text else None

    def number(self, name: str, default: float) -> float:
        text = self.text(name)
        try:
            value = float(text or default)
        except ValueError:
            value = -1.0
        if not 0 <= value < float("inf"):
            raise PdemillError(f"PDEMILL_{name} should be a number that is not negative, not {text!r}")
        return value

    def switch(self, name: str) -> bool:
        text = self.text(name) or "1"
        if text not in ("0", "1"):
            raise PdemillError(f"PDEMILL_{name} should be 0 or 1, not {text!r}")
        return text == "1"

    def url(self, name: str) -> str:
        url = self.text(name)
        if url and not url.startswith(("redis://", "rediss://", "unix://")):
            raise PdemillError(f"PDEMILL_{name} should begin with redis://, rediss:// or unix://")
        try:
            _ = urlsplit(url).port
        except ValueError:
            raise PdemillError(f"PDEMILL_{name} is no address; in a password, write / # ? @ : % as %XX") from None
        return url

    def certificates(self, name: str, url: str) -> Path | None:
        """A file of certificates to check those at a rediss:// address by."""
        path = self.path(name)
        if path is None:
            return None
        if not self.url(url).startswith("rediss://"):
            raise PdemillError(f"PDEMILL_{name} is for TLS only: write rediss:// in PDEMILL_{url}, or leave it out")
        try:
            ssl.create_default_context(cafile=path)
        except OSError as error:  # ssl.SSLError is one
            why = (
                "holds no certificates in PEM"
                if isinstance(error, ssl.SSLError)
                else f"cannot be read: {error.strerror}"
            )
            raise PdemillError(f"PDEMILL_{name}: {path} {why}") from None
        return path

    def public_url(self) -> str:
        url = self.text("PUBLIC_URL").rstrip("/")
        if url and not PUBLIC_URL.fullmatch(url):
            raise PdemillError("PDEMILL_PUBLIC_URL should be like https://train.example.org, without a path")
        return url

    def networks(self, name: str) -> tuple[str, ...]:
        places = tuple(self.text(name).replace(",", " ").split())
        for place in places:
            try:
                ip_network(place)
            except ValueError:
                raise PdemillError(
                    f"PDEMILL_{name} should be addresses and networks such as 10.0.0.0/8, not {place!r}"
                ) from None
        return places

    def log_format(self) -> LogFormat:
        match self.text("LOG") or "text":
            case "text":
                return "text"
            case "json":
                return "json"
            case other:
                raise PdemillError(f"PDEMILL_LOG should be text or json, not {other!r}")
