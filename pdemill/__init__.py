"""pdemill mills families of parametric PDEs into certified training sets for neural operators.

>>> import pdemill
>>> pdemill.generate(spec, out="darcy.zarr", workers=2)      # doctest: +SKIP
>>> data = pdemill.open("darcy.zarr", split="train")         # doctest: +SKIP
>>> pdemill.Client().submit(spec).wait().open("train")       # doctest: +SKIP
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import index
from os import environ
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any, SupportsIndex

from pdemill import errors, former_names
from pdemill.arguments import listed, whole, worker_count
from pdemill.progress import Failure, Summary, Tally, Watcher
from pdemill.reader import Dataset, Paired, Windows, mix, open, paired

if TYPE_CHECKING:
    from pdemill.client import Client, Job
    from pdemill.exports import Exported
    from pdemill.planning import Plan
    from pdemill.progress import Merged
    from pdemill.solvers.residuals.residual import Residual
    from pdemill.solvers.train_directions import Trained
    from pdemill.streaming import Stream
    from pdemill.verification import Verification

former_names.install()

__version__ = "0.1.0"

__all__ = [
    "Client", "Dataset", "Failure", "Job", "Paired", "Summary", "Tally", "Windows", "errors", "export", "generate",
    "merge", "mix", "open", "paired", "plan", "preset", "pull", "residual", "stream", "train_directions", "verify",
    "walk_labels",
]  # fmt: skip


def generate(
    spec: str | Path | Mapping[str, Any],
    out: str | Path,
    workers: int = 1,
    settings: Sequence[str] = (),
    watcher: Watcher = lambda tally: None,
    other_versions: bool = False,
    lengthen: str | Path | None = None,
    part: str | None = None,
    until: str | None = None,
) -> Summary:
    """Solve every sample of a spec (a file or a dictionary) into the store ``out``.

    A store that was begun is finished, and one that differs only in smaller splits, or fewer, grows; with
    ``other_versions`` also one that other software versions or another kind of machine began, where these draw the same
    inputs: its manifests then tell which shards they made. ``lengthen``: a finished store of the first stored times,
    with ``store.states``, from which its trajectories go on. ``part``: "2/8", the second of eight runs that fill the
    store together, or "slurm", where its variables tell which. ``until``: no shard is begun that would end later, a
    time such as "2027-01-31T08:00" or a duration such as "3h30m". ``workers`` processes share the work: 0 does it in
    this process, -1 takes all cores. ``settings`` are overrides such as ``"solver.rtol=1e-6"``; ``watcher`` is called
    with a Tally whenever something has changed. Raises SpecError, StoreError, WorkerError, ValueError.
    """
    from pdemill import sharing
    from pdemill.engine import engine
    from pdemill.spec import load_spec
    from pdemill.spec.mixture import load_mixture

    count, mine = worker_count(workers), None if part is None else sharing.part(part, environ)
    ending = sharing.Ending(None if until is None else sharing.end_time(until, time()))
    if (mixture := load_mixture(spec, settings)) is not None:
        from pdemill import mixtures

        if lengthen is not None:
            raise ValueError("lengthen is of one store: lengthen a member of the mixture")
        return mixtures.generate(mixture, out, count, watcher, other_versions, mine, ending)
    job = load_spec(spec, settings)
    return engine.generate(job, out, count, watcher, other_versions, lengthen, mine, ending)


def export(
    store: str | Path, out: str | Path, to: str, api_key: str | None = None, where: str | None = None,
    fidelity: str = "",
) -> "Exported":  # fmt: skip
    """Copy the certified samples of a finished store into the new folder ``out``, in another library's format.

    ``store``: a folder or an address, as for ``open``. ``to``: "pt" (neuraloperator's dictionaries of tensors),
    "pdebench" (its HDF5 files of 2D Darcy flow and of trajectories), "well" (The Well's HDF5 layout) or "netcdf"
    (NetCDF files of trajectories as Poseidon's). ``where``: a condition on samples, as for ``open``.
    ``fidelity``: of a store at several, the one to copy; by default the spec's own. The folder is there whole or not at
    all; memory holds one shard at a time. Raises ExportError, MissingExtra, StoreError, IncompleteStore, WhereError.
    """
    from pdemill.exports import export as export_store

    return export_store(store, out, to, api_key, where, fidelity)


def merge(stores: Iterable[str | Path], out: str | Path, other_versions: bool = False) -> "Merged":
    """Copy the finished shards of stores of one spec into the store ``out``; nothing is solved.

    What several of them hold must be equal, but for measured times. With ``other_versions`` they may have been made by
    other software versions or another kind of machine than the first one. Raises StoreMismatch, CorruptStore,
    StoreError.
    """
    from pdemill.engine import engine

    return engine.merge(listed("stores", stores, "stores"), out, other_versions)


def plan(spec: str | Path | Mapping[str, Any], settings: Sequence[str] = ()) -> "Plan":
    """Measure the methods that could solve a spec with ``solver.method: auto`` on its first samples, for up to 30 s.

    Returns the chosen method, why it was chosen, and what was measured. Raises SpecError.
    """
    from pdemill.engine import engine
    from pdemill.spec import load_spec

    return engine.plan(load_spec(spec, settings))


def train_directions(
    spec: str | Path | Mapping[str, Any], out: str | Path, minutes: float = 30.0, settings: Sequence[str] = (),
    seed: int = 0, watcher: Callable[[float, int, float], None] = lambda seconds, steps, left: None,
) -> "Trained":  # fmt: skip
    """Train a network on matrices like those of a spec for so many CPU minutes, and write it into the NPZ file ``out``,
    which ``solver: {method: dcdm, directions: {file: out}}`` names.

    ``seed``: of the first weights and the right-hand sides. ``watcher`` is called now and then with CPU seconds, steps
    and what ten directions leave of residuals that are not trained on. Needs PyTorch: ``pip install 'pdemill[torch]'``.
    Raises SpecError, MissingExtra, PdemillError.
    """
    from pdemill.engine import engine
    from pdemill.spec import load_spec

    return engine.train_directions(load_spec(spec, settings), out, minutes, seed, watcher)


def preset(name: str, settings: Sequence[str] = ()) -> dict[str, Any]:
    """The spec of a preset as a dictionary, all defaults written out, to be changed or handed to ``generate``."""
    from pdemill.spec import load_preset

    spec: dict[str, Any] = load_preset(name, settings).model_dump(mode="json")
    return spec


def walk_labels(
    spec: str | Path | Mapping[str, Any],
    epoch: SupportsIndex | Iterable[int] = 0,
    split: str = "train",
    workers: int = 1,
    ahead: int = 16,
    shuffle: bool = False,
    settings: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
    """Fresh noisy labels of a pointwise spec for weak supervision: its samples, walked anew in every epoch.

    Yields what ``open`` gives, and ``sample`` and ``epoch``. Epoch 0 holds the numbers that ``generate`` stores; every
    other one has walks of its own for the same samples and points. ``epoch`` may be many, such as ``range(100)``:
    ``workers`` processes then stay up to ``ahead`` samples ahead of the training loop throughout. ``shuffle`` takes
    another order in each epoch. What a sample holds depends on spec, sample and epoch alone. Raises SpecError, and
    SolverError for a sample without a label.
    """
    from pdemill.engine import engine
    from pdemill.spec import load_spec

    if isinstance(epoch, str | bytes) or not isinstance(epoch, SupportsIndex | Iterable):
        raise ValueError(f"epoch should be a whole number, or many of them, not {epoch!r}")
    count, ahead = worker_count(workers), whole("ahead", ahead, 1)
    epochs = [index(epoch)] if isinstance(epoch, SupportsIndex) else epoch
    return engine.walk_labels(load_spec(spec, settings), epochs, split, count, ahead, shuffle)


def pull(
    store: str | Path,
    out: str | Path,
    splits: Iterable[str] = (),
    samples: tuple[int, int | None] = (0, None),
    api_key: str | None = None,
    watcher: Watcher = lambda tally: None,
) -> Path:
    """Copy a finished store into the folder ``out``: a folder, its address on a server, or s3://BUCKET/PREFIX.

    ``splits``, ``samples``: of these splits alone the shards that hold the samples from ``samples[0]`` up to, not with,
    ``samples[1]``; what is left out can be pulled later, or solved by ``generate``. A copy that broke off goes on. Each
    file is checked against its manifest. Raises CorruptStore, IncompleteStore, StoreMismatch, StoreError, ServerError.
    """
    from pdemill.pulling import pull as pull_store

    return pull_store(store, out, listed("splits", splits, "names"), samples, api_key, watcher)


def residual(
    source: str | Path | Mapping[str, Any] | Dataset,
    split: str = "train",
    theta: float = 0.5,
    settings: Sequence[str] = (),
    api_key: str | None = None,
) -> "Residual":
    """The discrete equation of a spec (a file or a dictionary) or of a store as a function of batches.

    ``residual(spec)(inputs, u)`` is what u leaves over in the equation of every cell, b - A u, for arrays of numpy or
    tensors of PyTorch as the reader gives them: x, and y or what a model makes of x. Tensors stay on their device and
    on the way of gradients: the mean of its square is a loss without labels. ``.energy(inputs, u)`` is what a solution
    makes least. Of equations in time it is of steps between stored states, by a scheme with the given ``theta``; of
    stores that keep operators (``store.operator``), ``residual(store)(operator, rhs, u)``. See docs/residuals.md.
    ``split``: where splits have problems of their own. Raises SpecError where there is none.
    """
    from pdemill.engine import engine

    if not 0.0 <= theta <= 1.0:
        raise ValueError(f"theta should be from 0 to 1, not {theta!r}")
    return engine.residual(source, split, theta, settings, api_key)


def stream(
    spec: str | Path | Mapping[str, Any],
    workers: int = 1,
    start: int = 0,
    samples: int | None = None,
    rank: int = 0,
    world_size: int = 1,
    buffer: Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
) -> "Stream":
    """Fresh certified samples of a spec, without end and without a store: what none of its splits holds.

    Iterating gives {"x", "y", "sample"}: what sample k holds depends on the spec, the method and k alone. ``workers``
    processes stay ahead of who takes them, as far as there are places for their blocks in shared memory; 0 solves in
    this process, -1 takes all cores. ``start``: the first sample; ``samples``: how many an iteration gives, an epoch;
    the next one goes on. ``rank`` of ``world_size``: blocks are dealt out among ranks, and among the processes of a
    DataLoader, for which it is an iterable data set where the program has loaded PyTorch. ``buffer``: ``{"policy":
    "fifo", "size": 512}``, how many samples to be ahead, or ``{"policy": "reservoir", "size": 1000, "watermark": 250,
    "repeats": 4}``, which gives samples again; see ``pdemill.streaming.buffer.Buffer``. ``state_dict()`` and
    ``load_state_dict()`` of the stream go on elsewhere; see ``pdemill.streaming.Stream``. Raises SpecError.
    """
    from pdemill.spec import load_spec
    from pdemill.streaming.opening import Local, streamed

    job, count = load_spec(spec, settings), worker_count(workers)
    return streamed(job, Local(count), start, samples, rank, world_size, buffer)


def verify(
    store: str | Path, samples: int | None = None, audit: int = 0, resolve: bool = False, refine: int = 0
) -> "Verification":
    """Check every file and certificate of a store again; ``samples`` per split instead of all, if given.

    ``audit``: measure the error of so many labels per split against the continuous equation, by random walks.
    ``refine``: estimate the discretisation error of so many samples per split for which ``generate`` did not; one above
    ``certify.error_rtol`` is a fault.
    ``resolve``: solve the shards of these samples again; every array must come out as it is stored. Raises StoreError
    for what is no store.
    """
    from pdemill import mixtures

    samples = None if samples is None else whole("samples", samples)
    return mixtures.verify(store, samples, whole("audit", audit), resolve, whole("refine", refine))


def __getattr__(name: str) -> Any:
    """Load the client when it is asked for: who only reads stores need not wait for an HTTP library."""
    if name not in ("Client", "Job"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pdemill import client

    return getattr(client, name)
