"""The base of ready families of waves that leave a box through perfectly matched layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Annotated, ClassVar

from pdemill.errors import Path
from pdemill.solvers.families.ready_form import WHERE_ASKED, ReadyForm, key
from pdemill.solvers.weak.layers import QUADRATURE, Layers
from pdemill.solvers.weak.said import Said
from pdemill.spec.domain import BOX_SIDES, Box
from pdemill.spec.field import Field
from pdemill.spec.model import Positive, refuse

PML = "pml"
"""What a side says that has a layer."""


class LayeredForm(ReadyForm):
    """Base of families that have coefficients ``medium``, which have one value in each layer, and ``forcing``, which
    are 0 there; so are data on sides that run through a layer."""

    layer: Annotated[Positive | None, WHERE_ASKED] = key("Width of the layers of sides that are pml", "m", None)
    medium: ClassVar[tuple[str, ...]] = ()
    forcing: ClassVar[tuple[str, ...]] = ()

    @property
    def quadrature(self) -> int | None:
        return QUADRATURE if self.degree is None and self.layer is not None else self.degree

    @cached_property
    def stretching(self) -> Layers | None:
        """The layers of the box, which stretch it; None where there are none."""
        if self.layer is None or not isinstance(self.domain, Box):  # type: ignore[attr-defined]
            return None
        low, high = zip(*(map(self._is_layered, pair) for pair in BOX_SIDES[: self.dimension]), strict=True)
        return Layers(self._lengths, low, high, self.layer)  # type: ignore[attr-defined]

    @property
    def layers(self) -> Layers | None:
        if self.stretching is None:
            return None
        absent = {one.symbol: one.side for one in self.equation.coefficients if one.side or one.name in self.forcing}
        return replace(self.stretching, same=self.medium, absent=absent)

    def side_terms(self) -> Iterator[tuple[str, str, str, tuple[Field, ...]]]:
        for side, name, term, fields in super().side_terms():
            word = self.boundary.words.get(name)
            yield side, name, word.stretched if word and self.stretching else term, fields

    def check_keys(self) -> None:
        layered = [side for side in self.sides if self._is_layered(side)]
        if (self.layer is None) != (not layered):
            raise refuse(("layer",), "is the width of layers of sides that are pml: give both, or neither", self.layer)
        for side in layered:
            pair = next((pair for pair in BOX_SIDES if side in pair), None)
            if pair is None or self.stretching is None:
                raise refuse(("boundary", side), "cannot be pml: outer sides of boxes can", PML)
            room = self.stretching.lengths[BOX_SIDES.index(pair)]
            if self.stretching.width * len(set(pair) & set(layered)) >= room:
                raise refuse(("layer",), f"leaves nothing of the length {room:g}", self.layer)
        for path, value in self._outside_of_layers() if layered else ():
            least, most = value.bounds() or (0.0, 0.0)
            if least > 0.0 or most < 0.0:
                raise refuse(path, "is nowhere 0, and has to be 0 in layers, where there are no waves", None)

    def _outside_of_layers(self) -> Iterator[tuple[Path, Field]]:
        """What has to be 0 in layers, and its path."""
        for name in self.forcing:
            yield (name,), getattr(self, name)
        for side in filter(self.stretching.beside, self.sides) if self.stretching else ():
            said = self.boundary.on(side)
            for name, values in {**said.given, **said.loads}.items() if isinstance(said, Said) else ():
                yield from (((*self.side_path(side), name), value) for value in values if value is not None)

    def _is_layered(self, side: str) -> bool:
        said = self.boundary.on(side)
        return isinstance(said, Said) and said.called == PML
