"""Losses of label maps: values against plain NumPy, gradients against differences, what happens at the limits."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

import tinyseg
from tinyseg import nn
from tinyseg.gradcheck import gradcheck
from tinyseg.nn import functional as F

IGNORED = 255
Array = np.ndarray[Any, Any]

LOSSES = {
    "weighted_cross_entropy": nn.WeightedCrossEntropyLoss,
    "focal_loss": nn.FocalLoss,
    "dice_loss": nn.DiceLoss,
    "jaccard_loss": nn.JaccardLoss,
    "tversky_loss": nn.TverskyLoss,
    "focal_tversky_loss": nn.FocalTverskyLoss,
    "dice_ce_loss": nn.DiceCELoss,
    "dice_focal_loss": nn.DiceFocalLoss,
    "boundary_loss": nn.BoundaryLoss,
    "dice_boundary_loss": nn.DiceBoundaryLoss,
    "lovasz_softmax_loss": nn.LovaszSoftmaxLoss,
}
ALL = pytest.mark.parametrize("name", LOSSES)
OVERLAP = ("dice_loss", "jaccard_loss", "tversky_loss", "focal_tversky_loss")


class Case:
    """Two images of 3x4 with C channels: some pixels ignored, every pixel with a weight of its own."""

    def __init__(self, channels: int, ignored: bool = True) -> None:
        rng = np.random.default_rng(channels)
        self.channels = channels
        self.logits = rng.normal(size=(2, channels, 3, 4))
        self.labels = rng.integers(0, max(channels, 2), (2, 3, 4))
        self.labels.ravel()[: max(channels, 2)] = np.arange(max(channels, 2))
        if ignored:
            self.labels[1, 0, 1:3] = IGNORED
        self.mass = rng.uniform(0.2, 2, self.labels.shape)
        self.counted = np.where(self.labels == IGNORED, 0.0, self.mass)
        exp = np.exp(self.logits)
        self.q = exp / exp.sum(1, keepdims=True) if channels > 1 else 1 / (1 + 1 / exp)
        truth = [self.labels == c for c in range(channels)] if channels > 1 else [self.labels == 1]
        self.p = np.stack(truth, 1).astype(float)
        self.of_true = (self.p * self.q + (0 if channels > 1 else (1 - self.p) * (1 - self.q))).sum(1)

    def tensors(self) -> tuple[tinyseg.Tensor, tinyseg.Tensor, dict[str, Any]]:
        x = tinyseg.tensor(self.logits, requires_grad=True)
        return x, tinyseg.tensor(self.labels), {"ignore_index": IGNORED, "pixel_weight": tinyseg.tensor(self.mass)}

    def loss(self, name: str, **options: Any) -> float:
        x, y, shared = self.tensors()
        return float(getattr(F, name)(x, y, **shared, **options).item())


@pytest.fixture(params=[1, 2, 3], ids=["binary", "two", "three"])
def case(request: pytest.FixtureRequest, device: str) -> Case:
    return Case(request.param)


def overlaps(case: Case) -> tuple[Array, Array, Array]:
    """TP, FP, FN of each channel, pixel by pixel."""
    tp, fp, fn = np.zeros((3, case.channels))
    for n, c, i, j in itertools.product(*map(range, case.q.shape)):
        m, p, q = case.counted[n, i, j], case.p[n, c, i, j], case.q[n, c, i, j]
        tp[c] += m * p * q
        fp[c] += m * (1 - p) * q
        fn[c] += m * p * (1 - q)
    return tp, fp, fn


# Values


def test_cross_entropy_and_its_weights_of_classes(case: Case) -> None:
    mean = (case.counted * -np.log(np.where(case.counted > 0, case.of_true, 1))).sum() / case.counted.sum()
    assert case.loss("weighted_cross_entropy") == pytest.approx(mean, rel=1e-12)
    classes = np.linspace(0.5, 2, max(case.channels, 2))
    each = classes[np.where(case.labels == IGNORED, 0, case.labels)] * case.counted
    weighted = (each * -np.log(np.where(each > 0, case.of_true, 1))).sum() / each.sum()
    assert case.loss("weighted_cross_entropy", weight=tinyseg.tensor(classes)) == pytest.approx(weighted, rel=1e-12)


def test_focal_loss_as_the_lecture_has_it(case: Case) -> None:
    safe = np.where(case.counted > 0, case.of_true, 1)
    mean = (case.counted * -((1 - safe) ** 2.5) * np.log(safe)).sum() / case.counted.sum()
    assert case.loss("focal_loss", gamma=2.5) == pytest.approx(mean, rel=1e-12)
    if case.channels == 1:
        a, g, p, q = 0.3, 1.5, case.p[:, 0], case.q[:, 0]
        each = -(a * (1 - q) ** g * p * np.log(q) + (1 - a) * q**g * (1 - p) * np.log(1 - q))
        mean = (case.counted * each).sum() / case.counted.sum()
        assert case.loss("focal_loss", alpha=a, gamma=g) == pytest.approx(mean, rel=1e-12)


def test_two_channels_weigh_like_one_whose_logit_is_their_difference() -> None:
    two, x = Case(2), tinyseg.tensor(Case(2).logits[:, 1:] - Case(2).logits[:, :1])
    _, y, shared = two.tensors()
    for options in ({"alpha": 0.2, "gamma": 1.0}, {"gamma": 3.0}, {}):
        one = F.focal_loss(x, y, **options, **shared).item()
        assert two.loss("focal_loss", **options) == pytest.approx(one, rel=1e-12)


def test_focal_loss_without_focus_is_cross_entropy(case: Case) -> None:
    plain = case.loss("weighted_cross_entropy")
    assert case.loss("focal_loss", gamma=0.0) == pytest.approx(plain, rel=1e-12)


def test_losses_of_overlap(case: Case) -> None:
    tp, fp, fn = overlaps(case)
    for s in (0.0, 1.0, 2.5):
        dice, jaccard = 1 - (2 * tp + s) / (2 * tp + fp + fn + s), 1 - (tp + s) / (tp + fp + fn + s)
        tversky = 1 - (tp + s) / (tp + 0.2 * fp + 0.9 * fn + s)
        assert case.loss("dice_loss", smooth=s) == pytest.approx(dice.mean(), rel=1e-12)
        assert case.loss("jaccard_loss", smooth=s) == pytest.approx(jaccard.mean(), rel=1e-12)
        assert case.loss("tversky_loss", alpha=0.2, beta=0.9, smooth=s) == pytest.approx(tversky.mean(), rel=1e-12)
        focal = (tversky**0.5).mean()
        options = {"alpha": 0.2, "beta": 0.9, "gamma": 2.0, "smooth": s}
        assert case.loss("focal_tversky_loss", **options) == pytest.approx(focal, rel=1e-12)


def test_weights_of_classes_weigh_their_mean(case: Case) -> None:
    tp, fp, fn = overlaps(case)
    each, weights = 1 - (2 * tp + 1) / (2 * tp + fp + fn + 1), np.linspace(1, 3, case.channels)
    found = case.loss("dice_loss", weight=tinyseg.tensor(weights))
    assert found == pytest.approx((weights * each).sum() / weights.sum(), rel=1e-12)


def test_sums_of_two(case: Case) -> None:
    dice, ce = case.loss("dice_loss"), case.loss("weighted_cross_entropy")
    assert case.loss("dice_ce_loss", dice_weight=0.5, ce_weight=2.0) == pytest.approx(0.5 * dice + 2 * ce, rel=1e-12)
    focal = case.loss("focal_loss", gamma=1.0)
    found = case.loss("dice_focal_loss", dice_weight=3.0, focal_weight=0.25, gamma=1.0)
    assert found == pytest.approx(3 * dice + 0.25 * focal, rel=1e-12)
    edge = case.loss("boundary_loss")
    found = case.loss("dice_boundary_loss", boundary_weight=0.3)
    assert found == pytest.approx(dice + 0.3 * edge, rel=1e-12)


def nearest(inside: Array, i: int, j: int) -> float:
    """The signed distance by looking at every pixel."""
    others = np.argwhere(inside != inside[i, j])
    if not len(others):
        return 0.0
    d = min(math.hypot(i - k, j - l) for k, l in others.tolist()) - 0.5
    return -d if inside[i, j] else d


def test_signed_distances_by_looking_at_every_pixel(case: Case) -> None:
    found = F.signed_distance(tinyseg.tensor(case.labels), case.channels, IGNORED).numpy()
    for n, c, i, j in itertools.product(*map(range, case.p.shape)):
        assert found[n, c, i, j] == pytest.approx(nearest(case.p[n, c] > 0, i, j), abs=1e-6)


def test_boundary_loss(case: Case) -> None:
    phi = F.signed_distance(tinyseg.tensor(case.labels), case.channels, IGNORED).numpy().astype(float)
    each = (phi * (case.q - case.p)).sum(1) * case.counted
    mean = each.sum() / case.counted.sum() / case.channels
    assert case.loss("boundary_loss") == pytest.approx(mean, rel=1e-6)
    known = tinyseg.tensor(phi * 2)
    assert case.loss("boundary_loss", distance=known) == pytest.approx(2 * mean, rel=1e-6)


def test_boundary_loss_is_half_the_squared_distance_of_two_straight_edges() -> None:
    """An edge that is d off: the integral of the distance over the region between them is d^2 / 2 for each pixel."""
    labels = np.zeros((1, 4, 20), np.int64)
    labels[:, :, 10:] = 1
    for d in range(8):
        guess = np.zeros((1, 1, 4, 20), np.float32) - 50
        guess[..., 10 - d :] = 50
        total = F.boundary_loss(tinyseg.tensor(guess), tinyseg.tensor(labels), reduction="sum").item()
        assert total == pytest.approx(4 * d * d / 2, abs=1e-4)


def lovasz(errors: Array, truth: Array, mass: Array) -> float:
    """The extension by its definition: a sum over prefixes of the sorted pixels of the set function's growth."""

    def jaccard(wrong: Array) -> float:
        hits, union = mass[truth & ~wrong].sum(), mass[truth | wrong].sum()
        return 1 - hits / union if union else 0.0

    wrong, total = np.zeros(len(errors), bool), 0.0
    for i in np.argsort(-errors):
        before = jaccard(wrong)
        wrong[i] = True
        total += errors[i] * (jaccard(wrong) - before)
    return total


