"""What tests of networks share: numbers that hide nothing, a few steps of training, PyTorch's side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import models, nn
from tinyseg.nn import functional as F


def count(net: nn.Module) -> int:
    """Numbers in its parameters."""
    return sum(p.numel() for p in net.parameters())


def shaken(net: models.SegmentationModel) -> models.SegmentationModel:
    """``net``, set to evaluation, with biases and running statistics that a mistake would show in."""
    for name, value in net.state_dict().items():
        if "running" in name:
            nn.init.uniform_(value, 0.5, 1.5)
        elif value.is_floating_point and value.ndim == 1:
            nn.init.uniform_(value, -0.5, 1.5)
    net.eval()
    return net


def losses_of_training(net: models.SegmentationModel, size: int, steps: int = 8, lr: float = 0.01) -> list[float]:
    """The loss of each step that learns which half of an image is bright; of two images it is the left and the right.

    They must differ, or batch norm over a single deep pixel of each would leave nothing.
    """
    image = tinyseg.zeros(2, net.in_channels, size, size)
    image[0, :, :, : size // 2] = 1.0
    image[1, :, :, size // 2 :] = 1.0
    optimizer = tinyseg.optim.Adam(net.parameters(), lr=lr)
    found = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = net.loss(image, image[:, 0].long(), F.cross_entropy)
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def torch_side(net: models.SegmentationModel, *shape: int) -> tuple[Any, dict[str, Any], Any, Any]:
    """PyTorch, the network's weights for it, and the same random images for both: ours, PyTorch's."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    weights = {name: torch.tensor(value.numpy().copy()) for name, value in net.state_dict().items()}
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return torch, weights, tinyseg.tensor(images), torch.tensor(images)


def assert_same(ours: tinyseg.Tensor, wanted: Any) -> None:
    """Within 1e-4 of the largest number."""
    found, wanted = ours.detach().numpy(), wanted.numpy()
    assert found.shape == wanted.shape
    assert np.ptp(wanted) > 1e-3
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max(), rtol=1e-4)
