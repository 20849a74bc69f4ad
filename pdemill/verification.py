"""The result of checking a finished store again."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Verification:
    """The findings of ``verify``. ``content`` is equal for two stores exactly when they hold the same data:
    it leaves out nothing but measured times."""

    samples: int
    certificates: int
    faults: tuple[str, ...]
    content: str
    audits: tuple[float, ...] = ()
    """The relative errors that walks found, one per label audited; NaN where they cannot tell."""
    unchecked: tuple[str, ...] = ()
    """What was not checked."""
    notes: tuple[str, ...] = ()
    """What else there is to know: shards that other versions made, and whether bits or values were compared."""
    resolved: int = 0
    """Shards that were solved again."""

    estimates: tuple[float, ...] = ()
    """Discretisation errors estimated of samples for which the job did not; NaN where there is no estimate."""

    @property
    def ok(self) -> bool:
        return not self.faults

    def __str__(self) -> str:
        state = "all is as it was certified" if self.ok else f"{len(self.faults)} fault(s)"
        certificates = f"{self.certificates} certificates recomputed from the spec"
        again = f", {self.resolved} shards solved again" if self.resolved else ""
        first = f"{self.samples} samples, {certificates}{self._walked()}{self._refined()}{again}: {state}"
        unchecked = [f"not checked: {', '.join(self.unchecked)}"] if self.unchecked else []
        return "\n".join([first, *unchecked, *self.notes, f"content {self.content}"])

    def _refined(self) -> str:
        known = [error for error in self.estimates if not math.isnan(error)]
        largest = f", the largest {max(known):.1e}" if known else ""
        told = f"{len(known)} of {len(self.estimates)} more discretisation errors estimated{largest}"
        return f", {told}" if self.estimates else ""

    def _walked(self) -> str:
        known = [error for error in self.audits if not math.isnan(error)]
        worst = f", worst error {max(known):.1e}" if known else ""
        return f", {len(known)} of {len(self.audits)} labels audited{worst}" if self.audits else ""
