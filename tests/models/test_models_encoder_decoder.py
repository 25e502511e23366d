"""What U-Net++, the U-Net of the paper, SegNet, DeconvNet and FC-DenseNet have in common; small copies of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import losses_of_training, shaken
from tiny_runs import Log, make_folder, options, without_pictures

import tinyseg
from tinyseg import engine, models
from tinyseg.engine import describe_model, measure_field
from tinyseg.errors import OptionError
from tinyseg.models.fcdensenet import FCDenseNet
from tinyseg.nn import functional as F

SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "unet-bilinear": ("unet", {"width": 4, "depth": 2, "bilinear": True, "skip_first": True}),
    "unet_paper": ("unet_paper", {"width": 4, "depth": 2}),
    "unet_paper-released": ("unet_paper", {"width": 4, "depth": 2, "released": True}),
    "unetpp": ("unetpp", {"width": 4, "depth": 3}),
    "unetpp-deep": ("unetpp", {"width": 4, "depth": 3, "deep_supervision": True}),
    "unetpp-plain": ("unetpp", {"width": 4, "depth": 3, "plain": True}),
    "segnet": ("segnet", {"width": 4}),
    "deconvnet": ("deconvnet", {"width": 4}),
    "fcdensenet56": ("fcdensenet56", {"width": 4, "growth": 2}),
}


def small(name: str, num_classes: int = 2, in_channels: int = 1) -> models.SegmentationModel:
    """One of them, with random numbers."""
    model, options = SMALL[name]
    return models.create(model, num_classes=num_classes, in_channels=in_channels, **options)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [(32, 32), (37, 45), (70, 33)])
def test_any_size_from_the_least_on(name: str, size: tuple[int, int]) -> None:
    net = shaken(small(name, num_classes=4, in_channels=2))
    y = net(tinyseg.rand(2, 2, *size)).detach().numpy()
    assert y.shape == (2, 4, *size)
    assert np.isfinite(y).all()
    assert all(np.ptp(y[image, 0]) > 0 for image in (0, 1))


@pytest.mark.parametrize("name", SMALL)
def test_images_that_do_not_fit(name: str) -> None:
    net = small(name)
    least = net.stride
    assert net.min_size == (least, least)
    with pytest.raises(ValueError, match=f"{net.name}: an image of {least}x{least - 1} is too small"):
        net(tinyseg.zeros(1, 1, least, least - 1))
    with pytest.raises(ValueError, match=rf"{net.name}: input must be \(N, 1, H, W\), got shape \(1, 3, 64, 64\)"):
        net.loss(tinyseg.zeros(1, 3, 64, 64), tinyseg.zeros(1, 64, 64, dtype="int64"), lambda x, _: x.sum())


@pytest.mark.parametrize("name", SMALL)
def test_a_few_steps_lower_the_loss(name: str) -> None:
    # What is padded around an image of 48x48 for DeconvNet is most of it, and 28 layers start at N(0, 0.01^2)
    losses = losses_of_training(small(name), size=48, steps=20 if name == "deconvnet" else 8)
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_has_its_gradient(name: str) -> None:
    """All of a network is used. A bias before batch norm changes nothing, so its gradient is nothing but rounding."""
    net = small(name)
    net.loss(tinyseg.rand(2, 1, 64, 64), tinyseg.zeros(2, 64, 64, dtype="int64"), F.cross_entropy).backward()
    for path, parameter in net.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.numpy().any() or path.endswith("bias"), path


@pytest.mark.parametrize("name", ["unet_paper", "unetpp", "segnet", "deconvnet", "fcdensenet"])
def test_the_receptive_field_is_what_moves_a_unit(name: str) -> None:
    if name == "fcdensenet":
        model: models.SegmentationModel = FCDenseNet(name, 2, 1, width=2, growth=1, blocks=(1, 2, 1, 1, 1, 2, 1))
    else:
        least = {"segnet": {"width": 2}, "deconvnet": {"width": 1}}.get(name, {"width": 2, "depth": 2})
        model = models.create(name, num_classes=2, in_channels=1, **least)
    info = describe_model(model, (64, 64))
    assert measure_field(model, info) == info.coarsest.field


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("unet", {"width": 3, "bilinear": True}, "unet: width must be even with bilinear, got 3"),
        ("unet_paper", {"depth": 0}, "unet_paper: width must be at least 1 and depth 1 to 8, got 64 and 0"),
        ("unetpp", {"width": 0}, "unetpp: width must be at least 1 and depth 1 to 8, got 0 and 4"),
        ("unetpp", {"plain": True, "deep_supervision": True}, "unetpp: plain has one head only"),
        ("segnet", {"width": 0}, "segnet: width must be at least 1, got 0"),
        ("deconvnet", {"width": 0}, "deconvnet: width must be at least 1, got 0"),
        ("fcdensenet67", {"growth": 0}, "fcdensenet67: width and growth must be at least 1, got 48 and 0"),
        ("fcdensenet103", {"depth": 4}, r"fcdensenet103: unknown option depth; it has width \(default 48\), growth"),
        ("segnet", {"width": True}, "segnet: width must be of type int"),
    ],
)
def test_what_is_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        models.create(name, num_classes=2, **options)


@pytest.mark.parametrize("name", ["unet_paper", "unetpp-deep", "segnet"])
def test_they_are_trained_evaluated_and_used(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On images whose sides no network divides: windows of 32x32 in training, whole images of 45x39 afterwards."""
    without_pictures(monkeypatch)
    root = make_folder(tmp_path / "data", train=4, val=2, size=(45, 39))
    model, own = SMALL[name]
    plan = engine.prepare(options(root, model=model, model_options=own, epochs=1))
    result = engine.train(plan, tmp_path / "run", workers=1)
    _, found = engine.evaluate(result.folder, workers=1)
    assert found.loss == pytest.approx(result.history[0].val_loss, rel=1e-4)
    image = root / "val" / "images" / "0.png"
    (prediction,) = engine.predict(result.folder, [image], tmp_path / "out")
    assert prediction.size == (45, 39)


def test_training_lowers_the_model_s_own_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times the loss, where the model says so."""
    without_pictures(monkeypatch)
    root = make_folder(tmp_path / "data", train=4, val=1)
    losses = []
    for times in (1, 3):
        monkeypatch.setattr(
            models.SegmentationModel, "loss", lambda self, x, labels, f, times=times: times * f(self(x), labels)
        )
        log = Log()
        engine.train(engine.prepare(options(root, epochs=1)), tmp_path / str(times), log, workers=1)
        losses.append(log.losses[0])
    assert losses[1] == pytest.approx(3 * losses[0], rel=1e-5)


@pytest.mark.parametrize(("name", "options"), [*SMALL.values(), ("unet", {"width": 2, "depth": 3})])
def test_one_image_of_one_deep_unit_cannot_be_normalised(name: str, options: dict[str, Any]) -> None:
    """Up to that side training raises, above it it does not."""
    net = models.create(name, num_classes=2, in_channels=1, **options)
    side, labels = net.single_unit, tinyseg.zeros(1, 300, 300, dtype="int64")
    if net.min_size[0] <= side:
        x = tinyseg.rand(1, 1, side, side)
        with pytest.raises(ValueError, match="batch_norm: training needs more than one value"):
            net.loss(x, labels[:, :side, :side], F.cross_entropy)
    side = max(side + 1, net.min_size[0])
    assert np.isfinite(net.loss(tinyseg.rand(1, 1, side, side), labels[:, :side, :side], F.cross_entropy).item())
