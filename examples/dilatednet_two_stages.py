"""DilatedNet in its two stages: the front end, then the context module, begun as the identity and at random.

Source: Yu and Koltun 2016, "Multi-scale context aggregation by dilated convolutions", section 3 (the context module
and its initial weights), section 4 (the front end) and section 5 (what each adds).

    python examples/dilatednet_two_stages.py --out pictures            about a minute on two cores
    python examples/dilatednet_two_stages.py --out pictures --quick    in seconds: fewer images, a narrower network
"""

# %% [markdown]
# The front end is VGG16, dilated: it scores the classes in units of 8x8 pixels. The context module looks at these
# scores with seven layers of 3x3 weights whose dilations double, and gives better ones: a unit sees 67x67 units. A
# module that takes scores and gives scores can begin as the identity,
#
#     k_b(t, a) = 1 if t = 0 and a = b, else 0,
#
# and then the network is as good as its front end before the module has learnt anything. The paper reports that
# random weights, which serve other layers well, were not effective here. Both are tried below, on one front end.

# %%
from example_options import example_options

import tinyseg
from tinyseg import models, nn, optim, viz
from tinyseg.data import Cells, Compose, DataLoader, Normalise, RandomFlip, Resize
from tinyseg.metrics import ConfusionMatrix
from tinyseg.nn import functional as F

options = example_options(__doc__, trains=True)
images, passes, epochs = (24, 4, 8) if options.quick else (60, 5, 16)
width = 4
size = (64, 128) if options.quick else (96, 192)

# Cells of 8 to 16 pixels are drawn, and enlarged: a unit of the scores is 8x8 pixels.
enlarge = Resize((2 * size[0], 2 * size[1]))
normalise = Normalise((0.5,), (0.25,))
train_set = Cells("train", count=images, size=size)
test_set = Cells("val", count=8 if options.quick else 20, size=size)
classes = train_set.classes


# %%
def upsampled(scores):
    """Scores in units of 8x8 pixels, brought to pixels."""
    return F.interpolate(scores, scale_factor=8, mode="bilinear")


def mean_iu(scores, labels):
    """Of upsampled scores."""
    matrix = ConfusionMatrix(len(classes))
    matrix.update(upsampled(scores).argmax(1).numpy(), labels.numpy())
    return matrix.mean_iu


