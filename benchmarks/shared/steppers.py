"""Other ways to step u' = b - A u - N(u) on the cells of a box: each integrates one sample to its stored times.

They get the assembled matrices and do not assemble, and keep factors while matrix and step stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from math import ceil
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from pdemill.points import Array
from pdemill.solvers.methods.direct import Direct
from pdemill.solvers.operators.system import System
from pdemill.solvers.stepping.job import SteppingJob
from pdemill.solvers.stepping.linear import shifted
from pdemill.solvers.trajectories.job import Start

LARGEST_FACTOR = 20_000
"""Unknowns in three dimensions from which on factors are dearer than iterations."""

type Stepper = Callable[[SteppingJob, Start, float], Array]
"""The channels [1, T, *shape] of one sample of one unknown, by a setting."""


@dataclass(frozen=True)
class Peer:
    """Another way, and its settings from loose to tight."""

    name: str
    run: Stepper
    settings: Sequence[float]
    shown: Callable[[float], str] = lambda setting: f"rtol {setting:.0e}"
    explicit: bool = True
    """Whether it takes equations with a law."""
    flat: bool = False
    """Whether it is for two dimensions at most."""
    package: str = ""
    """What it needs to have installed."""

    def takes(self, job: SteppingJob, start: Start) -> bool:
        """Whether it can be asked to integrate the samples of a job."""
        there = not self.package or find_spec(self.package) is not None
        laws = self.explicit or start.equation.tendency is None
        return there and laws and not (self.flat and job.grid.dimension > 2)


HALF_DECADES = [10.0 ** (-half / 2.0) for half in range(6, 23)]
HALF_OCTAVES = [float(round(2.0 ** (half / 2.0))) for half in range(6, 32)]


def bdf(job: SteppingJob, start: Start, rtol: float) -> Array:
    """SciPy's BDF (Shampine and Reichelt 1997) with the exact sparse Jacobian of what is linear."""
    slope, jacobian = _slope(start), (-start.equation.systems[0].matrix.sparse()).tocsc()
    with np.errstate(all="ignore"):
        found = solve_ivp(
            slope, (0.0, job.times[-1]), start.state, "BDF", job.times, jac=jacobian, rtol=rtol, atol=_atol(start, rtol)
        )
    return np.asarray(found.y.T.reshape(1, len(job.times), *job.grid.shape))


def crank_nicolson(job: SteppingJob, start: Start, steps: float) -> Array:
    """Crank and Nicolson 1947 with so many equal steps in all, by kept factors (MUMPS)."""
    (system,) = start.equation.systems
    u, solver = start.state.copy(), Direct(method="direct").solver()
    frames, before, kept = [], 0.0, None
    for t in job.times:
        count = max(1, ceil(steps * (t - before) / job.times[-1] - 1e-9)) if t > before else 0
        if count:
            shift = 2.0 * count / (t - before)
            if kept is None or kept[0] != shift:
                kept = shift, shifted(system.matrix, shift)
            for _ in range(count):  # (2 / dt + A) (v - u) = 2 (b - A u)
                side = 2.0 * (system.rhs - system.matrix.sparse() @ u)
                u = u + np.asarray(solver.solve(replace(system, matrix=kept[1], rhs=side), None).value)
        frames.append(u)
        before = t
    return np.stack(frames).reshape(1, len(job.times), *job.grid.shape)


def arkimex(job: SteppingJob, start: Start, rtol: float) -> Array:
    """PETSc's TS, ARKIMEX3 with its adaptive steps: factors by MUMPS, in three dimensions CG with GAMG."""
    from pdemill.solvers.petsc import PETSc  # late: it loads MPI

    (system,), tendency = start.equation.systems, start.equation.tendency
    stepper = _Stepper(PETSc, system, tendency, iterative=job.grid.dimension > 2 and start.state.size > LARGEST_FACTOR)
    return stepper.integrate(start.state, job.times, rtol, _atol(start, rtol)).reshape(
        1, len(job.times), *job.grid.shape
    )


