"""Losses where one class is rare: what each does to the small class, focal curves, the boundary distance three ways.

Sources: Lin et al. 2017, "Focal loss for dense object detection", figure 1 and section 3.2; Milletari, Navab, Ahmadi
2016, "V-Net" (Dice); Salehi et al. 2017, "Tversky loss function for image segmentation"; Kervadec et al. 2019,
"Boundary loss for highly unbalanced segmentation", section 2.

    python examples/losses.py --out pictures            less than five minutes on two cores
    python examples/losses.py --out pictures --quick    less than one: fewer images, seen fewer times
"""

# %%
import math

import numpy as np
from example_options import example_options
from scipy.ndimage import gaussian_filter

import tinyseg
from tinyseg import models, optim, viz
from tinyseg.data import Classes
from tinyseg.metrics import ConfusionMatrix
from tinyseg.nn import functional as F

options = example_options(__doc__, trains=True)

# %% [markdown]
# ## The focal curves
#
# With p the truth of a pixel (0 or 1) and q the probability that a network gives to class 1, cross-entropy is
# CE = -(p log q + (1-p) log(1-q)). The focal loss takes from each pixel what it has right already:
#
#     FL = -(a (1-q)^g p log q + (1-a) q^g (1-p) log(1-q)).
#
# Below, p = 1 and without a: FL = -(1-q)^g log q. It is g = 0 that is cross-entropy.

# %%
gammas = (0.0, 0.5, 1.0, 2.0, 5.0)
probability = np.linspace(0.01, 0.99, 99)
logits = np.log(probability / (1 - probability))  # one image of a row of 99 pixels, all of class 1
x, t = tinyseg.tensor(logits.reshape(1, 1, 1, 99)), tinyseg.tensor(np.ones((1, 1, 99), int))
focal = {gamma: F.focal_loss(x, t, gamma=gamma, reduction="none").numpy()[0, 0] for gamma in gammas}

print("\nfocal loss of a pixel of class 1\n")
print("       q" + "".join(f"{f'g = {gamma:g}':>10}" for gamma in gammas))
for q in (0.1, 0.3, 0.6, 0.9, 0.97):
    place = round(100 * q) - 1
    print(f"{q:8.2f}" + "".join(f"{focal[gamma][place]:10.4f}" for gamma in gammas))

viz.save_lines(
    options.out / "focal.png",
    {f"g = {gamma:g}" + " (cross-entropy)" * (gamma == 0): (probability, focal[gamma]) for gamma in gammas},
    "probability q of the true class",
    "loss",
    "Focal loss: well-classified pixels count little",
    low=0,
    high=5,
    marks={"well classified to the right": 0.6},
)

# %% [markdown]
# ## The boundary distance, three ways
#
# How far is the boundary dS of a prediction from the boundary dG of the truth G?
#
# 1. Dist(dG, dS) = the integral over dG of |y(p) - p|^2 dp: each point p of the contour is displaced, along its
#    normal, to y(p) on dS.
# 2. About 2 times the integral of D_G(q) dq over the region between the two contours; D_G is the distance to dG.
# 3. The same, 2 (the integral of phi_G s - the integral of phi_G g), with phi_G the distance to dG, negative inside
#    of G, and s and g 1 in S and in G, 0 elsewhere. Here s may be a probability, and so it has become a loss.
#
# 2 and 3 are equal. 1 and 2 agree in the limit of small displacements only. G is a disk of radius R = 1; S is a
# larger disk of radius R + delta, or the same disk displaced by delta. In polar coordinates dS is r = rho(theta).

# %%
R = 1.0
theta = np.arange(4096) * 2 * np.pi / 4096
d_theta = theta[1]


def rho(change, delta):
    """The contour of S."""
    if change == "grown":
        return np.full_like(theta, R + delta)
    return delta * np.cos(theta) + np.sqrt(R**2 - (delta * np.sin(theta)) ** 2)


def squared_displacement(change, delta):
    """Form 1: along the contour; the normal of a circle is its radius."""
    return ((rho(change, delta) - R) ** 2 * R * d_theta).sum()


def region_between(change, delta):
    """Form 2: for each theta from r = R to r = rho, by Gauss's rule with 8 points; an area is r dr d theta."""
    points, weights = np.polynomial.legendre.leggauss(8)
    length = np.abs(rho(change, delta) - R)[:, None]
    r = R + (rho(change, delta) - R)[:, None] * (points + 1) / 2
    return 2 * (np.abs(r - R) * r * length * weights / 2).sum() * d_theta


# %% [markdown]
# The third form is a sum over pixels, 300 for a radius, so that the others and it have nothing in common. A pixel
# that a contour crosses is in the disk by as much as the disk covers of it.

# %%
side = 1 / 300
y, x = (np.indices((960, 960)) - 479.5) * side


