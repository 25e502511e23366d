"""DilatedNet and DeepLab: the identity, mirrors, stages, sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import models, nn
from tinyseg.errors import OptionError
from tinyseg.geometry import Grid
from tinyseg.models.dilated import ContextModule, mirrored
from tinyseg.models.layers import grid_behind

KINDS = ["basic", "large", "cityscapes"]


def build(name: str = "dilatednet", **options: Any) -> Any:
    return models.create(name, num_classes=3, width=2, **options)


@pytest.mark.parametrize("padding", ["each", "first"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_context_module_begins_as_the_identity(kind: str, padding: str) -> None:
    """Both forms of section 3, for inputs of at least 0; what is below is cut off by ReLU."""
    module = ContextModule(3, kind, padding, sigma=0.0)
    x = tinyseg.rand(2, 3, 7, 10)
    with tinyseg.no_grad():
        np.testing.assert_allclose(module(x).numpy(), x.numpy(), rtol=0, atol=1e-5)
        np.testing.assert_allclose(module(-x).numpy(), 0, atol=1e-6)


def test_sigma_is_how_far_the_large_form_starts_from_it() -> None:
    """Weights that are not on the identity's path are N(0, sigma^2)."""
    weight = ContextModule(2, "large", sigma=0.01).conv4.weight.detach().numpy()
    centre = weight[:, :, 1, 1]
    met = np.arange(16)[:, None] // 8 == np.arange(8) // 4
    np.testing.assert_allclose(centre[met], 2 / 16)
    others = np.concatenate([centre[~met], np.delete(weight.reshape(16, 8, 9), 4, axis=2).ravel()])
    assert others.std() == pytest.approx(0.01, rel=0.1)
    assert abs(others.mean()) < 0.002
    basic = ContextModule(2, "basic", sigma=0.01).conv1.weight.detach().numpy()
    assert sorted(np.unique(basic).tolist()) == [0.0, 1.0]


@pytest.mark.parametrize("shape", [(1, 1, 2, 3), (2, 1, 5, 40), (1, 2, 200, 7)])
@pytest.mark.parametrize("borders", [(186, 186, 186, 186), (186, 189, 186, 193), (0, 6, 3, 0), (1, 0, 0, 0)])
def test_mirrors_are_numpy_s(shape: tuple[int, ...], borders: tuple[int, int, int, int]) -> None:
    x = tinyseg.rand(*shape)
    left, right, top, bottom = borders
    wanted = np.pad(x.numpy(), ((0, 0), (0, 0), (top, bottom), (left, right)), mode="reflect")
    np.testing.assert_array_equal(mirrored(x, borders).numpy(), wanted)


def test_one_pixel_has_no_mirror() -> None:
    with pytest.raises(ValueError, match="has nothing to mirror"):
        mirrored(tinyseg.zeros(1, 1, 1, 4), (0, 0, 1, 1))
    assert mirrored(tinyseg.zeros(1, 1, 1, 4), (1, 1, 0, 0)).shape == (1, 1, 1, 6)
    with pytest.raises(ValueError, match="dilatednet: an image of 1x40 is too small; at least 2x2"):
        build()(tinyseg.zeros(1, 3, 1, 40))


@pytest.mark.parametrize(
    ("name", "options"),
    [("dilatednet", {"context": kind}) for kind in ("none", *KINDS)]
    + [("dilatednet", {"context_padding": "first"}), ("deeplab", {}), ("deeplab", {"head": "aspp-s"})],
)
def test_any_size(name: str, options: dict[str, Any]) -> None:
    net = build(name, **options).eval()
    with tinyseg.no_grad():
        for size in ((2, 9), (8, 16), (17, 31)):
            scores = net(tinyseg.rand(1, 3, *size))
            assert scores.shape == (1, 3, *size)
            assert np.isfinite(scores.numpy()).all()