def _atol(start: Start, rtol: float) -> float:
    return 1e-3 * rtol * float(np.abs(start.state).max())


class _Stepper:
    """F(u', u) = u' + A u - b = N(u) as TS sees it."""

    def __init__(self, petsc: Any, system: System, tendency: Any, iterative: bool) -> None:
        csr = system.matrix.sparse()
        size = len(system.rhs)
        parts = csr.indptr.astype(petsc.IntType), csr.indices.astype(petsc.IntType), csr.data
        self._matrix = petsc.Mat().createAIJ((size, size), csr=parts, comm=petsc.COMM_SELF)
        self._jacobian, self._shift = self._matrix.duplicate(copy=True), 0.0
        self._load = petsc.Vec().createWithArray(system.rhs.copy(), comm=petsc.COMM_SELF)
        self._tendency, self._petsc = tendency, petsc
        self._ts = ts = petsc.TS().create(comm=petsc.COMM_SELF)
        ts.setType(petsc.TS.Type.ARKIMEX)
        ts.setARKIMEXType(petsc.TS.ARKIMEXType.ARKIMEX3)
        ts.setIFunction(self._function, self._load.duplicate())
        ts.setIJacobian(self._derivative, self._jacobian)
        if tendency is not None:
            ts.setRHSFunction(self._explicit, self._load.duplicate())
        ts.setExactFinalTime(petsc.TS.ExactFinalTime.MATCHSTEP)
        ts.setMaxSteps(1_000_000)
        snes = ts.getSNES()
        snes.setType(petsc.SNES.Type.KSPONLY)
        ksp = snes.getKSP()
        if iterative:
            ksp.setType(petsc.KSP.Type.CG)
            ksp.getPC().setType(petsc.PC.Type.GAMG)
            ksp.setTolerances(rtol=1e-8)
        else:
            ksp.setType(petsc.KSP.Type.PREONLY)
            ksp.getPC().setType(petsc.PC.Type.CHOLESKY if system.matrix.properties.symmetric else petsc.PC.Type.LU)
            ksp.getPC().setFactorSolverType("mumps")

    def integrate(self, state: Array, times: Sequence[float], rtol: float, atol: float) -> Array:
        """The states at these times."""
        u, before, frames = self._load.duplicate(), 0.0, []
        u.setArray(state)
        self._ts.setTolerances(rtol=rtol, atol=atol)
        self._ts.setTimeStep(1e-3 * times[-1])
        for t in times:
            if t > before:
                self._ts.setTime(before)
                self._ts.setMaxTime(t)
                self._ts.solve(u)
            frames.append(u.getArray().copy())
            before = t
        self._ts.destroy()
        return np.stack(frames)

    def _function(self, ts: Any, t: float, u: Any, slope: Any, out: Any) -> None:
        self._matrix.mult(u, out)
        out.axpy(1.0, slope)
        out.axpy(-1.0, self._load)

    def _derivative(
        self, ts: Any, t: float, u: Any, slope: Any, shift: float, matrix: Any, preconditioner: Any
    ) -> None:
        if shift != self._shift:  # untouched, its factors are kept
            self._matrix.copy(preconditioner)
            preconditioner.shift(shift)
            self._shift = shift

    def _explicit(self, ts: Any, t: float, u: Any, out: Any) -> None:
        out.setArray(self._tendency(u.getArray(readonly=True)[None], t)[0])


def chebyshev(job: SteppingJob, start: Start, steps: float) -> Array:
    """RKC (Sommeijer, Shampine and Verwer 1998, "RKC: An explicit solver for parabolic PDEs", J. Comp. Appl. Math. 88)
    with so many equal steps in all, and the fewest stages that are stable."""
    slope, bound = _slope(start), _bound(start)
    u, frames, before = start.state.copy(), [], 0.0
    for t in job.times:
        count = max(1, ceil(steps * (t - before) / job.times[-1] - 1e-9)) if t > before else 0
        for number in range(count):
            step = (t - before) / count
            u = _chebyshev_step(slope, u, before + number * step, step, 1 + ceil((1.0 + 1.54 * step * bound) ** 0.5))
        frames.append(u)
        before = t
    return np.stack(frames).reshape(1, len(job.times), *job.grid.shape)


