# %% [markdown]
# # FCN against U-Net
#
# A fully convolutional network (Long, Shelhamer and Darrell 2015, sections 3.1 and 4) is a classifier that has been
# made to answer for every place of an image. Its *trunk* has learnt from pictures that are only named, which are
# cheap; what is left to learn from labelled pixels are the scores on top of it. A U-Net (Ronneberger, Fischer and
# Brox 2015) learns all of itself from labelled pixels, and brings every level of detail back by its skips.

# %%
"""FCN against U-Net: is a trunk that was trained beforehand worth more than a better decoder?

Trains a small classifier on crops of drawn shapes; then, on the same images, an FCN-16s on that trunk with the trunk
frozen (feature extraction), the same with all of it trained (fine-tuning), and a U-Net from scratch. What is measured
is what ``tinyseg compare`` writes into its report: parameters, loss and accuracy, speed of convergence, predictions,
feature maps.

    python examples/fcn_versus_unet.py --out fcn_versus_unet          then open fcn_versus_unet/compare/report.html
"""

from contextlib import contextmanager
from dataclasses import asdict

import numpy as np
from example_options import example_options
from PIL import Image

import tinyseg
from tinyseg import engine, nn, optim, viz
from tinyseg.checkpoint import Checkpoint, save
from tinyseg.data import Shapes, measure_normalisation
from tinyseg.models import Preprocessing
from tinyseg.models.fcn_small import SmallBackbone
from tinyseg.nn import functional as F

out, quick = example_options(__doc__, trains=True)
images, val_images, epochs, crops, passes = (100, 24, 2, 960, 6) if quick else (400, 60, 12, 2000, 8)

# %% [markdown]
# ## The images
#
# Disks, squares, triangles, rings and crosses in random colours and textures: only form tells them apart. They are
# written as files, as your own would be: `data/train/images`, `data/train/masks`, and the same under `data/val`.

# %%
SIZE, WIDTH = 64, 32
drawn = {
    "train": Shapes("train", count=images, size=(SIZE, SIZE)),
    "val": Shapes("val", count=val_images, size=(SIZE, SIZE)),
}
classes = drawn["train"].classes

for split, shapes in drawn.items():
    for kind in ("images", "masks"):
        (out / "data" / split / kind).mkdir(parents=True, exist_ok=True)
    for sample in (shapes[index] for index in range(len(shapes))):
        Image.fromarray(sample.image).save(out / "data" / split / "images" / f"{sample.name}.png")
        Image.fromarray(sample.mask).save(out / "data" / split / "masks" / f"{sample.name}.png")
with (out / "data" / "classes.txt").open("w", encoding="utf-8") as file:
    for name, (red, green, blue) in zip(classes.names, classes.colors, strict=True):
        print(name, red, green, blue, file=file)

# %% [markdown]
# ## The trunk, as a classifier
#
# A crop of 32x32 pixels around a shape, and the name of the shape: no pixel is labelled. The trunk halves a crop five
# times, so that one unit is left, and a linear layer scores the five forms there. Other images than those above are
# cut up.

# %%
CROP = 32
mean, std = measure_normalisation(drawn["train"])


def cut_crops(split, count, seed):
    """``count`` crops (N, 3, 32, 32), normalised, and the form in the middle of each, 0 to 4."""
    shapes, rng = Shapes(split, count=count, size=(SIZE, SIZE), seed=seed), np.random.default_rng(seed)
    crops, names = [], []
    for index in range(count):
        image, mask = shapes[index][:2]
        form = rng.choice(np.unique(mask[mask > 0]))
        rows, columns = np.nonzero(mask == form)
        top, left = (
            int(np.clip(np.mean(where) + rng.integers(-4, 5) - CROP / 2, 0, SIZE - CROP)) for where in (rows, columns)
        )
        crop = image[top : top + CROP, left : left + CROP] / 255
        crops.append(((crop - mean) / std).transpose(2, 0, 1))
        names.append(form - 1)
    return np.array(crops, np.float32), np.array(names, np.int64)


