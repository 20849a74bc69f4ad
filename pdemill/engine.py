"""The way from the light library to the solvers: entry points of the group ``pdemill.engine``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from pdemill.errors import PdemillError

if TYPE_CHECKING:
    from pdemill.planning import Plan
    from pdemill.progress import Merged, Repair, Summary, Watcher
    from pdemill.reader.dataset import Dataset
    from pdemill.sharing import Ending, Part
    from pdemill.solvers.residuals.residual import Residual
    from pdemill.solvers.train_directions import Trained
    from pdemill.spec.job import Spec
    from pdemill.streaming.blocks import Source
    from pdemill.verification import Verification


class Engine(Protocol):
    """The functions of the installed solvers and the service, by the names of their entry points."""

    def generate(
        self,
        spec: Spec,
        out: str | Path,
        workers: int,
        watcher: Watcher,
        other_versions: bool,
        lengthen: str | Path | None,
        part: Part | None,
        ending: Ending | None,
    ) -> Summary: ...

    def verify(
        self, store: str | Path, samples: int | None, audit: int, resolve: bool, refine: int
    ) -> Verification: ...

    def repair(self, store: str | Path, workers: int, watcher: Watcher, other_versions: bool) -> Repair: ...

    def merge(self, stores: Sequence[str | Path], out: str | Path, other_versions: bool) -> Merged: ...

    def plan(self, spec: Spec) -> Plan: ...

    def train_directions(
        self, spec: Spec, out: str | Path, minutes: float, seed: int, report: Callable[[float, int, float], None]
    ) -> Trained: ...

    def walk_labels(
        self, spec: Spec, epochs: Iterable[int], split: str, workers: int, ahead: int, shuffle: bool
    ) -> Iterator[dict[str, Any]]: ...

    def stream(self, spec: Spec, split: str, method: Mapping[str, Any] | None, workers: int, ahead: int) -> Source: ...

    def stream_spec(self, spec: Spec, split: str) -> Spec: ...

    def residual(
        self,
        source: str | Path | Mapping[str, Any] | Dataset,
        split: str,
        theta: float,
        settings: Sequence[str],
        api_key: str | None,
    ) -> Residual: ...

    def serve(
        self,
        data_dir: str | Path,
        state_dir: str | Path | None,
        host: str,
        port: int,
        workers: int,
        report: Callable[[str], None],
    ) -> None: ...

    def rebuild_ledger(
        self, data_dir: str | Path, state_dir: str | Path | None, owner: str | None, report: Callable[[str], None]
    ) -> None: ...

    def check_family(
        self, name: str, places: Mapping[str, Sequence[Mapping[str, Any]]], keys: Mapping[str, Any]
    ) -> None: ...

    def check_field(self, value: Any) -> None: ...

    def check_method(self, name: str, options: Mapping[str, Any]) -> None: ...

    def check_discretiser(self, name: str, places: Mapping[str, Sequence[Mapping[str, Any]]]) -> None: ...


class _Installed:
    def __getattr__(self, name: str) -> Any:
        return _load(name)


@cache
def _load(name: str) -> Any:
    for entry in entry_points(group="pdemill.engine", name=name):
        return entry.load()
    raise PdemillError(f"this installation of pdemill has no solvers, so it cannot {name}; reinstall it")


engine = cast(Engine, _Installed())
"""Loads a function when it is asked for."""