def disk(change="grown", delta=0.0):
    """How far each pixel is from the contour of G, grown or displaced; negative inside."""
    if change == "grown":
        return np.hypot(x, y) - (R + delta)
    return np.hypot(x - delta, y) - R


def covered(distance):
    """The share of each pixel that is inside."""
    return np.clip(0.5 - distance / side, 0, 1)


phi = disk()


def phi_form(change, delta):
    """Form 3."""
    s, g = covered(disk(change, delta)), covered(phi)
    return 2 * ((phi * s).sum() - (phi * g).sum()) * side**2


# %% [markdown]
# And `boundary_loss`, as training has it: masks of whole pixels, whose phi_G is the distance to the nearest pixel
# across the edge, less a half. It is fine as long as a displacement is several pixels.

# %%
truth = tinyseg.tensor((phi < 0).astype(np.int64)[None])
pixel_phi = F.signed_distance(truth, 1)


def loss_on_pixels(change, delta):
    """Twice the boundary loss of a network that is sure of S; it is in pixels, so side^3 makes lengths of it."""
    sure = np.where(disk(change, delta) < 0, 30, -30).astype(np.float32)
    return 2 * F.boundary_loss(tinyseg.tensor(sure[None, None]), truth, pixel_phi, reduction="sum").item() * side**3


deltas = (0.4, 0.2, 0.1, 0.05, 0.02, 0.01)
limit = {"grown": 2 * math.pi * R, "displaced": math.pi * R}  # Dist / delta^2 as delta goes to zero
forms = {
    "1 contour": squared_displacement,
    "2 region": region_between,
    "3 phi": phi_form,
    "on pixels": loss_on_pixels,
}
distances = {
    change: {name: np.array([form(change, delta) for delta in deltas]) for name, form in forms.items()}
    for change in limit
}

for change, rows in distances.items():
    print(f"\nboundary distance of a disk of radius 1, {change} by delta, divided by {limit[change]:.4f} delta^2\n")
    print("   delta" + "".join(f"{name:>12}" for name in forms) + "     1 to 2")
    for place, delta in enumerate(deltas):
        scaled = [rows[name][place] / (limit[change] * delta**2) for name in forms]
        print(f"{delta:8.2f}" + "".join(f"{value:12.5f}" for value in scaled) + f"{scaled[0] / scaled[1] - 1:+11.5f}")

viz.save_lines(
    options.out / "boundary_forms.png",
    {name: (deltas, rows / (limit["grown"] * np.square(deltas))) for name, rows in distances["grown"].items()},
    "delta / R",
    "Dist / (2 pi R delta^2)",
    "The forms of the boundary distance: a disk, grown by delta",
)
apart = {}
for change, rows in distances.items():
    for form in ("2 region", "3 phi"):
        apart[f"{change}: forms 1 and {form[0]}"] = deltas, np.abs(rows["1 contour"] / rows[form] - 1)
viz.save_lines(
    options.out / "boundary_difference.png",
    apart,
    "delta / R",
    "relative difference",
    "The forms agree as the displacement goes to zero",
    log_x=True,
    log_y=True,
)

# %% [markdown]
# ## A rare class
#
# Faint disks of a few pixels are to be found among short rods of the same brightness, on uneven ground, in noise. One
# pixel in a hundred is of a disk: who answers "no disk" everywhere has 99% of the pixels right.

# %%
SIDE, DISKS, RODS = 48, 1, 2


def spots(rng, count):
    """Images (count, 1, SIDE, SIDE) of mean about 0, and labels (count, SIDE, SIDE): 1 in a disk."""
    rows, columns = np.indices((SIDE, SIDE))
    images, labels = np.empty((count, 1, SIDE, SIDE), np.float32), np.zeros((count, SIDE, SIDE), np.int64)
    for image, label in zip(images, labels, strict=True):
        rods = np.zeros((SIDE, SIDE), bool)
        for number in range(DISKS + RODS):
            row, column = rng.uniform(4, SIDE - 4, 2)
            if number < DISKS:
                label[np.hypot(rows - row, columns - column) < rng.uniform(2, 3.2)] = 1
            else:
                angle = rng.uniform(0, np.pi)
                along = (rows - row) * np.sin(angle) + (columns - column) * np.cos(angle)
                across = (rows - row) * np.cos(angle) - (columns - column) * np.sin(angle)
                rods |= (np.abs(along) < 5) & (np.abs(across) < 1.2)
        ground = 3 * gaussian_filter(rng.standard_normal((SIDE, SIDE)), 6)
        image[0] = ground + 0.5 * (rods | (label == 1)) + 0.3 * rng.standard_normal((SIDE, SIDE))
    return images, labels


