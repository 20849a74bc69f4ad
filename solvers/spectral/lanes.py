"""Vectors of eight numbers in compiled code: one operation, done to each of them by itself.

What comes out is the same to the bit whatever instructions the processor has, and whatever the other seven are.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

LANES = 8
"""Numbers in a vector."""
_VECTOR, _INDICES = ir.VectorType(ir.DoubleType(), LANES), ir.VectorType(ir.IntType(32), LANES)


class Lanes(types.Type):
    """The type of a vector."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


_LANES = Lanes()


@register_model(Lanes)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _operation(symbol: Callable[[Any, Any], Any], instruction: str) -> None:
    """Let an operator between two vectors be one instruction."""

    class Typed(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            return signature(_LANES, _LANES, _LANES) if args == (_LANES, _LANES) else None

    infer_global(symbol)(Typed)

    @lower_builtin(symbol, Lanes, Lanes)  # type: ignore[untyped-decorator]
    def lowered(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args)


for _symbol, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _operation(_symbol, _instruction)


def _place(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """The address of vector number ``index`` of an array."""
    data = context.make_array(kind)(context, builder, array).data
    at = builder.gep(data, [builder.mul(index, ir.Constant(index.type, LANES))])
    return builder.bitcast(at, _VECTOR.as_pointer())


def _shuffled(builder: Any, one: Any, other: Any, indices: list[int]) -> Any:
    return builder.shuffle_vector(one, other, ir.Constant(_INDICES, indices))


@intrinsic
def load(typing, array, index):  # type: ignore[no-untyped-def]
    """Vector number ``index`` of a flat array."""

    def made(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return builder.load(_place(context, builder, sig.args[0], *args), align=8)

    return _LANES(array, types.intp), made


@intrinsic
def store(typing, array, index, vector):  # type: ignore[no-untyped-def]
    """Put a vector at ``index`` of a flat array."""

    def made(context, builder, sig, args):  # type: ignore[no-untyped-def]
        builder.store(args[2], _place(context, builder, sig.args[0], *args[:2]), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, _LANES), made


@intrinsic
def splat(typing, number):  # type: ignore[no-untyped-def]
    """A vector of one number."""

    def made(context, builder, sig, args):  # type: ignore[no-untyped-def]
        nothing = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(nothing, args[0], ir.Constant(ir.IntType(32), 0))
        return _shuffled(builder, first, nothing, [0] * LANES)

    return _LANES(types.float64), made


@intrinsic
def turn(typing, source, begin, stride, target, out, out_stride):  # type: ignore[no-untyped-def]
    """Transpose: vectors number ``begin`` + ``stride`` i, i = 0 .. 7, become the columns of those at ``out`` +
    ``out_stride`` i of another array."""

    def made(context, builder, sig, args):  # type: ignore[no-untyped-def]
        def at(which: int, i: int) -> Any:
            array, first, step = args[which : which + 3]
            index = builder.add(first, builder.mul(step, ir.Constant(step.type, i)))
            return _place(context, builder, sig.args[which], array, index)

        rows = [builder.load(at(0, i), align=8) for i in range(LANES)]
        for width in (1, 2, 4):  # blocks of this width change places across the diagonal
            low = [LANES + i - width if i & width else i for i in range(LANES)]
            high = [LANES + i if i & width else i + width for i in range(LANES)]
            for i in range(LANES):
                if not i & width:
                    a, b = rows[i], rows[i + width]
                    rows[i], rows[i + width] = _shuffled(builder, a, b, low), _shuffled(builder, a, b, high)
        for i, row in enumerate(rows):
            builder.store(row, at(3, i), align=8)
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, target, types.intp, types.intp), made
