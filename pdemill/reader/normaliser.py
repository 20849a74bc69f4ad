"""Mean 0 and standard deviation 1 per channel, and back, for arrays of numpy and tensors of PyTorch alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from pdemill.errors import MissingExtra, StoreError


@dataclass(frozen=True)
class Normaliser:
    """encode: (v - mean) / std, decode: v * std + mean, for v of shape [..., C, *space].

    ``mean``, ``std``: one number per channel; ``space``: axes behind the channel's. A channel that is constant has
    std 1. The result has the type and the device of v. Statistics are exact to float64 (Welford), and are rounded
    only to the type of v.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    space: int

    def encode[T](self, values: T) -> T:
        """(v - mean) / std."""
        mean, std = self._numbers(values)
        encoded: T = (values - mean) / std
        return encoded

    def decode[T](self, values: T) -> T:
        """v * std + mean."""
        mean, std = self._numbers(values)
        decoded: T = values * std + mean
        return decoded

    def neuraloperator(self) -> Any:
        """neuraloperator's ``UnitGaussianNormalizer`` of the same numbers, for batches [sample, C, *space]; it divides
        by std as this does. Raises MissingExtra where the library is not there."""
        try:
            torch = import_module("torch")
            kind = import_module("neuralop.data.transforms.normalizers").UnitGaussianNormalizer
        except ImportError:
            raise MissingExtra("a normaliser of neuraloperator needs it: pip install neuraloperator") from None
        shape = (1, len(self.mean), *[1] * self.space)
        mean, std = (torch.tensor(numbers, dtype=torch.float32).reshape(shape) for numbers in (self.mean, self.std))
        return kind(mean=mean, std=std, eps=0.0)

    def _numbers(self, values: Any) -> tuple[Any, Any]:
        """Mean and standard deviation as [C, 1, ...] of the kind of ``values``."""
        shape = (len(self.mean), *[1] * self.space)
        if values.ndim < len(shape) or values.shape[-len(shape)] != len(self.mean):
            raise ValueError(f"expected [..., {', '.join(map(str, (len(self.mean), *['n'] * self.space)))}], "
                             f"not {tuple(values.shape)}")  # fmt: skip
        if hasattr(values, "new_tensor"):
            return values.new_tensor(self.mean).reshape(shape), values.new_tensor(self.std).reshape(shape)
        return np.reshape(self.mean, shape).astype(values.dtype), np.reshape(self.std, shape).astype(values.dtype)


def normaliser(channels: Sequence[Mapping[str, Any]], space: int) -> Normaliser:
    """From the stored statistics of some channels. Raises StoreError for one without any certified sample."""
    if any(not channel["count"] for channel in channels):
        raise StoreError("there are no statistics: the first split has no certified sample")
    return Normaliser(
        tuple(float(channel["mean"]) for channel in channels),
        tuple(float(channel["std"]) or 1.0 for channel in channels),
        space,
    )
