"""Steps of training: gathered gradients, summed losses, averages, frozen parts, and what is told when they fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_runs import Log, make_folder, options, without_pictures

import tinyseg
from tinyseg import engine, nn
from tinyseg.data import Batch
from tinyseg.engine.parts.optimization import Schedule
from tinyseg.engine.parts.pipeline import create_model, training_loader
from tinyseg.engine.training.learner import Learner
from tinyseg.errors import InputError
from tinyseg.models import SegmentationModel
from tinyseg.nn import functional as F


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)


class Plain(SegmentationModel):
    """Two convolutions, without batch norm: what it learns from a batch is the sum over its images."""

    def __init__(self) -> None:
        super().__init__("plain", num_classes=2, in_channels=3, stride=1)
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 2, 1)

    def logits(self, input: tinyseg.Tensor) -> tinyseg.Tensor:
        return self.second(F.relu(self.first(input)))


def config(root: Path, **changes: Any) -> engine.Config:
    return engine.prepare(options(root, **{"optimizer": "sgd", "schedule": "constant", **changes})).config


def learner(found: engine.Config, batches: int = 4) -> Learner:
    tinyseg.manual_seed(0)
    made = Learner(found, Plain(), batches)
    made.start_epoch()
    return made


def batch(images: int, seed: int, ignored: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (images, 8, 8))
    labels[:, :ignored] = 255
    return Batch(
        rng.normal(size=(images, 3, 8, 8)).astype(np.float32), labels, [f"{seed}.{i}" for i in range(images)]
    )


def joined(*parts: Batch) -> Batch:
    images = np.concatenate([part.images for part in parts])
    return Batch(images, np.concatenate([part.labels for part in parts]), [name for p in parts for name in p.names])


def weights(found: Learner) -> list[Any]:
    return [value.numpy().copy() for value in found.model.state_dict().values()]


def assert_close(one: Learner, other: Learner, tolerance: float = 2e-6) -> None:
    for a, b in zip(weights(one), weights(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def test_gathered_batches_are_one_large_batch(root: Path) -> None:
    """Also when they have different numbers of pixels that count."""
    parts = [batch(1, 1), batch(2, 2, ignored=5), batch(1, 3, ignored=8)]
    small, large = learner(config(root, accumulate=3)), learner(config(root))
    for _ in range(3):
        losses = [small.learn(part, last=False) for part in parts]
        large.learn(joined(*parts), last=False)
    assert losses[2] is None  # every pixel is ignored
    assert_close(small, large)
    assert small.schedule.by_step.last_epoch == large.schedule.by_step.last_epoch == 3


def test_the_last_batches_of_an_epoch_make_a_step(root: Path) -> None:
    found = learner(config(root, accumulate=3))
    before = weights(found)
    found.learn(batch(1, 1), last=False)
    np.testing.assert_array_equal(weights(found)[0], before[0])
    found.learn(batch(1, 2), last=True)
    assert (weights(found)[0] != before[0]).any()
    other = learner(config(root))
    other.learn(joined(batch(1, 1), batch(1, 2)), last=True)
    assert_close(found, other)


def test_a_summed_loss_is_the_mean_times_the_pixels(root: Path) -> None:
    part = batch(2, 1, ignored=4)
    pixels = 2 * 4 * 8
    summed = learner(config(root, reduction="sum", lr=0.1 / pixels, weight_decay=0.0))
    mean = learner(config(root, lr=0.1, weight_decay=0.0))
    assert summed.learn(part, last=False) == mean.learn(part, last=False)
    assert_close(summed, mean)


def test_gradients_are_clipped(root: Path) -> None:
    """The step's length is the rate times the norm: weights move by 0.5 0.01."""
    found = learner(config(root, lr=0.5, clip_norm=0.01, momentum=0.0, weight_decay=0.0))
    before = weights(found)
    found.learn(batch(2, 1), last=False)
    moved = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(weights(found), before, strict=True)))
    assert moved == pytest.approx(0.005, rel=1e-3)
    found = learner(config(root, lr=0.5, clip_value=1e-4, momentum=0.0, weight_decay=0.0))
    before = weights(found)
    found.learn(batch(2, 1), last=False)
    moved = max(np.abs(a - b).max() for a, b in zip(weights(found), before, strict=True))
    assert moved == pytest.approx(0.5e-4, rel=1e-2)