class CropClassifier(nn.Module):
    """The trunk of the FCNs below, and a linear layer on its last stage."""

    def __init__(self):
        super().__init__()
        self.backbone = SmallBackbone(3, [channels * WIDTH // 64 for channels in (16, 32, 64, 128, 128)])
        self.scores = nn.Linear(self.backbone.widths[-1], len(classes) - 1)

    def forward(self, input):
        """(N, 3, H, W) -> (N, 5)."""
        return self.scores(self.backbone(input)[-1].mean((2, 3)))


tinyseg.manual_seed(0)
classifier = CropClassifier()
train_crops, train_names = cut_crops("train", crops, seed=1)
val_crops, val_names = cut_crops("val", 200, seed=1)
optimizer = optim.Adam(classifier.parameters(), lr=3e-3, weight_decay=1e-4)
schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, passes * (crops // 32))
order = np.random.default_rng(0)

print("the trunk, trained as a classifier of crops")
for epoch in range(1, passes + 1):
    classifier.train()
    total = 0.0
    for picked in order.permutation(crops)[: crops // 32 * 32].reshape(-1, 32):
        batch = train_crops[picked]
        batch = batch[:, :, :, :: order.choice([-1, 1])]  # mirrored, or not
        loss = F.cross_entropy(classifier(tinyseg.tensor(batch)), tinyseg.tensor(train_names[picked]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        total += loss.item()
    classifier.eval()
    with tinyseg.no_grad():
        answers = classifier(tinyseg.tensor(val_crops)).argmax(1).numpy()
    trunk_accuracy = float((answers == val_names).mean())
    print(f"  epoch {epoch:>2}  loss {total / (crops // 32):.3f}  accuracy on other crops {trunk_accuracy:.1%}")

weights = {name: value for name, value in classifier.state_dict().items() if name.startswith("backbone.")}
save(out / "trunk.safetensors", Checkpoint(weights, {"preprocessing": asdict(Preprocessing(mean, std))}))

# %% [markdown]
# ## Three networks
#
# A file of options each, as `tinyseg train --config` takes them. Both FCNs begin with the trunk; one of them keeps it
# as it is.

# %%
COMMON = f"""\
data = "folder"
root = "{(out / "data").absolute().as_posix()}"
augment = "flip"
epochs = {epochs}
batch-size = 4
lr = 0.003
"""
FCN = f"""\
model = "fcn16s"
width = {WIDTH}
weights = "{(out / "trunk.safetensors").absolute().as_posix()}"
partial-weights = true                  # the scores are not in the file
"""
OPTIONS = {
    "fcn16s-frozen": FCN + 'freeze = "backbone"\n',
    "fcn16s-tuned": FCN,
    "unet": 'model = "unet"\nwidth = 8\ndepth = 3\n',
}
files = [out / f"{name}.toml" for name in OPTIONS]
for file, text in zip(files, OPTIONS.values(), strict=True):
    file.write_text(COMMON + text, encoding="utf-8")


class Told(engine.Callbacks):
    """Prints a line for each epoch."""

    def epoch_done(self, row, is_best):
        """After each epoch."""
        print(f"  epoch {row.epoch:>2}  validation loss {row.val_loss:.3f}  mean IU {row.mean_iu:.3f}")


@contextmanager
def show(name):
    """What is told of the network of this name."""
    print(name)
    yield Told()


print(f"\ntinyseg compare {' '.join(file.name for file in files)} --out compare")
comparison = engine.compare(engine.read_contenders(files), out / "compare", show=show)

# %% [markdown]
# ## Who is better, and who is faster
#
# In the whole run (not the quick one) the trunk names 97% of the crops. The mean IU is 0.48 on the frozen trunk, 0.66
# with all of it trained, and 0.45 for the U-Net, which began from nothing and is still the best on background and
# rings, where outlines count. The tuned network is above the U-Net's best after its second epoch.

# %%
print(f"\n{'':<14}{'parameters':>11}{'trained':>9}{'pixel acc.':>11}{'mean IU':>9}   90% of the best   area")
for one in comparison.contenders:
    reached = comparison.reached_best(one)
    soon = f"epoch {reached.epoch:>2}, {reached.seconds:4.0f} s" if reached else "never"
    print(
        f"{one.name:<14}{one.parameters:>11,}{one.trainable_parameters:>9,}{one.scores.pixel_accuracy:>11.3f}"
        f"{one.scores.mean_iu:>9.3f}   {soon:<16}{comparison.area(one):>6.3f}"
    )

by_epoch = {one.name: ([row.epoch for row in one.history], one.history) for one in comparison.contenders}
for label, column in (("validation loss", "val_loss"), ("pixel accuracy", "pixel_accuracy"), ("mean IU", "mean_iu")):
    curves = {name: (x, [getattr(row, column) for row in rows]) for name, (x, rows) in by_epoch.items()}
    viz.save_lines(out / f"{column}.png", curves, "epoch", label, f"{label}: FCN-16s, frozen and tuned, and U-Net")
curves = {one.name: (one.elapsed, [row.mean_iu for row in one.history]) for one in comparison.contenders}
viz.save_lines(out / "mean_iu_by_time.png", curves, "seconds", "mean IU", "mean IU against time")

# %% [markdown]
# ## What they see
#
# The FCNs know what there is: they name forms rightly, in outlines as coarse as their finest scores (16 pixels a
# unit). The U-Net knows where: its outlines are sharp, but it has seen too few images to tell squares and triangles
# from disks. The maps of each network's layers are in the report.

# %%
shown = [drawn["val"][index] for index in (0, 8, 16)]
rows = [[sample.image, sample.mask] for sample in shown]
for one in comparison.contenders:
    model, _ = engine.load_model(engine.open_run(one.folder))
    for row, sample in zip(rows, shown, strict=True):
        row.append(engine.segment(model, one.config, sample.image))
titles = ["image", "truth", *(one.name for one in comparison.contenders)]
viz.save_pictures(out / "predictions.png", rows, titles=titles, classes=classes)
print(f"\nreport: {out / 'compare' / engine.REPORT}")
