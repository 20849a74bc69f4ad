"""The pictures of docs/walks.md: walks in a star, labels with their errors, errors against the number of walks.

``python examples/walks.py [FOLDER]`` writes walks-star.png, walks-errors.png and walks-slope.png in half a minute.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon

from pdemill.solvers.walks.job import PointJob
from pdemill.solvers.walks.labels import Drawn, Labeller
from pdemill.solvers.walks.shapes.star import Star
from pdemill.spec import validate

COLOURS = ("tab:blue", "tab:orange", "tab:green")
HARMONICS = {4: 0.2, 8: -0.1}
STAR = {"shape": "star", "harmonics": [{"order": m, "cosine": c} for m, c in HARMONICS.items()], "edges": 400}


def exact(x: Any, y: Any) -> Any:
    """-Δu = 5 sin 2x cos y."""
    return x**2 - y**2 + np.sin(2 * x) * np.cos(y)


PROBLEM = {
    "family": "poisson",
    "domain": STAR,
    "source": {"field": "expression", "formula": "5*sin(2*x)*cos(y)"},
    "boundary": {"default": {"dirichlet": {"field": "expression", "formula": "x**2 - y**2 + sin(2*x)*cos(y)"}}},
}


def labels(points: Any, walks: int, samples: int = 1, **options: Any) -> list[tuple[Drawn, Any]]:
    """Samples that differ in their walks, and in their points where these are random."""
    solver = {"method": "walks", "walks": walks, "control_variate": "none", **options}
    job = PointJob(validate({"problem": PROBLEM | {"points": points}, "samples": samples, "solver": solver}))
    labeller = Labeller(job, "train")
    drawn = [labeller.draw(number) for number in range(samples)]
    return [(one, labeller.label(one)) for one in drawn]


def walks_in_a_star(out: Path) -> None:
    """Three walks from two points, with the circles that they jump on; the boundary has the colour of g."""
    cosines = np.zeros(8)
    for m, c in HARMONICS.items():
        cosines[m - 1] = c
    star = Star(cosines, np.zeros(8), 1.0, edges=400)
    rim, _ = star.boundary(400)
    figure = Figure(figsize=(6.0, 4.9), layout="constrained")
    ax: Any = figure.add_subplot()
    ax.add_patch(Polygon(rim, facecolor="0.97", edgecolor="none"))
    random = np.random.default_rng(9)
    for colour, start in zip(COLOURS, [(-0.25, 0.05), (-0.25, 0.05), (0.35, -0.1)], strict=True):
        path = [np.array(start)]
        while (radius := float(star.distance(path[-1][None])[0])) > 3e-3:
            ax.add_patch(Circle(path[-1], radius, facecolor=colour, alpha=0.06, linewidth=0))
            ax.add_patch(Circle(path[-1], radius, fill=False, edgecolor=colour, alpha=0.7, linewidth=0.8))
            angle = random.uniform(0, 2 * np.pi)
            path.append(path[-1] + radius * np.array([np.cos(angle), np.sin(angle)]))
        places = np.array(path)
        ax.plot(*places.T, color=colour, linewidth=1.3)
        ax.plot(*places[1:-1].T, ".", color=colour, markersize=4)
        ax.plot(*places[-1], "s", color=colour, markersize=7, markeredgecolor="white", zorder=5)
        ax.plot(*places[0], "o", color="black", markersize=6, zorder=5)
    loop = np.concatenate([rim, rim[:1]])
    ends = np.stack([loop[:-1], loop[1:]], axis=1)
    shown = LineCollection(list(ends), array=exact(*rim.T), cmap="coolwarm", linewidths=3.5, capstyle="round")
    ax.add_collection(shown)
    figure.colorbar(shown, ax=ax, shrink=0.7, label="g on the boundary")
    ax.set_aspect("equal")
    ax.autoscale_view()
    ax.set_axis_off()
    figure.savefig(out, dpi=95)


def labels_and_errors(out: Path) -> None:
    """Labels of 64 walks along a cut, and how far labels are from the exact solution in standard errors."""
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    axes: Any = figure.subplots(1, 2, width_ratios=[1.6, 1])
    cut, spread = axes
    x = np.linspace(-1.02, 1.02, 35)
    ((drawn, found),) = labels({"list": [[place, 0.0] for place in x]}, 64)
    fine = np.linspace(-1.1, 1.1, 300)
    cut.plot(fine, exact(fine, 0.0), color="black", linewidth=1, label="exact")
    bars = {"fmt": "o", "markersize": 3.5, "linewidth": 1, "color": "tab:blue"}
    cut.errorbar(drawn.points[:, 0], found.value, 2 * found.stderr, **bars, label="64 walks, ± 2 standard errors")
    cut.set_xlabel("x, y = 0")
    cut.set_ylabel("u")
    cut.legend(frameon=False)
    scores = np.concatenate(
        [(e.value - exact(*d.points.T)) / e.stderr for d, e in labels({"random": 500}, 512, samples=20)]
    )
    z = np.linspace(-4, 4, 200)
    spread.hist(scores, bins=list(np.linspace(-4, 4, 41)), density=True, color="tab:blue", alpha=0.5)
    spread.plot(z, np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi), color="black", linewidth=1, label="normal")
    within = 100 * np.mean(np.abs(scores) < 2)
    spread.set_title(f"{len(scores):,} labels of 512 walks, {within:.1f} % within 2", fontsize=10)
    spread.set_xlabel("(label - exact) / standard error")
    spread.set_yticks([])
    spread.legend(frameon=False)
    for ax in (cut, spread):
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=95)


def slope(out: Path) -> None:
    """The rms error of labels at 200 points against the number of walks, for two shells about the boundary."""
    counts = 4 ** np.arange(2, 9)
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    ax: Any = figure.add_subplot()
    for colour, epsilon in (("tab:blue", 1e-4), ("tab:orange", 3e-2)):
        errors = []
        for walks in counts.tolist():
            ((drawn, found),) = labels({"random": 200}, walks, epsilon=epsilon)
            errors.append(float(np.sqrt(np.mean((found.value - exact(*drawn.points.T)) ** 2))))
        label = f"ε = {epsilon:g}"
        if epsilon < 1e-3:
            fitted = np.polyfit(np.log(counts), np.log(errors), 1)
            label += f", slope {fitted[0]:.3f}"
            ax.plot(counts, np.exp(np.polyval(fitted, np.log(counts))), color=colour, linewidth=1, alpha=0.5)
        ax.plot(counts, errors, "o", color=colour, label=label)
        if epsilon > 1e-3:
            ax.plot(counts, errors, color=colour, linewidth=1, alpha=0.5)
            ax.annotate("bias of epsilon", (counts[-1], errors[-1]), xytext=(0, 14),
                        textcoords="offset points", ha="right", fontsize=9, color=colour)  # fmt: skip
    ax.set_xscale("log", base=4)
    ax.set_yscale("log")
    ax.set_xticks(counts, [f"{count:,}" for count in counts])
    ax.set_xlabel("walks per point")
    ax.set_ylabel("rms error of u at 200 points")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    ax.legend(frameon=False)
    figure.savefig(out, dpi=95)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    walks_in_a_star(folder / "walks-star.png")
    labels_and_errors(folder / "walks-errors.png")
    slope(folder / "walks-slope.png")


if __name__ == "__main__":
    main()
