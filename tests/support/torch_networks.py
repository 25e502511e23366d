"""Networks that public weights are for, in PyTorch, with the layers and names of their sources and few channels.

``w`` gives the channels that networks of ours have at width 4.
"""

from __future__ import annotations

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
nn, F = torch.nn, torch.nn.functional


def w(channels: int) -> int:
    return 2 * max(1, round(channels * 4 / 128))


VGG = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")


class VGG16(nn.Module):
    """torchvision's vgg16 and vgg16_bn."""

    def __init__(self, num_classes: int, batch_norm: bool = False) -> None:
        super().__init__()
        layers: list[Any] = []
        before = 3
        for channels in VGG:
            if isinstance(channels, str):
                layers.append(nn.MaxPool2d(2, 2))
                continue
            layers.append(nn.Conv2d(before, w(channels), 3, padding=1))
            layers += [*([nn.BatchNorm2d(w(channels))] if batch_norm else []), nn.ReLU()]
            before = w(channels)
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        fully = [nn.Linear(w(512) * 49, w(4096)), nn.Linear(w(4096), w(4096)), nn.Linear(w(4096), num_classes)]
        self.classifier = nn.Sequential(
            fully[0], nn.ReLU(), nn.Dropout(), fully[1], nn.ReLU(), nn.Dropout(), fully[2]
        )

    def forward(self, x: Any) -> Any:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class AlexNet(nn.Module):
    """torchvision's alexnet."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, w(64), 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(w(64), w(192), 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(w(192), w(384), 3, padding=1), nn.ReLU(),
            nn.Conv2d(w(384), w(256), 3, padding=1), nn.ReLU(),
            nn.Conv2d(w(256), w(256), 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(w(256) * 36, w(4096)), nn.ReLU(),
            nn.Dropout(), nn.Linear(w(4096), w(4096)), nn.ReLU(), nn.Linear(w(4096), num_classes),
        )  # fmt: skip

    def forward(self, x: Any) -> Any:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class BasicConv2d(nn.Module):
    """torchvision's convolution with batch norm."""

    def __init__(self, before: int, after: int, **options: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, bias=False, **options)
        self.bn = nn.BatchNorm2d(after, eps=0.001)

    def forward(self, x: Any) -> Any:
        return F.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """torchvision's, with 3x3 in the third branch."""

    def __init__(self, before: int, *channels: int) -> None:
        super().__init__()
        one, small, three, tiny, five, pooled = map(w, channels)
        self.branch1 = BasicConv2d(before, one, kernel_size=1)
        self.branch2 = nn.Sequential(
            BasicConv2d(before, small, kernel_size=1), BasicConv2d(small, three, kernel_size=3, padding=1)
        )
        self.branch3 = nn.Sequential(
            BasicConv2d(before, tiny, kernel_size=1), BasicConv2d(tiny, five, kernel_size=3, padding=1)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, 1, 1, ceil_mode=True), BasicConv2d(before, pooled, kernel_size=1)
        )
        self.width = one + three + five + pooled

    def forward(self, x: Any) -> Any:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """torchvision's head half-way down; only its weights are of interest here."""

    def __init__(self, before: int, num_classes: int) -> None:
        super().__init__()
        self.conv = BasicConv2d(before, w(128), kernel_size=1)
        self.fc1 = nn.Linear(w(128) * 16, w(1024))
        self.fc2 = nn.Linear(w(1024), num_classes)


