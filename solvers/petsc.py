"""The one module that talks to PETSc: matrices, preconditioners, Krylov methods, MUMPS.

Nothing here knows of samples or specs. All objects live on one process; values are shared with numpy.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pdemill.extras import library
from pdemill.points import Array
from pdemill.process import without_launcher
from pdemill.solvers.operators.norms import two_norm
from pdemill.solvers.operators.product import Handles, Product
from pdemill.solvers.operators.system import Matrix, Pattern, separating
from pdemill.solvers.solution import Result, finite
from pdemill.solvers.threads import join

with without_launcher():  # of an MPI program this process is no part, whoever started it
    if importlib.util.find_spec("dolfinx_solver"):
        import dolfinx_solver  # noqa: F401 - the binary wheel: orders MPI before PETSc

    petsc4py = library("petsc4py", "petsc", "this method")

    petsc4py.init(["pdemill", "-no_signal_handler"])  # PETSc's ends the process when a socket is closed, among others

    from petsc4py import PETSc as _PETSc

join()

PETSc: Any = _PETSc
"""Without its stubs, which know less than the library."""

ERR_MEM = 55
DOMINANT, PIVOT = 1e-8, 1e-12
"""How far rows of a diagonally dominant matrix may be from it, and the first shift of its pivots: in units of the
largest entry."""
BLOCKS = 8
"""Blocks of the block Jacobi and additive Schwarz preconditioners."""

_REASONS = {
    PETSc.KSP.ConvergedReason.DIVERGED_MAX_IT: Result.MAX_ITERATIONS,
    PETSc.KSP.ConvergedReason.DIVERGED_NANORINF: Result.NOT_FINITE,
    PETSc.KSP.ConvergedReason.DIVERGED_PCSETUP_FAILED: Result.SINGULAR,
}


@contextmanager
def _memory_errors() -> Iterator[None]:
    """PETSc's error for memory that it did not get becomes Python's."""
    try:
        yield
    except PETSc.Error as error:
        if error.ierr == ERR_MEM:
            raise MemoryError from error
        raise


def vector(values: Array) -> Any:
    """PETSc's vector over an array."""
    return PETSc.Vec().createWithArray(values, comm=PETSc.COMM_SELF)


class LoadedMatrix:
    """A PETSc matrix on a fixed pattern, into which the values of one system after another are loaded.

    A matrix with a null space of m vectors gets a second one with other diagonal entries (``regular_values``) at m
    unknowns that tell those vectors apart. It is regular and, for a right-hand side orthogonal to the null space of
    the transpose, has the solution that is 0 there: it is factorised in its place.
    """

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self.loaded: Matrix | None = None
        self._values = np.zeros(len(pattern.indices))
        self._regular_values = self._values
        self.mat = self._create(self._values)
        self.regular = self.mat
        self._null_space: tuple[Array, ...] = ()
        self._doubled = np.empty(0, dtype=np.intp)
        self.finite = True

    def _create(self, values: Array) -> Any:
        size = self.pattern.size
        arrays = (self.pattern.indptr, self.pattern.indices, values)
        return PETSc.Mat().createAIJWithArrays((size, size), arrays, comm=PETSc.COMM_SELF)

    def load(self, matrix: Matrix) -> bool:
        """Take the values of a system; False when they were already loaded."""
        if matrix is self.loaded:
            return False
        if matrix.singular and self.regular is self.mat:
            self._regular_values = np.zeros_like(self._values)
            self.regular = self._create(self._regular_values)
        self._values[:] = matrix.values
        properties = matrix.properties
        if matrix.singular:
            if matrix.null_space is not self._null_space:
                self._null_space = matrix.null_space
                self._doubled = self.pattern.diagonal(separating(matrix.null_space))
            self._regular_values[:] = matrix.regular_values(self._doubled)
        for mat in (self.mat, self.regular) if matrix.singular else (self.mat,):
            mat.assemble()
            mat.stateIncrease()
            mat.setOption(PETSc.Mat.Option.SYMMETRIC, properties.symmetric)
            mat.setOption(PETSc.Mat.Option.SYMMETRY_ETERNAL, properties.symmetric)
            if properties.symmetric and properties.definite:
                mat.setOption(PETSc.Mat.Option.SPD, True)
        self.loaded = matrix
        self.finite = bool(np.isfinite(self._values).all())
        return True

    def guard(self, pc: Any) -> None:
        """Choose what incomplete Cholesky factorisations do about pivots that are not positive. PETSc's shift by how
        far rows are from diagonal dominance is tried without end where that is less than rounding; such a matrix has
        tiny pivots at worst, and a shift that doubles comes to an end."""
        pattern, sizes = self.pattern, np.abs(self._regular_values)
        diagonal = self._regular_values[pattern.diagonals]
        excess = np.add.reduceat(sizes, pattern.indptr[:-1]) - np.abs(diagonal) - diagonal
        largest, kinds = float(sizes.max()), PETSc.Mat.FactorShiftType
        if float(excess.max()) > DOMINANT * largest:
            pc.setFactorShift(kinds.POSITIVE_DEFINITE)
        else:
            pc.setFactorShift(kinds.NONZERO, PIVOT * largest)

    def can_take(self, preconditioner: str) -> bool:
        """Whether a preconditioner exists that the library does not check: SOR divides by the diagonal."""
        return preconditioner != "sor" or bool(self.regular.getDiagonal().array_r.all())


