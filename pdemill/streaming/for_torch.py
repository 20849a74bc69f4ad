"""A stream that PyTorch's DataLoader knows what to do with. Loads PyTorch."""

from __future__ import annotations

from torch.utils.data import IterableDataset

from pdemill.streaming.stream import Stream


class TorchStream(Stream, IterableDataset):  # type: ignore[misc]
    """A stream as an iterable data set."""
