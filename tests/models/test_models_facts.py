"""Networks as their papers count them: parameters, layers, receptive fields, strides, sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import engine, models, nn
from tinyseg.models.dilated import ContextModule
from tinyseg.models.fixed_bilinear import FixedBilinear

COUNTS = [
    # name, options; parameters without any upsampling, trained ones, with the fixed kernels of classes x classes
    ("fcn32s", {"backbone": "vgg16"}, 134_346_581, 134_346_581, 136_152_917),
    ("fcn16s", {"backbone": "vgg16"}, 134_357_354, 134_364_410, 134_815_994),
    ("fcn8s", {"backbone": "vgg16"}, 134_362_751, 134_376_863, 134_489_759),
    ("fcn8s_at_once", {}, 134_362_751, 134_376_863, 134_489_759),
    ("fcn32s", {"backbone": "alexnet"}, 56_954_261, 56_954_261, 58_704_590),
    ("fcn32s", {"backbone": "alexnet", "form": "torchvision"}, 57_089_877, 57_089_877, 58_840_206),
    ("fcn32s", {"backbone": "googlenet"}, 5_995_077, 5_995_077, 7_801_413),
]


def build(name: str, num_classes: int = 21, **options: Any) -> Any:
    """Without the random numbers, which 134 million weights do not need to be counted."""
    with nn.init.skip():
        return models.create(name, num_classes=num_classes, **options)


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(("name", "options", "plain", "trained", "all_kernels"), COUNTS)
def test_parameters_of_fcn(name: str, options: dict[str, Any], plain: int, trained: int, all_kernels: int) -> None:
    """The x2 upsampling is trained; the last one is a buffer, of one kernel where the paper's has 21 x 21."""
    net = build(name, **options)
    ups = [part for part in net.modules() if isinstance(part, nn.ConvTranspose2d)]
    fixed = [part for part in net.modules() if isinstance(part, FixedBilinear)]
    assert count(net) == trained
    assert count(net) - sum(count(up) for up in ups) == plain
    assert trained + sum(part.channels**2 * part.kernel_size**2 for part in fixed) == all_kernels
    assert {len(fixed), sum(1 for _ in net.buffers())} == {1}


def test_parameters_of_classifiers() -> None:
    """torchvision's figures for its 1000 classes."""
    assert count(build("vgg16", 1000)) == 138_357_544
    assert count(build("vgg16_bn", 1000)) == 138_365_992
    assert count(build("alexnet", 1000, form="torchvision")) == 61_100_840
    assert count(build("googlenet", 1000, form="torchvision")) == 6_624_904
    assert count(build("googlenet", 1000, form="torchvision", auxiliary=True)) == 13_004_888
    assert count(build("alexnet", 1000)) == 60_965_224  # CaffeNet
    assert count(build("googlenet", 1000)) == 6_998_552  # bvlc_googlenet without its side heads


@pytest.mark.parametrize(
    ("backbone", "layers", "field", "millions"), [("alexnet", 8, 355, 57), ("vgg16", 16, 404, 134)]
)
def test_table_1_of_the_fcn_paper(backbone: str, layers: int, field: int, millions: int) -> None:
    info = engine.describe("fcn32s", backbone=backbone, size=(32, 32), width=2)
    assert (info.convolutions, info.coarsest.field, info.coarsest.stride) == (layers, (field, field), (32, 32))
    assert round(count(build("fcn32s", backbone=backbone)) / 1e6) == millions


def test_googlenet_in_table_1_of_the_fcn_paper() -> None:
    """The table's 907 has the average of 7x7 units in it, which the dense network drops: 715 + 6 * 32."""
    info = engine.describe("fcn32s", backbone="googlenet", size=(64, 64), width=2)
    assert (info.convolutions, info.coarsest.field, info.coarsest.stride) == (22, (715, 715), (32, 32))
    assert round(count(build("fcn32s", backbone="googlenet")) / 1e6) == 6
    dense = models.convolutionalize(build("googlenet", width=2))
    assert engine.describe_model(dense, (224, 224)).coarsest.field == (907, 907)


@pytest.mark.parametrize("form", ["paper", "torchvision"])
def test_googlenet_has_58_layers_in_all(form: str) -> None:
    """57 convolutions, and one that scores: fully connected in the classifier."""
    assert engine.describe("googlenet", form=form, width=2).all_convolutions == 57


@pytest.mark.parametrize(
    ("backbone", "crops"),
    [("vgg16", [(19,), (5, 27), (5, 9, 31)]), ("alexnet", [(18,), (5, 18), (5, 10, 18)])],
)
def test_crops_follow_from_where_units_stand(backbone: str, crops: list[tuple[int, ...]]) -> None:
    """The numbers in the released networks (VGG16, AlexNet's 18), none of which is written down in ours."""
    assert [build(f"fcn{s}s", backbone=backbone, width=1).crops for s in (32, 16, 8)] == crops


def test_context_module() -> None:
    """Table 1 of Yu and Koltun: 28,392 parameters of the basic form for 21 classes; the large one's are computed."""
    with nn.init.skip():
        assert count(ContextModule(21, "basic")) == 28_392
        assert count(ContextModule(21, "large")) == 6_803_139


