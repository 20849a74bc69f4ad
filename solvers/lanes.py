"""Vectors of numbers in compiled code: one operation, done to each of them by itself.

What comes out is the same to the bit whatever instructions the processor has, and whatever the other numbers are.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model


class Lanes(types.Type):
    """The type of vectors of ``width`` numbers."""

    def __init__(self, width: int) -> None:
        super().__init__(name=f"Lanes({width})")
        self.width = width
        self.vector = ir.VectorType(ir.DoubleType(), width)


@register_model(Lanes)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(manager, kind, kind.vector)


def _operation(symbol: Callable[[Any, Any], Any], instruction: str) -> None:
    """Let an operator between two vectors be one instruction."""

    class Typed(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            one, other = args if len(args) == 2 else (None, None)
            return signature(one, one, one) if isinstance(one, Lanes) and one == other else None

    infer_global(symbol)(Typed)

    @lower_builtin(symbol, Lanes, Lanes)  # type: ignore[untyped-decorator]
    def lowered(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args)


for _symbol, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _operation(_symbol, _instruction)


class Vectors(NamedTuple):
    """What there is to do with vectors beside +, - and *.

    load(array, index)            vector number ``index`` of a flat array
    store(array, index, vector)   put a vector there
    splat(number)                 a vector of one number
    turn(source, begin, stride, target, out, out_stride)
                                  transpose: as many vectors as each has numbers, number ``begin`` + ``stride`` i,
                                  become the columns of those at ``out`` + ``out_stride`` i of another array
    """

    load: Any
    store: Any
    splat: Any
    turn: Any


class Parts(NamedTuple):
    """Vectors of numbers that lie anywhere in an array.

    load(array, index)              those from ``index`` on
    store(array, index, vector)
    gather(array, indices, at)      those that as many indices from ``at`` on name, 32-bit numbers without a sign
    scatter(array, indices, at, vector)
    """

    load: Any
    store: Any
    gather: Any
    scatter: Any


def parts(width: int) -> Parts:
    """The operations on ``width`` numbers anywhere."""
    kind = Lanes(width)

    def address(context: Any, builder: Any, array_kind: Any, array: Any, index: Any) -> Any:
        data = context.make_array(array_kind)(context, builder, array).data
        return builder.gep(data, [index])

    def places(context: Any, builder: Any, kinds: Any, array: Any, indices: Any, at: Any) -> list[Any]:
        first = address(context, builder, kinds[1], indices, at)
        numbers = [builder.load(builder.gep(first, [ir.Constant(at.type, i)])) for i in range(width)]
        return [address(context, builder, kinds[0], array, builder.zext(number, at.type)) for number in numbers]

    @intrinsic
    def load(typing, array, index):  # type: ignore[no-untyped-def]
        def made(context, builder, sig, args):  # type: ignore[no-untyped-def]
            place = address(context, builder, sig.args[0], *args)
            return builder.load(builder.bitcast(place, kind.vector.as_pointer()), align=8)

        return kind(array, types.intp), made

    @intrinsic
    def store(typing, array, index, value):  # type: ignore[no-untyped-def]
        def made(context, builder, sig, args):  # type: ignore[no-untyped-def]
            place = address(context, builder, sig.args[0], *args[:2])
            builder.store(args[2], builder.bitcast(place, kind.vector.as_pointer()), align=8)
            return context.get_dummy_value()

        return types.void(array, types.intp, kind), made

    @intrinsic
    def gather(typing, array, indices, at):  # type: ignore[no-untyped-def]
        def made(context, builder, sig, args):  # type: ignore[no-untyped-def]
            vector = ir.Constant(kind.vector, ir.Undefined)
            for i, place in enumerate(places(context, builder, sig.args, *args)):
                vector = builder.insert_element(vector, builder.load(place), ir.Constant(ir.IntType(32), i))
            return vector

        return kind(array, indices, types.intp), made

    @intrinsic
    def scatter(typing, array, indices, at, value):  # type: ignore[no-untyped-def]
        def made(context, builder, sig, args):  # type: ignore[no-untyped-def]
            for i, place in enumerate(places(context, builder, sig.args, *args[:3])):
                builder.store(builder.extract_element(args[3], ir.Constant(ir.IntType(32), i)), place)
            return context.get_dummy_value()

        return types.void(array, indices, types.intp, kind), made

    return Parts(load, store, gather, scatter)


def vectors(width: int) -> Vectors:
    """The operations on vectors of ``width`` numbers, a power of two."""
    kind = Lanes(width)
    vector = kind.vector

    def place(context: Any, builder: Any, array_kind: Any, array: Any, index: Any) -> Any:
        """The address of vector number ``index`` of an array."""
        data = context.make_array(array_kind)(context, builder, array).data
        at = builder.gep(data, [builder.mul(index, ir.Constant(index.type, width))])
        return builder.bitcast(at, vector.as_pointer())

    def shuffled(builder: Any, one: Any, other: Any, indices: list[int]) -> Any:
        return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(ir.IntType(32), width), indices))

    @intrinsic
    def load(typing, array, index):  # type: ignore[no-untyped-def]
        def made(context, builder, sig, args):  # type: ignore[no-untyped-def]
            return builder.load(place(context, builder, sig.args[0], *args), align=8)

        return kind(array, types.intp), made

    @intrinsic
    def store(typing, array, index, value):  # type: ignore[no-untyped-def]
        def made(context, builder, sig, args):  # type: ignore[no-untyped-def]
            builder.store(args[2], place(context, builder, sig.args[0], *args[:2]), align=8)
            return context.get_dummy_value()

        return types.void(array, types.intp, kind), made

    @intrinsic
    def splat(typing, number):  # type: ignore[no-untyped-def]
        def made(context, builder, sig, args):  # type: ignore[no-untyped-def]
            nothing = ir.Constant(vector, ir.Undefined)
            first = builder.insert_element(nothing, args[0], ir.Constant(ir.IntType(32), 0))
            return shuffled(builder, first, nothing, [0] * width)

        return kind(types.float64), made

    @intrinsic
    def turn(typing, source, begin, stride, target, out, out_stride):  # type: ignore[no-untyped-def]
        def made(context, builder, sig, args):  # type: ignore[no-untyped-def]
            def at(which: int, i: int) -> Any:
                array, first, step = args[which : which + 3]
                index = builder.add(first, builder.mul(step, ir.Constant(step.type, i)))
                return place(context, builder, sig.args[which], array, index)

            rows = [builder.load(at(0, i), align=8) for i in range(width)]
            apart = 1
            while apart < width:  # blocks of this width change places across the diagonal
                low = [width + i - apart if i & apart else i for i in range(width)]
                high = [width + i if i & apart else i + apart for i in range(width)]
                for i in range(width):
                    if not i & apart:
                        a, b = rows[i], rows[i + apart]
                        rows[i], rows[i + apart] = shuffled(builder, a, b, low), shuffled(builder, a, b, high)
                apart *= 2
            for i, row in enumerate(rows):
                builder.store(row, at(3, i), align=8)
            return context.get_dummy_value()

        return types.void(source, types.intp, types.intp, target, types.intp, types.intp), made

    return Vectors(load, store, splat, turn)
