"""A forger: changes what a finished store holds and writes hashes, statistics and summaries that fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pdemill.solvers.opening import open_work
from pdemill.store.layout import Shard
from pdemill.store.manifest import FOLDER, fingerprint

type Rows = NDArray[Any]
type Change = Callable[[Rows], Rows | None]


def edit(file: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Edit a JSON file: ``change`` takes its content and changes or replaces it."""

    def forge(store: Path) -> None:
        content = json.loads((store / file).read_text())
        changed = change(content)
        (store / file).write_text(json.dumps(content if changed is None else changed))

    return forge


def attribute(*path: str, to: Any) -> Callable[[Path], None]:
    """Set an attribute of the root."""

    def change(root: Any) -> None:
        place = root["attributes"]
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return edit("zarr.json", change)


def manifest(*path: str, to: Any, shard: str = "train-00000") -> Callable[[Path], None]:
    """Set a part of a manifest."""

    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = to

    return edit(f"{FOLDER}/{shard}.json", change)


def array(name: str, change: Change, split: str = "train", quiet: bool = True) -> Callable[[Path], None]:
    """Change the rows of an array; ``quiet``: with statistics and summaries that fit, else with hashes alone."""

    def forge(store: Path) -> None:
        with zarr.config.set({"array.write_empty_chunks": True}):  # a shard may have no value at all
            stored: Any = zarr.open_array(store / split / name, mode="r+")
        rows = np.asarray(stored[...])
        changed = change(rows)
        stored[...] = rows if changed is None else changed
        renew(store, quiet)

    return forge


def renew(store: Path, quiet: bool = True) -> None:
    """Hash everything anew, and let manifests and root say what follows from the rows."""
    job, making = open_work(store)
    group: Any = zarr.open_group(store, mode="r")
    for shard in making.layout.shards():
        path = store / FOLDER / f"{shard.name}.json"
        content = json.loads(path.read_text())
        for files in (content["files"], content["run"]["files"]):
            files.update({name: fingerprint((store / name).read_bytes()) for name in files})
        if quiet:
            rows = _rows(group, shard)
            content["moments"] = making.moments(rows, content["failures"])
            content["summary"] |= job.summary(rows, None)
        path.write_text(json.dumps(content))
    if quiet:
        (store / "zarr.json").write_bytes(making.finished_root(making.finish()))


def _rows(group: Any, shard: Shard) -> dict[str, Rows]:
    return {name: np.asarray(part[shard.start : shard.stop]) for name, part in group[shard.split].arrays()}
