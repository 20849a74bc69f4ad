"""Training libraries take a store as it is. Run by ``make consumers``, in an environment of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pdemill

torch: Any = pytest.importorskip(
    "torch", reason="PyTorch is not in the development environment: make consumers runs this"
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_loader_with_workers_gives_every_sample_once(darcy_store: Path, start: str) -> None:
    data: Any = pdemill.open(darcy_store)
    truth: Any = zarr.open_group(darcy_store, mode="r")["train"]
    loader = torch.utils.data.DataLoader(
        data, batch_size=8, shuffle=True, num_workers=2, multiprocessing_context=start,
        generator=torch.Generator().manual_seed(3),
    )  # fmt: skip
    batches = list(loader)
    assert [tuple(batch["y"].shape) for batch in batches] == [(8, 1, 16, 12)] * 5
    found = torch.cat([batch["y"] for batch in batches]).numpy()
    expected = np.asarray(truth["solution"][...])
    assert {row.tobytes() for row in found} == {row.tobytes() for row in expected}
    assert len(found) == len(expected)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_loader_gives_the_samples_that_were_chosen(darcy_store: Path, start: str) -> None:
    data: Any = pdemill.open(darcy_store, where="10 <= sample_id < 22")
    loader = torch.utils.data.DataLoader(data, batch_size=5, num_workers=2, multiprocessing_context=start)
    found = torch.cat([batch["y"] for batch in loader]).numpy()
    assert np.array_equal(found, pdemill.open(darcy_store)[10:22]["y"])


def test_batches_without_collation(darcy_store: Path) -> None:
    data: Any = pdemill.open(darcy_store)
    sampler = torch.utils.data.BatchSampler(torch.utils.data.SequentialSampler(data), 16, drop_last=False)
    found = [batch["x"] for batch in torch.utils.data.DataLoader(data, batch_size=None, sampler=sampler)]
    assert [tuple(batch.shape) for batch in found] == [(16, 1, 16, 12), (16, 1, 16, 12), (8, 1, 16, 12)]


def test_a_mixture_is_taken_up_by_a_loader_where_it_was(darcy_store: Path) -> None:
    pair = [pdemill.open(darcy_store), pdemill.open(darcy_store, "test")]
    mixture: Any = pdemill.mix(pair, weights=[1, 1], seed=4, steps=96)

    def steps(data: Any) -> Any:
        loader = torch.utils.data.DataLoader(data, batch_size=8, num_workers=2, multiprocessing_context="fork")
        return torch.cat([batch["y"] for batch in loader])

    assert torch.equal(steps(mixture)[40:], steps(mixture.after(40)))


def test_normalisers_keep_tensors_as_they_are(darcy_store: Path) -> None:
    data = pdemill.open(darcy_store)
    values = torch.from_numpy(data[:]["y"])
    encoded = data.normaliser("y").encode(values)
    assert encoded.dtype == torch.float32
    assert abs(float(encoded.double().mean())) < 1e-3
    assert torch.allclose(data.normaliser("y").decode(encoded), values, rtol=1e-5, atol=1e-8)


def test_neuraloperator_trains_on_it(darcy_store: Path) -> None:
    """An FNO, the library's Trainer, loss and normalisers: the error on the other split is halved."""
    pytest.importorskip("neuralop")
    from neuralop import LpLoss, Trainer
    from neuralop.data.transforms.data_processors import DefaultDataProcessor
    from neuralop.models import FNO

    torch.manual_seed(0)
    data: Any = pdemill.open(darcy_store)
    normalisers = {key: data.normaliser(key).neuraloperator() for key in ("x", "y")}
    values = torch.from_numpy(data[:]["y"])
    assert torch.allclose(normalisers["y"].transform(values), data.normaliser("y").encode(values))
    model = FNO(n_modes=(6, 6), hidden_channels=12, in_channels=1, out_channels=1, n_layers=2)
    loss = LpLoss(d=2)
    trainer = Trainer(
        model=model, n_epochs=8, device="cpu", verbose=False,
        data_processor=DefaultDataProcessor(in_normalizer=normalisers["x"], out_normalizer=normalisers["y"]),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    loader = torch.utils.data.DataLoader(data, batch_size=8, num_workers=2, multiprocessing_context="fork")
    test = torch.utils.data.DataLoader(pdemill.open(darcy_store, "test"), batch_size=7)

    def error() -> float:
        with torch.no_grad():
            batch = next(iter(test))
            found = normalisers["y"].inverse_transform(model(normalisers["x"].transform(batch["x"])))
            return float((found - batch["y"]).norm() / batch["y"].norm())

    before = error()
    trainer.train(
        train_loader=loader, test_loaders={"test": test}, optimizer=optimizer, regularizer=None,
        scheduler=torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0),
        training_loss=loss, eval_losses={"l2": loss},
    )  # fmt: skip
    assert error() < 0.5 * before


def test_physicsnemo_reads_a_split(darcy_store: Path) -> None:
    readers: Any = pytest.importorskip("physicsnemo.datapipes.readers")
    data = pdemill.open(darcy_store)
    reader = readers.ZarrReader(darcy_store / "train", fields=["input", "solution"])
    assert len(reader) == len(data)
    for number in (0, 17, 39):
        sample, _ = reader[number]
        assert np.array_equal(sample["input"].numpy(), data[number]["x"])
        assert np.array_equal(sample["solution"].numpy(), data[number]["y"])