def test_lovasz_softmax_by_its_definition(case: Case) -> None:
    mass = case.counted.ravel()
    each = [
        lovasz(np.abs(case.p - case.q)[:, c].ravel(), case.p[:, c].ravel() > 0, mass) for c in range(case.channels)
    ]
    assert case.loss("lovasz_softmax_loss") == pytest.approx(np.mean(each), rel=1e-9)


def test_lovasz_softmax_of_hard_predictions_is_the_jaccard_loss() -> None:
    labels, guess = np.array([[[0, 0, 1, 1, 2]]]), np.array([0, 1, 1, 2, 2])
    logits = np.where(guess == np.arange(3)[:, None], 0.0, -800.0).reshape(1, 3, 1, 5)
    found = F.lovasz_softmax_loss(tinyseg.tensor(logits), tinyseg.tensor(labels), reduction="none")
    np.testing.assert_allclose(found.numpy(), [1 - 1 / 2, 1 - 1 / 3, 1 - 1 / 2], atol=1e-12)


# What all have in common


@ALL
def test_gradients(name: str, case: Case) -> None:
    x, y, shared = case.tensors()
    assert gradcheck(lambda x: getattr(F, name)(x, y, **shared), [x])


@ALL
def test_ignored_pixels_count_nothing_whatever_they_hold(name: str, case: Case) -> None:
    x, y, shared = case.tensors()
    plain = getattr(F, name)(x, y, **shared)
    plain.backward()
    broken = case.logits.copy()
    broken.transpose(0, 2, 3, 1)[case.labels == IGNORED] = np.nan
    odd = tinyseg.tensor(broken, requires_grad=True)
    loss = getattr(F, name)(odd, y, **shared)
    loss.backward()
    assert loss.item() == plain.item()
    ours, theirs = odd.grad.numpy(), x.grad.numpy()
    np.testing.assert_array_equal(ours, theirs)
    assert not ours.transpose(0, 2, 3, 1)[case.labels == IGNORED].any()


