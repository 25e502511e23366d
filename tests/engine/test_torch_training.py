"""A small U-Net learns for 50 steps, here and in PyTorch: from the same weights and images, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import models, optim
from tinyseg.data import Shapes
from tinyseg.nn import functional as F
from tinyseg.nn.utils import clip_grad_norm_

torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
torch.set_num_threads(1)  # threads of two libraries in each worker would only wait for each other
STEPS, BATCH, CLASSES = 50, 4, 6


def _double(inputs: int, outputs: int) -> Any:
    layers: list[Any] = []
    for before in (inputs, outputs):
        convolution = torch.nn.Conv2d(before, outputs, 3, padding=1, bias=False)
        layers += [convolution, torch.nn.BatchNorm2d(outputs), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers)


class TorchUNet(torch.nn.Module):  # type: ignore[misc]  # torch may not be there for mypy
    """``models.unet`` of depth 2, with its names."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width]
        self.down = torch.nn.ModuleList(_double(a, b) for a, b in zip([3, *widths], widths, strict=False))
        self.up = torch.nn.ModuleList(torch.nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in (2 * width, width))
        self.merge = torch.nn.ModuleList(_double(2 * w, w) for w in (2 * width, width))
        self.score = torch.nn.Conv2d(width, CLASSES, 1)

    def forward(self, x: Any) -> Any:
        first = self.down[0](x)
        second = self.down[1](torch.nn.functional.max_pool2d(first, 2))
        x = self.down[2](torch.nn.functional.max_pool2d(second, 2))
        x = self.merge[0](torch.cat([self.up[0](x), second], 1))
        return self.score(self.merge[1](torch.cat([self.up[1](x), first], 1)))


def _batches() -> list[tuple[Any, Any]]:
    """A few batches of drawn images; the border is ignored."""
    shapes = Shapes("train", count=4 * BATCH, size=(32, 32))
    found = []
    for start in range(0, 4 * BATCH, BATCH):
        samples = [shapes[number] for number in range(start, start + BATCH)]
        images = np.stack([sample.image.transpose(2, 0, 1) / 255.0 - 0.5 for sample in samples])
        labels = np.stack([sample.mask for sample in samples]).astype(np.int64)
        labels[:, 0] = 255
        found.append((images, labels))
    return found


WAYS = {
    "sgd with a cycle": (
        lambda m, p: m.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-4, nesterov=True),
        lambda m, o: m.OneCycleLR(o, 0.05, STEPS),
        None,
    ),
    "adam after a warm-up": (
        lambda m, p: m.Adam(p, lr=1e-2),
        lambda m, o: m.SequentialLR(
            o, [m.LinearLR(o, 0.1, total_iters=10), m.CosineAnnealingLR(o, STEPS - 10)], [10]
        ),
        None,
    ),
    "adamw, clipped": (lambda m, p: m.AdamW(p, lr=1e-2), lambda m, o: m.StepLR(o, 20), 0.5),
    "rmsprop": (lambda m, p: m.RMSprop(p, lr=1e-3, momentum=0.5), lambda m, o: m.ExponentialLR(o, 0.99), None),
}


# PyTorch's SequentialLR calls step(0) of its parts, and tells itself not to.
@pytest.mark.filterwarnings("ignore:The epoch parameter in .scheduler.step.*:UserWarning")
@pytest.mark.parametrize("way", WAYS)
def test_fifty_steps_are_pytorch_s(way: str) -> None:
    make, schedule, clip = WAYS[way]
    ours = models.create("unet", num_classes=CLASSES, in_channels=3, width=4, depth=2).double()
    theirs = TorchUNet(4).double()
    state = {name: torch.tensor(value.numpy()) for name, value in ours.state_dict().items()}
    theirs.load_state_dict(state)
    our_optimizer = make(optim, list(ours.parameters()))
    their_optimizer = make(torch.optim, list(theirs.parameters()))
    our_schedule = schedule(optim.lr_scheduler, our_optimizer)
    their_schedule = schedule(torch.optim.lr_scheduler, their_optimizer)
    weights = np.linspace(0.5, 2.0, CLASSES)
    batches, found, wanted = _batches(), [], []
    for step in range(STEPS):
        images, labels = batches[step % len(batches)]
        loss = F.cross_entropy(ours(tinyseg.tensor(images)), tinyseg.tensor(labels), tinyseg.tensor(weights), 255)
        our_optimizer.zero_grad()
        loss.backward()
        other = torch.nn.functional.cross_entropy(
            theirs(torch.tensor(images)), torch.tensor(labels), torch.tensor(weights), ignore_index=255
        )
        their_optimizer.zero_grad()
        other.backward()
        if clip is not None:
            clip_grad_norm_(ours.parameters(), clip)
            torch.nn.utils.clip_grad_norm_(theirs.parameters(), clip)
        for part in (our_optimizer, their_optimizer, our_schedule, their_schedule):
            part.step()
        found.append(loss.item())
        wanted.append(other.item())
    assert min(wanted) < 0.85 * wanted[0], "nothing was learnt"
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-8)
