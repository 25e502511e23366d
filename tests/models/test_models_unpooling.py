"""SegNet and DeconvNet: counts, odd sizes, places that are remembered, PyTorch's numbers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from networks import assert_same, count, shaken, torch_side

import tinyseg
from tinyseg import Tensor, models, nn
from tinyseg.engine import describe_model

SEGNET_NORMS = 2 * 2 * (64 + 128) + 2 * 3 * (256 + 512 + 512)


def vgg(before: int) -> int:
    """The 13 convolutions of VGG16 with biases."""
    widths = [before, 64, 64, 128, 128, 256, 256, 256, *[512] * 6]
    return sum(9 * a * b + b for a, b in pairwise(widths))


def test_parameters_of_segnet() -> None:
    """29.45 million: VGG16, its mirror image, which ends in classes, and two numbers for each channel normalised."""
    with nn.init.skip():
        net = models.create("segnet", num_classes=11)
    widths = [*[512] * 5, 512, 256, 256, 256, 128, 128, 64, 64, 11]
    mirror = sum(9 * a * b + b for a, b in pairwise(widths))
    norms = SEGNET_NORMS + 2 * (512 * 5 + 256 * 3 + 128 * 2 + 64 * 2)
    assert count(net) == vgg(3) + mirror + norms
    assert round(count(net) / 1e6, 2) == 29.45


def test_parameters_of_deconvnet() -> None:
    """251.8 million, most of them in fc6, fc7 and the 7x7 that mirrors fc6."""
    with nn.init.skip():
        net = models.create("deconvnet", num_classes=21)
    assert round(count(net) / 1e6, 1) == 251.8
    assert net.middle[0].weight.shape == (4096, 512, 7, 7)
    assert net.middle[3].weight.shape == (4096, 4096, 1, 1)
    assert net.middle[6].weight.shape == (4096, 512, 7, 7)


def test_layers() -> None:
    """SegNet: 26 convolutions. DeconvNet: 13 + fc6, fc7 + the scores; fc6 again and 13 transposed ones."""
    segnet = describe_model(models.create("segnet", num_classes=2, width=1), (32, 32))
    assert (segnet.convolutions, segnet.transposed_convolutions) == (26, 0)
    # VGG16 up to its last pool: 1 + sum of 2 convolutions' 2 s each (3 from s = 4 on) and a pool's s
    assert (segnet.coarsest.stride, segnet.coarsest.field) == ((32, 32), (212, 212))
    deconvnet = describe_model(models.create("deconvnet", num_classes=2, width=1), (224, 224))
    assert (deconvnet.convolutions, deconvnet.transposed_convolutions) == (16, 14)
    layers = {layer.name: layer for layer in deconvnet.layers}
    assert layers["middle.0"].field == (404, 404)  # fc6, as in FCN's table
    assert [layers[f"middle.{i}"].shape[1:] for i in (0, 3, 6)] == [(1, 1), (1, 1), (7, 7)]


def test_segnet_at_camvid_s_size() -> None:
    """360x480: 23 rows of four pools and 12 of five in ceil mode, and back to each of the sizes there were."""
    net = models.create("segnet", num_classes=3, width=1).eval()
    pooled: list[tuple[int, ...]] = []
    risen: list[tuple[int, ...]] = []
    net.pool.register_forward_hook(lambda _, __, outputs: pooled.append(outputs[0].shape[2:]))
    net.unpool.register_forward_hook(lambda _, __, output: risen.append(output.shape[2:]))
    with tinyseg.no_grad():
        y = net(tinyseg.rand(1, 3, 360, 480))
    assert pooled == [(180, 240), (90, 120), (45, 60), (23, 30), (12, 15)]
    assert risen == [(23, 30), (45, 60), (90, 120), (180, 240), (360, 480)]
    assert y.shape == (1, 3, 360, 480)


def test_numbers_come_back_to_where_they_stood() -> None:
    """What enters a stage of the decoder is zero but at the maxima of the encoder's."""
    net = shaken(models.create("segnet", num_classes=2, in_channels=1, width=2))
    seen: list[tuple[Tensor, Tensor]] = []
    net.pool.register_forward_hook(lambda _, inputs, __: seen.append((inputs[0], inputs[0])))
    entered: list[Tensor] = []
    net.unpool.register_forward_hook(lambda _, __, output: entered.append(output))
    net(tinyseg.rand(1, 1, 36, 40))
    first, last = seen[0][0].detach().numpy()[0], entered[-1].detach().numpy()[0]
    for channel in range(2):
        for row in range(0, 36, 2):
            for column in range(0, 40, 2):
                place = np.s_[channel, row : row + 2, column : column + 2]
                winner = first[place].argmax()
                assert not np.delete(last[place].ravel(), winner).any()
    assert last.any()


def _norm(torch: Any, x: Any, weights: dict[str, Any], name: str) -> Any:
    parts = [weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
    return torch.nn.functional.relu(torch.nn.functional.batch_norm(x, *parts))


def test_segnet_is_pytorch_s() -> None:
    net = shaken(models.create("segnet", num_classes=3, in_channels=2, width=4))
    torch, weights, ours, x = torch_side(net, 2, 2, 45, 36)
    G = torch.nn.functional
    seen = []
    for stage, depth in enumerate((2, 2, 3, 3, 3)):
        for i in range(0, 3 * depth, 3):
            name = f"encoder.{stage}.{i}"
            x = G.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)
            x = _norm(torch, x, weights, f"encoder.{stage}.{i + 1}")
        seen.append(x.shape[2:])
        x, indices = G.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
        seen.append(indices)
    for stage, depth in enumerate((3, 3, 3, 2, 2)):
        indices, size = seen.pop(), seen.pop()
        x = G.max_unpool2d(x, indices, 2, output_size=size)
        for i in range(0, 3 * depth, 3):
            name = f"decoder.{stage}.{i}"
            x = G.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)
            if (stage, i) != (4, 3):
                x = _norm(torch, x, weights, f"decoder.{stage}.{i + 1}")
    assert_same(net(ours), x)


def test_deconvnet_is_pytorch_s() -> None:
    net = shaken(models.create("deconvnet", num_classes=3, in_channels=2, width=2))
    torch, weights, ours, x = torch_side(net, 1, 2, 224, 256)
    G = torch.nn.functional
    places = []

    def block(x: Any, name: str, number: int, kind: Any, **options: int) -> Any:
        x = kind(x, weights[f"{name}.{number}.weight"], weights[f"{name}.{number}.bias"], **options)
        return _norm(torch, x, weights, f"{name}.{number + 1}")

    for stage, depth in enumerate((2, 2, 3, 3, 3)):
        for i in range(0, 3 * depth, 3):
            x = block(x, f"encoder.{stage}", i, G.conv2d, padding=1)
        x, indices = G.max_pool2d(x, 2, return_indices=True)
        places.append(indices)
    x = block(block(x, "middle", 0, G.conv2d), "middle", 3, G.conv2d)
    x = block(x, "middle", 6, G.conv_transpose2d)
    for stage, depth in enumerate((3, 3, 3, 2, 2)):
        x = G.max_unpool2d(x, places.pop(), 2)
        for i in range(0, 3 * depth, 3):
            x = block(x, f"decoder.{stage}", i, G.conv_transpose2d, padding=1)
    assert_same(net(ours), G.conv2d(x, weights["score.weight"], weights["score.bias"]))
