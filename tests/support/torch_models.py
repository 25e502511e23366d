"""Networks of the papers written a second time, with PyTorch, under the names that public weights have.

They are as wide as ours of ``width=16``: a quarter of the papers' channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import nn as our_nn

torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
nn = torch.nn
G = torch.nn.functional

WIDTH = 16


def shake(net: our_nn.Module) -> None:
    """Running statistics, biases and scores that are zero would hide what is wrong with them."""
    for name, value in net.state_dict().items():
        if "running" in name:
            our_nn.init.uniform_(value, 0.5, 1.5)
    for parameter in net.parameters():
        if not parameter.detach().numpy().any():
            our_nn.init.normal_(parameter, 0.0, 0.02)


def state_of(net: our_nn.Module) -> dict[str, Any]:
    """Ours as PyTorch's; a fixed upsampling as the kernel of channels x channels that public files have."""
    state = {}
    for name, value in net.state_dict().items():
        array = value.numpy().copy()
        if "upscore" in name and array.shape[1] == 1 and array.shape[0] > 1:
            full = np.zeros((array.shape[0], *array.shape[:1], *array.shape[2:]), np.float32)
            full[range(len(full)), range(len(full))] = array[:, 0]
            array = full
        state[name] = torch.tensor(array)
    return state


def agree(ours: our_nn.Module, theirs: Any, *shape: int, tolerance: float = 1e-4) -> None:
    """Both give the same for random images, with the same weights under the same names."""
    theirs.load_state_dict(state_of(ours))  # strict: every name and every shape
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with torch.no_grad():
        wanted = theirs.eval()(torch.tensor(images)).numpy()
    with tinyseg.no_grad():
        found = ours.eval()(tinyseg.tensor(images)).numpy()
    assert found.shape == wanted.shape
    scale = np.abs(wanted).max()
    assert scale > 0
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * max(1.0, float(scale)))


class VGG16(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self, classes: int, batch_norm: bool) -> None:
        super().__init__()
        layers: list[Any] = []
        before = 3
        for channels in (16, 16, "M", 32, 32, "M", 64, 64, 64, "M", 128, 128, 128, "M", 128, 128, 128, "M"):
            if isinstance(channels, str):
                layers.append(nn.MaxPool2d(2, 2))
                continue
            layers.append(nn.Conv2d(before, channels, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(channels))
            layers.append(nn.ReLU())
            before = channels
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(128 * 49, 1024), nn.ReLU(), nn.Dropout(),
            nn.Linear(1024, 1024), nn.ReLU(), nn.Dropout(),
            nn.Linear(1024, classes),
        )  # fmt: skip

    def forward(self, x: Any) -> Any:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class TorchvisionAlexNet(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(16, 48, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(48, 96, 3, padding=1), nn.ReLU(),
            nn.Conv2d(96, 64, 3, padding=1), nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(64 * 36, 1024), nn.ReLU(),
            nn.Dropout(), nn.Linear(1024, 1024), nn.ReLU(),
            nn.Linear(1024, classes),
        )  # fmt: skip

    def forward(self, x: Any) -> Any:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class CaffeNet(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 24, 11, stride=4), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.LocalResponseNorm(5, 1e-4, 0.75),
            nn.Conv2d(24, 64, 5, padding=2, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.LocalResponseNorm(5, 1e-4, 0.75),
            nn.Conv2d(64, 96, 3, padding=1), nn.ReLU(),
            nn.Conv2d(96, 96, 3, padding=1, groups=2), nn.ReLU(),
            nn.Conv2d(96, 64, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(64 * 36, 1024), nn.ReLU(),
            nn.Dropout(), nn.Linear(1024, 1024), nn.ReLU(),
            nn.Linear(1024, classes),
        )  # fmt: skip

    def forward(self, x: Any) -> Any:
        return self.classifier(torch.flatten(self.features(x), 1))


class BasicConv2d(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=0.001)

    def forward(self, x: Any) -> Any:
        return G.relu(self.bn(self.conv(x)))


class Inception(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self, before: int, c1: int, c3r: int, c3: int, c5r: int, c5: int, pooled: int) -> None:
        super().__init__()
        self.branch1 = BasicConv2d(before, c1, 1)
        self.branch2 = nn.Sequential(BasicConv2d(before, c3r, 1), BasicConv2d(c3r, c3, 3, padding=1))
        self.branch3 = nn.Sequential(BasicConv2d(before, c5r, 1), BasicConv2d(c5r, c5, 3, padding=1))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), BasicConv2d(before, pooled, 1))

    def forward(self, x: Any) -> Any:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self, before: int, classes: int) -> None:
        super().__init__()
        self.conv = BasicConv2d(before, 32, 1)
        self.fc1 = nn.Linear(512, 256)
        self.fc2 = nn.Linear(256, classes)

    def forward(self, x: Any) -> Any:
        x = torch.flatten(self.conv(G.adaptive_avg_pool2d(x, (4, 4))), 1)
        return self.fc2(G.relu(self.fc1(x)))