@pytest.mark.parametrize("kind", ["basic", "large"])
def test_fields_of_the_context_module(kind: str) -> None:
    info = engine.describe_model(ContextModule(2, kind), (9, 9), in_channels=2)
    fields = [layer.field[0] for layer in info.layers if layer.kind == "Conv2d"]
    assert fields == [3, 5, 9, 17, 33, 65, 67, 67]
    widths = [layer.shape[0] // 2 for layer in info.layers if layer.kind == "Conv2d"]
    assert widths == ([1] * 8 if kind == "basic" else [2, 2, 4, 8, 16, 32, 32, 1])


@pytest.mark.parametrize(("padding", "first"), [("each", 1), ("first", 33)])
def test_the_context_module_keeps_the_size(padding: str, first: int) -> None:
    module = ContextModule(2, "basic", padding)
    assert module.conv1.padding == (first, first)
    assert module(tinyseg.rand(1, 2, 5, 8)).shape == (1, 2, 5, 8)


def test_dilatednet_sees_what_vgg16_sees_at_an_eighth_of_the_size() -> None:
    """66 x 66 scores of a padded image of 900 x 900, which is one of 528 x 528 with a margin of 186."""
    info = engine.describe("dilatednet", context="none", size=(16, 16), width=1)
    assert (info.coarsest.stride, info.convolutions) == ((8, 8), 16)
    front = build("dilatednet", 2, width=1).front_end
    with tinyseg.no_grad():
        assert front.eval()(tinyseg.zeros(1, 3, 900, 372 + 8)).shape == (1, 2, 66, 1)


def test_parameters_of_deeplab() -> None:
    """The paper says 20.5 million for LargeFOV; by hand: VGG16's convolutions, and a branch for each rate."""
    trunk, branch = 14_714_688, (9 * 512 + 1) * 1024 + (1024 + 1) * 1024 + (1024 + 1) * 21
    assert count(build("deeplab")) == trunk + branch == pytest.approx(20.5e6, rel=1e-3)
    assert count(build("deeplab", head="aspp-l")) == trunk + 4 * branch


@pytest.mark.parametrize(
    ("form", "sizes"),
    [("paper", [55, 27, 27, 13, 13, 13, 13, 6]), ("torchvision", [55, 27, 27, 13, 13, 13, 13, 6])],
)
def test_sizes_of_alexnet(form: str, sizes: list[int]) -> None:
    """227 pixels (224 in torchvision's form) become 55, 27, 13, and 1."""
    net = build("alexnet", 5, form=form, width=2)
    size = net.training_size
    assert size == (227 if form == "paper" else 224)
    dense = models.convolutionalize(net)
    info = engine.describe_model(dense, (size, size))
    found = [layer.shape[1] for layer in info.layers if layer.kind in ("Conv2d", "MaxPool2d")]
    assert found == [*sizes, 1, 1, 1]


def test_sizes_of_a_dense_alexnet_on_a_large_image() -> None:
    """H/4, H/8, H/16, H/32, up to the borders."""
    dense = models.convolutionalize(build("alexnet", 5, width=2))
    info = engine.describe_model(dense, (227 + 32 * 4, 227 + 32 * 6))
    layers = {layer.name: layer for layer in info.layers}
    assert [layers[f"body.{place}"].stride for place in (0, 2, 6, 14)] == [(4, 4), (8, 8), (16, 16), (32, 32)]
    assert info.layers[-1].shape == (5, 5, 7)


def test_steps_of_googlenet() -> None:
    """Table 1 of Szegedy et al.: 112, 56, 28, 14, 7; 256, 480, 512, 512, 512, 528, 832, 832, 1024 channels."""
    net = build("googlenet", 5)
    sizes, channels, x = [], [], tinyseg.zeros(1, 3, 224, 224)
    with tinyseg.no_grad():
        small = build("googlenet", 5, width=2).eval()
        for name, part in small.body().named_children():
            x = part(x)
            if "maxpool" in name or name == "conv1":
                sizes.append(x.shape[2])
    channels = [part.out_channels for name, part in net.body().named_children() if "inception" in name]
    assert sizes == [112, 56, 28, 14, 7]
    assert channels == [256, 480, 512, 512, 512, 528, 832, 832, 1024]


def test_the_receptive_field_is_what_moves_a_unit() -> None:
    """Of the network with the most kinds of windows: strided and not, wide and dilated, maxima and means."""
    model = models.create("deeplab", num_classes=1, in_channels=1, width=1)
    info = engine.describe_model(model, (64, 64))
    assert engine.measure_field(model, info, images=4) == info.coarsest.field == (435, 435)


def test_skipping_the_draw_leaves_zeros_and_the_generator_alone() -> None:
    state = tinyseg.random.default_generator.get_state()
    net = build("fcn8s", backbone="vgg16", width=1)
    assert tinyseg.random.default_generator.get_state() == state
    assert not net.conv1_1.weight.detach().numpy().any()
    assert np.isclose(float(net.upscore2.weight[0, 0].sum().item()), 4.0)  # what is no draw is written all the same
    drawn = models.create("fcn8s", num_classes=21, backbone="vgg16", width=1)
    assert tinyseg.random.default_generator.get_state() != state
    assert drawn.conv1_1.weight.detach().numpy().any()
