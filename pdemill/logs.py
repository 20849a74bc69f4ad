"""Structured logs: one line per event, as text or JSON, with the job, dataset and shard that it is about."""

from __future__ import annotations

import json
import logging
import sys
import time

from pdemill.settings import LogFormat

FIELDS = ("job", "dataset", "unit", "attempt", "worker", "owner", "seconds", "status")
"""Names that ``extra`` of a log call may hold."""


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


def set_up_logs(form: LogFormat, level: int = logging.INFO) -> None:
    """Send the logs of this process to its error stream."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
