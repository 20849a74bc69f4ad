"""The base of designs: where the scalars of a split are placed, sample by sample, instead of being drawn."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator

from pdemill.draws import Place
from pdemill.spec.field import Scalar
from pdemill.spec.model import Model, refusal
from pdemill.spec.registry import Registry, Slot


class Design(Model):
    """Base of all designs; a subclass is one file. Where sample i is placed is a function of (seed, split, i), of the
    design, and of the number of samples where the design is not ``extensible``."""

    method: str
    extensible: ClassVar[bool] = True
    """Whether the first samples stay what they are when there are more of them."""

    @abstractmethod
    def chosen(self, scalars: Mapping[str, Scalar]) -> tuple[str, ...]:
        """The scalars that it places, of all that a sample has, by their names in ``params`` and in that order."""

    @abstractmethod
    def places(self, chosen: Sequence[str], samples: int, seed: int, split: str, number: int) -> tuple[Place, ...]:
        """Where it places the chosen scalars in sample ``number`` of a split of so many ``samples``."""

    @property
    def of_all(self) -> bool:
        """Whether it is to place whatever is drawn by one number."""
        return False

    def misfit(self, scalars: Mapping[str, Scalar], samples: int) -> tuple[tuple[str | int, ...], str] | None:
        """What does not fit the scalars or the number of samples: its path below the design, and why."""
        return None

    def note(self, samples: int) -> str:
        """What to know of so many samples, in words."""
        return ""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "method" in cls.__annotations__ and "Literal" in str(cls.__annotations__["method"]):
            designs.add(cls.model_fields["method"].annotation.__args__[0], cls)  # type: ignore[union-attr]


designs: Registry[Design] = Registry("design", "method")
AnyDesign = Annotated[Design, Slot(designs, Design, "Design")]


def _names(value: Any) -> Any:
    if value == "all":
        return value
    if not isinstance(value, list | tuple) or not value or not all(isinstance(name, str) for name in value):
        raise refusal("should be all, or a list of names as they stand in params")
    return tuple(value)


class OfLevels(Design):
    """Base of designs that place scalars by quantiles, jointly: a point of the unit cube is a sample.

    ``scalars``: ``all``, or names as they stand in ``params``; the others are drawn as ever.
    """

    scalars: Annotated[Literal["all"] | tuple[str, ...], BeforeValidator(_names)] = "all"

    @property
    def of_all(self) -> bool:
        return self.scalars == "all"

    def chosen(self, scalars: Mapping[str, Scalar]) -> tuple[str, ...]:
        return tuple(name for name in scalars if self.of_all or name in self.scalars)

    def misfit(self, scalars: Mapping[str, Scalar], samples: int) -> tuple[tuple[str | int, ...], str] | None:
        if self.scalars != "all":
            for number, name in enumerate(self.scalars):
                if name not in scalars:
                    return ("scalars", number), unknown(name, scalars)
            if len(set(self.scalars)) < len(self.scalars):
                return ("scalars",), "names a scalar twice"
        return None


def unknown(name: str, scalars: Mapping[str, Scalar]) -> str:
    """The fault of a name that no scalar has."""
    return f"is no scalar of the samples: {name!r}; there are {', '.join(scalars)}"