class GoogLeNet(nn.Module):
    """torchvision's googlenet."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv1 = BasicConv2d(3, w(64), kernel_size=7, stride=2, padding=3)
        self.conv2 = BasicConv2d(w(64), w(64), kernel_size=1)
        self.conv3 = BasicConv2d(w(64), w(192), kernel_size=3, padding=1)
        self.inception3a = Inception(w(192), 64, 96, 128, 16, 32, 32)
        self.inception3b = Inception(self.inception3a.width, 128, 128, 192, 32, 96, 64)
        self.inception4a = Inception(self.inception3b.width, 192, 96, 208, 16, 48, 64)
        self.inception4b = Inception(self.inception4a.width, 160, 112, 224, 24, 64, 64)
        self.inception4c = Inception(self.inception4b.width, 128, 128, 256, 24, 64, 64)
        self.inception4d = Inception(self.inception4c.width, 112, 144, 288, 32, 64, 64)
        self.inception4e = Inception(self.inception4d.width, 256, 160, 320, 32, 128, 128)
        self.inception5a = Inception(self.inception4e.width, 256, 160, 320, 32, 128, 128)
        self.inception5b = Inception(self.inception5a.width, 384, 192, 384, 48, 128, 128)
        self.aux1 = InceptionAux(self.inception4a.width, num_classes)
        self.aux2 = InceptionAux(self.inception4d.width, num_classes)
        self.fc = nn.Linear(self.inception5b.width, num_classes)

    def forward(self, x: Any) -> Any:
        x = F.max_pool2d(self.conv1(x), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.conv3(self.conv2(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.inception3b(self.inception3a(x)), 3, 2, ceil_mode=True)
        x = self.inception4c(self.inception4b(self.inception4a(x)))
        x = F.max_pool2d(self.inception4e(self.inception4d(x)), 2, 2, ceil_mode=True)
        x = self.inception5b(self.inception5a(x))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def bilinear(channels: int, size: int) -> Any:
    """The weights of wkentaro's upsampling: a tent on the diagonal of channels."""
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    tent = 1 - (torch.arange(size) - centre).abs() / factor
    weight = torch.zeros(channels, channels, size, size)
    weight[range(channels), range(channels)] = torch.outer(tent, tent)
    return weight


class FCN(nn.Module):
    """wkentaro's FCN32s, FCN16s and FCN8s, by ``scored``."""

    def __init__(self, num_classes: int, scored: int) -> None:
        super().__init__()
        self.scored = scored
        before, stage, number = 3, 1, 0
        for channels in VGG:
            if isinstance(channels, str):
                setattr(self, f"pool{stage}", nn.MaxPool2d(2, stride=2, ceil_mode=True))
                stage, number = stage + 1, 0
                continue
            number += 1
            padding = 100 if (stage, number) == (1, 1) else 1
            setattr(self, f"conv{stage}_{number}", nn.Conv2d(before, w(channels), 3, padding=padding))
            before = w(channels)
        self.fc6 = nn.Conv2d(w(512), w(4096), 7)
        self.fc7 = nn.Conv2d(w(4096), w(4096), 1)
        self.score_fr = nn.Conv2d(w(4096), num_classes, 1)
        up = {"kernel_size": 4, "stride": 2, "bias": False}
        if scored == 1:
            self.upscore = nn.ConvTranspose2d(num_classes, num_classes, 64, stride=32, bias=False)
        if scored >= 2:
            self.score_pool4 = nn.Conv2d(w(512), num_classes, 1)
            self.upscore2 = nn.ConvTranspose2d(num_classes, num_classes, **up)
        if scored == 2:
            self.upscore16 = nn.ConvTranspose2d(num_classes, num_classes, 32, stride=16, bias=False)
        if scored == 3:
            self.score_pool3 = nn.Conv2d(w(256), num_classes, 1)
            self.upscore_pool4 = nn.ConvTranspose2d(num_classes, num_classes, **up)
            self.upscore8 = nn.ConvTranspose2d(num_classes, num_classes, 16, stride=8, bias=False)

    def last(self) -> Any:
        return {1: "upscore", 2: "upscore16", 3: "upscore8"}[self.scored]

    def forward(self, x: Any) -> Any:
        height, width = x.shape[2:]
        maps, pools = x, {}
        for stage, depth in enumerate((2, 2, 3, 3, 3), start=1):
            for number in range(1, depth + 1):
                maps = F.relu(getattr(self, f"conv{stage}_{number}")(maps))
            maps = pools[stage] = getattr(self, f"pool{stage}")(maps)
        score = self.score_fr(F.relu(self.fc7(F.relu(self.fc6(maps)))))
        if self.scored >= 2:
            score = self.upscore2(score)
            rows, columns = score.shape[2:]
            score = score + self.score_pool4(pools[4])[:, :, 5 : 5 + rows, 5 : 5 + columns]
        if self.scored == 3:
            score = self.upscore_pool4(score)
            rows, columns = score.shape[2:]
            score = score + self.score_pool3(pools[3])[:, :, 9 : 9 + rows, 9 : 9 + columns]
        crop = {1: 19, 2: 27, 3: 31}[self.scored]
        return getattr(self, self.last())(score)[:, :, crop : crop + height, crop : crop + width]