class TorchvisionGoogLeNet(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self, classes: int, with_heads: bool = False) -> None:
        super().__init__()
        self.with_heads = with_heads
        self.conv1 = BasicConv2d(3, 16, 7, 2, 3)
        self.conv2 = BasicConv2d(16, 16, 1)
        self.conv3 = BasicConv2d(16, 48, 3, 1, 1)
        self.inception3a = Inception(48, 16, 24, 32, 4, 8, 8)
        self.inception3b = Inception(64, 32, 32, 48, 8, 24, 16)
        self.inception4a = Inception(120, 48, 24, 52, 4, 12, 16)
        self.inception4b = Inception(128, 40, 28, 56, 6, 16, 16)
        self.inception4c = Inception(128, 32, 32, 64, 6, 16, 16)
        self.inception4d = Inception(128, 28, 36, 72, 8, 16, 16)
        self.inception4e = Inception(132, 64, 40, 80, 8, 32, 32)
        self.inception5a = Inception(208, 64, 40, 80, 8, 32, 32)
        self.inception5b = Inception(208, 96, 48, 96, 12, 32, 32)
        if with_heads:
            self.aux1 = InceptionAux(128, classes)
            self.aux2 = InceptionAux(132, classes)
        self.fc = nn.Linear(256, classes)

    def forward(self, x: Any) -> Any:
        def pool(x: Any, size: int = 3) -> Any:
            return G.max_pool2d(x, size, 2, ceil_mode=True)

        x = pool(self.conv3(self.conv2(pool(self.conv1(x)))))
        x = self.inception4a(pool(self.inception3b(self.inception3a(x))))
        first = x
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        second = x
        x = self.inception5b(self.inception5a(pool(self.inception4e(x), 2)))
        scores = self.fc(x.mean((2, 3)))
        return torch.stack([scores, self.aux2(second), self.aux1(first)]) if self.with_heads else scores


class FCN(nn.Module):  # type: ignore[misc, name-defined]
    """VGG16's, as wkentaro's port has it: crops by hand, kernels of classes x classes. ``stride`` 32, 16 or 8."""

    def __init__(self, classes: int, stride: int, scales: tuple[float, float] = (1.0, 1.0)) -> None:
        super().__init__()
        self.stride, self.scales = stride, scales
        before = 3
        for stage, (channels, count) in enumerate(((16, 2), (32, 2), (64, 3), (128, 3), (128, 3)), start=1):
            for number in range(1, count + 1):
                padding = 100 if before == 3 else 1
                setattr(self, f"conv{stage}_{number}", nn.Conv2d(before, channels, 3, padding=padding))
                before = channels
        self.fc6 = nn.Conv2d(128, 1024, 7)
        self.fc7 = nn.Conv2d(1024, 1024, 1)
        self.score_fr = nn.Conv2d(1024, classes, 1)

        def up(kernel: int, step: int) -> Any:
            return nn.ConvTranspose2d(classes, classes, kernel, stride=step, bias=False)

        if stride == 32:
            self.upscore = up(64, 32)
            return
        self.upscore2 = up(4, 2)
        self.score_pool4 = nn.Conv2d(128, classes, 1)
        if stride == 16:
            self.upscore16 = up(32, 16)
            return
        self.upscore_pool4 = up(4, 2)
        self.score_pool3 = nn.Conv2d(64, classes, 1)
        self.upscore8 = up(16, 8)

    def forward(self, x: Any) -> Any:
        size = x.shape[2:]
        pooled = []
        for stage, count in enumerate((2, 2, 3, 3, 3), start=1):
            for number in range(1, count + 1):
                x = G.relu(getattr(self, f"conv{stage}_{number}")(x))
            x = G.max_pool2d(x, 2, 2, ceil_mode=True)
            pooled.append(x)
        h = self.score_fr(G.relu(self.fc7(G.relu(self.fc6(x)))))
        if self.stride == 32:
            return self.upscore(h)[:, :, 19 : 19 + size[0], 19 : 19 + size[1]]
        h = self.upscore2(h)
        h = h + self.score_pool4(self.scales[0] * pooled[3])[:, :, 5 : 5 + h.shape[2], 5 : 5 + h.shape[3]]
        if self.stride == 16:
            return self.upscore16(h)[:, :, 27 : 27 + size[0], 27 : 27 + size[1]]
        h = self.upscore_pool4(h)
        h = h + self.score_pool3(self.scales[1] * pooled[2])[:, :, 9 : 9 + h.shape[2], 9 : 9 + h.shape[3]]
        return self.upscore8(h)[:, :, 31 : 31 + size[0], 31 : 31 + size[1]]