def test_biases_have_a_rate_of_their_own(root: Path) -> None:
    found = learner(config(root, bias_lr=2.0, lr=0.1, momentum=0.0, weight_decay=0.0))
    plain = learner(config(root, lr=0.1, momentum=0.0, weight_decay=0.0))
    before = weights(found)
    for one in (found, plain):
        one.learn(batch(2, 1), last=False)
    doubled, single = ([b - a for a, b in zip(before, weights(one), strict=True)] for one in (found, plain))
    np.testing.assert_allclose(doubled[0], single[0], atol=1e-7)
    np.testing.assert_allclose(doubled[1], 2 * single[1], atol=1e-7)


def test_parts_have_rates_of_their_own(root: Path) -> None:
    """Ten times the rate is ten times the step; the rate that is told is that of the others."""
    slow = config(root, momentum=0.0, weight_decay=0.0, lr=0.01)

    def learner_of(rates: dict[str, float]) -> Learner:
        return learner(replace(slow, training=replace(slow.training, rate_of=rates)))

    found, plain = learner_of({"first.weight": 10.0}), learner_of({})
    before = weights(found)
    for one in (found, plain):
        one.learn(batch(2, 1), last=False)
    fast, single = ([b - a for a, b in zip(before, weights(one), strict=True)] for one in (found, plain))
    np.testing.assert_allclose(fast[0], 10 * single[0], atol=1e-6)
    np.testing.assert_allclose(fast[1], single[1], atol=1e-7)
    assert found.schedule.rate == plain.schedule.rate == 0.01
    assert learner_of({"first": 10.0, "second": 10.0}).schedule.rate == pytest.approx(0.01, rel=1e-12)


def test_a_constant_schedule_scales_no_group(root: Path) -> None:
    found = learner(config(root, bias_lr=2.0, lr=0.25, warmup=1.0, schedule="onecycle", epochs=3))
    for _ in range(6):
        low, high = (group["lr"] for group in found.optimizer.param_groups)
        assert high == pytest.approx(2 * low, rel=1e-12)
        found.learn(batch(1, 1), last=False)


def test_the_average_is_what_is_scored(root: Path) -> None:
    """After n updates the decay is (1 + n) / (10 + n), if that is less."""
    found = learner(config(root, ema=0.999))
    seen = []
    for seed in (1, 2, 3):
        found.learn(batch(1, seed), last=False)
        seen.append(weights(found)[0].astype(np.float64))
    wanted = seen[0]
    for n, value in ((1, seen[1]), (2, seen[2])):
        decay = (1 + n) / (10 + n)
        wanted = decay * wanted + (1 - decay) * value
    scored = found.scored.state_dict()["first.weight"].numpy()
    np.testing.assert_allclose(scored, wanted, atol=1e-6)
    assert found.scored is not found.model


def test_frozen_parts_stay_as_they_are(root: Path) -> None:
    plan = engine.prepare(options(root, freeze=("down", "merge.0")))
    model = create_model(plan.config)
    found = Learner(plan.config, model, 2)
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    for _ in range(2):
        model.train()
        found.start_epoch()
        for part in training_loader(plan.config, plan.train_set, 0).epoch(0):
            found.learn(part, last=False)
    for name, value in model.state_dict().items():
        is_frozen = name.startswith(("down.", "merge.0."))
        assert (value.numpy() == before[name]).all() == is_frozen, name


