"""Samples of a store are counted by its manifests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pdemill.service.counts import Counts


def test_counts_follow_the_manifests(darcy_store: Path, tmp_path: Path) -> None:
    counts, store = Counts(), tmp_path / "copy.zarr"
    assert counts.of(store) == (0, 0)
    shutil.copytree(darcy_store, store)
    manifests = store / "_manifest"
    long_ago = manifests.stat().st_mtime_ns - 10**10
    os.utime(manifests, ns=(long_ago, long_ago))
    assert counts.of(store) == counts.of(store) == (47, 0)
    (manifests / "train-00001.json").unlink()
    assert counts.of(store) == (31, 0)
    (store / "test/solution/c/0/0/0/0").write_bytes(b"")
    (manifests / "train-00000.json").write_text("{}", encoding="utf-8")
    assert Counts().of(store) == (8, 0)
    (store / "zarr.json").write_text("[]", encoding="utf-8")
    assert Counts().of(store) == (0, 0)