class FrontEnd(nn.Module):  # type: ignore[misc, name-defined]
    """DilatedNet's, of an image that is padded already."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        before = 3
        for stage, (channels, count) in enumerate(((16, 2), (32, 2), (64, 3), (128, 3), (128, 3)), start=1):
            for number in range(1, count + 1):
                dilation = 2 if stage == 5 else 1
                setattr(self, f"conv{stage}_{number}", nn.Conv2d(before, channels, 3, dilation=dilation))
                before = channels
        self.fc6 = nn.Conv2d(128, 1024, 7, dilation=4)
        self.fc7 = nn.Conv2d(1024, 1024, 1)
        self.final = nn.Conv2d(1024, classes, 1)

    def forward(self, x: Any) -> Any:
        for stage, count in enumerate((2, 2, 3, 3, 3), start=1):
            for number in range(1, count + 1):
                x = G.relu(getattr(self, f"conv{stage}_{number}")(x))
            if stage < 4:
                x = G.max_pool2d(x, 2)
        return self.final(G.relu(self.fc7(G.relu(self.fc6(x)))))


class DeepLab(nn.Module):  # type: ignore[misc, name-defined]
    """Of 8 m + 1 rows and columns. ``rates``: one for LargeFOV, four for the pyramid."""

    def __init__(self, classes: int, rates: tuple[int, ...]) -> None:
        super().__init__()
        self.suffixes = [""] if len(rates) == 1 else ["_1", "_2", "_3", "_4"]
        before = 3
        for stage, (channels, count) in enumerate(((16, 2), (32, 2), (64, 3), (128, 3), (128, 3)), start=1):
            for number in range(1, count + 1):
                d = 2 if stage == 5 else 1
                setattr(self, f"conv{stage}_{number}", nn.Conv2d(before, channels, 3, padding=d, dilation=d))
                before = channels
        for suffix, rate in zip(self.suffixes, rates, strict=True):
            setattr(self, f"fc6{suffix}", nn.Conv2d(128, 256, 3, padding=rate, dilation=rate))
            setattr(self, f"fc7{suffix}", nn.Conv2d(256, 256, 1))
            setattr(self, f"fc8{suffix}", nn.Conv2d(256, classes, 1))

    def forward(self, x: Any) -> Any:
        size = x.shape[2:]
        for stage, count in enumerate((2, 2, 3, 3, 3), start=1):
            for number in range(1, count + 1):
                x = G.relu(getattr(self, f"conv{stage}_{number}")(x))
            x = G.max_pool2d(x, 3, 2 if stage < 4 else 1, 1)
        if len(self.suffixes) == 1:
            x = G.avg_pool2d(x, 3, 1, 1)
        total = 0
        for suffix in self.suffixes:
            h = G.relu(getattr(self, f"fc7{suffix}")(G.relu(getattr(self, f"fc6{suffix}")(x))))
            total = total + getattr(self, f"fc8{suffix}")(h)
        return G.interpolate(total, size=size, mode="bilinear", align_corners=True)
