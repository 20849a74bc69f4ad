"""Numbers as words of prefix notation, PROSE's (Sun et al. 2024, arXiv 2404.12355): sign, three digits, exponent."""

from __future__ import annotations

from math import isfinite

EXPONENT = 10
"""The largest of a number, beside its three digits, and the smallest is its negative; what is smaller still is 0."""
NUMBERS = ("+", "-", *(f"N{n:03d}" for n in range(1000)), *(f"E{e}" for e in range(-EXPONENT, EXPONENT + 1)))


def number_words(value: float) -> list[str]:
    """A number as three words, 1.23e-4 as + N123 E-6. Raises ValueError where it is too large for them."""
    digits, exponent = f"{abs(value):.2e}".split("e") if isfinite(value) else ("", "99")
    power = int(exponent) - 2
    if power > EXPONENT:
        raise ValueError(f"{value:g} is too large to be written as prefix words")
    sign = "+" if value >= 0 else "-"
    return [sign, "N000", "E0"] if power < -EXPONENT else [sign, f"N{digits.replace('.', '')}", f"E{power}"]
