"""FCN-32s, FCN-16s and FCN-8s on the same drawn images: finer strides give finer outlines.

Source: Long, Shelhamer and Darrell 2015, "Fully convolutional networks for semantic segmentation", section 4.2 and
the metrics of section 5; figure 4 and table 2 are what is repeated here, on a task of minutes.

    python examples/fcn_skips.py --out pictures            under two minutes on two cores
    python examples/fcn_skips.py --out pictures --quick    in seconds: the same steps, but little is learnt
"""

# %% [markdown]
# A classifier's last layer knows *what* is there, in units of 32x32 pixels; an earlier one knows better *where*. A
# skip scores the classes on the earlier layer, too, and adds these scores to the upsampled ones:
#
#     FCN-32s     score5                                              x32 -> pixels
#     FCN-16s     score5 x2 + score4                                  x16 -> pixels
#     FCN-8s     (score5 x2 + score4) x2 + score3                      x8 -> pixels
#
# They are trained in stages, as in the paper: FCN-16s begins with the weights of FCN-32s, FCN-8s with those of
# FCN-16s. The scores of a new skip begin at zero, so it takes away nothing that was learnt: only the enlargement, in
# two bilinear steps now instead of one, is not quite the same.

# %%
from example_options import example_options

import tinyseg
from tinyseg import models, optim, viz
from tinyseg.data import Compose, DataLoader, RandomFlip, Shapes
from tinyseg.metrics import BoundaryScores, ConfusionMatrix
from tinyseg.nn import functional as F

options = example_options(__doc__, trains=True)
size = (64, 64) if options.quick else (128, 128)
width = 16 if options.quick else 32
steps = 70 if options.quick else 250
batch_size = 4 if options.quick else 8

train_set = Shapes("train", count=steps * batch_size, size=size)
test_set = Shapes("val", count=40 if options.quick else 100, size=size)
classes = train_set.classes

# %% [markdown]
# A stage is one pass over the training images. Every network gets three of them, so that a finer one is not better
# for having been trained longer: FCN-32s three, FCN-16s one as FCN-32s and two with its skip, FCN-8s one as each.


# %%
def train_stage(model, number):
    """One pass over the images, in an order that depends on the number of the stage; the rate falls to zero."""
    optimizer = optim.Adam(model.parameters(), lr=5e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    loader = DataLoader(train_set, batch_size, Compose([RandomFlip()]), shuffle=True)
    model.train()
    for batch in loader.epoch(number):
        loss = F.cross_entropy(model(tinyseg.tensor(batch.images)), tinyseg.tensor(batch.labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


def begun_with(finer, coarser):
    """``finer`` with the weights of ``coarser``; but its own last layer, which is fixed: bilinear."""
    weights = {name: value for name, value in coarser.state_dict().items() if name != "up.weight"}
    new = finer.load_state_dict(weights, strict=False).missing_keys
    print(f"  {finer.name} begins with the weights of {coarser.name}; new: {', '.join(new)}")
    return finer


def predictions(model):
    """The class of each pixel of the test images, N,H,W, and the truth."""
    model.eval()
    with tinyseg.no_grad():
        for batch in DataLoader(test_set, batch_size).epoch(0):
            yield from zip(model(tinyseg.tensor(batch.images)).argmax(1).numpy(), batch.labels, strict=True)


def scores(model):
    """Every pixel of all test images in one matrix, from which the four metrics are read."""
    matrix = ConfusionMatrix(len(classes))
    for predicted, truth in predictions(model):
        matrix.update(predicted, truth)
    return matrix


# %%
tinyseg.manual_seed(0)
print(f"\n{len(train_set)} images of {size[0]}x{size[1]} pixels in each stage")
coarse = train_stage(models.fcn32s(len(classes), width=width), number=0)
at_32s = scores(coarse)

middle = begun_with(models.fcn16s(len(classes), width=width), coarse)
before_learning = scores(middle)
print(f"  mean IU: {at_32s.mean_iu:.3f} without the skip, {before_learning.mean_iu:.3f} with it before it has learnt")
train_stage(middle, number=1)

fine = begun_with(models.fcn8s(len(classes), width=width), middle)
train_stage(fine, number=2)

train_stage(middle, number=2)
train_stage(coarse, number=1)
train_stage(coarse, number=2)

# %% [markdown]
# The four metrics, with n_ij the pixels of class i that are predicted as class j, and t_i = sum_j n_ij:
#
#     pixel accuracy   sum_i n_ii / sum_i t_i
#     mean accuracy    1/K sum_i n_ii / t_i
#     mean IU          1/K sum_i n_ii / (t_i + sum_j n_ji - n_ii)
#     f.w. IU          sum_i t_i n_ii / (t_i + sum_j n_ji - n_ii) / sum_i t_i
#
# Outlines are few of the pixels, and the four hardly see them. So there is a fifth: the share of outlines, in the
# prediction and in the truth, that have the other one's within a pixel (boundary F1).

# %%
networks = {"FCN-32s": coarse, "FCN-16s": middle, "FCN-8s": fine}
table = {name: scores(model) for name, model in networks.items()}
outlines = {}
for name, model in networks.items():
    outlines[name] = BoundaryScores(len(classes), tolerance=1.0)
    for predicted, truth in predictions(model):
        outlines[name].update(predicted, truth)

print("\n          pixel acc.  mean acc.  mean IU  f.w. IU   boundary F1")
for name, row in table.items():
    four = (row.pixel_accuracy, row.mean_accuracy, row.mean_iu, row.frequency_weighted_iu)
    cells = "{:10.1f} {:10.1f} {:8.1f} {:8.1f}".format(*(100 * value for value in four))
    print(f"{name:9} {cells} {100 * outlines[name].mean_f1:12.1f}")

print("\nthe paper, on a part of PASCAL VOC 2011's validation images (table 2):")
for name, four in {
    "FCN-32s": (89.1, 73.3, 59.4, 81.4),
    "FCN-16s": (90.0, 75.7, 62.4, 83.0),
    "FCN-8s": (90.3, 75.9, 62.7, 83.2),
}.items():
    print("{:9} {:10.1f} {:10.1f} {:8.1f} {:8.1f}".format(name, *four))

# %% [markdown]
# In the pictures a unit of FCN-32s is a quarter of the image wide, one of FCN-8s a sixteenth: what is smaller is
# rounded off, or missing.

# %%
shown = 5
labels_of = {name: [found for found, _ in predictions(model)][:shown] for name, model in networks.items()}
rows = [
    [test_set[index].image, test_set[index].mask, *(found[index] for found in labels_of.values())]
    for index in range(shown)
]
viz.save_pictures(options.out / "fcn_skips.png", rows, ["input", "truth", *networks], classes=classes)
viz.save_bars(
    options.out / "fcn_skips_scores.png",
    {
        "pixel accuracy": {name: 100 * row.pixel_accuracy for name, row in table.items()},
        "mean accuracy": {name: 100 * row.mean_accuracy for name, row in table.items()},
        "mean IU": {name: 100 * row.mean_iu for name, row in table.items()},
        "f.w. IU": {name: 100 * row.frequency_weighted_iu for name, row in table.items()},
        "boundary F1": {name: 100 * row.mean_f1 for name, row in outlines.items()},
    },
    "%",
    "Every skip makes outlines finer",
    text="{:.1f}",
)
print("\nsaved fcn_skips.png and fcn_skips_scores.png")
