"""Ways of others to step in time on periodic boxes: exponax, and schemes of published scripts from their formulas.

Sources: zongyi-li/fourier_neural_operator (data_generation/navier_stokes/ns_2d.py), brandstetter-johannes/LPSDA
(generate/generate_data.py, equations/PDEs.py), Ceyron/exponax.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import scipy.fft
from scipy.integrate import solve_ivp

from pdemill.points import Array

MISSING = "exponax is not installed; .venv/bin/uv pip install --group peers"


def has_exponax() -> bool:
    """Whether exponax can take part."""
    return find_spec("exponax") is not None


def exponax(
    family: str, length: float, points: int, force: Array, step: float, steps: int, **numbers: float
) -> Callable[[Array], Array]:
    """So many steps of exponax's ETDRK4 in float64, compiled: fields [samples, *shape] in and out. In Fourier space
    throughout, as is fastest, with the modes that pdemill keeps (its default is one fewer along every axis).
    ``force``: f on the grid, which exponax's own equations do not have."""
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    import exponax as ex
    import jax

    jax.config.update("jax_enable_x64", True)
    dimension = force.ndim
    alike: dict[str, Any] = {
        "order": 4,
        "dealiasing_fraction": ((points - 1) // 3 + 1.5) / (points // 2),
    }  # pdemill's modes
    pushed = ex.fft(jax.numpy.asarray(force)[None], num_spatial_dims=dimension)

    class Forced(ex.nonlin_fun.VorticityConvection2d):  # type: ignore[misc]
        def __call__(self, u_hat: Any) -> Any:
            return super().__call__(u_hat) + pushed

    class Vorticity(ex.stepper.NavierStokesVorticity):  # type: ignore[misc]
        def _build_nonlinear_fun(self, derivative_operator: Any) -> Any:
            return Forced(
                self.num_spatial_dims,
                self.num_points,
                convection_scale=self.vorticity_convection_scale,
                derivative_operator=derivative_operator,
                dealiasing_fraction=self.dealiasing_fraction,
            )

    if family == "navier_stokes":
        alike["vorticity_convection_scale"] = -1.0  # its velocity (psi_y, -psi_x) is of psi with +Lap psi = w
        stepper = Vorticity(2, length, points, step, diffusivity=numbers["viscosity"], **alike)
    elif family == "kuramoto_sivashinsky":
        stepper = ex.stepper.KuramotoSivashinskyConservative(1, length, points, step, **alike)
    else:
        viscosity = numbers["viscosity"]
        stepper = ex.stepper.Burgers(1, length, points, step, diffusivity=viscosity, conservative=True, **alike)

    def one(u: Any) -> Any:
        u_hat = ex.fft(u, num_spatial_dims=dimension)
        end = jax.lax.fori_loop(0, steps, lambda _, state: stepper.step_fourier(state), u_hat)
        return ex.ifft(end, num_spatial_dims=dimension, num_points=points)

    compiled = jax.jit(jax.vmap(one))

    def run(fields: Array) -> Array:
        return np.asarray(compiled(jax.numpy.asarray(fields)[:, None]).block_until_ready())[:, 0]

    return run


class CrankNicolsonEuler:
    """FNO's script: vorticity on the unit torus, Crank-Nicolson for diffusion, explicit Euler for the rest, with the
    2/3 rule; here in float64, there in float32."""

    step = 1e-4

    def __init__(self, points: int, viscosity: float, force: Array) -> None:
        self.points = points
        k = 2.0 * np.pi * np.fft.fftfreq(points, 1.0 / points)[:, None]
        m = 2.0 * np.pi * np.arange(points // 2 + 1)[None, :]
        square = k * k + m * m
        self.diffusion = viscosity * square
        inverse = np.divide(1.0, square, out=np.zeros_like(square), where=square > 0.0)
        self.slopes = np.stack([1j * m * inverse, -1j * k * inverse, 1j * k + 0.0 * m, 0.0 * k + 1j * m])
        limit = 2.0 * np.pi * points / 3.0
        self.kept = (np.abs(k) < limit) & (np.abs(m) < limit)
        self.force = scipy.fft.rfft2(force)

    def run(self, field: Array, steps: int, step: float) -> Array:
        """The state after so many steps."""
        w = scipy.fft.rfft2(field)
        shape = (self.points, self.points)
        old, new = 1.0 - 0.5 * step * self.diffusion, 1.0 / (1.0 + 0.5 * step * self.diffusion)
        for _ in range(steps):
            u, v, x, y = scipy.fft.irfft2(self.slopes * w, s=shape, workers=1)
            advection = scipy.fft.rfft2(u * x + v * y, workers=1) * self.kept
            w = (old * w + step * (self.force - advection)) * new
        return np.asarray(scipy.fft.irfft2(w, s=shape))


def radau(field: Array, length: float, end: float, tolerance: float = 1e-9) -> Array:
    """LPSDA's script: u_t = -u u_x - u_xx - u_xxxx, derivatives by transforms without the 2/3 rule, SciPy's Radau at
    relative and absolute tolerances of 1e-9."""
    k = 2.0 * np.pi / length * np.arange(field.size // 2 + 1)
    slope = 1j * k
    slope[-1] = 0.0

    def rate(_: float, u: Array) -> Array:
        spectrum = scipy.fft.rfft(u)
        linear = scipy.fft.irfft((k**2 - k**4) * spectrum, n=u.size)
        return np.asarray(linear - u * scipy.fft.irfft(slope * spectrum, n=u.size))

    found = solve_ivp(rate, (0.0, end), field, method="Radau", rtol=tolerance, atol=tolerance, t_eval=[end])
    return np.asarray(found.y[:, -1])