rng = np.random.default_rng(0)
count, epochs, batch_size = (64, 5, 4) if options.quick else (192, 15, 8)
train_images, train_labels = spots(rng, count)
val_images, val_labels = spots(rng, 50 if options.quick else 100)
share = train_labels.mean()
print(f"\n{count} images of {SIDE}x{SIDE}; {100 * share:.2f}% of the pixels are of class 1\n")

# %% [markdown]
# Beside cross-entropy and the focal loss there are, with sums over the pixels of a batch,
#
#     weighted cross-entropy   WCE = -(b p log q + (1-p) log(1-q))
#     Dice loss                1 - (2 sum pq + 1) / (sum p + sum q + 1)
#     Tversky index            sum pq / (sum pq + b sum (1-p) q + (1-b) sum p (1-q)), and 1 less it as a loss
#
# and sums of losses: Dice + cross-entropy, Dice + focal (which some slides print as cross-entropy + focal, a
# misprint), Dice + boundary.
#
# One network for each loss, all from the same initial weights, with the same images in the same order. The network
# has one logit for each pixel, that of class 1.

# %%
b = 20.0
class_weights = tinyseg.tensor(np.array([1.0, b], np.float32))
losses = {
    "cross-entropy": F.weighted_cross_entropy,
    f"weighted, b = {b:g}": lambda x, t: F.weighted_cross_entropy(x, t, class_weights),
    "focal, a = 0.75, g = 2": lambda x, t: F.focal_loss(x, t, alpha=0.75, gamma=2.0),
    "Dice": F.dice_loss,
    "Tversky, b = 0.1": lambda x, t: F.tversky_loss(x, t, alpha=0.1, beta=0.9),
    "boundary": F.boundary_loss,
    "Dice + 0.05 boundary": lambda x, t: F.dice_boundary_loss(x, t, boundary_weight=0.05),
}


def train(loss_of):
    """A small U-Net whose ``loss_of(logits, labels)`` was lowered."""
    tinyseg.manual_seed(0)
    model = models.unet(num_classes=1, in_channels=1, width=8, depth=2)
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    order = np.random.default_rng(1)
    for _ in range(epochs):
        for batch in order.permutation(count).reshape(-1, batch_size):
            loss = loss_of(model(tinyseg.tensor(train_images[batch])), tinyseg.tensor(train_labels[batch]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


predictions, table = {}, {}
print(f"{'':24}precision  recall    Dice   pixels found")
for name, loss_of in losses.items():
    model = train(loss_of)
    with tinyseg.no_grad():
        predictions[name] = (model(tinyseg.tensor(val_images)).numpy()[:, 0] > 0).astype(np.int64)
    matrix = ConfusionMatrix(2)
    matrix.update(predictions[name], val_labels)
    found, hits = matrix.predicted_pixels[1], matrix.correct_pixels[1]
    precision, recall, dice = hits / found if found else math.nan, matrix.accuracy[1], matrix.dice[1]
    table[name] = {"precision": precision, "recall": recall, "Dice": dice}
    print(f"{name:24}{precision:9.3f}{recall:8.3f}{dice:8.3f}{100 * found / val_labels.size:13.2f}%")

# %% [markdown]
# - Cross-entropy takes every pixel for as important as every other: it says "disk" where it is more likely than
#   not, and that is rare.
# - The weight b lowers that mark from a probability of 1/2 to 1 / (1 + b), and a of the focal loss to 1 - a.
# - Dice and Tversky are ratios of the class's own pixels. Tversky's b below one half makes a miss dearer than a false
#   alarm: recall rises, precision falls.
# - The boundary loss has little to say where there is nothing yet that has a boundary. By itself it ends in an
#   empty or a wild prediction. It is made to go with another, with a weight that grows: Kervadec et al. begin with
#   0.01 and add as much each epoch. A weight of 0.05 from the start does Dice no good here.

# %%
viz.save_bars(
    options.out / "small_class.png",
    table,
    f"of class 1, which has {100 * share:.1f}% of the pixels",
    "What a loss does to the small class",
    text="{:.2f}",
    high=1.1,
)

colors = [tuple(color) for color in viz.palette("okabe-ito", 8).tolist()]
names = "background", "disk (truth)", "found", "missed", "false alarm"
marks = Classes(names, (colors[0], (255, 255, 255), colors[3], colors[1], colors[2]))
sheet = []
for place in range(4):
    image, truth = val_images[place, 0, :, :, None], val_labels[place]
    row = [np.clip(0.4 + 0.5 * image, 0, 1), truth]
    row += [
        np.where(truth == 1, np.where(found[place] == 1, 2, 3), 4 * found[place]) for found in predictions.values()
    ]
    sheet.append(row)
titles = [name.split(",")[0].replace(" 0.05 ", " ") for name in losses]
viz.save_pictures(options.out / "predictions.png", sheet, ["image", "truth", *titles], classes=marks)
