"""A classifier becomes a heat map: fully connected layers are convolutions, and one pass does what a window did.

A fully connected layer that sees maps of h x w is a convolution with a kernel of h x w: the same weights, the same
sums. Written so, a network takes images of any size, and answers for every position of its window at once. Here
AlexNet's sizes are followed through it, then a small classifier is trained on crops, and turned into a dense network.

Source: Long, Shelhamer and Darrell 2015, "Fully convolutional networks for semantic segmentation", section 3.1 and
figure 2.

    python examples/convolutionalize.py --out pictures            about a minute on two cores
    python examples/convolutionalize.py --out pictures --quick    in seconds: fewer crops, a worse map
"""

# %%
import math
import time

import numpy as np
from example_options import example_options

import tinyseg
from tinyseg import data, engine, models, nn, optim, viz
from tinyseg.metrics import ConfusionMatrix
from tinyseg.nn import functional as F

options = example_options(__doc__, trains=True)
tinyseg.manual_seed(0)

# %% [markdown]
# ## AlexNet
# The classifier takes 227 x 227 pixels through maps of 55, 27 and 13 to one answer. As a convolutional network it
# takes H x W to H/4 x W/4, H/8, H/16, H/32: the strides, which are printed beside the sizes. The image is not padded,
# so there is room for a few units less.

# %%
alexnet = models.create("alexnet", num_classes=1000)
dense_alexnet = models.convolutionalize(alexnet)
sizes = ((227, 227), (500, 500))
described = [engine.describe_model(dense_alexnet, size) for size in sizes]
shown = {
    "conv1": "body.0",
    "pool1": "body.2",
    "pool2": "body.6",
    "pool5": "body.14",
    "fc6, a 6x6 convolution": "head.1",
    "fc8, the scores": "head.6",
}
table = {
    label: [next(layer for layer in info.layers if layer.name == name) for info in described]
    for label, name in shown.items()
}
print("AlexNet, made convolutional      " + "".join(f"{f'{h} x {w}':<12}" for h, w in sizes) + "stride")
for label, layers in table.items():
    maps = "".join(f"{f'{layer.shape[1]} x {layer.shape[2]}':<12}" for layer in layers)
    print(f"  {label:<31}{maps}{layers[0].stride[0]:g}")
sides = list(dict.fromkeys([sizes[0][0], *(layers[0].shape[1] for layers in table.values())]))
print("  the classifier's sizes:", ", ".join(map(str, sides)))

# %% [markdown]
# On 500 x 500 pixels there are 10 x 10 answers. A window that slides computes most of the maps again and again. The
# paper's one pass took a fifth of the time of 100 windows, or less (section 3.1); here multiply-adds are counted.

# %%
one_window, one_pass = (info.multiply_adds for info in described)
saving = 100 * one_window / one_pass
print("\n10 x 10 answers of AlexNet, in multiply-adds")
print(f"  100 windows  {100 * one_window:>16,}\n  one pass     {one_pass:>16,}   {saving:.1f} times less")

# %% [markdown]
# ## A small classifier of crops
# Drawn images of disks, squares, triangles, rings and crosses. A crop of 32 x 32 pixels belongs to the class of the
# pixel in its middle. The network is two convolutions and two fully connected layers, the first of which sees maps
# of 6 x 6. Nothing pads.

# %%
WINDOW, STRIDE = 32, 4
IMAGE, WHOLE = (48, 48), (48, 144)


class CropClassifier(models.Classifier):
    """Crops N,3,32,32 in, scores N,num_classes out: 32 -> 28 -> 14 -> 12 -> 6 -> 1."""

    def __init__(self, num_classes: int) -> None:
        super().__init__("crop_classifier", num_classes, in_channels=3, training_size=WINDOW, window=6)
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.classifier = nn.Sequential(nn.Linear(32 * 6 * 6, 64), nn.ReLU(), nn.Linear(64, num_classes))

    @property
    def min_size(self) -> tuple[int, int]:
        """One window."""
        return WINDOW, WINDOW

    def body(self) -> nn.Sequential:
        """The convolutions."""
        return self.features

    def head(self) -> nn.Sequential:
        """The fully connected layers."""
        return self.classifier


# %% [markdown]
# Images are mirrored outwards by 14 pixels. Then the middle of the first window is that of the image's first 4 x 4
# pixels, and the middle of a window 4 pixels further that of the next: an answer for each 4 x 4 pixels.

# %%
BORDER = (WINDOW - STRIDE) // 2


