"""Reading stores: samples, batches, windows of trajectories, splits that still grow, several stores mixed,
several fidelities side by side."""

from pdemill.reader.dataset import Dataset, Sample
from pdemill.reader.following import Following
from pdemill.reader.mixed import Mixed
from pdemill.reader.mixture import Mixture, mix
from pdemill.reader.normaliser import Normaliser
from pdemill.reader.opening import open
from pdemill.reader.paired import Paired, paired
from pdemill.reader.windows import Windows

__all__ = [
    "Dataset",
    "Following",
    "Mixed",
    "Mixture",
    "Normaliser",
    "Paired",
    "Sample",
    "Windows",
    "mix",
    "open",
    "paired",
]
