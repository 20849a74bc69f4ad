"""Table 1 and what is behind it, of Wang et al. 2024, "Accelerating data generation for neural operators via Krylov
subspace recycling".

For every data set, size and tolerance: time of GMRES over time of SKR, and the same of iterations, by preconditioner.
Read from arXiv 2401.09516 as its authors' repository holds it. The authors ran Darcy and Helmholtz on 72 MPI processes
(ICC and ILU on one), and their Darcy and Helmholtz matrices are not those of the equation (see ``generators``).
"""

from __future__ import annotations

PRECONDITIONERS = ("none", "jacobi", "bjacobi", "sor", "asm", "icc", "ilu")

SIZES = {"skr-darcy": 6400, "skr-thermal": 11063, "skr-poisson": 71313, "skr-helmholtz": 10000}

_ROWS = {
    "skr-darcy": {
        1e-2: "2.62/19.2 2.88/22.6 3.21/23.6 2.69/23.3 2.23/13.4 1.97/9.55 1.93/9.44",
        1e-5: "2.92/21.1 3.42/24.5 4.07/28.6 3.45/27.9 3.66/22.2 3.18/14.9 3.08/14.4",
        1e-8: "2.70/19.1 3.09/22.9 4.00/27.5 3.54/27.5 4.53/25.8 4.11/18.9 3.70/17.2",
    },
    "skr-thermal": {
        1e-5: "4.53/20.8 3.32/15.0 2.38/10.3 1.96/8.76 2.46/10.3 2.40/10.3 2.35/10.3",
        1e-8: "5.35/23.6 3.06/13.5 2.73/11.1 2.34/9.30 2.83/11.1 2.77/11.1 2.69/11.1",
        1e-11: "5.47/24.9 2.93/12.8 3.05/11.7 2.62/10.2 3.14/11.7 3.08/11.7 3.01/11.7",
    },
    "skr-poisson": {
        1e-5: "1.27/4.69 1.28/4.68 1.13/3.87 1.19/4.05 1.46/3.93 0.99/3.92 0.98/3.92",
        1e-8: "1.74/6.29 1.75/6.30 1.19/3.97 1.35/4.45 1.94/4.83 1.32/4.83 1.30/4.87",
        1e-11: "1.90/6.83 1.91/6.82 1.19/3.95 1.33/4.35 2.12/5.11 1.42/5.13 1.38/5.13",
    },
    "skr-helmholtz": {
        1e-2: "7.74/17.3 8.44/20.3 8.83/21.5 8.37/22.3 10.6/25.4 4.77/21.4 3.88/17.6",
        1e-5: "7.61/16.5 8.62/20.0 11.4/26.5 10.5/26.2 13.1/29.3 6.38/28.3 6.13/27.2",
        1e-7: "6.47/13.68 7.96/18.1 11.3/26.2 10.6/25.9 13.9/30.0 6.72/29.3 6.34/28.0",
    },
}

_COUNTS = {
    "skr-darcy": {
        1e-2: "5402/281 5235/231 3642/154 3644/156 1199/89 629/66 599/63",
        1e-5: "8193/387 7621/311 5934/207 5833/209 2608/117 1320/88 1237/85",
        1e-8: "9059/473 8622/376 6916/251 6956/253 3631/141 2000/106 1760/103",
    },
    "skr-helmholtz": {
        1e-2: "7052/407 6621/327 4227/197 4405/197 3034/119 2229/104 1818/104",
        1e-5: "9407/570 9004/451 7019/265 7074/270 4676/160 3942/139 3726/137",
        1e-7: "9713/710 9430/521 7883/301 7976/308 5448/182 4665/159 4401/157",
    },
}
"""Tables 3 to 9 and 24 to 30: mean iterations of GMRES(40) and of GCRO-DR(40, 20); systems of GMRES that reach 10,000
iterations count as 10,000."""

SORTING = {"recycled, sorted": (101.0, 183.9), "recycled, as drawn": (114.0, 202.5)}
"""Table 2: milliseconds and iterations for Darcy, n = 10,000, sor, 1e-8."""


def ratios(preset: str, rtol: float) -> dict[str, tuple[float, float]]:
    """Time and iteration ratios by preconditioner."""
    return _by_preconditioner(_ROWS[preset][rtol])


def counts(preset: str, rtol: float) -> dict[str, tuple[float, float]]:
    """Mean iterations of GMRES and of SKR by preconditioner; for Darcy and Helmholtz only."""
    return _by_preconditioner(_COUNTS[preset][rtol])


def _by_preconditioner(row: str) -> dict[str, tuple[float, float]]:
    pairs = (tuple(map(float, pair.split("/"))) for pair in row.split())
    return {name: (first, second) for name, (first, second) in zip(PRECONDITIONERS, pairs, strict=True)}


def tolerances(preset: str) -> tuple[float, ...]:
    """The tolerances of a data set, which differ."""
    return tuple(_ROWS[preset])