def test_batch_norm_is_recalibrated(root: Path) -> None:
    plan = engine.prepare(options(root, recalibrate=2, ema=0.9))
    found = Learner(plan.config, create_model(plan.config), 2)
    loader = training_loader(plan.config, plan.train_set, 0)
    found.recalibrate(loader, 1)
    first = found.scored.down[0][0]
    outputs = [first(tinyseg.tensor(part.images)).detach().numpy() for part in loader.epoch(0)]
    wanted = np.mean([output.mean((0, 2, 3)) for output in outputs[:2]], axis=0)
    np.testing.assert_allclose(found.scored.down[0][1].running_mean.numpy(), wanted, atol=1e-5)


def test_schedules_in_epochs(root: Path) -> None:
    """Two steps an epoch; the rates at the first step of each epoch, by hand."""

    def rates(scores: tuple[float, ...] = (), **changes: Any) -> list[float]:
        training = replace(config(root, epochs=6, lr=1.0).training, **changes)
        schedule = Schedule(training, tinyseg.optim.SGD([tinyseg.ones(1, requires_grad=True)], lr=1.0), steps=2)
        found = []
        for epoch in range(6):
            found.append(round(schedule.rate, 9))
            for _ in range(2):
                schedule.step()
            schedule.epoch_done(scores[epoch] if scores else None)
        return found

    assert rates(schedule="multistep", milestones=(2, 5), gamma=0.5) == [1, 1, 0.5, 0.5, 0.5, 0.25]
    assert rates(schedule="step", step_epochs=2, gamma=0.5) == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert rates(schedule="exponential", gamma=0.5) == [1, 0.5, 0.25, 0.125, 0.0625, 0.03125]
    assert rates(schedule="poly", power=1.0) == pytest.approx([1, 5 / 6, 4 / 6, 0.5, 2 / 6, 1 / 6])
    assert rates(schedule="constant", warmup=2.0) == pytest.approx([0.2, 0.6, 1, 1, 1, 1])
    assert rates(schedule="step", step_epochs=2, gamma=0.5, warmup=1.0) == pytest.approx(
        [1 / 3, 1, 1, 0.5, 0.5, 0.25]
    )
    assert rates(schedule="multistep", milestones=(2, 5), gamma=0.5, warmup=1.0) == pytest.approx(
        [1 / 3, 1, 0.5, 0.5, 0.5, 0.25]
    )
    scores = (0.5, 0.4, 0.3, 0.2, 0.6, 0.5)
    assert rates(scores, schedule="plateau", plateau_patience=1, gamma=0.5) == [1, 1, 1, 0.5, 0.5, 0.5]
    assert rates(scores, schedule="plateau", plateau_patience=1, gamma=0.5, warmup=1.0)[1:] == [1, 1, 0.5, 0.5, 0.5]


# What goes wrong


def test_a_gradient_that_is_not_finite_is_named(root: Path) -> None:
    """The loss is finite: the root of 0 is 0, but its slope is not. No step is made."""
    found = learner(config(root, clip_norm=1.0))
    found.model.first.register_forward_hook(lambda module, inputs, outputs: outputs + (outputs * 0).sqrt())
    before = weights(found)
    with pytest.raises(engine.DivergenceError) as error, np.errstate(all="ignore"):
        found.learn(batch(2, 1), last=False)
    assert str(error.value) == (
        "(1.0, 1.1): the gradients are not finite. First not finite, on the way back from the loss: the gradient of "
        "first.bias of shape (4,)"
    )
    np.testing.assert_array_equal(weights(found)[0], before[0])


class Spoil(Log):
    """Makes a weight infinite after some batch."""

    def __init__(self, epoch: int, batch: int) -> None:
        super().__init__()
        self.place = epoch, batch

    def started(self, trainer: Any) -> None:
        self.trainer = trainer

    def batch_done(self, report: Any) -> None:
        if (report.epoch, report.batch) == self.place:
            self.trainer.model.up[0].weight.detach().fill_(np.inf)


