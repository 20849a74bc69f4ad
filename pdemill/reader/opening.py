"""The front door: a split of a store, finished or growing."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, overload

from pdemill.reader.dataset import Dataset
from pdemill.reader.following import Following


@overload
def open(
    store: str | Path, split: str = ..., *, api_key: str | None = ..., where: str | None = ...,
    follow: Literal[False] = ...,
) -> Dataset: ...  # fmt: skip
@overload
def open(
    store: str | Path, split: str = ..., *, api_key: str | None = ..., where: str | None = ..., follow: Literal[True],
    patience: float | None = ...,
) -> Following: ...  # fmt: skip
def open(
    store: str | Path, split: str = "train", *, api_key: str | None = None, where: str | None = None,
    follow: bool = False, patience: float | None = None,
) -> Dataset | Following:  # fmt: skip
    """One split of a store: a folder, its address on a server, where ``api_key`` may be needed, or s3://BUCKET/PREFIX.

    Works as it is as a map-style data set of a PyTorch DataLoader. ``follow``: the shards of a store that is still
    being solved, as they are finished; ``patience``: raise IncompleteStore after so many seconds without a new one.
    ``where``: only the certified samples for which a condition on their columns holds, such as
    ``"error_estimate < 1e-3 and not flags.peclet"``: numbers, comparisons, ``and``, ``or``, ``not``; ``flags`` stands
    for any flag; a comparison with NaN does not hold. Raises WhereError for one that cannot be read.
    """
    if follow:
        return Following(store, split, api_key, patience, where)
    data = Dataset(store, split, api_key, where)
    if where is not None:
        _ = data.numbers  # what cannot be told yet is an error here
    return data
