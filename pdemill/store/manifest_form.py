"""The form of a manifest: the types of its parts, which whoever reads one relies on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MOMENTS = {"count", "mean", "m2", "least", "greatest", "exponent"}


def misshapen(content: Mapping[str, Any]) -> Iterator[str]:
    """The parts that are not of the right form, by name."""
    if not isinstance(content["split"], str):
        yield "split"
    whole = [name for name in ("shard", "start", "stop", "schema") if not _is_count(content.get(name, 0))]
    yield from whole
    if not whole and content["start"] > content["stop"]:
        yield "stop"
    if not _are_files(content["files"]):
        yield "files"
    run = content.get("run", {})
    if not isinstance(run, Mapping) or not _is_run(run):
        yield "run"
    if not _is_summary(content.get("summary", {})):
        yield "summary"
    if not _are_moments(content.get("moments", {})):
        yield "moments"
    if not whole and not _are_failures(content.get("failures", ()), content["start"], content["stop"]):
        yield "failures"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_files(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(known, Mapping)
        and known.keys() == {"sha256", "bytes"}
        and isinstance(known["sha256"], str)
        and _is_count(known["bytes"])
        for known in value.values()
    )


def _is_summary(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    flags, worst = value.get("flags", {}), [value.get(f"worst_{of}") for of in ("residual", "estimate")]
    return (
        _is_count(value.get("flagged", 0))
        and _is_count(value.get("estimated", 0))
        and all(number is None or isinstance(number, int | float) for number in worst)
        and isinstance(flags, Mapping)
        and all(map(_is_count, flags.values()))
    )


def _is_run(run: Mapping[str, Any]) -> bool:
    seconds = run.get("cpu_seconds", {})
    return (
        _are_files(run.get("files", {}))
        and _is_origin(run.get("made_with"))
        and _is_numbered(run.get("run"))
        and _is_count(run.get("attempt", 1))
        and isinstance(run.get("writer", ""), str)
        and isinstance(seconds, Mapping)
        and all(isinstance(taken, int | float) for taken in (*seconds.values(), run.get("solve_wall_seconds", 0)))
    )


def _is_numbered(value: Any) -> bool:
    return value is None or (
        isinstance(value, Mapping) and _is_count(value.get("number")) and isinstance(value.get("began"), str)
    )


def _is_origin(value: Any) -> bool:
    return value is None or (
        isinstance(value, Mapping)
        and all(isinstance(value.get(name), Mapping) for name in ("versions", "machine"))
        and all(isinstance(text, str) for told in value.values() for text in told.values())
    )


def _are_moments(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(numbers, Mapping)
        and numbers.keys() <= MOMENTS
        and _is_count(numbers.get("count", 0))
        and all(isinstance(number, int | float) for number in numbers.values())
        and numbers.get("m2", 0) >= 0
        and isinstance(numbers.get("exponent", 0), int)
        for numbers in value.values()
    )


def _are_failures(value: Any, start: int, stop: int) -> bool:
    """A list of samples, each at its row and none twice."""
    if not isinstance(value, list | tuple):
        return False
    rows: list[Any] = [failure.get("row") if isinstance(failure, Mapping) else None for failure in value]
    if not all(_is_count(row) and row < stop - start for row in rows):
        return False
    return len(set(rows)) == len(rows) and all(
        failure.get("sample") == start + row
        and isinstance(failure.get("result"), str)
        and isinstance(failure.get("reason"), str)
        for row, failure in zip(rows, value, strict=True)
    )