def improve(optimizer, scores, labels):
    """One step of training; gives the loss."""
    loss = F.cross_entropy(upsampled(scores), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def front_end_scores(model, dataset):
    """The scores of all images, N,C,H/8,W/8, and the labels of their pixels, N,H,W."""
    model.eval()
    with tinyseg.no_grad():
        batches = [
            (model.scores(tinyseg.tensor(batch.images)), tinyseg.tensor(batch.labels))
            for batch in DataLoader(dataset, 2, Compose([enlarge, normalise])).epoch(0)
        ]
    scores, labels = zip(*batches, strict=True)
    return tinyseg.cat(scores), tinyseg.cat(labels)


# %% [markdown]
# **Stage 1**: the front end alone. `train_stage` leaves the context module out, and only the front end learns.

# %%
tinyseg.manual_seed(0)
model = models.dilatednet(len(classes), in_channels=1, context="basic", width=width)
model.train_stage("front-end")
optimizer = optim.Adam([p for p in model.parameters() if p.requires_grad], lr=2e-3)
loader = DataLoader(train_set, 1, Compose([enlarge, RandomFlip(), normalise]), shuffle=True)

print(f"\nstage 1, the front end, on {images} images of {2 * size[0]}x{2 * size[1]}")
for number in range(passes):
    model.train()
    losses = [
        improve(optimizer, model.scores(tinyseg.tensor(batch.images)), tinyseg.tensor(batch.labels))
        for batch in loader.epoch(number)
    ]
    print(f"  epoch {number + 1}: loss {sum(losses) / len(losses):.3f}")

# %% [markdown]
# **Stage 2**: the front end is finished, so its scores are computed once; the context module learns on them.
#
# Before it learns, a module that is the identity passes on all scores of 0 or more: what is below, its ReLUs cut off.
# A unit's class is the one with the largest score, which does not change by that as long as one score is positive.

# %%
scores, labels = front_end_scores(model, train_set)
test_scores, test_labels = front_end_scores(model, test_set)
front_end_iu = mean_iu(test_scores, test_labels)
cut_iu = mean_iu(F.relu(test_scores), test_labels)


def trained(context):
    """Train a context module; gives the mean IU before and after each epoch."""
    optimizer = optim.Adam(context.parameters(), lr=1e-3)
    curve = []
    for epoch in range(epochs + 1):
        if epoch:
            for part in tinyseg.split(tinyseg.arange(len(scores)), 4):
                improve(optimizer, context(scores[part]), labels[part])
        with tinyseg.no_grad():
            curve.append(mean_iu(context(test_scores), test_labels))
    return curve


model.train_stage("context")
identity = model.context
with tinyseg.no_grad():
    passed_on = identity(test_scores)
same = (passed_on.argmax(1) == test_scores.argmax(1)).float().mean().item()
identity_curve = trained(identity)


def begun_at_random(seed):
    """A context module with weights as other layers get them: N(0, 2 / fan_in), biases 0 (He et al. 2015)."""
    tinyseg.manual_seed(seed)
    context = models.dilatednet(len(classes), in_channels=1, context="basic", width=width).context
    for layer in context.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    return context


randoms = [begun_at_random(seed) for seed in (1, 2, 3)]
random_curves = [trained(context) for context in randoms]

print(f"\nstage 2, the context module: {sum(p.numel() for p in identity.parameters())} weights and biases")
print(f"  units whose class the identity keeps: {100 * same:.2f}%")
print(f"  mean IU of the front end                            {front_end_iu:.3f}")
print(f"          of its scores, those below 0 cut off        {cut_iu:.3f}")
print(f"          with the identity, before the first epoch   {identity_curve[0]:.3f}")
print("          with random weights, before the first epoch", *(f"{curve[0]:.3f}" for curve in random_curves))

# %% [markdown]
# A module of two classes has two channels in each layer. At random it is likely that both of some layer are below
# 0 nearly everywhere: then ReLU passes on next to nothing, neither scores nor gradients, and for many epochs only the
# last bias learns. The identity passes on every positive score that it is given, and its gradient.

# %%
print("\n  epoch   identity   random")
for epoch in range(epochs + 1):
    print(f"  {epoch:5d} {identity_curve[epoch]:10.3f}   ", *(f"{curve[epoch]:.3f}" for curve in random_curves))
print(f"\nthe context module adds {100 * (identity_curve[-1] - front_end_iu):.1f} points of mean IU to the front end")
print("the paper, on PASCAL VOC 2012's validation images: 69.8 for the front end, 71.3 with the basic module (+1.5)")

# %%
steps = range(epochs + 1)
viz.save_lines(
    options.out / "dilatednet_curves.png",
    {
        "begun as the identity": (steps, identity_curve),
        "the front end alone": (steps, [front_end_iu] * len(steps)),
        **{f"begun at random ({seed})": (steps, curve) for seed, curve in enumerate(random_curves, start=1)},
    },
    "epochs of the context module",
    "mean IU, test images",
    "A context module that begins as the identity begins where the front end ended",
    low=0,
)

with tinyseg.no_grad():
    found = {
        "front end": test_scores[:2],
        "random module": randoms[0](test_scores[:2]),
        "identity module": identity(test_scores[:2]),
    }
predictions = {name: upsampled(values).argmax(1).numpy() for name, values in found.items()}
shown = [test_set[index] for index in (0, 1)]
viz.save_pictures(
    options.out / "dilatednet_predictions.png",
    [
        [sample.image for sample in shown],
        [sample.mask for sample in shown],
        *(list(maps) for maps in predictions.values()),
    ],
    labels=["input", "truth", *predictions],
    classes=classes,
)
print("\nsaved dilatednet_curves.png and dilatednet_predictions.png")
