"""Logs stay small: one that grows is put aside while its process writes on, and what repeats is left out."""

from __future__ import annotations

import logging
import os
import sys
from io import StringIO
from pathlib import Path

import pytest

from pdemill.logs import MOST_REPEATS, REPEAT_SECONDS, Repeats
from pdemill.service import serve
from pdemill.service.testing import until

CHATTER = "import itertools\nfor number in itertools.count(): print('line', number, flush=True)"


def test_a_log_is_put_aside_while_its_process_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "LOG_BYTES", 100_000)
    log = tmp_path / "chatter.log"
    child = serve._Child("chatter", [sys.executable, "-c", CHATTER], log, dict(os.environ))
    child.start()
    aside, turns = log.with_suffix(".log.1"), 0
    try:
        while turns < 5:
            until(lambda: log.stat().st_size > 100_000, what="a long log")
            child.watch()
            assert log.stat().st_size < 1_000_000
            assert b"\0" not in log.read_bytes()
            turns += 1
    finally:
        child.stop(10)
    assert 100_000 < aside.stat().st_size < 1_000_000
    assert aside.read_text().splitlines()[5].startswith("line ")


def test_what_cannot_be_put_aside_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "LOG_BYTES", 100)
    log = tmp_path / "full.log"
    log.write_bytes(b"x" * 1_000)
    log.with_suffix(".log.1").symlink_to("/dev/full")
    serve._Child("full", [], log, {}).rotate()
    assert log.stat().st_size == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full.log"]


def test_what_repeats_is_left_out() -> None:
    """Warnings from one place; what is only told of, and what comes from elsewhere, is kept."""
    out = StringIO()
    handler = logging.StreamHandler(out)
    handler.addFilter(Repeats())

    def tell(level: int, line: int, created: float, text: str) -> None:
        record = logging.LogRecord("test", level, __file__, line, "%s", (text,), None)
        record.created = created
        handler.handle(record)

    for number in range(1_000):
        tell(logging.ERROR, 1, 0.001 * number, f"again {number}")
        tell(logging.INFO, 2, 0.001 * number, "told")
        if number < 5:
            tell(logging.ERROR, 3, 0.001 * number, "other")
    tell(logging.ERROR, 1, REPEAT_SECONDS + 1, "once more")
    lines = out.getvalue().splitlines()
    assert [line for line in lines if line.startswith("again")] == [f"again {k}" for k in range(MOST_REPEATS)]
    assert lines.count("told") == 1_000
    assert lines.count("other") == 5
    assert lines[-1] == f"once more (and {1_000 - MOST_REPEATS} times before)"