@ALL
def test_a_weight_of_two_counts_like_two_pixels(name: str, device: str) -> None:
    """One image twice is one image of double weight (the classes' means aside, which do not see it)."""
    case = Case(3, ignored=False)
    logits, labels = case.logits[:1], case.labels[:1]
    twice = [tinyseg.tensor(np.concatenate([a, a])) for a in (logits, labels)]
    once = [tinyseg.tensor(a) for a in (logits, labels)]
    double = tinyseg.tensor(np.full(labels.shape, 2.0))
    found = getattr(F, name)(*once, pixel_weight=double).item()
    assert found == pytest.approx(getattr(F, name)(*twice).item(), rel=1e-12)


@ALL
def test_nothing_to_learn_from_is_a_loss_of_zero(name: str, case: Case) -> None:
    x, y, shared = case.tensors()
    for labels, weight in ((y * 0 + IGNORED, shared["pixel_weight"]), (y, shared["pixel_weight"] * 0.0)):
        x.grad = None
        loss = getattr(F, name)(x, labels, ignore_index=IGNORED, pixel_weight=weight)
        loss.backward()
        assert loss.item() == 0
        assert not x.grad.numpy().any()


@ALL
def test_perfect_predictions(name: str, case: Case) -> None:
    """Logits far apart: the loss and its gradient are finite, and 0 but for roundings."""
    _, y, shared = case.tensors()
    sure = (2 * case.p - 1) * 1000
    x = tinyseg.tensor(sure.astype(np.float32), requires_grad=True)
    shared["pixel_weight"] = shared["pixel_weight"].float()
    loss = getattr(F, name)(x, y, **shared)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-5)
    assert np.isfinite(x.grad.numpy()).all()
    assert np.abs(x.grad.numpy()).max() < 1e-5