def _configure(pc: Any, name: str, size: int, absolute: bool = False) -> None:
    """Set the type and options of a preconditioner; ``absolute``: Jacobi with the absolute values of the diagonal."""
    pc.setType(name)
    options = PETSc.Options(pc.getOptionsPrefix())
    own = (
        {f"pc_{name}_blocks": min(BLOCKS, size)}
        if name in ("bjacobi", "asm")
        else {"pc_jacobi_abs": True}
        if absolute
        else {}
    )
    for option, value in own.items():
        options[option] = value
    pc.setFromOptions()
    for option in own:
        options.delValue(option)


class Krylov:
    """PETSc's GMRES, CG or MINRES with a preconditioner, accepted on the true residual.

    GMRES and CG watch the true residual. MINRES watches ‖r‖ in the norm of M⁻¹, for M = I or M = diag |A|; that is
    at least ‖r‖₂ divided by the root of the largest entry of M.
    """

    def __init__(self, pattern: Pattern, kind: str, preconditioner: str, restart: int = 40) -> None:
        self.matrix = LoadedMatrix(pattern)
        self.ksp = PETSc.KSP().create(comm=PETSc.COMM_SELF)
        self.ksp.setOptionsPrefix(f"pdemill_{id(self):x}_")
        self.ksp.setType(kind)
        if kind == "gmres":
            self.ksp.setGMRESRestart(restart)
            self.ksp.setPCSide(PETSc.PC.Side.RIGHT)
        watched = PETSc.KSP.NormType.PRECONDITIONED if kind == "minres" else PETSc.KSP.NormType.UNPRECONDITIONED
        self.ksp.setNormType(watched)
        self.ksp.setInitialGuessNonzero(True)
        self._kind, self._minres = preconditioner, kind == "minres"
        self._weighted = self._minres and preconditioner == "jacobi"
        _configure(self.ksp.getPC(), preconditioner, pattern.size, absolute=self._weighted)
        self._scale = 1.0
        self._x, self._b = np.zeros(pattern.size), np.zeros(pattern.size)
        self._vectors = vector(self._x), vector(self._b)
        self._product = vector(np.zeros(pattern.size))

    def solve(
        self, matrix: Matrix, rhs: Array, guess: Array | None, rtol: float, limit: int
    ) -> tuple[Array, Result, int]:
        """x with ||b - A x|| <= rtol ||b||, how it ended, and the iterations."""
        fresh = self.matrix.load(matrix)
        if not self.matrix.finite:
            return np.full_like(rhs, np.nan), Result.NOT_FINITE, 0
        if fresh:
            self.ksp.setOperators(self.matrix.mat, self.matrix.regular)
            if self._kind == "icc":
                self.matrix.guard(self.ksp.getPC())
            if self._weighted:
                diagonal = self.matrix.regular.getDiagonal().array_r
                self._scale = float(np.where(diagonal == 0.0, 1.0, np.abs(diagonal)).max()) ** -0.5
        if not self.matrix.can_take(self._kind):
            return np.full_like(rhs, np.nan), Result.SINGULAR, 0
        x, b = self._vectors
        unit = self._unit(rhs)
        self._x[:], self._b[:] = 0.0 if guess is None else guess, rhs
        self._x *= unit
        self._b *= unit
        goal, used = rtol * two_norm(self._b), 0
        for tighter in (0.95, 0.5, 0.1):
            self.ksp.setTolerances(
                rtol=1e-50, atol=tighter * goal * self._scale, divtol=1e12, max_it=max(1, limit - used)
            )
            self.ksp.solve(b, x)
            used += self.ksp.getIterationNumber()
            reason = self.ksp.getConvergedReason()
            if reason < 0:
                return self._x / unit, _REASONS.get(reason, Result.BREAKDOWN), used
            self.matrix.mat.mult(x, self._product)
            if two_norm(self._b - self._product.array_r) <= goal:
                return self._x / unit, Result.CONVERGED, used
        return self._x / unit, Result.MISSED_TOLERANCE, used

    def reduce(self, matrix: Matrix, rhs: Array, reduction: float, limit: int) -> tuple[Array, Result, int]:
        """x begun at 0 whose residual is ``reduction`` of what it was, in the norm of M⁻¹, by CG."""
        fresh, (x, b) = self.matrix.load(matrix), self._vectors
        if not self.matrix.finite:
            return np.full_like(rhs, np.nan), Result.NOT_FINITE, 0
        if fresh:
            self.ksp.setOperators(self.matrix.mat, self.matrix.regular)
        self._x[:], self._b[:] = 0.0, rhs
        self.ksp.setNormType(PETSc.KSP.NormType.NATURAL)
        self.ksp.setTolerances(rtol=reduction, atol=1e-300, divtol=1e12, max_it=limit)
        self.ksp.solve(b, x)
        self.ksp.setNormType(PETSc.KSP.NormType.UNPRECONDITIONED)
        reason, used = self.ksp.getConvergedReason(), self.ksp.getIterationNumber()
        found = Result.CONVERGED if reason > 0 else _REASONS.get(reason, Result.BREAKDOWN)
        return self._x.copy(), found, used

    def _unit(self, rhs: Array) -> float:
        """A power of two: PETSc's MINRES compares with fixed small numbers, so its systems are brought to size one."""
        size = two_norm(rhs)
        return float(2.0 ** -np.frexp(size)[1]) if self._minres and 0.0 < size < np.inf else 1.0