def _slope(start: Start) -> Callable[[float, Array], Array]:
    (system,), tendency = start.equation.systems, start.equation.tendency
    matrix, load = system.matrix.sparse(), system.rhs

    def slope(t: float, u: Array) -> Array:
        linear = load - matrix @ u
        return np.asarray(linear if tendency is None else linear + tendency(u[None], t)[0])

    return slope


def _bound(start: Start) -> float:
    """A bound on the eigenvalues of what is linear (Gershgorin)."""
    return float(abs(start.equation.systems[0].matrix.sparse()).sum(axis=1).max())


def _chebyshev_step(slope: Callable[[float, Array], Array], u: Array, t: float, step: float, stages: int) -> Array:
    w0 = 1.0 + 2.0 / 13.0 / stages**2
    values, first, second = [1.0, w0], [0.0, 1.0], [0.0, 0.0]
    for j in range(2, stages + 1):
        values.append(2.0 * w0 * values[-1] - values[-2])
        first.append(2.0 * values[j - 1] + 2.0 * w0 * first[-1] - first[-2])
        second.append(4.0 * first[j - 1] + 2.0 * w0 * second[-1] - second[-2])
    w1 = first[-1] / second[-1]
    b = [0.0, 0.0, *(second[j] / first[j] ** 2 for j in range(2, stages + 1))]
    b[0] = b[1] = b[2]
    begin = slope(t, u)
    before, now, c_before, c_now = u, u + b[1] * w1 * step * begin, 0.0, b[1] * w1
    for j in range(2, stages + 1):
        mu, nu, weight = 2.0 * b[j] * w0 / b[j - 1], -b[j] / b[j - 2], 2.0 * b[j] * w1 / b[j - 1]
        gamma = -(1.0 - b[j - 1] * values[j - 1]) * weight
        then = slope(t + c_now * step, now)
        after = (1.0 - mu - nu) * u + mu * now + nu * before + step * (weight * then + gamma * begin)
        c_before, c_now = c_now, mu * c_now + nu * c_before + weight + gamma
        before, now = now, after
    return now


def py_pde(job: SteppingJob, start: Start, tolerance: float) -> Array:
    """py-pde's explicit solver with adaptive steps on the same cells, by its Runge-Kutta scheme."""
    import pde

    grid, slope = pde.CartesianGrid([(0.0, length) for length in job.grid.lengths], job.grid.shape), _slope(start)

    class Cells(pde.PDEBase):  # type: ignore[misc]
        def evolution_rate(self, state: Any, t: float = 0.0) -> Any:
            return pde.ScalarField(grid, slope(t, state.data.reshape(-1)).reshape(grid.shape))

    state, frames, before = pde.ScalarField(grid, start.state.reshape(grid.shape)), [], 0.0
    size = float(np.abs(start.state).max())
    for t in job.times:
        if t > before:
            state = Cells().solve(
                state, (before, t), dt=1.0 / _bound(start), solver="runge-kutta", adaptive=True, backend="numpy",
                tolerance=tolerance * size, tracker=None,
            )  # fmt: skip
        frames.append(state.data.copy())
        before = t
    return np.stack(frames).reshape(1, len(job.times), *job.grid.shape)


PEERS = (
    Peer("SciPy's BDF", bdf, HALF_DECADES, flat=True),
    Peer("PETSc's ARKIMEX3", arkimex, HALF_DECADES),
    Peer("Crank-Nicolson, MUMPS", crank_nicolson, HALF_OCTAVES, lambda steps: f"{steps:.0f} steps", explicit=False),
    Peer("RKC", chebyshev, HALF_OCTAVES, lambda steps: f"{steps:.0f} steps"),
    Peer("py-pde's Runge-Kutta", py_pde, HALF_DECADES[::2], package="pde"),
)
