"""The base of conditions on sides of the domain. Each is one class that registers itself under its key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pdemill.spec.field import Field
from pdemill.spec.model import Model, refusal
from pdemill.spec.registry import Registry, Slot


class Condition(Model):
    """Base of all conditions. A subclass is one key with its data, and what it means for the equation."""

    form: ClassVar[str] = ""
    """How it is written in a spec."""
    word: ClassVar[bool] = False
    """Whether it is written as one word, and has no data."""
    essential: ClassVar[bool] = False
    """Whether u itself is given on the side."""
    paired: ClassVar[bool] = False
    """Whether the side is joined to the opposite one."""
    registered: ClassVar[bool] = True
    """Whether it may stand on the sides of any family."""
    in_operator: ClassVar[tuple[str, ...]] = ()
    """Names of the data that enter the matrix; such data are not negative."""

    @classmethod
    def kind(cls) -> str:
        """Its key in a spec."""
        return next(iter(cls.model_fields))

    @property
    def fixes_level(self) -> bool:
        """Whether u plus a constant satisfies the condition no more."""
        return self.essential

    @property
    def flux(self) -> Field | None:
        """The given flux into the domain, where the condition has one."""
        return None

    def data(self) -> Iterator[tuple[tuple[str, ...], Field]]:
        """The fields in it, with their paths below it."""
        yield from _fields_in(self)

    @property
    def moves_operator(self) -> bool:
        """Whether it makes the matrices of two samples differ."""
        return any(path[-1] in self.in_operator and value.is_random for path, value in self.data())

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.registered:
            conditions.add(cls.kind(), cls)


def _fields_in(part: Model) -> Iterator[tuple[tuple[str, ...], Field]]:
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, Field):
            yield (name,), value
        elif isinstance(value, Model):
            for path, field in _fields_in(value):
                yield (name, *path), field


conditions: Registry[Condition] = Registry("condition", "condition")


class _ConditionSlot(Slot):
    def _validate(self, value: Any) -> Any:
        if isinstance(value, Condition):
            return value
        if isinstance(value, str) and value in conditions and conditions[value].word:
            return conditions[value]()
        if not isinstance(value, Mapping) or len(value) != 1 or next(iter(value)) not in conditions:
            forms = [kind.form for kind in sorted(conditions.values(), key=lambda kind: kind.word)]
            raise refusal(f"should be {', '.join(forms[:-1])} or {forms[-1]}")
        return conditions[next(iter(value))].model_validate(dict(value))


AnyCondition = Annotated[Condition, _ConditionSlot(conditions, Condition, "Condition")]
