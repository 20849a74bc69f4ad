"""Certificates in a spec: what every label must pass, and what is estimated of some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from pdemill.spec.audit import Audit
from pdemill.spec.model import AsNumber, Model, Positive, refuse

ALGEBRAIC_RTOL = 1e-6
STORED_RTOL = 1e-5


class Certify(Model):
    """``refine``: the fraction of samples, and the first 4 of each split, that are solved again on the twice finer grid
    to estimate the discretisation error; 0 switches it off. Default 0.0025; 1 with ``error_rtol``.
    ``error_rtol``: the largest estimated discretisation error of a certified label, relative to u in L2; none by
    default. Only samples that are estimated can miss it.
    ``audit``: measure the error of some labels against the continuous equation by random walks; none by default.
    ``algebraic_rtol``: the largest algebraic error of a certified label, the L2 distance to the exact solution of its
    discrete system relative to the variation of u. The default is what rounding to float32 does at a level of some
    thirty times the variation, and far below any discretisation error.
    ``stored_rtol``: the largest error of what is stored, that error and the rounding to ``store.dtype`` together;
    at least ``algebraic_rtol``.
    ``valid_until``: of equations in time, the time up to which a trajectory must be right to ``solver.time_rtol``; by
    default to its end, or, where the trial shows that chaos makes that impossible, to its first stored time. Later
    states are stored, and each sample's ``valid_until`` says which are right."""

    refine: Annotated[float, Field(ge=0, le=1), AsNumber] = 0.0025
    error_rtol: Annotated[float, Field(gt=0, le=1), AsNumber] | None = Field(
        default=None, exclude_if=lambda limit: limit is None
    )
    audit: Audit | None = Field(default=None, exclude_if=lambda audit: audit is None)
    algebraic_rtol: Annotated[float, Field(ge=1e-13, le=1e-1), AsNumber] = Field(
        default=ALGEBRAIC_RTOL, exclude_if=lambda value: value == ALGEBRAIC_RTOL
    )
    stored_rtol: Annotated[float, Field(ge=1e-13, le=1e6), AsNumber] = Field(
        default=STORED_RTOL, exclude_if=lambda value: value == STORED_RTOL
    )
    valid_until: Positive | None = Field(default=None, exclude_if=lambda value: value is None)

    @model_validator(mode="before")
    @classmethod
    def _a_limit_asks_for_every_estimate(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or value.get("error_rtol") is None:
            return value
        return {"refine": 1.0, **value}

    @model_validator(mode="after")
    def _a_limit_needs_estimates(self) -> Certify:
        if self.error_rtol is not None and self.refine == 0.0:
            raise refuse(("error_rtol",), "needs estimates, and refine is 0: leave refine out", self.error_rtol)
        return self
