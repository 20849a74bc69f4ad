"""From a spec or a store to its residual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pdemill import arrays
from pdemill.addresses import scheme_of, shown
from pdemill.errors import Fault, SpecError, StoreError
from pdemill.reader.dataset import Dataset
from pdemill.solvers.box_shaped import BoxShaped
from pdemill.solvers.residuals.residual import OnBox, Residual
from pdemill.solvers.residuals.steps import Steps
from pdemill.solvers.residuals.stored import Pattern, Stored
from pdemill.solvers.residuals.taken import objection
from pdemill.solvers.residuals.terms import Grid
from pdemill.spec.evolution import Evolution
from pdemill.spec.job import Spec
from pdemill.spec.load import load_spec, validate
from pdemill.store.kept_operator import INDICES, INDPTR, UNKNOWNS


def residual(
    source: str | Path | Mapping[str, Any] | Dataset, split: str, theta: float, settings: Sequence[str],
    api_key: str | None,
) -> Residual:  # fmt: skip
    """The residual of a spec, a store or one of its splits."""
    if isinstance(source, str | Path) and (scheme_of(source) is not None or Path(source).is_dir()):
        source = Dataset(source, split, api_key)
    if isinstance(source, Dataset):
        return of_store(source, theta)
    return of_spec(_chosen(load_spec(source, settings), split), theta)


def _chosen(spec: Spec, split: str) -> Spec:
    """The spec of a split, as in train@fine at a fidelity; the default, train, stands for the problem of the spec."""
    name, _, fidelity = split.partition("@")
    if fidelity and fidelity not in spec.fidelities:
        raise SpecError([Fault(("fidelities",), f"has no {fidelity!r:.60}")])
    if name not in spec.splits and name != "train":
        raise SpecError([Fault(("splits",), f"has no {name!r:.60}; there are {', '.join(spec.splits)}")])
    spec = spec.at(fidelity) if fidelity else spec
    return spec.of_split(name) if name in spec.splits else spec


def of_store(data: Dataset, theta: float) -> Residual:
    """The residual of a split of a store."""
    if isinstance(data.store, Path):
        arrays.look_in(data.store / arrays.FOLDER)
    try:
        spec = validate(data.attributes["spec"])
    except SpecError as error:
        raise StoreError(f"the spec in {shown(data.store)} is refused: {error}") from None
    split, _, fidelity = data.split.partition("@")
    spec = spec.at(fidelity) if fidelity else spec
    if spec.store.operator:
        shared = data.shared()
        pattern = Pattern(shared[INDPTR], shared[INDICES], shared[UNKNOWNS])
        shape = data.reader("y").header.shape[1:]
        return Stored(pattern, shape, spec.of_split(split).problem.properties.symmetric)
    return of_spec(spec.of_split(split), theta, data.channels)


def of_spec(spec: Spec, theta: float, channels: Sequence[str] | None = None) -> Residual:
    """The residual of the problem of a spec. Raises SpecError where there is none that is made of inputs alone."""
    if spec.store.operator:
        raise SpecError([Fault(("store", "operator"), "keeps operators in stores: give the store")])
    if complaint := objection(spec.problem):
        raise SpecError([Fault(*complaint)])
    assert isinstance(spec.problem, BoxShaped)
    if channels is None:
        channels = spec.problem.discretisation.open(spec, None, None).channels
    grid = Grid(spec.problem, channels)
    if isinstance(spec.problem, Evolution):
        return Steps(grid, spec.problem.times, theta)
    return OnBox(grid)