def test_an_eighth_of_the_size() -> None:
    net = build().eval()
    with tinyseg.no_grad():
        assert net.scores(tinyseg.rand(1, 3, 16, 25)).shape == (1, 3, 2, 4)
        assert build("deeplab").eval().scores(tinyseg.rand(1, 3, 17, 33)).shape == (1, 3, 3, 5)


def test_scores_stand_in_the_middle_of_8x8_pixels() -> None:
    """Which is where bilinear resizing without aligned corners takes them from; DeepLab's stand on pixels."""
    grid = grid_behind(list(build().front_end.children()), Grid())
    assert (grid.start - 186, grid.stride) == (3.5, 8)
    deeplab = build("deeplab")
    layers = [layer for name, layer in deeplab.named_children() if not name.startswith("fc")]
    assert grid_behind(layers, Grid()) == Grid(Grid().start, Grid().stride * 8)


def trained(net: nn.Module) -> set[str]:
    return {name.split(".")[0] for name, p in net.named_parameters() if p.requires_grad}


def test_two_stages() -> None:
    """The front end alone, then the context module on its frozen scores, then all."""
    net = build(context="large")
    image = tinyseg.rand(1, 3, 16, 16)
    net.train_stage("front-end")
    assert trained(net) == {"front_end"}
    with tinyseg.no_grad():
        net.eval()
        np.testing.assert_array_equal(
            net.scores(image).numpy(), net.front_end(mirrored(image, (186, 186, 186, 186))).numpy()
        )
    net.train()
    net.train_stage("context")
    assert trained(net) == {"context"}
    assert net.context.training
    assert not any(part.training for part in net.front_end.modules())
    net.eval()
    assert not net.context.training
    net.train()
    assert not net.front_end.training
    net.train_stage(None)
    assert trained(net) == {"front_end", "context"}
    assert all(part.training for part in net.modules())


def test_stages_that_there_are_not() -> None:
    with pytest.raises(OptionError, match="unknown stage 'crf'; there are 'front-end', 'context'"):
        build().train_stage("crf")
    with pytest.raises(ValueError, match="has no context module to train"):
        build(context="none").train_stage("context")


def test_both_stages_learn() -> None:
    """Scores do not start at zero: behind the module's ReLUs they would stay there."""
    net = build(context="basic")
    image = tinyseg.rand(1, 3, 24, 24)
    for stage in ("front-end", "context", None):
        net.train_stage(stage)
        net.zero_grad()
        nn.functional.cross_entropy(net(image), tinyseg.zeros(1, 24, 24, dtype="int64")).backward()
        for name, parameter in net.named_parameters():
            assert (parameter.grad is not None) == (stage is None or name.startswith(stage.replace("-", "_"))), name


def test_deeplab_sums_its_branches() -> None:
    net = build("deeplab", head="aspp-l").eval()
    image = tinyseg.rand(1, 3, 33, 33)
    with tinyseg.no_grad():
        total = net.scores(image).numpy()
        parts = []
        for number in range(1, 5):
            single = build("deeplab", head="aspp-l").eval()
            single.load_state_dict(net.state_dict())
            for other in {1, 2, 3, 4} - {number}:
                nn.init.zeros_(getattr(single, f"fc8_{other}").weight)
            parts.append(single.scores(image).numpy())
    np.testing.assert_allclose(total, sum(parts), rtol=1e-4, atol=1e-6)
    assert np.ptp(total) > 0


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "dilatednet",
            {"context": "huge"},
            "unknown context 'huge'; there are 'none', 'basic', 'large', 'cityscapes'",
        ),
        ("dilatednet", {"context_padding": "last"}, "unknown context_padding 'last'"),
        ("dilatednet", {"sigma": -1}, "sigma must be at least 0 and less than 1, got -1.0"),
        ("deeplab", {"head": "v3"}, "unknown head 'v3'; there are 'largefov', 'aspp-s', 'aspp-l'"),
    ],
)
def test_what_is_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        build(name, **options)