@ALL
def test_modules_call_their_functions(name: str) -> None:
    case = Case(3)
    x, y, shared = case.tensors()
    weight = tinyseg.tensor([0.5, 1.0, 2.0], dtype=tinyseg.float64)
    module = LOSSES[name](weight=weight, ignore_index=IGNORED)
    found = module(x, y, shared["pixel_weight"])
    assert found.item() == getattr(F, name)(x, y, weight=weight, **shared).item()
    assert list(module.state_dict()) == ["weight"]


OPTIONS: list[tuple[type[nn.Module], Callable[..., Any], dict[str, Any]]] = [
    (nn.FocalLoss, F.focal_loss, {"gamma": 0.7, "reduction": "sum"}),
    (nn.DiceLoss, F.dice_loss, {"smooth": 0.3, "classes": "present", "reduction": "sum"}),
    (nn.JaccardLoss, F.jaccard_loss, {"smooth": 0.3, "classes": "present", "reduction": "sum"}),
    (nn.TverskyLoss, F.tversky_loss, {"alpha": 0.1, "beta": 2.0, "smooth": 0.3, "reduction": "sum"}),
    (nn.FocalTverskyLoss, F.focal_tversky_loss, {"alpha": 0.1, "beta": 2.0, "gamma": 2.0, "smooth": 0.3}),
    (nn.DiceCELoss, F.dice_ce_loss, {"dice_weight": 0.2, "ce_weight": 0.4, "smooth": 0.3}),
    (nn.DiceFocalLoss, F.dice_focal_loss, {"dice_weight": 0.2, "focal_weight": 0.4, "gamma": 1.1}),
    (nn.BoundaryLoss, F.boundary_loss, {"reduction": "sum"}),
    (nn.DiceBoundaryLoss, F.dice_boundary_loss, {"dice_weight": 0.2, "boundary_weight": 0.4}),
    (nn.LovaszSoftmaxLoss, F.lovasz_softmax_loss, {"classes": "all", "reduction": "sum"}),
]


@pytest.mark.parametrize(("kind", "function", "options"), OPTIONS, ids=lambda value: getattr(value, "__name__", ""))
def test_modules_hand_their_options_on(
    kind: type[nn.Module], function: Callable[..., Any], options: dict[str, Any]
) -> None:
    x, y, _ = Case(3, ignored=False).tensors()
    found = kind(**options)(x, y).item()
    assert found == function(x, y, **options).item()
    assert found != function(x, y).item()


