"""Training of a network on the matrices of a spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, cos, log2, pi
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.addresses import on_disk
from pdemill.errors import Fault, PdemillError, SolverError, SpecError
from pdemill.points import Array
from pdemill.solvers.directions.admission import missing
from pdemill.solvers.directions.couplings import Couplings, divisible
from pdemill.solvers.directions.network import MOST_LEVELS, Architecture
from pdemill.solvers.directions.ritz import mixture, ritz_vectors
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.operators.system import System
from pdemill.spec.job import Spec

MATRICES, HELD_OUT = 24, 2
"""Samples whose matrices are trained on, and of which the best weights are chosen."""
LANCZOS = 60
"""Steps per matrix; the paper has one matrix and 10,000."""
BATCH, WARM, UNROLLED = 2, 8, 3
"""Systems of a step, most directions before what is trained on, and directions trained on together."""
RATE = 3e-3
CHECK, CHECKED = 50, 10
"""Steps between looks at held-out systems, and directions there."""
WORSE = 0.75
"""What is left of residuals may be so small a power of the best: else training goes back, and on by smaller steps."""
DRAWS = 4
"""Samples drawn for one that is valid, at most."""


@dataclass(frozen=True)
class Trained:
    """What training has come to: CPU seconds, steps, and the part of residuals of held-out systems that ``CHECKED``
    directions leave, by the weights that it began with and by those that it ended with."""

    seconds: float
    steps: int
    before: float
    after: float
    weights: int


def train_directions(
    spec: Spec, out: str | Path, minutes: float = 30.0, seed: int = 0,
    report: Callable[[float, int, float], None] = lambda spent, steps, left: None,
) -> Trained:  # fmt: skip
    """Train a network on matrices of ``spec`` for so many CPU minutes, and write its best weights into the NPZ file
    ``out``.

    Samples are drawn for it alone, of no split. Right-hand sides are combinations of Ritz vectors, weighed as by Kaneda
    et al. 2023; a few directions are made with the network as it is, and the loss is the mean of log(‖r'‖ / ‖r‖) over
    the next ``UNROLLED``, each with its line search. Raises MissingExtra without PyTorch, SpecError for problems that
    ``dcdm`` does not take.
    """
    file = on_disk(out, "the network", PdemillError)
    if file.suffix != ".npz" or not file.parent.is_dir():
        raise PdemillError(f"cannot write {out}: give a name that ends in .npz, in a folder that is there")
    architecture = _architecture(spec)
    from pdemill.solvers.directions.with_torch import Directions, begun, torch  # late: few have PyTorch

    begin, rng = process_time(), np.random.default_rng(seed)
    systems = _Systems(spec, architecture, rng)
    weights = begun(architecture, seed)
    optimiser = torch.optim.Adam(list(weights.values()), lr=RATE)

    def check() -> float:
        with torch.no_grad():
            couplings, diagonal, b = map(torch.tensor, systems.held_out())
            _, left = steps(Directions(architecture, weights, couplings, diagonal), b, [], CHECKED)
            return float(torch.exp(torch.log(left).mean()))

    best = before = check()
    rate, kept, count = RATE, _copy(weights), 0
    while (spent := process_time() - begin) < 60.0 * minutes:
        for group in optimiser.param_groups:
            group["lr"] = rate * (0.02 + 0.98 * 0.5 * (1.0 + cos(pi * spent / (60.0 * minutes))))
        couplings, diagonal, b = map(torch.tensor, systems.batch(BATCH))
        network = Directions(architecture, weights, couplings, diagonal)
        made: list[Any] = []
        with torch.no_grad():
            r, _ = steps(network, b, made, int(rng.integers(0, WARM + 1)))
        _, left = steps(network, r / norm(r), made, UNROLLED)
        loss = torch.log(left).mean()
        if bool(torch.isfinite(loss)):
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
            optimiser.step()
        count += 1
        if count % CHECK == 0:
            now = check()
            report(spent, count, now)
            if now < best:
                best, kept = now, _copy(weights)
            elif not now <= best**WORSE:
                rate *= 0.5
                with torch.no_grad():
                    for name, value in weights.items():
                        value.copy_(kept[name])
    if (now := check()) < best:
        best, kept = now, weights
    packed = architecture.packed({name: value.detach().numpy() for name, value in kept.items()})
    np.savez_compressed(file, weights=packed)
    return Trained(process_time() - begin, count, before, best, architecture.size)


def _copy(weights: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in weights.items()}


def steps(network: Any, r: Any, made: list[Any], count: int) -> tuple[Any, Any]:
    """Residuals after so many directions, each A-orthogonal to the two before, ``made``, which it adds to; and the part
    of the residuals that is left."""
    first = norm(r)
    for _ in range(count):
        d = network(r / norm(r))
        for p, q in made[-2:]:
            d = d - _dot(d, q) / _dot(p, q) * p
        q = network.product(0, d)
        r = r - _dot(r, d) / _dot(d, q) * q
        made.append((d, q))
    return r, (norm(r) / first).reshape(-1)


def norm(x: Any) -> Any:
    """Of each of a batch, with axes that fit it."""
    return _dot(x, x).sqrt()


def _dot(x: Any, y: Any) -> Any:
    return (x * y).flatten(1).sum(1).reshape(-1, *(1,) * (x.ndim - 1))


def _architecture(spec: Spec) -> Architecture:
    if reason := missing(spec.problem):
        raise SpecError([Fault(("problem",), f"directions need {reason}")])
    cells = spec.problem.cells
    levels = max(2, min(MOST_LEVELS, ceil(log2(max(cells)))))
    return Architecture(len(cells), levels)


class _Systems:
    """Matrices of samples that are drawn for training alone, and right-hand sides for them; in float32, diagonals
    about 1."""

    def __init__(self, spec: Spec, architecture: Architecture, rng: np.random.Generator) -> None:
        job = FieldJob(spec)
        self._rng, self._found = rng, list[tuple[Array, Array, Array]]()
        self._shape, self._padded = spec.problem.cells, divisible(spec.problem.cells, architecture.levels)
        places: Couplings | None = None
        for number in range(DRAWS * (MATRICES + HELD_OUT)):
            if len(self._found) < MATRICES + HELD_OUT and (system := job.drawn_apart(number)) is not None:
                places = places or Couplings(system.matrix.pattern)
                self._found.append(self._taken(system, places))
        if len(self._found) <= HELD_OUT:
            raise SolverError("no sample of this spec is valid, so that there is nothing to train on")

    def batch(self, count: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Couplings, diagonals and right-hand sides of some matrices."""
        return self._stacked(self._rng.integers(0, len(self._found) - HELD_OUT, count).tolist(), self._rng)

    def held_out(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """The same ones every time."""
        return self._stacked(list(range(-HELD_OUT, 0)), np.random.default_rng(0))

    def _stacked(self, chosen: list[int], rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        found = [self._found[i] for i in chosen]
        loads = [self._wide(mixture(vectors, rng).reshape(self._shape)) for _, _, vectors in found]
        return np.stack([c for c, _, _ in found]), np.stack([d for _, d, _ in found]), np.stack(loads)

    def _taken(self, system: System, places: Couplings) -> tuple[Array, Array, Array]:
        couplings, diagonal = places.of(system.matrix)
        scale = float(diagonal.max())
        vectors = ritz_vectors(system.matrix.sparse(), system.matrix.constants, LANCZOS, self._rng)
        return self._wide(couplings / scale), self._wide(diagonal / scale), vectors

    def _wide(self, values: Array) -> Array:
        """With cells outside the domain behind the last ones, until all levels can be halved; in float32."""
        more = [wide - own for wide, own in zip(self._padded, self._shape, strict=True)]
        pad = [(0, 0)] * (values.ndim - len(more)) + [(0, m) for m in more]
        return np.pad(values, pad).astype(np.float32)
