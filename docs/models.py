"""Writes ``models.md``, the networks and what their papers say of them: ``python docs/models.py``.

A section for each family; what stands under "ours" is computed here from the networks themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import tinyseg
from tinyseg import engine, models, nn
from tinyseg.models.dilated import ContextModule
from tinyseg.models.fixed_bilinear import FixedBilinear

PAGE = Path(__file__).with_suffix(".md")
HEAD = """# Models

Written by `python docs/models.py`; a test compares. `tinyseg models` lists all networks and their options, and
`tinyseg info MODEL` one of them layer by layer. Columns named *ours* are computed from the networks; figures named
*published* are their papers', on the papers' data, and no claim about ours. Layers are counted as papers do, on the
longest path from the image to the scores; receptive field and stride are those of the last layer before anything is
upsampled.
"""


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table in Markdown; whole numbers get commas."""
    lines = [list(head), *([_cell(value) for value in row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def build(name: str, num_classes: int = 21, **options: Any) -> models.Network:
    """A network without random numbers, which are not needed to count."""
    with nn.init.skip():
        return models.create(name, num_classes=num_classes, **options)


def count(net: nn.Module) -> int:
    """Its parameters."""
    return sum(parameter.numel() for parameter in net.parameters())


def narrow(name: str, size: int, **options: Any) -> engine.ModelInfo:
    """What ``tinyseg info`` says of a narrow form: channels change neither layers nor fields."""
    return engine.describe(name, size=(size, size), width=2, **options)


def classifiers() -> str:
    """Section."""
    rows = [
        ("`alexnet`", "CaffeNet", 227, 60_965_224, count(build("alexnet", 1000))),
        (
            "`alexnet --form torchvision`",
            "torchvision",
            224,
            61_100_840,
            count(build("alexnet", 1000, form="torchvision")),
        ),
        ("`vgg16`", "the paper, torchvision", 224, 138_357_544, count(build("vgg16", 1000))),
        ("`vgg16_bn`", "torchvision", 224, 138_365_992, count(build("vgg16_bn", 1000))),
        ("`googlenet`", "Caffe's, without side heads", 224, 6_998_552, count(build("googlenet", 1000))),
        (
            "`googlenet --form torchvision --auxiliary`",
            "torchvision",
            224,
            13_004_888,
            count(build("googlenet", 1000, form="torchvision", auxiliary=True)),
        ),
    ]
    dense = models.convolutionalize(build("googlenet", 2, width=2))
    field = engine.describe_model(dense, (224, 224)).coarsest.field[0]
    sizes = [
        layer.shape[1]
        for layer in engine.describe_model(
            models.convolutionalize(build("alexnet", 2, width=2)),
            (227, 227),
        ).layers
        if layer.kind in ("Conv2d", "MaxPool2d")
    ]
    steps = ", ".join(str(size) for size in dict.fromkeys([227, *sizes]))
    return f"""## Classifiers

Krizhevsky, Sutskever and Hinton 2012; Simonyan and Zisserman 2015; Szegedy et al. 2015. Parameters with 1000 classes:

{table(("network", "form of", "image", "published", "ours"), rows)}
`models.convolutionalize` makes fully connected layers convolutions of the same weights. AlexNet's maps are then of
sides {steps} for the image that it was trained on, and the score of 1x1 becomes a map on a larger one.
GoogLeNet's receptive field, with its average over 7x7 units, is {field} pixels.
"""


def fcn() -> str:
    """Section."""
    published = {"alexnet": (8, 57, 355), "vgg16": (16, 134, 404), "googlenet": (22, 6, 907)}
    others = {"alexnet": (39.8, 50), "vgg16": (56.0, 210), "googlenet": (42.5, 59)}
    rows = []
    for backbone, (layers, millions, field) in published.items():
        info = narrow("fcn32s", 64, backbone=backbone)
        parameters = count(build("fcn32s", backbone=backbone))
        rows.append(
            (
                f"`{backbone}`",
                layers,
                info.convolutions,
                f"{millions}M",
                parameters,
                field,
                info.coarsest.field[0],
                32,
                info.coarsest.stride[0],
                *others[backbone],
            )
        )
    head = (
        "backbone",
        "conv. layers, published",
        "ours",
        "parameters, published",
        "ours",
        "field, published",
        "ours",
    )
    head += ("stride, published", "ours", "mean IU, published", "ms, published (2015)")
    return f"""## FCN

Long, Shelhamer and Darrell 2015. `fcn32s`, `fcn16s`, `fcn8s`, `fcn8s_at_once` and `fcn32s_fixed`, each with
`--backbone vgg16`, `alexnet`, `googlenet`, or `small`, which is no network of the paper's. With 21 classes (table 1):

{table(head, rows)}
The published 907 counts the average over 7x7 units at GoogLeNet's end, which has no place in a dense network:
715 + 6 * 32 = 907 (the classifier's, above). The 22 layers of GoogLeNet are those of its longest path, of 58 in all.

Parameters (computed from the definitions): without any upsampling, trained (the x2 ones are), and with the last,
bilinear one, which is fixed: ours is a buffer with one kernel for all classes, not one for each pair of them.

{table(("network", "plain", "ours", "trained", "ours", "with all", "ours"), _fcn_counts())}
Rows and columns that are cut off, for each skip and then to the image; in the released networks they are written
down, here they follow from where units stand over the image:

{table(("network", "released", "ours"), _fcn_crops())}
Published results on a subset of VOC 2011's validation images:

{table(("network", "pixel acc.", "mean acc.", "mean IU", "f.w. IU"), _FCN_RESULTS)}
Against SDS, the best before it, the paper counts a mean IU that is 30% better, relatively, in 1/286 of the time.
Mean IU of the weights that its authors released later, and of wkentaro's in PyTorch:

{table(("network", "released", "wkentaro's"), _FCN_RELEASED)}
Published results on SIFT Flow, of FCN-16s with two heads
(`tinyseg train --data sift-flow --geometric-classes 3`):

{table(("method", "pixel acc.", "mean acc.", "mean IU", "f.w. IU", "geometric acc."), _SIFT_FLOW)}"""


_FCN_RESULTS = [
    ("FCN-32s-fixed", 83.0, 59.7, 45.4, 72.0),
    ("FCN-32s", 89.1, 73.3, 59.4, 81.4),
    ("FCN-16s", 90.0, 75.7, 62.4, 83.0),
    ("FCN-8s", 90.3, 75.9, 62.7, 83.2),
]

_FCN_RELEASED = [
    ("FCN-32s", 63.6, 62.84),
    ("FCN-16s", "65.0", 64.91),
    ("FCN-8s", 65.5, 65.49),
    ("FCN-8s at once", 65.4, ""),
    ("FCN-32s over AlexNet", "48.0", ""),
]

_SIFT_FLOW = [
    ("Liu et al.", 76.7, "", "", "", ""),
    ("Tighe et al.", "", "", "", "", 90.8),
    ("Tighe et al. 1", 75.6, 41.1, "", "", ""),
    ("Tighe et al. 2", 78.6, 39.2, "", "", ""),
    ("Farabet et al. 1", 72.3, 50.8, "", "", ""),
    ("Farabet et al. 2", 78.5, 29.6, "", "", ""),
    ("Pinheiro et al.", 77.7, 29.8, "", "", ""),
    ("FCN-16s", 85.2, 51.7, 39.5, 76.1, 94.3),
]


def _fcn_counts() -> list[tuple[Any, ...]]:
    published = [
        ("fcn32s", {"backbone": "vgg16"}, (134_346_581, 134_346_581, 136_152_917)),
        ("fcn16s", {"backbone": "vgg16"}, (134_357_354, 134_364_410, 134_815_994)),
        ("fcn8s", {"backbone": "vgg16"}, (134_362_751, 134_376_863, 134_489_759)),
        ("fcn32s", {"backbone": "alexnet"}, (56_954_261, 56_954_261, 58_704_590)),
        ("fcn32s", {"backbone": "alexnet", "form": "torchvision"}, (57_089_877, "", "")),
        ("fcn32s", {"backbone": "googlenet"}, (5_995_077, 5_995_077, 7_801_413)),
    ]
    rows = []
    for name, options, wanted in published:
        net = build(name, **options)
        trained = count(net)
        ups = sum(count(part) for part in net.modules() if isinstance(part, nn.ConvTranspose2d))
        fixed = [part for part in net.modules() if isinstance(part, FixedBilinear)]
        full = trained + sum(part.channels**2 * part.kernel_size**2 for part in fixed)
        ours = trained - ups, trained, full
        cells = [cell for pair in zip(wanted, ours, strict=True) for cell in pair]
        rows.append((f"`{name}`, {', '.join(map(str, options.values()))}", *cells))
    return rows


def _fcn_crops() -> list[tuple[Any, ...]]:
    released = {
        ("fcn32s", "vgg16"): "19",
        ("fcn16s", "vgg16"): "5, 27",
        ("fcn8s", "vgg16"): "5, 9, 31",
        ("fcn32s", "alexnet"): "18",
    }
    return [
        (f"`{name}`, {backbone}", cut, ", ".join(map(str, build(name, backbone=backbone, width=2).crops)))
        for (name, backbone), cut in released.items()
    ]


def dilatednet() -> str:
    """Section."""
    info = {kind: engine.describe_model(ContextModule(2, kind), (9, 9), in_channels=2) for kind in ("basic", "large")}
    layers = {kind: [layer for layer in info[kind].layers if layer.kind == "Conv2d"] for kind in info}
    published = (3, 5, 9, 17, 33, 65, 67, 67)
    widths = ("2C", "2C", "4C", "8C", "16C", "32C", "32C", "C")
    dilations = [str(getattr(ContextModule(2), f"conv{n}").dilation[0]) for n in range(1, 8)] + ["1 (1x1)"]
    rows = [
        (
            number,
            dilations[number - 1],
            field,
            basic.field[0],
            "C",
            _widths(basic),
            wide,
            _widths(large),
        )
        for number, (field, wide, basic, large) in enumerate(
            zip(published, widths, layers["basic"], layers["large"], strict=True), start=1
        )
    ]
    with nn.init.skip():
        counts = [
            (f"context module, {kind}, 21 classes", number, count(ContextModule(21, kind)))
            for kind, number in (("basic", 28_392), ("large", 6_803_139))
        ]
    front = narrow("dilatednet", 16, context="none")
    head = ("layer", "dilation", "field, published", "ours", "basic, published", "ours", "large, published", "ours")
    results = [
        ("front end", 69.8, 71.6, 72.5),
        ("front end + basic", 71.3, 72.7, 73.1),
        ("front end + large", 72.1, 73.3, 73.9),
    ]
    return f"""## DilatedNet

Yu and Koltun 2016. `dilatednet --context none`, `basic`, `large`, or `cityscapes`, which is basic with dilations of
32 and 64 more. The front end is VGG16, with {front.convolutions} layers at stride {front.coarsest.stride[0]}; images
are mirrored outwards by 186 pixels. The context module starts as the identity. Its layers (table 1), of C classes:

{table(head, rows)}
{table(("parameters", "published or computed", "ours"), counts)}
The released networks for VOC pad 33 units in the module's first layer and none behind it, which
`--context-padding first` does; by default each layer pads what it takes away.

Published mean IU on VOC 2012's validation images:

{table(("network", "alone", "with a CRF", "with CRF-RNN"), results)}
On its test images the front end has 67.6 without images of COCO, and the network with its context module 73.5.
"""


def _widths(layer: engine.LayerInfo) -> str:
    times = layer.shape[0] // 2  # of a module for two classes
    return "C" if times == 1 else f"{times}C"


def deeplab() -> str:
    """Section."""
    rows = []
    for head, name, millions, alone, crf in (
        ("largefov", "LargeFOV", "20.5M", 65.76, 69.84),
        ("aspp-s", "ASPP-S", "", 66.98, 69.73),
        ("aspp-l", "ASPP-L", "", 68.96, 71.57),
    ):
        info = narrow("deeplab", 65, head=head)
        parameters = count(build("deeplab", head=head))
        rows.append((f"`--head {head}`", name, millions, parameters, info.coarsest.stride[0], alone, crf))
    head_row = ("network", "name", "parameters, published", "ours", "stride", "mean IU, published", "with a CRF")
    return f"""## DeepLab

Chen et al. 2015 and 2018, on VGG16: `deeplab`. Rates 12; 2, 4, 8, 12; 6, 12, 18, 24. Mean IU on VOC 2012's
validation images, trained with poly in 20,000 steps of 10 images (2018, table 3). LargeFOV had 62.25, and 67.64 with
a CRF, when the rate fell in steps (table 1).

{table(head_row, rows)}"""


def unet() -> str:
    """Section."""
    paper = narrow("unet_paper", 64, depth=4)
    layers = paper.convolutions + paper.transposed_convolutions
    two = {"num_classes": 2}
    gray = {**two, "in_channels": 1}
    milesial = {"width": 64, "skip_first": True, "pad_maps": True}
    rows = [
        ("`unet_paper`", "the paper, 1 channel, 2 classes", 31_030_658, count(build("unet_paper", **gray))),
        (
            "`unet_paper --released`",
            "the released model",
            31_100_354,
            count(build("unet_paper", **gray, released=True)),
        ),
        (
            "`unet --width 64 --skip-first --pad-maps`",
            "milesial's port, 3 channels, 2 classes",
            31_037_698,
            count(build("unet", **two, **milesial)),
        ),
        (
            "`unet --width 64 --skip-first --pad-maps --bilinear`",
            "milesial's port, bilinear",
            17_263_042,
            count(build("unet", **two, **milesial, bilinear=True)),
        ),
    ]
    net = build("unet_paper", 2, in_channels=1, width=1).eval()
    with tinyseg.no_grad():
        sizes = [
            (n, m, net.logits(tinyseg.zeros(1, 1, n, 188)).shape[2]) for n, m in ((572, 388), (188, 4), (204, 20))
        ]
    cells = [
        ("IMCB-SG (2014)", 0.2669, 0.2935),
        ("KTH-SE (2014)", 0.7953, 0.4607),
        ("HOUS-US (2014)", 0.5323, ""),
        ("second best, 2015", 0.83, 0.46),
        ("U-Net, 2015", 0.9203, 0.7756),
    ]
    return f"""## U-Net

Ronneberger, Fischer and Brox 2015. `unet_paper` pads nothing: its image is entered with a border of 92 pixels,
mirrored, so that scores cover it, and a tile with its surroundings scores as the whole image does. `unet` pads its
convolutions and normalises batches, with 32 channels in its first level unless asked otherwise.

{table(("network", "form of", "parameters, published or computed", "ours"), rows)}
Convolutions: published 23, ours {layers}, of which {paper.transposed_convolutions} are transposed. Sizes that the
network itself takes, and gives:

{table(("pixels", "scores, published", "ours"), sizes)}
Published on ISBI 2012's membranes: a warping error of 0.000353. On two data sets of the cell tracking challenge, as
IoU of cells (`tinyseg evaluate --metrics cells`):

{table(("method", "PhC-U373", "DIC-HeLa"), cells)}"""


def unetpp() -> str:
    """Section."""
    gray = {"num_classes": 1, "in_channels": 1}
    rows = [
        ("`unetpp`", 9_041_601, count(build("unetpp", **gray))),
        ("`unetpp --deep-supervision`", 9_041_700, count(build("unetpp", **gray, deep_supervision=True))),
        ("`unetpp --plain`, a U-Net", 7_759_521, count(build("unetpp", **gray, plain=True))),
    ]
    whole = build("unetpp", **gray, deep_supervision=True)
    cuts = [(f"L{depth}", count(whole.prune(depth))) for depth in (1, 2, 3, 4)]
    return f"""## U-Net++

Zhou, Siddiquee, Tajbakhsh and Liang 2018. Parameters with 1 channel and 1 class:

{table(("network", "published or computed", "ours"), rows)}
With deep supervision there is a head at each depth; training lowers the mean of their losses, and the logits are the
mean of theirs. `model.prune(depth)` cuts the network at a head, whose logits it then gives:

{table(("cut at", "parameters, ours"), cuts)}"""


def unpooling() -> str:
    """Section."""
    segnet, deconvnet = narrow("segnet", 64), engine.describe("deconvnet", size=(224, 224), num_classes=2, width=2)
    rows = [
        (
            "`segnet`, 11 classes",
            "29.45M",
            count(build("segnet", 11)),
            f"{segnet.convolutions}",
            segnet.coarsest.field[0],
        ),
        (
            "`deconvnet`, 21 classes",
            "251.8M",
            count(build("deconvnet", 21)),
            f"{deconvnet.convolutions} + {deconvnet.transposed_convolutions} transposed",
            deconvnet.coarsest.field[0],
        ),
    ]
    head = ("network", "parameters, computed from the paper", "ours", "layers, ours", "field, ours")
    return f"""## SegNet, DeconvNet

Badrinarayanan, Kendall and Cipolla 2015; Noh, Hong and Han 2015. Both are VGG16 and its mirror image, and put numbers
back to where the pools found them.

{table(head, rows)}
SegNet's pools round up, so 360 rows become 180, 90, 45, 23 and 12, and each unpooling is told the size to come back
to. DeconvNet's field counts the 7x7 that mirrors fc6; that of fc6 alone is 404. It pads images smaller than 224x224.

Published: DeconvNet has a mean IU of 69.6 on VOC 2012's test images, 70.5 with a CRF.
"""


def fcdensenet() -> str:
    """Section."""
    rows = []
    published = ((56, 1.5, "1.377M", "1.398M", 58.9, 88.9), (67, 3.5, "3.463M", "3.503M", 65.8, 90.8))
    for layers, printed, trained, all_of_it, iou, accuracy in (
        *published,
        (103, 9.4, "9.322M", "9.425M", 66.9, 91.5),
    ):
        net = build(f"fcdensenet{layers}", 11)
        statistics = sum(buffer.numel() for buffer in net.buffers() if buffer.is_floating_point)
        info = engine.describe(f"fcdensenet{layers}", size=(32, 32), num_classes=2, width=1, growth=1)
        rows.append(
            (
                f"`fcdensenet{layers}`",
                info.convolutions + info.transposed_convolutions,
                f"{printed}M",
                trained,
                count(net),
                all_of_it,
                count(net) + statistics,
                iou,
                accuracy,
            )
        )
    head = ("network", "layers, ours", "parameters, published", "trained, computed", "ours")
    head += ("with statistics, computed", "ours", "mean IU, published", "accuracy, published")
    stacks = [block.inputs + 16 * len(block.layers) for part in (net.down, [net.middle], net.merge) for block in part]
    return f"""## FC-DenseNet

Jegou, Drozdzal, Vazquez, Romero and Bengio 2016. With the 11 classes of CamVid:

{table(head, rows)}
The paper prints rounded numbers; the one of FC-DenseNet56 is not what its definition gives. Channels of the stacks of
FC-DenseNet103 (table 2; where it prints 578, its own numbers add up to 576):

{table(("block", "published", "ours"), zip(range(1, 12), _STACKS, stacks, strict=True))}"""


_STACKS = (112, 192, 304, 464, 656, 896, 1088, 816, 578, 384, 256)


def preprocessing() -> str:
    """Section."""
    known = (
        ("weights trained with Caffe, wkentaro's FCN", models.CAFFE),
        ("torchvision's AlexNet and VGG16", models.IMAGENET),
        ("torchvision's GoogLeNet", models.INCEPTION),
    )
    rows = [
        (name, "blue, green, red" if kept.bgr else "red, green, blue", _numbers(kept.mean), _numbers(kept.std))
        for name, kept in known
    ]
    return f"""## What weights expect of images

`model.preprocessing`: (image - mean) / std, of an image in 0..255, for red, green and blue; a run keeps it in its
configuration and in its checkpoints. Weights that are drawn at random expect nothing, and get mean and standard
deviation of the training images.

{table(("weights", "order", "mean", "std"), rows)}"""


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{255 * value:.5g}" for value in values)


SECTIONS: tuple[Callable[[], str], ...] = (
    classifiers, fcn, dilatednet, deeplab, unet, unetpp, unpooling, fcdensenet, preprocessing,
)  # fmt: skip


def page() -> str:
    """The text of models.md."""
    return "\n".join([HEAD, *(section() for section in SECTIONS)])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
