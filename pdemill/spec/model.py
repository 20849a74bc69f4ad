"""The base of every part of a spec, and how a part refuses a value."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from pdemill.errors import Path


class Model(BaseModel):
    """A part of a spec: immutable, unknown keys refused, numbers finite and never given as text."""

    ordered: ClassVar[tuple[str, ...]] = ()
    """The keys that are dictionaries whose order shows in stores."""
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _is_object(cls, value: Any) -> Any:
        if not isinstance(value, Mapping | cls):
            raise refusal(f"should be an object with the keys {', '.join(cls.model_fields)}, not {value!r:.60}")
        return value


NOT_TAKEN: Literal["not taken"] = "not taken"
"""The kind of error of a problem that is all right, and that its discretiser does not take."""


def refusal(message: str, kind: Literal["refused", "not taken"] = "refused") -> PydanticCustomError:
    """An error for the value that a validator is looking at."""
    return PydanticCustomError(kind, "{why}", {"why": message})


def refuse(
    path: Path, message: str, value: Any = None, kind: Literal["refused", "not taken"] = "refused"
) -> ValidationError:
    """An error for a value further down than the one a validator is looking at."""
    detail = InitErrorDetails(type=refusal(message, kind), loc=path, input=value)
    return ValidationError.from_exception_data("spec", [detail])


def as_number(value: Any) -> Any:
    """Whole numbers as floats; flags are no numbers."""
    if isinstance(value, bool):
        raise refusal("should be a number, not true or false")
    if isinstance(value, int):
        if abs(value) > sys.float_info.max:
            raise refusal("should be a finite number, and is too large")
        return float(value)
    return value


def as_tuple(value: Any) -> Any:
    """Lists of a spec as the tuples that models hold."""
    if not isinstance(value, list | tuple):
        raise refusal(f"should be a list in brackets, such as [1, 2], not {value!r:.60}")
    return tuple(value)


AsNumber = BeforeValidator(as_number)
Number = Annotated[float, AsNumber]
Positive = Annotated[float, Field(gt=0), AsNumber]
Pair = Annotated[tuple[Number, Number], BeforeValidator(as_tuple)]
