"""A disk that fills up stops the run with one clear line, and the next run finishes the store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SPEC = """
problem: {family: poisson, resolution: [128, 128], source: {field: gaussian}}
samples: 64
store: {shard: 32}
"""
SCRIPT = """
mount -t tmpfs -o size=3m small "$1/disk" || exit 77
"$2" -c "from pdemill.cli import main; main()" generate "$1/spec.yaml" --out "$1/disk/store.zarr"
echo "first $?"
mount -o remount,size=100m "$1/disk"
"$2" -c "from pdemill.cli import main; main()" generate "$1/spec.yaml" --out "$1/disk/store.zarr"
echo "second $?"
"$2" -c "from pdemill.cli import main; main()" verify "$1/disk/store.zarr"
echo "verify $?"
"""


def test_a_full_disk_is_reported_and_finished_later(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "disk").mkdir()
    command = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        SCRIPT,
        "sh",
        str(tmp_path),
        sys.executable,
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if ran.returncode == 77 or "unshare" in ran.stderr:
        pytest.skip("this machine does not let a test mount a small disk")
    assert "first 2" in ran.stdout, ran.stderr
    assert "error: cannot write train/" in ran.stderr
    assert "No space left on device; finished shards are safe" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "second 0" in ran.stdout, ran.stderr
    assert "verify 0" in ran.stdout, ran.stderr
