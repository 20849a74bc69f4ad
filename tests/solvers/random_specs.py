"""Hypothesis strategies of small specs: what a user may write, and some of what he should not."""

from __future__ import annotations

from functools import partial
from math import log10
from typing import Any

from hypothesis import strategies as st

type Json = dict[str, Any]
type Draw = Any

AXES = "xyz"
SIDES = (("left", "right"), ("bottom", "top"), ("back", "front"))
OUTLINES: dict[str, list[list[float]]] = {
    "square": [[0, 0], [1, 0], [1, 1], [0, 1]],
    "corner": [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]],
    "thin": [[0, 0], [1, 0], [1, 0.05], [0, 0.05]],
}
PRECONDITIONERS = ["none", "jacobi", "bjacobi", "sor", "icc", "ilu", "asm", "gamg"]


def powers(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers whose logarithms are spread evenly, and one."""
    exponents = st.floats(log10(low), log10(high), allow_nan=False)
    return st.one_of(st.just(1.0), exponents.map(lambda e: float(f"{10.0**e:.3g}")))


def often(common: Any, rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value, or now and then another one."""
    return st.one_of(st.just(common), st.just(common), st.just(common), rare)


SCALES = often(1.0, powers(1e-30, 1e30))
LEVELS = st.sampled_from([0.0, 0.0, 1.0, -3.0, 300.0, 1e5, -1e7])


@st.composite
def signs(draw: Draw) -> Json:
    """A Gaussian field, whose sign tells levels apart."""
    return {
        "field": "gaussian", "alpha": draw(st.sampled_from([0.0, 1.2, 2.0, 4.0])),
        "tau": draw(st.sampled_from([1, 3, 20])), "modes": draw(st.sampled_from([2, 4, 8])),
        "boundary": draw(st.sampled_from(["neumann", "periodic"])),
    }  # fmt: skip


@st.composite
def waves(draw: Draw, scale: float) -> Json:
    """A field that takes both signs."""
    match draw(st.sampled_from(["gaussian", "fourier", "bumps", "chebyshev"])):
        case "gaussian":
            return {**draw(signs()), "std": scale}
        case "fourier":
            return {"field": "fourier", "waves": draw(st.integers(1, 3)), "scale": scale}
        case "bumps":
            return {
                "field": "bumps",
                "count": draw(st.integers(1, 3)),
                "amplitude": [scale, 2 * scale],
                "width": [0.05, 0.3],
            }
        case _:
            return {"field": "chebyshev", "terms": draw(st.integers(1, 3)), "scale": scale}


@st.composite
def anything(draw: Draw, scale: float, level: float = 0.0) -> Any:
    """A source, or data of a side: a number, one that is drawn, or a field."""
    match draw(st.sampled_from(["number", "number", "uniform", "normal", "field"])):
        case "number":
            return level + scale * draw(st.sampled_from([0.0, 1.0, -2.5]))
        case "uniform":
            return {"uniform": [level, level + scale]} if level + scale > level else level
        case "normal":
            return {"normal": [level, scale]}
        case _:
            return draw(waves(scale))


@st.composite
def positive(draw: Draw, dimension: int) -> Any:
    """A coefficient: flat, smooth, of two values, of layers, or wild."""
    scale = draw(SCALES)
    match draw(st.sampled_from(["number", "uniform", "lognormal", "threshold", "threshold", "layers"])):
        case "number":
            return scale
        case "uniform":
            return {"uniform": [scale, 3.0 * scale]}
        case "lognormal":
            return {**draw(signs()), "field": "lognormal", "std": draw(st.sampled_from([0.1, 1.0, 3.0, 6.0]))}
        case "threshold":
            contrast = draw(powers(2.0, 1e8))
            low, high = scale / contrast**0.5, scale * contrast**0.5
            return {"field": "threshold", "low": low, "high": high, "of": draw(signs())}
        case _:
            axis, contrast = draw(st.sampled_from(AXES[:dimension])), draw(powers(2.0, 1e8))
            formula = f"{scale!r}*(1+a+{contrast!r}*(1-sign({axis}-c))/2)"
            return {
                "field": "expression",
                "formula": formula,
                "where": {"a": {"uniform": [0, 1]}, "c": {"uniform": [0, 1]}},
            }


@st.composite
def condition(draw: Draw, scale: float, level: float) -> Json:
    match draw(st.sampled_from(["dirichlet", "dirichlet", "neumann", "robin"])):
        case "dirichlet":
            return {"dirichlet": draw(anything(scale, level))}
        case "neumann":
            return {"neumann": draw(anything(scale))}
        case _:
            coefficient = draw(st.one_of(powers(1e-9, 1e6), st.just({"uniform": [0.5, 2.0]}), st.just(0.0)))
            value = level * coefficient if isinstance(coefficient, float) else scale
            return {"robin": {"coefficient": coefficient, "value": value}}


@st.composite
def boundary(draw: Draw, pairs: list[tuple[str, ...]], joined: bool) -> Json:
    """Conditions on some sides, pairs of which may be joined."""
    scale, level = draw(SCALES), draw(LEVELS)
    found: Json = {}
    for pair in pairs:
        if joined and draw(st.integers(0, 4)) == 0:
            found |= dict.fromkeys(pair, "periodic")
        else:
            found |= {side: draw(condition(scale, level)) for side in pair if draw(st.integers(0, 3))}
    if draw(st.booleans()):
        found["default"] = draw(condition(scale, level))
    if draw(st.integers(0, 9)) == 0:
        found = {"default": {"neumann": 0}}
    return found


@st.composite
def box(draw: Draw) -> Json:
    """A place on a grid: few cells, thin boxes, odd units."""
    dimension = draw(st.sampled_from([1, 2, 2, 2, 3]))
    most = {1: 60, 2: 14, 3: 6}[dimension]
    cells = [draw(st.integers(4, most)) for _ in range(dimension)]
    found: Json = {"resolution": cells}
    if draw(st.booleans()):
        unit = draw(often(1.0, powers(1e-12, 1e12)))
        found["domain"] = {"lengths": [unit * draw(powers(1e-4, 1e4)) for _ in range(dimension)]}
    return found | {"boundary": draw(boundary(list(SIDES[:dimension]), True))}


@st.composite
def mesh(draw: Draw) -> Json:
    """A place on a triangle mesh."""
    name = draw(st.sampled_from(list(OUTLINES)))
    size = draw(often(1.0, powers(1e-6, 1e6)))
    outline = [[size * x, size * y] for x, y in OUTLINES[name]]
    sides: list[tuple[str, ...]] = [(f"edge{i}",) for i in range(len(outline))]
    longest = size * (0.05 if name == "thin" else 0.4)
    return {
        "domain": {"shape": "polygon", "outline": outline}, "resolution": {"h": longest},
        "order": draw(st.sampled_from([1, 2])), "boundary": draw(boundary(sides, False)),
    }  # fmt: skip


@st.composite
def problem(draw: Draw) -> Json:
    place = draw(st.one_of(box(), box(), box(), box(), mesh()))
    cells = place["resolution"]
    dimension = len(cells) if isinstance(cells, list) else 2
    family = draw(
        st.sampled_from(
            ["darcy", "darcy", "darcy", "poisson", "screened_poisson", "helmholtz", "convection_diffusion", "thermal"]
        )
    )
    found: Json = {"family": family, **place, "source": draw(anything(draw(SCALES)))}
    coefficient = partial(positive, dimension)
    if family in ("darcy", "thermal", "helmholtz", "convection_diffusion") and draw(st.integers(0, 4)):
        tensor = dimension > 1 and draw(st.integers(0, 4)) == 0
        found["coefficient"] = (
            {"diagonal": [draw(coefficient()) for _ in range(dimension)]} if tensor else draw(coefficient())
        )
    if family in ("darcy", "thermal", "convection_diffusion") and draw(st.integers(0, 4)) == 0:
        found["reaction"] = draw(st.one_of(powers(1e-12, 1e6), coefficient()))
    if family == "screened_poisson":
        found["screening"] = draw(st.one_of(powers(1e-14, 1e6), coefficient()))
    if family == "helmholtz":
        found["wavenumber"] = draw(st.one_of(powers(1e-6, 30.0), st.just({"uniform": [1, 9]})))
    if family == "convection_diffusion":
        found["velocity"] = [draw(anything(draw(powers(1e-3, 1e4)))) for _ in range(dimension)]
        if isinstance(cells, list) and draw(st.booleans()):
            found["flux"] = draw(st.sampled_from(["central", "upwind", "fitted"]))
    if draw(st.integers(0, 3)):
        found["compatibility"] = "project"
    return found


@st.composite
def solver(draw: Draw) -> Json:
    name = draw(st.sampled_from(["auto", "auto", "direct", "fft", "multigrid", "cg", "minres", "gmres", "skr", "amg"]))
    found: Json = {"method": name}
    if draw(st.booleans()):
        found["rtol"] = draw(st.sampled_from([1e-1, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-13]))
    if name in ("cg", "gmres", "skr") and draw(st.booleans()):
        found["preconditioner"] = draw(st.sampled_from(PRECONDITIONERS))
    if name == "cg" and draw(st.booleans()):
        found["recycle"] = draw(st.integers(1, 8))
    if name == "skr" and draw(st.booleans()):
        found |= {"restart": 12, "recycle": draw(st.integers(1, 10))}
    if name == "gmres" and draw(st.booleans()):
        found["restart"] = draw(st.sampled_from([2, 10]))
    if draw(st.integers(0, 4)) == 0:
        found["guess"] = "zero"
    if draw(st.integers(0, 4)) == 0:
        found["sort"] = draw(st.sampled_from(["greedy", "hilbert", "none"]))
    if name == "auto" and draw(st.integers(0, 3)):
        found["trial"] = "never"
    return found


@st.composite
def specs(draw: Draw) -> Json:
    """A whole spec of a few samples."""
    found: Json = {
        "problem": draw(problem()), "samples": draw(st.integers(1, 4)), "solver": draw(solver()),
        "store": {"dtype": draw(st.sampled_from(["float64", "float64", "float32"]))},
        "certify": {"refine": draw(often(0, st.just(1)))}, "seed": draw(st.integers(0, 10_000)),
    }  # fmt: skip
    if draw(st.integers(0, 5)) == 0:
        found["certify"]["algebraic_rtol"] = draw(st.sampled_from([1e-2, 1e-9, 1e-12]))
    if draw(st.integers(0, 5)) == 0:
        found["certify"]["stored_rtol"] = 10
    return found