class Direct:
    """MUMPS: Cholesky, LDL^T or LU by the symmetry of the matrix; the pattern is analysed once."""

    AMF, METIS = 2, 5
    ANALYSIS_ORDERING, SCALING, BLOCKING = 7, 8, 27
    OUT_OF_MEMORY = (-7, -13, -19)
    """Its errors when it could not allocate what it needs."""

    def __init__(self, pattern: Pattern, block: int) -> None:
        self.block = block
        self.matrix = LoadedMatrix(pattern)
        self.ksp: Any = None
        self._symmetric = False
        self._x, self._b = np.zeros(pattern.size), np.zeros(pattern.size)
        self._vectors = vector(self._x), vector(self._b)
        self._block: Any = None

    def solve(self, matrix: Matrix, rhs: Array) -> tuple[Array, Result]:
        """The solution; the factors of the last matrix are kept."""
        self._factorise(matrix)
        x, b = self._vectors
        self._b[:] = rhs
        self.ksp.solve(b, x)
        if self.ksp.getConvergedReason() < 0:
            self._forget()
            return self._x.copy(), Result.SINGULAR
        return self._x.copy(), finite(self._x)

    def solve_block(self, matrix: Matrix, block: list[Array]) -> list[tuple[Array, Result]]:
        """The solutions for up to ``block`` right-hand sides, each to the same bits whatever shares its block.

        The block is filled up with zeros, since kernels for fewer columns add up in another order; in larger ones
        (16, 32) the last bit depends on the column.
        """
        self._factorise(matrix)
        if self._block is None:
            arrays = [np.zeros((self.matrix.pattern.size, self.block), order="F") for _ in range(2)]
            mats = [PETSc.Mat().createDense(a.shape, array=a, comm=PETSc.COMM_SELF) for a in arrays]
            self._block = *arrays, *mats
        X, B, x, b = self._block
        B[:] = 0.0
        for column, rhs in enumerate(block):
            B[:, column] = rhs
        pc = self.ksp.getPC()
        if pc.getFailedReason():
            self._forget()
            return [(np.full_like(rhs, np.nan), Result.SINGULAR) for rhs in block]
        for mat in (b, x):
            mat.assemble()
            mat.stateIncrease()
        factors = pc.getFactorMatrix()
        factors.setMumpsIcntl(self.BLOCKING, self.block)
        factors.matSolve(b, x)
        return [(X[:, column].copy(), finite(X[:, column])) for column in range(len(block))]

    def _forget(self) -> None:
        """Begin anew with the next matrix: MUMPS takes none after one that it could not factorise."""
        self.matrix.loaded, self.ksp = None, None

    def _factorise(self, matrix: Matrix) -> None:
        fresh = self.matrix.load(matrix)
        if self.ksp is None or matrix.properties.symmetric != self._symmetric:
            self._set_up(matrix)
        if fresh:
            self.ksp.setOperators(self.matrix.mat, self.matrix.regular)
            with _memory_errors():
                self.ksp.setUp()
            if self.ksp.getPC().getFactorMatrix().getMumpsInfog(1) in self.OUT_OF_MEMORY:
                self._forget()
                raise MemoryError

    def _set_up(self, matrix: Matrix) -> None:
        self._symmetric = matrix.properties.symmetric
        self.ksp = PETSc.KSP().create(comm=PETSc.COMM_SELF)
        self.ksp.setType("preonly")
        self.ksp.setOperators(self.matrix.mat, self.matrix.regular)
        pc = self.ksp.getPC()
        pc.setType("cholesky" if matrix.properties.symmetric else "lu")
        pc.setFactorSolverType("mumps")
        pc.setFactorSetUpSolverType()
        hollow = matrix.properties.symmetric and not matrix.values[matrix.pattern.diagonals].all()  # a saddle point
        ordering = self.METIS if matrix.properties.dimension == 3 or hollow else self.AMF
        pc.getFactorMatrix().setMumpsIcntl(self.ANALYSIS_ORDERING, ordering)
        if matrix.properties.symmetric:  # scaling takes a twelfth of the time, and gives larger errors
            pc.getFactorMatrix().setMumpsIcntl(self.SCALING, 0)


