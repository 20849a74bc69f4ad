"""Parts that a test defines and leaves no trace of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pdemill.spec.discretiser import discretisers
from pdemill.spec.forms import form_of
from pdemill.spec.problem import bound
from pdemill.spec.registry import registers


@contextmanager
def temporary_parts() -> Iterator[None]:
    """Families, fields, conditions, discretisers and methods that are defined inside are unknown again afterwards."""
    members = [(register, register.snapshot()) for register in registers]
    written = dict(bound)
    try:
        yield
    finally:
        for register, kept in members:
            register.restore(kept)
        for by in discretisers.values():
            by.place.discretised_by = by
        bound.clear()
        bound.update(written)
        form_of.cache_clear()
