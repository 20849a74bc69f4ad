"""Reading stores: samples, batches, windows of trajectories, splits that still grow, several stores mixed."""

from pdemill.reader.dataset import Dataset, Sample
from pdemill.reader.following import Following
from pdemill.reader.mixture import Mixture, mix
from pdemill.reader.normaliser import Normaliser
from pdemill.reader.opening import open
from pdemill.reader.windows import Windows

__all__ = ["Dataset", "Following", "Mixture", "Normaliser", "Sample", "Windows", "mix", "open"]
