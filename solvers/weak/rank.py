"""Whether a form and its sides determine all unknowns: the singular values of its derivative on a coarse mesh.

What is left open, such as a constant, the motions of a rigid body, or a pressure that nothing fixes, is so on every
mesh: it is told before a sample is solved.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pdemill.errors import SolverError
from pdemill.points import Array
from pdemill.solvers.instance import Instance, InvalidSample
from pdemill.solvers.methods.direct import by_side, is_definite
from pdemill.solvers.operators.system import Matrix
from pdemill.solvers.weak.checking import AXES
from pdemill.solvers.weak.elements import ALIKE, Traits, WeakElements
from pdemill.solvers.weak.nullspace import open_vectors
from pdemill.solvers.weak.stir import stirred

MOST = 1500
"""Unknowns up to which singular values are computed."""
OPEN = 1e-11
"""Singular values in units of the largest that count as 0."""
SEEN = 1e-6
"""Part of a vector that shows that it is another one."""
STEPS = 10
"""Times that rows and columns are scaled before."""


class Undetermined(SolverError):
    """A form and its sides leave something open."""


class Overdetermined(SolverError):
    """A constraint on what a form and its sides determine already."""


def check_rank(grid: WeakElements, instance: Instance, names: tuple[str, ...]) -> Traits:
    """The traits of the derivative of a form near the start of a sample: whether it is symmetric, definite, hollow.
    Raises Undetermined where the form has more than one solution there, Overdetermined where constraints fix what it
    determines. ``names``: of the channels.
    """
    count, plain = grid.unknowns.count, grid.traits
    if not count:
        return plain
    try:
        packed, given = grid.packed(instance), grid.given(instance)
    except InvalidSample:
        return plain
    state = np.zeros(count) if grid.form.linear else stirred(count)
    values = grid.derivative(packed, grid.completed(state, given))
    if not np.isfinite(values).all():
        return plain
    matrix = grid.pattern.template.copy()
    matrix.data = values
    sizes = abs(matrix)
    empty = (sizes.max(axis=0).toarray() == 0.0) | (sizes.max(axis=1).toarray() == 0.0)
    if empty.any():
        raise Undetermined(_told(grid, 1, [names[_channel(grid, int(np.argmax(empty)))]], []))
    if grid.levels.fault(matrix):
        raise Overdetermined(grid.levels.fault(matrix))
    symmetric = bool(abs(matrix - matrix.T).max() <= ALIKE * sizes.max())
    few = count <= MOST
    vectors = _open(matrix.toarray(), grid.null_space) if few else open_vectors(matrix, grid.null_space)
    if len(vectors):
        raise Undetermined(_told(grid, len(vectors), _shares(grid, vectors, names), _constants(grid, vectors, names)))
    definite = symmetric and is_definite(Matrix(grid.pattern, values, grid.properties, grid.null_space))
    shown = definite or not symmetric or by_side(grid.pattern.dimension, count)
    hollow = not values[grid.pattern.diagonals].all()
    return replace(plain, symmetric=symmetric, definite=definite, hollow=hollow, shown=shown)


def _open(matrix: Array, known: tuple[Array, ...]) -> Array:
    """A basis of what a matrix makes 0, beside known vectors."""
    scale = equilibrate(matrix)
    _, found, basis = np.linalg.svd(matrix)
    count = int(np.count_nonzero(found <= OPEN * found[0]))
    return _beside(basis[len(found) - count :], known, scale) * scale


def _beside(vectors: Array, known: tuple[Array, ...], scale: Array) -> Array:
    """A basis of what orthonormal vectors span beside known ones, which are divided by ``scale`` first."""
    if not known or not len(vectors):
        return vectors
    base, _ = np.linalg.qr((np.stack(known) / scale).T)
    rest = vectors - (vectors @ base) @ base.T
    _, sizes, found = np.linalg.svd(rest, full_matrices=False)
    return np.asarray(found[sizes > SEEN])


def equilibrate(matrix: Array) -> Array:
    """Scale a matrix in place until the largest entries of all rows and columns are near 1; returns the factors of the
    columns. Ruiz 2001, "A scaling algorithm to equilibrate both rows and columns norms in matrices", RAL-TR-2001-034.
    """
    columns = np.ones(len(matrix))
    for _ in range(STEPS):
        sizes = np.abs(matrix)
        row, column = sizes.max(axis=1) ** -0.5, sizes.max(axis=0) ** -0.5
        matrix *= row[:, None] * column[None, :]
        columns *= column
    return columns


def _channel(grid: WeakElements, place: int) -> int:
    number = grid.unknowns.free[place]
    return next(i for i, channel in enumerate(grid.numbering.channels) if channel.start <= number < channel.stop)


def _shares(grid: WeakElements, vectors: Array, names: tuple[str, ...]) -> list[str]:
    """The channels that vectors are in."""
    sizes = np.zeros(len(names))
    for place, size in enumerate(np.linalg.norm(vectors, axis=0)):
        sizes[_channel(grid, place)] += size
    return [name for name, size in zip(names, sizes, strict=True) if size > 1e-6 * sizes.sum()]


def _constants(grid: WeakElements, vectors: Array, names: tuple[str, ...]) -> list[str]:
    """The channels whose constants are left open."""
    base, _ = np.linalg.qr(vectors.T)
    owners, found = np.array([_channel(grid, place) for place in range(vectors.shape[1])]), []
    for number, name in enumerate(names):
        one = (owners == number).astype(float)
        if one.any() and np.linalg.norm(one - base @ (base.T @ one)) <= 1e-6 * np.linalg.norm(one):
            found.append(name)
    return found


def _told(grid: WeakElements, left: int, among: list[str], constants: list[str]) -> str:
    many = "one solution" if left == 1 else f"{left} independent solutions"
    what, advice = f"in {', '.join(among)}", "give a value on a side, or add the term that fixes it"
    if constants and len(constants) == left:
        what = f"a constant added to {' or '.join(constants)} changes nothing"
        key = f"set constraints: {_constraint(grid, constants)}"
        advice = f"give a value on a side, {key}, or add the term that fixes it"
    elif constants:
        advice = (
            "give values on sides that hold more than constants, such as the rotations of a body; only then may "
            f"constraints fix the means of {', '.join(constants)}, which is all that they fix"
        )
    return f"the form and its sides leave something open ({what}): without loads it has {many} besides 0; {advice}"


def _constraint(grid: WeakElements, channels: list[str]) -> str:
    """What a spec says to fix the means of channels."""
    vectors, found = {one.name: one.components for one in grid.form.unknowns if one.components}, dict[str, str]()
    for channel in channels:
        name, _, _ = channel.rpartition("_")
        if name in vectors:
            means = ("0.0" if f"{name}_{one}" in channels else "null" for one in AXES[: vectors[name]])
            found[name] = f"[{', '.join(means)}]"
        else:
            found[channel] = "0.0"
    return f"{{{', '.join(f'{name}: {{mean: {mean}}}' for name, mean in found.items())}}}"
