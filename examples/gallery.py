"""Draw the gallery of the docs: some samples of every preset. ``python examples/gallery.py [PRESET ...]``."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

import pdemill
from pdemill.picture import draw
from pdemill.spec.load import preset_names

PICTURES = Path(__file__).parents[1] / "docs" / "images" / "presets"


def main(names: list[str]) -> None:
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        for name in names or preset_names():
            store = Path(folder) / f"{name}.zarr"
            pdemill.generate(pdemill.preset(name, ["samples=4", "certify.refine=1"]), store, workers=0)
            picture = draw(store, PICTURES / f"{name}.png")
            with Image.open(picture) as whole:
                small = whole.convert("RGB").resize((whole.width * 2 // 3, whole.height * 2 // 3)).quantize(64)
            small.save(picture, optimize=True)
            print(f"{name}: {picture.stat().st_size // 1000} kB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
