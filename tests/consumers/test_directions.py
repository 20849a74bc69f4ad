"""Networks for directions: PyTorch gives the numbers of the compiled code, and training makes them better."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from pdemill import arrays
from pdemill.points import Array
from pdemill.solvers.directions import apply
from pdemill.solvers.directions.beginning import begun
from pdemill.solvers.directions.couplings import Couplings, divisible
from pdemill.solvers.directions.network import Architecture, Network
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.methods.cg import Cg
from pdemill.spec import validate

torch: Any = pytest.importorskip(
    "torch", reason="PyTorch is not in the development environment: make consumers runs this"
)
PRESSURE: dict[str, Any] = {
    "family": "poisson", "resolution": [16, 16], "source": {"field": "gaussian"},
    "boundary": {"default": {"neumann": 0}, "top": {"dirichlet": 0}},
    "domain": {"without": [{"shape": "disk", "centre": [{"uniform": [0.3, 0.7]}, 0.4], "radius": 0.2}]},
}  # fmt: skip
SOLID = {
    "family": "darcy", "resolution": [7, 9, 10], "coefficient": {"field": "lognormal"}, "source": 1,
}  # fmt: skip


def _wide(values: Array, shape: tuple[int, ...]) -> Array:
    more = [(0, wide - own) for wide, own in zip(shape, values.shape[-len(shape) :], strict=True)]
    return np.pad(values, [(0, 0)] * (values.ndim - len(shape)) + more)


@pytest.mark.parametrize("problem", [PRESSURE, SOLID])
def test_compiled_directions_are_those_of_torch(problem: dict[str, Any]) -> None:
    from pdemill.solvers.directions.with_torch import Directions

    shape, rng = tuple(problem["resolution"]), np.random.default_rng(0)
    architecture = Architecture(len(shape), 3)
    changed = {n: w + 0.1 * rng.standard_normal(w.shape) for n, w in begun(architecture).items()}
    packed = architecture.packed(changed)
    network = Network.of(packed[0].astype(float), packed.shape)
    job = FieldJob(validate({"problem": problem, "samples": 1}))
    system = job.discretisation.assemble(job.instance("train", 0))
    couplings, diagonal = Couplings(system.matrix.pattern).of(system.matrix)
    own = apply.Directions(network, shape)
    own.load(couplings, diagonal)
    found = own.narrow(own.direction(own.wide(system.rhs)))
    wide = divisible(shape, 3)
    other = Directions(
        architecture, {name: torch.tensor(w) for name, w in network.weights.items()},
        torch.tensor(_wide(couplings, wide))[None], torch.tensor(_wide(diagonal, wide))[None],
    )  # fmt: skip
    expected = other(torch.tensor(_wide(system.rhs.reshape(shape), wide))[None])[0].numpy()
    expected = expected[tuple(slice(0, n) for n in shape)].reshape(-1)
    assert np.abs(found - expected).max() <= 1e-12 * np.abs(expected).max()


def test_seconds_of_training_take_fewer_iterations_than_cg_and_than_before(tmp_path: Path) -> None:
    given, told = {"problem": PRESSURE, "samples": 2}, list[float]()
    trained = pdemill.train_directions(
        given, tmp_path / "net.npz", minutes=0.25, watcher=lambda seconds, steps, left: told.append(left)
    )
    assert trained.after < 0.1 * trained.before
    assert trained.after <= min(told)
    begun_with = Architecture(2, 4)
    networks = {
        "trained": arrays.register(tmp_path / "net.npz"), "before": arrays.hold(begun_with.packed(begun(begun_with)))
    }  # fmt: skip
    counts = {}
    for name, id in networks.items():
        spec = validate({**given, "solver": {"method": "dcdm", "directions": {"array": id}}})
        job = FieldJob(spec)
        systems = [job.discretisation.assemble(job.instance("train", number)) for number in range(2)]
        solutions = [job.method.solver().solve(system, None) for system in systems]
        assert all(one.result.ok and not one.by for one in solutions)
        counts[name] = sum(one.stats.iterations for one in solutions)
    plain = Cg(method="cg", preconditioner="none").solver()
    counts["cg"] = sum(plain.solve(system, None).stats.iterations for system in systems)
    assert counts["trained"] < counts["before"] < counts["cg"]
