"""Draw the gallery of the docs: some samples of every preset, those in time also in motion.
``python examples/gallery.py [PRESET ...]``."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageSequence

import pdemill
from pdemill.movie import draw_movie
from pdemill.picture import draw
from pdemill.picture_panels import SOLUTION
from pdemill.spec.load import preset_names

PICTURES = Path(__file__).parents[1] / "docs" / "images" / "presets"
SAMPLES = "samples=4"
REFINED, UNREFINED = "certify.refine=1", "certify.refine=0"
OTHERS = {
    "fno-burgers": ["problem.time={end: 1, intervals: 40}"],  # the preset stores the end alone
    "fno-ns-1e-5": [  # without the trial, which takes longer than two samples
        "samples=2",
        "solver={method: etdrk4, first_step: 0.01, simulate_resolution: [320, 320]}",
    ],
    **{
        f"poseidon-ns-{name}": ["samples=2", "solver.method=etdrk4", "solver.first_step=0.001"]
        for name in ("bb", "gauss", "pwc", "sines", "sl", "svs")
    },
    **{name: ["samples=2", "solver.method=etdrk4", "solver.first_step=0.001"] for name in ("fns-kf", "ns-tracer-pwc")},
    "well-shear-flow": ["samples=2"],
    "pdebench-diffusion-reaction": ["samples=1"],
    "pdebench-diffusion-sorption": ["samples=1"],
    "kolmogorov": ["samples=1", "problem.time={end: 2.24, intervals: 20, warmup: 4}"],
}
"""What is drawn of a preset where that is not four samples of it."""
FRAMES, WIDTH, LOWEST, COLOURS = 20, 360, 40, 40
"""Of a movie: at most so many frames, pixels across, at least so many pixels high, colours."""


def main(names: list[str]) -> None:
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        for name in names or preset_names():
            store = Path(folder) / f"{name}.zarr"
            in_time = "time" in pdemill.preset(name)["problem"]
            settings = [SAMPLES, UNREFINED if in_time else REFINED, *OTHERS.get(name, [])]
            pdemill.generate(pdemill.preset(name, settings), store, workers=0)
            made = [smaller_picture(draw(store, PICTURES / f"{name}.png"))]
            if in_time:
                made.append(smaller_movie(draw_movie(store, PICTURES / f"{name}.gif")))
            print(f"{name}: {', '.join(f'{path.stat().st_size // 1000} kB' for path in made)}", flush=True)


def smaller_picture(path: Path) -> Path:
    """Two thirds of its size, in few colours."""
    with Image.open(path) as whole:
        small = whole.convert("RGB").resize((whole.width * 2 // 3, whole.height * 2 // 3)).quantize(64)
    small.save(path, optimize=True)
    return path


def smaller_movie(path: Path) -> Path:
    """Few frames in few colours, evenly along the colour map."""
    with Image.open(path) as whole:
        frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(whole)]
    chosen = frames[:: -(-len(frames) // FRAMES)]
    width = min(WIDTH, whole.width)
    size = width, max(LOWEST, round(whole.height * width / whole.width))  # lines are bands, of any height
    small = [frame.resize(size) for frame in chosen]
    colours = colormaps[SOLUTION](np.linspace(0.0, 1.0, COLOURS))[:, :3]
    palette = Image.new("P", (1, 1))
    palette.putpalette([255, 255, 255, *(255 * colours).astype(int).ravel().tolist()])
    pictures = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in small]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=120, loop=0, optimize=True)
    return path


if __name__ == "__main__":
    main(sys.argv[1:])
