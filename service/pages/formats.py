"""Numbers, times and sizes as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from math import floor, log10

NONE = "–"


def count(value: float | None) -> str:
    """1234567 as 1,234,567."""
    return NONE if value is None else f"{value:,.0f}"


def figure(value: float | None, digits: int = 3) -> str:
    """A number to a few digits, with a power of ten where it is far from one."""
    if value is None or value != value:
        return NONE
    if value == 0:
        return "0"
    exponent = floor(log10(abs(value)))
    if -3 <= exponent < 5:
        return f"{value:,.{max(0, digits - 1 - exponent)}f}"
    mantissa, _, raised = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa} × {power(int(raised))}"


def power(exponent: int) -> str:
    """A power of ten, written out where that is short."""
    return f"{10.0**exponent:g}" if -2 <= exponent <= 3 else f"10{str(exponent).translate(_RAISED)}"


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def rate(value: float | None) -> str:
    """Samples per second, or per minute where they are slow."""
    if value is None:
        return NONE
    return f"{figure(value)}/s" if value >= 0.1 else f"{figure(60 * value)}/min"


def duration(seconds: float | None) -> str:
    """Seconds in their two largest units."""
    if seconds is None:
        return NONE
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    for size, name, part, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {name} {rest} {smaller}" if rest else f"{whole // size} {name}"
    raise AssertionError


def size(value: float) -> str:
    """Bytes in a decimal unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{figure(value)} {unit}" if unit != "B" else f"{value:.0f} B"
        value /= 1000
    return f"{figure(value)} TB"


def moment(time: datetime | None) -> str:
    """Day and minute, in UTC."""
    return NONE if time is None else f"{time.astimezone(UTC):%d %b %Y, %H:%M} UTC"
