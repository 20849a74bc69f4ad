"""Reading stores: samples, batches, splits that still grow, several stores mixed."""

from pdemill.reader.dataset import Dataset, Sample
from pdemill.reader.following import Following
from pdemill.reader.mixture import Mixture, mix
from pdemill.reader.normaliser import Normaliser
from pdemill.reader.opening import open

__all__ = ["Dataset", "Following", "Mixture", "Normaliser", "Sample", "mix", "open"]
