"""The front door: a split of a store, finished or growing, whole samples or windows of trajectories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from pdemill.addresses import shown
from pdemill.errors import StoreError
from pdemill.reader.dataset import Dataset
from pdemill.reader.following import Following
from pdemill.reader.locations import files_at, located
from pdemill.reader.mixed import Mixed
from pdemill.reader.windows import Windows
from pdemill.store.group import members_of
from pdemill.store.root import read_root, splits_of

if TYPE_CHECKING:
    from pdemill.reader.resampled import Resampled
    from pdemill.reader.sensors import Observed


@overload
def open(
    store: str | Path, split: str = ..., *, api_key: str | None = ..., where: str | None = ...,
    follow: Literal[False] = ...,
) -> Dataset: ...  # fmt: skip
@overload
def open(
    store: str | Path, split: str = ..., *, api_key: str | None = ..., where: str | None = ...,
    sensors: Mapping[str, Any], noise: float = ...,
) -> Observed: ...  # fmt: skip
@overload
def open(
    store: str | Path, split: str = ..., *, api_key: str | None = ..., where: str | None = ...,
    resample: Sequence[int], resample_box: Sequence[Sequence[float]] | None = ...,
) -> Resampled: ...  # fmt: skip
@overload
def open(
    store: str | Path, split: str = ..., *, window: tuple[int, int], stride: int = ...,
    pairs: Literal["next", "all"] = ..., beyond_valid: bool = ..., api_key: str | None = ..., where: str | None = ...,
) -> Windows: ...  # fmt: skip
@overload
def open(
    store: str | Path, split: str = ..., *, stride: int = ..., pairs: Literal["next", "all"],
    beyond_valid: bool = ..., api_key: str | None = ..., where: str | None = ...,
) -> Windows: ...  # fmt: skip
@overload
def open(
    store: str | Path, split: str = ..., *, api_key: str | None = ..., where: str | None = ..., follow: Literal[True],
    patience: float | None = ...,
) -> Following: ...  # fmt: skip
def open(
    store: str | Path, split: str = "train", *, window: tuple[int, int] | None = None, stride: int = 1,
    pairs: Literal["next", "all"] | None = None, beyond_valid: bool = False, api_key: str | None = None,
    where: str | None = None, follow: bool = False, patience: float | None = None,
    sensors: Mapping[str, Any] | None = None, noise: float = 0.0, resample: Sequence[int] | None = None,
    resample_box: Sequence[Sequence[float]] | None = None,
) -> Dataset | Windows | Following | Observed | Resampled | Mixed:  # fmt: skip
    """One split of a store: a folder, its address on a server, where ``api_key`` may be needed, or s3://BUCKET/PREFIX.

    Works as it is as a map-style data set of a PyTorch DataLoader. ``window``: windows of the trajectories of a store,
    (states in, states out), ``stride`` stored times apart; ``pairs``: "next" (from every stored time on) or "all" (all
    of an earlier and a later state); ``beyond_valid``: also beyond the ``valid_until`` of a sample; see Windows.
    ``follow``: the shards of a store that is still being solved, as they are finished; ``patience``: raise
    IncompleteStore after so many seconds without a new one.
    ``where``: only the certified samples for which a condition on their columns holds, such as
    ``"error_estimate < 1e-3 and not flags.peclet"``: numbers, comparisons, ``and``, ``or``, ``not``; ``flags`` stands
    for any flag; a comparison with NaN does not hold. Raises WhereError for one that cannot be read.
    ``sensors``: also values at points, ``{"points": [[0.5, 0.25]]}`` or ``{"random": 32}``, with ``noise`` relative to
    the standard deviation of each channel; see Observed.
    ``resample``: samples on meshes as images of so many cells along x and y, and z in space, with a mask and the
    distance to the boundary, in the box ``resample_box``; see Resampled.
    A mixture gives a Mixed, a data set over all members that have this split; ``NAME.zarr/MEMBER`` is one of them.
    """
    if sensors is None and noise:
        raise ValueError("noise is of what sensors see: give sensors")
    if sensors is not None and (follow or window is not None or pairs is not None):
        raise ValueError("sensors see whole samples of what is there: leave window, pairs and follow out")
    if resample is None and resample_box is not None:
        raise ValueError("resample_box is where resample puts its cells: give resample, as in resample=(64, 64)")
    if resample is not None and (follow or window is not None or pairs is not None or sensors is not None):
        raise ValueError("resample gives whole samples of what is there: leave window, pairs, follow and sensors out")
    if window is None and pairs is None and (stride != 1 or beyond_valid):
        raise ValueError("stride and beyond_valid are of windows: give window, as in window=(1, 1), or pairs")
    windows = window is not None or pairs is not None
    if follow and windows:
        raise ValueError("follow gives whole trajectories as they are solved: leave window and pairs out")
    if follow:
        return Following(store, split, api_key, patience, where)
    try:
        data = Dataset(store, split, api_key, where)
    except StoreError:
        if (told := members_of(files_at(store, api_key), shown(store))) is None:
            raise
        if windows or sensors is not None or resample is not None:
            raise ValueError("windows, sensors and images are of one store: open a member of the mixture") from None
        return mixed(store, told, split, api_key, where)
    if windows:
        return Windows(data, window or (1, 1), stride, pairs or "next", beyond_valid)
    if where is not None:
        _ = data.numbers  # what cannot be told yet is an error here
    if resample is not None:
        from pdemill.reader.resampled import Resampled  # late: as below

        return Resampled(data, resample, resample_box)
    if sensors is not None:
        from pdemill.reader.sensors import Observed  # late: who reads whole samples need not wait for it

        return Observed(data, sensors, noise)
    return data


def mixed(
    store: str | Path, told: Sequence[Mapping[str, Any]], split: str, api_key: str | None, where: str | None
) -> Mixed:
    """The members of a mixture that have a split, as one data set. Raises StoreError where none has it."""
    place, found = located(store), dict[str, Dataset]()
    for member in told:
        path = place / member["name"] if isinstance(place, Path) else f"{place.rstrip('/')}/{member['name']}"
        attributes = read_root(files_at(path, api_key), shown(path))["attributes"]
        if split in splits_of(attributes):
            found[member["name"]] = Dataset(path, split, api_key, where)
    if not found:
        raise StoreError(f"no member of {shown(store)} has a split {split!r}")
    return Mixed(found, [member for member in told if member["name"] in found])
