"""An export format: a name, the stores it admits, and how one store is written in it.

A format is one file in ``pdemill/exports/formats``; it registers itself when it is defined.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from pdemill.exports.source import Source

formats: dict[str, type[Format]] = {}
"""All formats by name."""


class Format(ABC):
    """Base of all formats. ``name`` is what ``--to`` takes; the first line of the docstring is what users are told."""

    name: ClassVar[str]
    shares_coordinates: ClassVar[bool] = True
    """Whether its files say of coordinates that they are those of all samples."""

    def __init_subclass__(cls) -> None:
        if formats.setdefault(cls.name, cls) is not cls:
            raise TypeError(f"the format {cls.name!r} is defined twice")

    @abstractmethod
    def objection(self, source: Source) -> str | None:
        """Why the format cannot hold this store; None when it can."""

    @abstractmethod
    def write(self, source: Source, folder: Path) -> None:
        """Write all splits into an empty folder, a shard at a time. Raises MissingExtra, CorruptStore, OSError."""
