"""What published generators draw beside what their papers or cards say, in one number each, written anew from their
formulas.

Sources: zongyi-li/fourier_neural_operator (random_fields.py, before and after commit 11971af4), pdebench/PDEBench
(utils.py: init_multi, init_multi_HD_2DTurb), camlab-ethz/poseidon (scOT/problems/elliptic/poisson.py), its data cards,
RudyMorel/the-well-rbc-sf (generate_sf.py), hs-dong/DiffOAS (darcy/generate_darcy_u.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

from benchmarks.shared.sequences import darcy
from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.sequence import Sequence
from pdemill.solvers.stopwatch import Stopwatch
from pdemill.spec import validate

type Row = tuple[str, str, str, str, float]
"""The data set, what is said, what is drawn, what is measured, and that."""


def rows(quick: bool, wanted: Callable[[str], bool]) -> Iterator[Row]:
    """The rows of the sets that are wanted."""
    n, count = (32, 4) if quick else (128, 32)
    flow, apart = "velocity without divergence", "rms of div / of curl"
    lines: list[tuple[str, str, str, str, str, Callable[[], float]]] = [
        ("fno-ns", "ω ~ N(0, 7^1.5 (-Δ + 49)^-2.5)", "the text", "standard deviation", "fno-ns",
         lambda: vorticity(7**0.75, 1.0)),
        ("", "", "the script of 2020: 7^1.5 on the root, noise of variance 2", "standard deviation", "fno-ns",
         lambda: vorticity(7**1.5, 2.0)),
        ("", "", "the script of today: noise of variance 1", "standard deviation", "fno-ns",
         lambda: vorticity(7**1.5, 1.0)),
        ("PDEBench in 1D", "periodic", "waves of the length L - dx", "jump at the ends / largest step of a cell",
         "pdebench-1d", lambda: seam(n, count)),
        ("PDEBench CFD, Turb", flow, "projected on wave numbers off by one", apart, "pdebench-turb",
         lambda: turbulence(n, count, off=1)),
        ("", "", "the same on the right ones", apart, "pdebench-turb", lambda: turbulence(n, count, off=0)),
        ("Poseidon NS-Sines", flow, "the card's sums", apart, "poseidon-ns-sines", lambda: crossed_sines(n, count)),
        ("Poseidon Poisson-Gauss", "Gaussians of unit height", "the card's sums", "std of f / the loader's 4.755",
         "poseidon-poisson", lambda: gaussians(n, 16 * count) / 4.755),
        ("The Well, shear_flow", flow, "the script's sums", apart, "well-shear-flow", lambda: shear(2 * n, 2)),
        ("", "periodic", "sin(3 π x) on [0, 1]", "jump of the slope at the seam / its largest", "well-shear-flow",
         lambda: kink(3)),
        ("DiffOAS, Darcy", "u with which f = A u", "the last basis solution for all", "relative error of u", "diffoas",
         lambda: last_of_all(16 if quick else 64, 4 if quick else 10)),
    ]  # fmt: skip
    for data, said, does, unit, of, measured in lines:
        if wanted(of):
            yield data, said, does, unit, measured()


def vorticity(factor: float, variance: float) -> float:
    """Pointwise standard deviation of FNO's vorticity: sum of |factor (4 π² k² + 49)^-1.25|² times the variance of the
    complex noise, without the mean."""
    k = np.fft.fftfreq(256, 1.0 / 256)
    square = 4.0 * np.pi**2 * (k[:, None] ** 2 + k[None, :] ** 2)
    powers = np.square(factor * (square + 49.0) ** -1.25)
    powers[0, 0] = 0.0
    return float(np.sqrt(0.5 * variance * powers.sum() * 2.0))


def seam(n: int, count: int) -> float:
    """Of PDEBench's waves on n cells: the step from the last cell to the first, beyond what the slope there gives,
    over the largest step between neighbours; the largest of ``count`` samples."""
    rng, x = np.random.default_rng(0), (np.arange(n) + 0.5) / n
    found = []
    for _ in range(count):
        k = 2.0 * np.pi * rng.integers(1, 5, 2) / (x[-1] - x[0])
        u = (rng.uniform(size=2)[:, None] * np.sin(k[:, None] * x + rng.uniform(0.0, 2.0 * np.pi, 2)[:, None])).sum(
            axis=0
        )
        inner = np.diff(u)
        found.append(abs(u[0] - u[-1] - 0.5 * (inner[0] + inner[-1])) / np.abs(inner).max())
    return float(max(found))


def _slopes(velocity: tuple[Array, Array], lengths: tuple[float, float] = (1.0, 1.0)) -> float:
    """rms of the divergence over that of the curl, by transforms."""
    k = [2j * np.pi * np.fft.fftfreq(n, length / n) for n, length in zip(velocity[0].shape, lengths, strict=True)]
    u, v = (np.fft.fft2(part) for part in velocity)
    x, y = k[0][:, None], k[1][None, :]
    return float(np.linalg.norm(x * u + y * v) / np.linalg.norm(x * v - y * u))


def turbulence(n: int, count: int, off: int) -> float:
    """PDEBench's random flow after its projection, whose wave numbers are ``off`` by that; the mean of some samples."""
    rng, x = np.random.default_rng(0), (np.arange(n) + 0.5) / n
    f = np.fft.fftshift(np.fft.fftfreq(n, 1.0 / n)) - off
    square = f[:, None] ** 2 + f[None, :] ** 2
    inverse = np.divide(1.0, square, out=np.zeros_like(square), where=square > 1e-8)
    found = []
    for _ in range(max(count // 4, 1)):
        v = np.zeros((2, n, n))
        for i, j in product(range(-4, 5), repeat=2):
            if i * j:
                wave = 2.0 * np.pi * (i * x[:, None] + j * x[None, :])
                v += np.sin(wave + 2.0 * np.pi * rng.uniform(size=2)[:, None, None]) / (i * i + j * j) ** 0.25
        spectra = np.fft.fftshift(np.fft.fft2(v), axes=(1, 2))
        along = (f[:, None] * spectra[0] + f[None, :] * spectra[1]) * inverse
        spectra -= along * np.stack([f[:, None] + 0.0 * f, 0.0 * f[:, None] + f])
        u, w = np.fft.ifft2(np.fft.ifftshift(spectra, axes=(1, 2))).real
        found.append(_slopes((u, w)))
    return float(np.mean(found))


def crossed_sines(n: int, count: int) -> float:
    """The card of NS-Sines: u_x of sin sin and u_y of cos cos with the same amplitudes and phases."""
    rng, x = np.random.default_rng(0), np.arange(n) / n
    found = []
    for _ in range(max(count // 4, 1)):
        u, v = np.zeros((2, n, n))
        for i, j in product(range(1, 11), repeat=2):
            a = rng.uniform(-1.0, 1.0) / np.sqrt(2.0 * np.pi * (i + j))
            one, two = rng.uniform(0.0, 2.0 * np.pi, 2)
            p, q = 2.0 * np.pi * i * x + one, 2.0 * np.pi * j * x + two
            u += a * np.sin(p)[:, None] * np.sin(q)[None, :]
            v += a * np.cos(p)[:, None] * np.cos(q)[None, :]
        found.append(_slopes((u, v)))
    return float(np.mean(found))


def gaussians(n: int, count: int) -> float:
    """Standard deviation of the card's f: Geom(0.4) Gaussians of height one, widths U(0.025, 0.1), anywhere."""
    rng, x = np.random.default_rng(0), (np.arange(n) + 0.5) / n
    fields = np.zeros((count, n, n))
    for field in fields:
        for _ in range(rng.geometric(0.4)):
            (a, b), width = rng.uniform(size=2), rng.uniform(0.025, 0.1)
            field += np.exp(-(((x - a) / width) ** 2)[:, None] / 2.0 - (((x - b) / width) ** 2)[None, :] / 2.0)
    return float(fields.std())


def shear(n: int, blobs: int) -> float:
    """The script's two shears at y = ±½ of [-1, 1] with so many blobs."""
    x, y = np.arange(n)[:, None] / n, -1.0 + np.arange(2 * n)[None, :] / n
    u, v = 0.5 + 0.0 * x + 0.0 * y, 0.0 * x + 0.0 * y
    for place, sign in ((-0.5, 1.0), (0.5, -1.0)):
        z = y - place
        u = u + 0.5 * sign * np.tanh(z / 0.1)
        v = v + 0.1 * np.sin(sign * blobs * np.pi * x) * np.exp(-(z**2) / 0.01)
    return _slopes((u, v), (1.0, 2.0))


def kink(blobs: int) -> float:
    """The jump of the slope of sin(blobs π x) between x = 1 and x = 0, over its largest one."""
    return float(abs(np.cos(blobs * np.pi) - 1.0))


def last_of_all(cells: int, count: int) -> float:
    """Darcy's solutions for so many log-normal coefficients: the median error of the last one as that of the others."""
    spec = {"problem": darcy((cells, cells), {"field": "lognormal", "alpha": 2.5, "tau": 7}), "samples": count}
    job = FieldJob(validate(spec))
    found = []
    for number in range(count):
        (label,) = Sequence(job.method).labels(
            [job.discretisation.assemble(job.instance("train", number))], Stopwatch()
        )
        assert label.unknowns is not None, label.reason
        found.append(np.asarray(label.unknowns))
    return float(np.median([np.linalg.norm(found[-1] - one) / np.linalg.norm(one) for one in found[:-1]]))