class DoubleConv(nn.Module):
    """milesial's."""

    def __init__(self, before: int, after: int, middle: int | None = None) -> None:
        super().__init__()
        middle = middle or after
        self.double_conv = nn.Sequential(
            nn.Conv2d(before, middle, 3, padding=1, bias=False), nn.BatchNorm2d(middle), nn.ReLU(),
            nn.Conv2d(middle, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x: Any) -> Any:
        return self.double_conv(x)


class Down(nn.Module):
    """milesial's."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(before, after))

    def forward(self, x: Any) -> Any:
        return self.maxpool_conv(x)


class Up(nn.Module):
    """milesial's."""

    def __init__(self, before: int, after: int, bilinear: bool) -> None:
        super().__init__()
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = DoubleConv(before, after, before // 2)
        else:
            self.up = nn.ConvTranspose2d(before, before // 2, 2, stride=2)
            self.conv = DoubleConv(before, after)

    def forward(self, below: Any, skip: Any) -> Any:
        risen = self.up(below)
        # A pool rounds an odd size down: what comes up is padded to its skip, half on either side.
        rows, columns = skip.shape[2] - risen.shape[2], skip.shape[3] - risen.shape[3]
        risen = F.pad(risen, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
        return self.conv(torch.cat([skip, risen], dim=1))


class OutConv(nn.Module):
    """milesial's."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 1)

    def forward(self, x: Any) -> Any:
        return self.conv(x)


class UNet(nn.Module):
    """milesial's, with 4 channels where it has 64."""

    def __init__(self, n_channels: int, n_classes: int, bilinear: bool) -> None:
        super().__init__()
        factor = 2 if bilinear else 1
        self.inc = DoubleConv(n_channels, 4)
        self.down1, self.down2, self.down3 = Down(4, 8), Down(8, 16), Down(16, 32)
        self.down4 = Down(32, 64 // factor)
        self.up1, self.up2 = Up(64, 32 // factor, bilinear), Up(32, 16 // factor, bilinear)
        self.up3, self.up4 = Up(16, 8 // factor, bilinear), Up(8, 4, bilinear)
        self.outc = OutConv(4, n_classes)

    def forward(self, x: Any) -> Any:
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        x5 = self.down4(x4)
        return self.outc(self.up4(self.up3(self.up2(self.up1(x5, x4), x3), x2), x1))


def randomised(network: Any) -> Any:
    """Weights that keep the size of activations, and statistics that are not those of no data; for evaluation."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            if name.endswith("running_var"):
                value.uniform_(0.5, 1.5, generator=generator)
            elif name.endswith("num_batches_tracked"):
                value.fill_(3)
            elif value.ndim > 1:
                value.normal_(0, (2 / value[0].numel()) ** 0.5, generator=generator)
            else:
                value.normal_(1 if name.endswith("weight") else 0.1, 0.1, generator=generator)
        if isinstance(network, FCN):
            last = getattr(network, network.last())
            last.weight.copy_(bilinear(last.weight.shape[0], last.weight.shape[2]))
    return network.eval()