def test_weights_that_are_not_finite_are_never_saved(root: Path, tmp_path: Path) -> None:
    """After the last step of an epoch no loss would show it."""
    folder = tmp_path / "run"

    class Last(Spoil):
        def batch_done(self, report: Any) -> None:
            if (report.epoch, report.batch) == (2, 1):
                learn = self.trainer.learner.learn

                def spoilt(part: Any, last: bool, tensors: Any) -> Any:
                    loss = learn(part, last, tensors)
                    self.trainer.model.up[0].weight.detach().fill_(np.inf)
                    return loss

                self.trainer.learner.learn = spoilt

    with pytest.raises(engine.DivergenceError, match=r"epoch 2, batch 2 \(.*after the step up.0.weight") as error:
        engine.train(engine.prepare(options(root, epochs=3)), folder, Last(2, 1), workers=0)
    assert f"The weights after epoch 1 are kept in {folder}" in str(error.value)
    kept = tinyseg.checkpoint.load(folder / "last.safetensors")
    assert all(np.isfinite(value.numpy()).all() for value in kept.weights.values())
    assert kept.state["epoch"] == 1


def test_the_step_that_spoilt_a_parameter_is_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(engine.DivergenceError) as error:
        engine.train(engine.prepare(options(root, epochs=2)), tmp_path / "run", Spoil(1, 1), workers=0)
    text = str(error.value)
    assert "epoch 1, batch 2 (" in text
    assert "First not finite: the parameter up.0.weight" in text
    assert "since the step on" in text
    assert "--clip-norm 1" in text


def test_training_stops_when_nothing_becomes_better(root: Path, tmp_path: Path) -> None:
    log = Log()
    frozen = ("down", "up", "merge")
    plan = engine.prepare(options(root, epochs=9, patience=2, lr=1e-12, freeze=frozen))
    result = engine.train(plan, tmp_path / "run", log, workers=0)
    assert (result.best.epoch, len(result.history)) == (1, 3)
    assert any("no better mean IU since epoch 1: stopped after epoch 3" in text for text in log.warnings)
    again = engine.resume(tmp_path / "run", workers=0)
    assert len(again.history) == len(result.history)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"freeze": ("dow",)}, "no parameter's name begins with 'dow'; there are down, up, merge, score"),
        ({"freeze": ("down", "up", "merge", "score")}, "--freeze leaves no parameter"),
        ({"optimizer": "adam", "nesterov": True}, "--nesterov is for --optimizer sgd"),
        ({"schedule": "multistep"}, "needs --milestones"),
        ({"schedule": "plateau", "gamma": 1.0}, "needs a --gamma below 1"),
        ({"accumulate": 0}, "--accumulate must be at least 1"),
        ({"clip_norm": 0.0}, "--clip-norm must be positive"),
        ({"ema": 1.0}, "--ema must be at least 0 and less than 1"),
        ({"gamma": 0.0}, "--gamma must be more than 0"),
        ({"reduction": "max"}, "unknown --reduction 'max'; there are mean, sum"),
        ({"recalibrate": 3, "freeze": ("down",)}, "choose one"),
        ({"schedule": "multistep", "milestones": (1,), "warmup": 1.0}, "--milestones 1 lies in the --warmup of 1"),
        ({"warmup": 3.0}, "--warmup 3 is longer than the run of 2 epochs"),
        ({"stage": "context"}, "--stage is for --model dilatednet"),
        ({"stage": "front-end"}, "--stage is for --model dilatednet; unet is not trained in stages"),
        ({"partial_weights": True}, "--partial-weights is for --weights FILE"),
        ({"crop": (2, 2)}, "a crop of 2x2 is too small for unet"),
        ({"crop": (16, 16), "full_images": True}, "without a --size or a --crop"),
    ],
)
def test_what_does_not_go_together_is_refused(root: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        engine.prepare(options(root, **changes))
    assert message in str(error.value)
