"""``python -m pdemill.solvers.kernels``: compile kernels ahead of time, for an image or a shared installation.

It solves two samples of each of the specs in ``kernels.yaml``. What is compiled meanwhile is kept beside the modules,
unless NUMBA_CACHE_DIR says otherwise, and found there by every process for the same processor (NUMBA_CPU_NAME names one
for all machines), also where nothing can be written.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import yaml

from pdemill.solvers.compiled import compile_seconds
from pdemill.solvers.directions.beginning import begun
from pdemill.solvers.directions.network import Architecture
from pdemill.solvers.local.generate import generate
from pdemill.spec import Spec, load_spec

NETWORK = Architecture(dimension=2, levels=2, kernels=2)
"""Of the directions in ``kernels.yaml``, with the weights that training begins with."""


def specs(folder: Path) -> list[Spec]:
    """Specs that together take every way through compiled code that ordinary work takes; the file that one of them
    names is written into the folder."""
    np.savez(folder / "directions.npz", weights=NETWORK.packed(begun(NETWORK)))
    text = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    return [load_spec({"samples": 2, **spec}) for spec in yaml.safe_load(text.replace("FOLDER", str(folder)))]


def main() -> None:
    """Compile; tell how long that took."""
    with TemporaryDirectory() as folder:
        for number, spec in enumerate(specs(Path(folder))):
            generate(spec, Path(folder) / f"{number}.zarr", workers=0)
    print(f"compiled for {compile_seconds():.0f} s")  # noqa: T201


if __name__ == "__main__":
    main()
