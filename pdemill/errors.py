"""Every error pdemill raises on purpose.

PdemillError
├── SpecError            a spec, preset or override that cannot be accepted; lists every fault with its path
├── StoreError           a store that cannot be read or written
│   ├── StoreMismatch    the folder holds another job
│   ├── StoreBusy        another run is writing the store
│   ├── DirectoryAway    the data directory of a server is not there
│   ├── StoreAway        the object store that holds a store does not answer
│   ├── CorruptStore     bytes on disk are not the bytes that were written
│   └── IncompleteStore  samples asked for that no finished shard holds
├── WhereError           a condition on samples that cannot be read, or on columns that a store does not have
├── ExportError          an export that its format cannot hold, or whose place is taken
├── MissingExtra         a library that is not among pdemill's own requirements is not installed
├── WorkerError          worker processes kept dying or could not start
├── SolverError          a solver was set up in a way that it cannot run
├── FamilyError          a family's class says something of its equation that is not so
├── ServerError          a pdemill server refused a request, or does not answer
└── JobError             a job on a server failed or was dismissed
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

type Path = tuple[str | int, ...]


class PdemillError(Exception):
    """Base of all errors that a user can do something about; the text says what."""


@dataclass(frozen=True)
class Fault:
    """One bad value: where it stands and what is wrong with it."""

    path: Path
    message: str

    @property
    def dotted(self) -> str:
        """The path as people write it: ``problem.coefficient.low``, ``a[0]``; ``(spec)`` for the whole."""
        text = ""
        for part in self.path:
            text += f"[{part}]" if isinstance(part, int) else f".{part}"
        return text.removeprefix(".") or "(spec)"

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer (RFC 6901)."""
        return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in self.path)

    def __str__(self) -> str:
        return f"{self.dotted}: {self.message}"


class SpecError(PdemillError):
    """The spec is refused; ``faults`` lists every bad value with its path."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, self.faults)))


class StoreError(PdemillError):
    """The store cannot be read or written."""


class StoreMismatch(StoreError):
    """The folder already holds a store made from another spec, by another version or on another kind of machine."""


class StoreBusy(StoreError):
    """Another process is writing this store."""


class DirectoryAway(StoreError):
    """The data directory of a server is not there, or another one is in its place."""


class StoreAway(StoreError):
    """The object store that holds a store does not answer."""


class CorruptStore(StoreError):
    """Bytes on disk are not the bytes that were written."""


class TooLarge(StoreError):
    """A sample of a float64 store has numbers that float32 cannot hold."""


class IncompleteStore(StoreError):
    """The samples asked for are not in any finished shard."""


class WhereError(PdemillError):
    """A condition on samples cannot be read, or looks at what the store does not have."""


class ExportError(PdemillError):
    """The export cannot be made: its format cannot hold the store, or its place is taken."""


class ArrayError(PdemillError):
    """A user's own array cannot be read, or cannot be a field."""


class MissingExtra(PdemillError):
    """This needs a library that is installed with an extra of pdemill."""


class WorkerError(PdemillError):
    """Worker processes kept dying or could not start."""


class SolverError(PdemillError):
    """A solver was set up in a way that it cannot run."""


class FamilyError(PdemillError):
    """A family declares properties that its equation does not have; whoever wrote the family can mend it."""


class ServerError(PdemillError):
    """A server refused a request, or does not answer; ``status`` is its HTTP status, if there was one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class JobError(PdemillError):
    """A job on a server did not end well."""
