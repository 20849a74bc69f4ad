"""Certificates in a spec: what every label must pass, and what is estimated of some."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pdemill.spec.audit import Audit
from pdemill.spec.model import AsNumber, Model

ALGEBRAIC_RTOL = 1e-6
STORED_RTOL = 1e-5


class Certify(Model):
    """``refine``: the fraction of samples, at least 4 per split, that are solved again on the twice finer grid
    to estimate the discretisation error; 0 switches it off.
    ``audit``: measure the error of some labels against the continuous equation by random walks; none by default.
    ``algebraic_rtol``: the largest algebraic error of a certified label, the L2 distance to the exact solution of its
    discrete system relative to the variation of u. The default is what rounding to float32 does at a level of some
    thirty times the variation, and far below any discretisation error.
    ``stored_rtol``: the largest error of what is stored, that error and the rounding to ``store.dtype`` together;
    at least ``algebraic_rtol``."""

    refine: Annotated[float, Field(ge=0, le=1), AsNumber] = 0.0025
    audit: Audit | None = Field(default=None, exclude_if=lambda audit: audit is None)
    algebraic_rtol: Annotated[float, Field(ge=1e-13, le=1e-1), AsNumber] = Field(
        default=ALGEBRAIC_RTOL, exclude_if=lambda value: value == ALGEBRAIC_RTOL
    )
    stored_rtol: Annotated[float, Field(ge=1e-13, le=1e6), AsNumber] = Field(
        default=STORED_RTOL, exclude_if=lambda value: value == STORED_RTOL
    )