class Preconditioned:
    """The operator A M^-1 of right preconditioning for compiled code, and M^-1 and A alone on numpy vectors."""

    def __init__(self, pattern: Pattern, preconditioner: str) -> None:
        self.matrix = LoadedMatrix(pattern)
        self.pc = PETSc.PC().create(comm=PETSc.COMM_SELF)
        self.pc.setOptionsPrefix(f"pdemill_{id(self):x}_")
        _configure(self.pc, preconditioner, pattern.size)
        self._kind, self._rows = preconditioner, list[Any]()
        self._arrays = [np.zeros(pattern.size) for _ in range(3)]
        self._vectors = [vector(array) for array in self._arrays]
        pc, mat, between = self.pc.handle, self.matrix.mat.handle, self._vectors[1].handle
        self.product = Product(_address("PCApply"), pc, _address("MatMult"), mat, between)

    def handles(self, rows: list[Array]) -> Handles:
        """Vectors over the rows, which live as long as this object."""
        vectors = [vector(row) for row in rows]
        self._rows += vectors
        return np.array([vector.handle for vector in vectors], dtype=np.intp)

    def load(self, matrix: Matrix) -> bool:
        """Take a matrix and set up its preconditioner; False when that cannot be done (a zero pivot)."""
        if self.matrix.load(matrix):
            self.pc.setOperators(self.matrix.mat, self.matrix.regular)
            if self._kind == "icc":
                self.matrix.guard(self.pc)
            self.pc.setUp()
        return bool(self.pc.getFailedReason() == 0) and self.matrix.can_take(self._kind)

    def precondition(self, y: Array) -> Array:
        """M^-1 y, for a vector or for rows of them."""
        if y.ndim == 2:
            return np.stack([self.precondition(row) for row in y])
        self._arrays[0][:] = y
        self.pc.apply(self._vectors[0], self._vectors[1])
        return self._arrays[1].copy()

    def images(self, solutions: Array) -> None:
        """None: the library applies M⁻¹ and not M."""

    def side_by_side(self) -> None:
        """None: the library applies M⁻¹ to one vector after another."""

    def residual(self, x: Array, b: Array) -> Array:
        """b - A x."""
        self._arrays[1][:] = x
        self.matrix.mat.mult(self._vectors[1], self._vectors[2])
        return np.asarray(b - self._arrays[2])


def _address(function: str) -> int:
    """Where a function of the PETSc that petsc4py was linked to begins."""
    return int(ctypes.cast(getattr(_library, function), ctypes.c_void_p).value or 0)


_library = ctypes.CDLL(_PETSc.__file__)