def mirrored(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) of bytes -> (3, H + 28, W + 28) in -1/2 .. 1/2."""
    wide = np.pad(image, ((BORDER, BORDER), (BORDER, BORDER), (0, 0)), mode="reflect")
    return (wide.transpose(2, 0, 1) / 255 - 0.5).astype(np.float32)


def crops_of(shapes: data.Dataset, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """So many crops of each image, and the class of each; the classes in an image come equally often."""
    crops, labels = [], []
    for sample in shapes:
        image = mirrored(sample.image)
        middles = sample.mask[2:-1, 2:-1]  # of the windows that begin at 0, 1, ...: pixel 16 of 0 .. 31
        for label in rng.choice(np.unique(middles), count):
            y, x = rng.choice(np.argwhere(middles == label))
            crops.append(image[:, y : y + WINDOW, x : x + WINDOW])
            labels.append(label)
    return np.stack(crops), np.array(labels, np.int64)


rng = np.random.default_rng(0)
images, per_image, epochs, batch = (150, 40, 4, 64) if options.quick else (600, 40, 8, 64)
train_crops, train_labels = crops_of(data.Shapes("train", count=images, size=IMAGE), per_image, rng)
val_crops, val_labels = crops_of(data.Shapes("val", count=60, size=IMAGE), 10, rng)
names = data.Shapes.classes.names

net = CropClassifier(len(names))
steps = epochs * math.ceil(len(train_crops) / batch)
optimizer = optim.Adam(net.parameters(), lr=2e-3)
schedule = optim.lr_scheduler.PolynomialLR(optimizer, steps, power=0.9)
print(f"\n{len(train_crops)} crops of {WINDOW} x {WINDOW}, {len(names)} classes")
for epoch in range(epochs):
    losses = []
    for chosen in np.array_split(rng.permutation(len(train_crops)), steps // epochs):
        optimizer.zero_grad()
        scores = net(tinyseg.tensor(train_crops[chosen]))
        loss = F.cross_entropy(scores, tinyseg.tensor(train_labels[chosen]))
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    net.eval()
    with tinyseg.no_grad():
        right = net(tinyseg.tensor(val_crops)).numpy().argmax(1) == val_labels
    net.train()
    crop_accuracy = float(right.mean())
    print(f"  epoch {epoch + 1}: loss {np.mean(losses):.3f}, {crop_accuracy:.1%} of validation crops right")
net.eval()

# %% [markdown]
# ## One pass instead of a sliding window
# The same weights, as convolutions: on a crop the same answer, on a whole image a map of answers. The window that
# slides in steps of 4 pixels gives the same numbers. All its positions are one batch here, which is the fastest way.

# %%
dense = models.convolutionalize(net)
whole_images = data.Shapes("val", count=3, size=WHOLE)
whole = [tinyseg.tensor(mirrored(sample.image)[None]) for sample in whole_images]


def slide(image: tinyseg.Tensor) -> tinyseg.Tensor:
    """(1, 3, H, W) -> (1, num_classes, h, w): the classifier at each position, 4 pixels apart."""
    height, width = ((size - WINDOW) // STRIDE + 1 for size in image.shape[2:])
    windows = tinyseg.cat(
        [
            image[:, :, STRIDE * i : STRIDE * i + WINDOW, STRIDE * j : STRIDE * j + WINDOW]
            for i in range(height)
            for j in range(width)
        ]
    )
    return net(windows).T.reshape(1, -1, height, width)


def seconds(function: object, image: tinyseg.Tensor) -> float:
    """The shortest of five runs, after one that is not counted."""
    function(image)
    runs = []
    for _ in range(5):
        begin = time.perf_counter()
        function(image)
        runs.append(time.perf_counter() - begin)
    return min(runs)


with tinyseg.no_grad():
    scores, slid = [dense(image) for image in whole], [slide(image) for image in whole]
    difference = max(float((a - b).abs().max().item()) for a, b in zip(slid, scores, strict=True))
    sliding_seconds, dense_seconds = seconds(slide, whole[0]), seconds(dense, whole[0])
largest = max(float(found.abs().max().item()) for found in scores)
window_work = engine.describe_model(dense, (WINDOW, WINDOW)).multiply_adds
pass_work = engine.describe_model(dense, whole[0].shape[2:]).multiply_adds
positions = scores[0].shape[2] * scores[0].shape[3]
print(f"\n{positions} positions of the window, 4 pixels apart     multiply-adds   seconds")
print(f"  the classifier at each of them          {positions * window_work:>15,}   {sliding_seconds:.4f}")
print(f"  one fully convolutional pass            {pass_work:>15,}   {dense_seconds:.4f}")
work_saving, speed_up = positions * window_work / pass_work, sliding_seconds / dense_seconds
print(f"  times less, times faster                {work_saving:>15.1f}   {speed_up:.1f}")
print(f"  largest difference of scores            {difference:>15.1e}   (scores reach {largest:.1f})")

# %% [markdown]
# ## Heat maps
# Probabilities (softmax of the scores), a value for each 4 x 4 pixels: where the network would call a crop a disk, a
# square, ... The most probable class at each place is a coarse segmentation, by a network that has never seen a mask.

# %%
heat = [F.softmax(found, 1).numpy()[0] for found in scores]
predicted = [one.argmax(0).repeat(STRIDE, 0).repeat(STRIDE, 1) for one in heat]
confusion = ConfusionMatrix(len(names))
for sample in data.Shapes("val", count=40, size=WHOLE):
    with tinyseg.no_grad():
        coarse = dense(tinyseg.tensor(mirrored(sample.image)[None])).numpy()[0].argmax(0)
    confusion.update(coarse.repeat(STRIDE, 0).repeat(STRIDE, 1), sample.mask.astype(np.int64))
background = confusion.true_pixels[0] / confusion.num_pixels
print("\nthe most probable class as a segmentation of 40 images")
print(f"  pixel accuracy {confusion.pixel_accuracy:.3f} (all background: {background:.3f})")
print(f"  mean IU        {confusion.mean_iu:.3f} (all background: {background / len(names):.3f})")

rows = [[sample.image for sample in whole_images], [sample.mask for sample in whole_images], predicted]
rows += [[viz.heatmap(one[label], 0, 1) for one in heat] for label in range(1, len(names))]
viz.save_pictures(
    options.out / "convolutionalize_heat.png",
    rows,
    labels=["image", "truth", "most probable", *(f"p({name})" for name in names[1:])],
    classes=data.Shapes.classes,
)
drawn = [rng.choice(np.flatnonzero(train_labels == label), 8) for label in range(len(names))]
viz.save_pictures(
    options.out / "convolutionalize_crops.png",
    [[np.rint((train_crops[i] + 0.5) * 255).astype(np.uint8).transpose(1, 2, 0) for i in chosen] for chosen in drawn],
    labels=names,
)
