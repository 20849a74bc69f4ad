"""Residuals of tensors: the values that numpy gives, gradients, devices, types, and what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pdemill
from tests.residuals.problems import STEADY, batch, spec_of

torch: Any = pytest.importorskip(
    "torch", reason="PyTorch is not in the development environment: make consumers runs this"
)
HEAT: dict[str, Any] = {
    "family": "heat", "resolution": [8], "initial": {"field": "gaussian"}, "reaction": 0.5,
    "coefficient": {"field": "lognormal", "std": 0.3},
    "boundary": {"left": {"neumann": 0.5}, "right": {"dirichlet": 0.0}},
    "time": {"end": 0.02, "intervals": 3},
}  # fmt: skip


@pytest.mark.parametrize("name", STEADY)
def test_values_are_those_of_numpy_and_gradients_those_of_finite_differences(name: str) -> None:
    arrays = batch(STEADY[name])
    residual: Any = pdemill.residual(spec_of(STEADY[name]))
    inputs, u = (torch.tensor(array[:2], requires_grad=True) for array in arrays[:2])
    found = residual(inputs, u)
    exact = residual(arrays[0][:2], arrays[1][:2])
    assert np.abs(found.detach().numpy() - exact).max() <= 1e-14 * np.abs(exact).max()
    assert torch.autograd.gradcheck(residual, (inputs, u), atol=1e-3, rtol=1e-3)
    if STEADY[name]["family"] != "convection_diffusion":
        energy = residual.energy(inputs, u)
        assert np.allclose(energy.detach().numpy(), residual.energy(arrays[0][:2], arrays[1][:2]), rtol=1e-12)
        (slope,) = torch.autograd.grad(energy.sum(), u)
        assert (slope + residual.volume * found).abs().max() <= 1e-12 * slope.abs().max()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", STEADY)
def test_tensors_keep_their_type_and_stay_on_their_device(name: str, dtype: str) -> None:
    """A tensor of the device meta has no values: whatever went through numpy or another device would fail."""
    kind = getattr(torch, dtype)
    residual: Any = pdemill.residual(spec_of(STEADY[name]))
    inputs = torch.empty((2, len(residual.channels), *residual.shape), dtype=kind, device="meta", requires_grad=True)
    u = torch.empty((2, 1, *residual.shape), dtype=kind, device="meta", requires_grad=True)
    found = residual(inputs, u)
    assert (found.device.type, found.dtype, found.shape) == ("meta", kind, u.shape)
    found.square().mean().backward()
    assert (u.grad.device.type, u.grad.dtype) == ("meta", kind)
    assert inputs.grad is None or inputs.grad.device.type == "meta"


def test_steps_in_time_are_differentiable() -> None:
    residual: Any = pdemill.residual({"problem": HEAT, "samples": 1}, theta=0.7)
    numbers = np.random.default_rng(0)
    arrays = numbers.uniform(0.5, 1.5, (2, 2, 8)), numbers.standard_normal((2, 1, 4, 8))
    inputs, u = (torch.tensor(array, requires_grad=True) for array in arrays)
    found = residual(inputs, u)
    assert tuple(found.shape) == (2, 1, 3, 8)
    assert np.allclose(found.detach().numpy(), residual(*arrays), rtol=1e-12)
    assert torch.autograd.gradcheck(residual, (inputs, u), atol=1e-4, rtol=1e-4)


def test_stored_operators_are_differentiable(tmp_path: Path) -> None:
    problem = {"family": "thermal", "resolution": {"h": 0.3}, "coefficient": {"field": "lognormal", "std": 0.5}}
    spec = {"problem": problem, "samples": 2, "store": {"operator": True}, "solver": {"method": "direct"}}
    pdemill.generate(spec, tmp_path / "mesh.zarr", workers=0)
    (samples,) = torch.utils.data.DataLoader(pdemill.open(tmp_path / "mesh.zarr"), batch_size=2)
    arrays = [samples[key].double() for key in ("operator", "rhs", "y")]
    arrays[2] += torch.randn_like(arrays[2])
    residual: Any = pdemill.residual(tmp_path / "mesh.zarr")
    tensors = [array.clone().requires_grad_() for array in arrays]
    found, exact = residual(*tensors), residual(*(array.numpy() for array in arrays))
    assert np.allclose(found.detach().numpy(), exact, atol=1e-12 * np.abs(exact).max())
    assert torch.autograd.gradcheck(residual, tensors, atol=1e-6)
    (slope,) = torch.autograd.grad(residual.energy(*tensors).sum(), tensors[2])
    assert (slope + found).abs().max() <= 1e-12 * slope.abs().max()
