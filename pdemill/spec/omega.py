"""The parameter of relaxation in a spec."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from pdemill.errors import Fault
from pdemill.spec.model import as_number, refusal


def _omega(value: Any) -> Any:
    if value == "learn":
        return value
    number = as_number(value)
    if not isinstance(number, float) or not 0.0 < number < 2.0:
        raise refusal(f"should be a number between 0 and 2, or learn, not {value!r:.60}")
    return number


Omega = Annotated[
    Annotated[float, Field(gt=0, lt=2)] | Literal["learn"], BeforeValidator(_omega), Field(exclude_if=lambda o: o == 1)
]
"""A number, or ``learn``: chosen for every system among 1, 1.05, .., 1.95 by what earlier ones cost."""
DEFAULT_LEARNER: Literal["chebcb"] = "chebcb"
Learn = Annotated[
    Literal["tsallis_inf", "contextual", "chebcb"], Field(exclude_if=lambda learn: learn == DEFAULT_LEARNER)
]


def learner(omega: float | Literal["learn"], learn: str) -> float | str:
    """ω, or the name of who learns it."""
    return learn if omega == "learn" else omega


def needless(omega: float | Literal["learn"], learn: str) -> Fault | None:
    """The fault of a learner that has nothing to learn."""
    if omega != "learn" and learn != DEFAULT_LEARNER:
        return Fault(("learn",), f"means nothing where omega is {omega:g}: set omega to learn")
    return None
