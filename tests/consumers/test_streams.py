"""A stream is an iterable data set of PyTorch: dealt out among ranks and processes, sample by sample once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pdemill
from pdemill.service.testing import Server

torch: Any = pytest.importorskip(
    "torch", reason="PyTorch is not in the development environment: make consumers runs this"
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

SPEC: dict[str, Any] = {
    "problem": {"family": "darcy", "resolution": [12, 10], "coefficient": {"field": "lognormal", "std": 0.5}},
    "samples": 3, "store": {"shard": 4}, "solver": {"method": "direct"},
}  # fmt: skip


def numbers(loader: Any) -> list[int]:
    return [int(number) for batch in loader for number in batch["sample"]]


@pytest.mark.parametrize(("start", "persistent"), [("fork", False), ("spawn", False), ("spawn", True)])
def test_ranks_processes_and_epochs_get_every_sample_once(start: str, persistent: bool) -> None:
    found: list[list[int]] = [[], [], []]
    for rank in range(2):
        stream = pdemill.stream(SPEC, workers=0, samples=38, rank=rank, world_size=2)
        assert isinstance(stream, torch.utils.data.IterableDataset)
        loader = torch.utils.data.DataLoader(
            stream, batch_size=5, num_workers=2, multiprocessing_context=start, persistent_workers=persistent
        )
        for epoch in range(3):
            if not persistent:
                stream.set_epoch(epoch)
            found[epoch] += numbers(loader)
    assert [sorted(epoch) for epoch in found] == [list(range(38 * k, 38 * (k + 1))) for k in range(3)]


def test_every_process_of_a_loader_has_a_reservoir_of_its_own() -> None:
    buffer = {"policy": "reservoir", "size": 8, "watermark": 4, "repeats": 3}
    stream = pdemill.stream(SPEC, workers=0, samples=60, buffer=buffer)
    loader = torch.utils.data.DataLoader(stream, batch_size=5, num_workers=2, persistent_workers=True)
    found = [numbers(loader) for _ in range(2)]
    assert [len(epoch) for epoch in found] == [60, 60]
    assert {number // 4 % 2 for number in found[0]} == {0, 1}
    assert max(found[1]) > max(found[0])


def test_a_loader_of_one_process_goes_on() -> None:
    stream = pdemill.stream(SPEC, workers=1, samples=10)
    loader = torch.utils.data.DataLoader(stream, batch_size=4)
    assert [numbers(loader) for _ in range(2)] == [list(range(10)), list(range(10, 20))]
    (batch, *_) = iter(torch.utils.data.DataLoader(pdemill.stream(SPEC, workers=0, samples=4), batch_size=4))
    assert tuple(batch["x"].shape) == (4, 1, 12, 10)
    assert batch["y"].dtype == torch.float32


def test_the_processes_of_a_loader_share_a_stream_from_a_server(tmp_path: Path) -> None:
    with Server(tmp_path / "server", workers=1) as server, server.client() as client:
        stream = client.stream(SPEC, samples=22, ahead=2)
        assert isinstance(stream, torch.utils.data.IterableDataset)
        for start in ("fork", "spawn"):
            loader = torch.utils.data.DataLoader(stream, batch_size=5, num_workers=2, multiprocessing_context=start)
            stream.set_epoch(0)
            assert sorted(numbers(loader)) == list(range(22))