# Empty classes


def empty_class(smooth: float) -> tuple[Array, Array]:
    """Dice's loss of a class that is in no label, and its gradient by the logits."""
    x = tinyseg.tensor(np.zeros((1, 2, 1, 4)), requires_grad=True)
    loss = F.dice_loss(x, tinyseg.tensor(np.zeros((1, 1, 4), np.int64)), smooth=smooth, reduction="none")
    loss[1].backward()
    return loss.detach().numpy(), x.grad.numpy()


def test_a_class_in_no_label_is_pushed_away_by_the_smooth_alone(device: str) -> None:
    losses, gradient = empty_class(1.0)
    assert losses[1] == pytest.approx(1 - 1 / (4 * 0.5 + 1))
    assert (gradient[:, 1] > 0).all()
    losses, gradient = empty_class(0.0)
    assert losses[1] == 1
    assert not gradient.any()


@pytest.mark.parametrize("name", OVERLAP)
def test_nothing_there_and_nothing_found_is_no_loss(name: str, device: str) -> None:
    """0 / 0, in float32: the probability of class 1 is 0 exactly."""
    x = tinyseg.tensor(np.float32([[[[900.0]], [[-900.0]]]]), requires_grad=True)
    y = tinyseg.tensor([[[0]]])
    loss = getattr(F, name)(x, y, smooth=0.0, reduction="none")
    loss.sum().backward()
    assert loss.tolist() == pytest.approx([0, 0], abs=1e-5)
    assert not x.grad.numpy().any()


@pytest.mark.parametrize("name", [*OVERLAP, "lovasz_softmax_loss"])
def test_the_mean_can_be_over_the_classes_that_are_there(name: str, device: str) -> None:
    case = Case(3, ignored=False)
    case.labels[case.labels == 1] = 0
    x, y, _ = case.tensors()
    each = getattr(F, name)(x, y, classes="all", reduction="none").tolist()
    present = getattr(F, name)(x, y, classes="present").item()
    assert present == pytest.approx((each[0] + each[2]) / 2, rel=1e-12)
    assert getattr(F, name)(x, y, classes="all").item() == pytest.approx(sum(each) / 3, rel=1e-12)


def test_lovasz_of_a_class_in_no_label_is_its_largest_probability() -> None:
    x = tinyseg.tensor([[[[0.0, 1.0, 2.0]]]])
    found = F.lovasz_softmax_loss(x, tinyseg.tensor([[[0, 0, 0]]]), classes="all").item()
    assert found == pytest.approx(scipy.special.expit(2.0), rel=1e-6)


def test_focal_loss_has_a_slope_where_nothing_is_wrong(device: str) -> None:
    """(1 - q)^g has none at q = 1 for g < 1."""
    for gamma in (0.5, 1.0, 2.0):
        x = tinyseg.tensor(np.float32([[[[300.0]]]]), requires_grad=True)
        F.focal_loss(x, tinyseg.tensor([[[1]]]), gamma=gamma).backward()
        assert x.grad.item() == 0


# As modules


def test_a_loss_names_itself_and_what_it_takes() -> None:
    with pytest.raises(TypeError, match=r"^MSELoss: .*'weight'; it takes reduction$"):
        nn.MSELoss(weight=tinyseg.ones(2))
    with pytest.raises(TypeError, match=r"^DiceLoss: too many .*; it takes smooth, classes, weight"):
        nn.DiceLoss(1.0, "all", None, -100, "mean", 3)


def test_a_loss_derived_from_another_takes_the_same_or_what_it_says() -> None:
    class Same(nn.MSELoss):
        pass

    class Own(nn.CrossEntropyLoss):
        def __init__(self, count: int) -> None:
            super().__init__(weight=tinyseg.ones(count))

    with pytest.raises(TypeError, match=r"Same: .*'weight'"):
        Same(weight=tinyseg.ones(2))
    assert list(inspect.signature(Own).parameters) == ["count"]
    assert [name for name, _ in Own(2).named_buffers()] == ["weight"]
    loss = Own(2)(tinyseg.zeros(1, 2, 1, 1), tinyseg.tensor([[[1]]]))
    assert loss.item() == pytest.approx(math.log(2))
