"""Structured logs: one line per event, as text or JSON, with the job, dataset and shard that it is about."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import TextIO

from pdemill.settings import Settings

FIELDS = ("job", "dataset", "unit", "attempt", "worker", "owner", "address", "seconds", "bytes", "status")
"""Names that ``extra`` of a log call may hold."""


MOST_REPEATS, REPEAT_SECONDS = 20, 10.0
"""Warnings from one place in the code that are logged in so many seconds."""


class Repeats(logging.Filter):
    """Leaves out warnings and errors from a place that logged many already, and says how many there were."""

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        place = (record.pathname, record.lineno)
        begun, number = self._places.get(place, (record.created, 0))
        if record.created - begun > REPEAT_SECONDS:
            left_out = max(0, number - MOST_REPEATS)
            begun, number = record.created, 0
            if left_out:
                record.msg, record.args = f"{record.getMessage()} (and {left_out} times before)", ()
        self._places[place] = (begun, number + 1)
        return number < MOST_REPEATS


class _Line(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def fields(self, record: logging.LogRecord) -> dict[str, object]:
        return {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}


class _Text(_Line):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def formatMessage(self, record: logging.LogRecord) -> str:
        return super().formatMessage(record) + "".join(f" {k}={v}" for k, v in self.fields(record).items())


class _Json(_Line):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self.fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines that ``hide`` has gone over."""

    def __init__(self, hide: Callable[[str], str]) -> None:
        super().__init__(sys.stderr)
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        return self._hide(super().format(record))


def set_up_logs(settings: Settings, level: int = logging.INFO) -> None:
    """Send the logs of this process to its error stream, without passwords."""
    handler = _Handler(settings.hide)
    handler.setFormatter(_Json() if settings.log == "json" else _Text())
    handler.addFilter(Repeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
