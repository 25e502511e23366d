"""What is known of one data set's extra target, and of one architecture, stands in few places; the rest asks."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts import sift_flow
from sources import PACKAGE, parse, sources
from tiny_runs import without_pictures

import tinyseg
from tinyseg import engine, models, nn
from tinyseg.data import DataLoader, WithExtra, open_dataset
from tinyseg.engine.prediction.evaluate import evaluate_model
from tinyseg.engine.storage.history import EpochRow
from tinyseg.engine.training.learner import Learner
from tinyseg.errors import InputError
from tinyseg.models import Outputs, SegmentationModel
from tinyseg.models.segmentation import Criterion

ABOVE = ("engine", "cli", "viz", "interop", "console.py", "checkpoint.py", "data", "metrics")
KINDS = {"Network", "SegmentationModel", "Classifier"}


def trees(*parts: str) -> Iterator[tuple[Path, ast.Module]]:
    for part in parts:
        path = PACKAGE / part
        for file in sources(path) if path.is_dir() else [path]:
            yield file, parse(file)


def architectures() -> set[str]:
    """Classes of ``models`` that are a network, but for the kinds of networks."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for _, tree in trees("models")
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found: set[str] = set(KINDS)
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return found - KINDS


def test_few_modules_know_sift_flow_s_second_target() -> None:
    found = [path for path in sources(PACKAGE) if "geometric" in path.read_text(encoding="utf-8").lower()]
    assert len(found) <= 5, [str(path.relative_to(PACKAGE)) for path in found]


def test_nothing_asks_whether_a_model_is_of_one_architecture() -> None:
    known = architectures()
    assert {"FCN", "SmallFCN", "DilatedNet", "UNet", "SegNet"} <= known
    for path, tree in trees(*ABOVE):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
                names = {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
                assert not names & known, f"{path}:{node.lineno}: {names & known}"
            if isinstance(node, ast.ImportFrom):
                names = {alias.name for alias in node.names}
                assert not names & known, f"{path}:{node.lineno}: {names & known}"


def test_no_stage_is_known_outside_of_its_model() -> None:
    stages = {stage for found in models.stages().values() for stage in found}
    for path, tree in trees("engine", "cli"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in stages, f"{path}:{node.lineno}: {node.value}"


def test_there_is_one_decoder_of_fcn_s() -> None:
    """The layer that brings scores to pixels is built in one place, and so is a score that starts at zero."""
    built = [
        path.name
        for path, tree in trees("models")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "FixedBilinear"
    ]
    assert built == ["fcn_decoder.py"]


def test_the_layers_of_fcn_s_are_called_as_always() -> None:
    small = models.create("fcn8s", num_classes=2, width=4)
    decoder = [name for name in small.state_dict() if not name.startswith("backbone.")]
    scores = [f"score{stage}.{part}" for stage in (5, 4, 3) for part in ("weight", "bias")]
    assert decoder == [*scores, "up5.weight", "up4.weight", "up.weight"]
    large = models.create("fcn16s", num_classes=2, backbone="alexnet", width=4, geometric_classes=3)
    decoder = [name for name in large.state_dict() if "score" in name]
    layers = ("score_fr{}.weight", "score_fr{}.bias", "score_pool2{}.weight", "score_pool2{}.bias")
    upsampling = ("upscore2{}.weight", "upscore16{}.weight")
    wanted = [name.format(head) for head in ("", "_geo") for name in (*layers, *upsampling)]
    assert sorted(decoder) == sorted(wanted)


# A target that no module knows


class TwoHeads(SegmentationModel):
    """Scores of the classes and of five depths."""

    def __init__(self, num_classes: int) -> None:
        super().__init__("two-heads", num_classes, 3, stride=1)
        self.first, self.second = nn.Conv2d(3, num_classes, 1), nn.Conv2d(3, 5, 1)

    @property
    def extra_classes(self) -> dict[str, int]:
        return {"depth": 5}

    def logits(self, input: tinyseg.Tensor) -> tinyseg.Tensor:
        return self.first(input)

    def outputs(self, input: tinyseg.Tensor, extra: Collection[str] = ()) -> Outputs:
        self.check_extra(extra)
        return Outputs(self(input), {target: self.second(input) for target in extra})

    def loss_of(
        self,
        outputs: Outputs,
        labels: tinyseg.Tensor,
        criterion: Criterion,
        extra: Mapping[str, tinyseg.Tensor],
    ) -> tinyseg.Tensor:
        loss = criterion(outputs.logits, labels)
        for target, truth in extra.items():
            loss = loss + 2 * nn.functional.cross_entropy(outputs.extra[target], truth, ignore_index=255)
        return loss


class Numbered:
    """The masks of a data set, of which only the names of images matter."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        return len(self.dataset)

    def mask(self, index: int) -> Any:
        mask = self.dataset.mask(index) % 5
        mask[0] = 255
        return mask


def test_a_target_of_another_name_is_trained_and_scored() -> None:
    plan = engine.prepare(engine.TrainOptions(data="shapes", size=(32, 32), model="fcn32s", batch_size=2))
    dataset = WithExtra(plan.val_set, {"depth": Numbered(plan.val_set)})
    assert dataset.extra_classes["depth"] is plan.val_set.classes
    model = TwoHeads(plan.config.data.num_classes)
    loader = DataLoader(dataset, 2, workers=0)
    (batch, *_) = loader.epoch(0)
    assert (batch.extra["depth"][:, 0] == 255).all()
    assert [batch.first(1).extra["depth"].shape, len(batch.first(1).names)] == [(1, 32, 32), 1]
    learner = Learner(plan.config, model, batches=1)
    images, labels = tinyseg.tensor(batch.images), tinyseg.tensor(batch.labels)
    parts = [
        nn.functional.cross_entropy(model.first(images), labels, ignore_index=255).item(),
        2
        * nn.functional.cross_entropy(
            model.second(images), tinyseg.tensor(batch.extra["depth"]), ignore_index=255
        ).item(),
    ]
    before = model.second.weight.detach().numpy().copy()
    assert learner.learn(batch, last=True) == pytest.approx(sum(parts), rel=1e-6)
    assert (model.second.weight.detach().numpy() != before).all()
    found = evaluate_model(model, loader, plan.config)
    assert found.extra["depth"].num_pixels == len(dataset) * 31 * 32
    assert found.as_dict()["depth_accuracy"] == found.extra_accuracies["depth"]


def test_a_network_without_such_a_head_is_refused() -> None:
    model = models.create("unetpp", num_classes=2, width=2, depth=1)
    images, labels = tinyseg.zeros(1, 3, 4, 4), tinyseg.zeros(1, 4, 4, dtype="int64")
    with pytest.raises(InputError, match="unetpp has one head, and none for depth classes"):
        model.loss(images, labels, nn.functional.cross_entropy, {"depth": labels})
    with pytest.raises(InputError, match="unetpp has one head, and none for depth classes"):
        model.outputs(images, ("depth",))


def test_the_name_of_a_target_that_no_data_set_has_is_refused() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'geometry'"):
        open_dataset("shapes", "val", geometry=3)


# Names that files have


def test_a_row_of_a_checkpoint_is_as_it_was() -> None:
    row = {
        "epoch": 1, "lr": 0.1, "train_loss": 1.0, "val_loss": 1.0, "pixel_accuracy": 0.5, "mean_accuracy": 0.5,
        "mean_iu": 0.5, "mean_dice": 0.5, "frequency_weighted_iu": 0.5, "iu": (0.5, None), "skipped_batches": 0,
        "seconds": 2.0, "waited": 0.0, "geometric_accuracy": 0.25,
    }  # fmt: skip
    for accuracy in (0.25, None):
        given = {**row, "geometric_accuracy": accuracy}
        assert list(EpochRow.from_state(given).as_state().items()) == list(given.items())
    older = {name: value for name, value in row.items() if name != "geometric_accuracy"}
    assert EpochRow.from_state(older).as_state() == {**row, "geometric_accuracy": None}
    other = {**older, "geometric_accuracy": None, "depth_accuracy": 0.75}
    assert EpochRow.from_state(other).extra_accuracies == {"depth": 0.75}, "of a data set of one's own"
    cells = EpochRow.from_state(row).cells(["a", "b"])
    assert list(cells)[9:] == ["skipped_batches", "geometric_accuracy", "iu_a", "iu_b", "waited", "seconds"]
    assert "geometric_accuracy" not in EpochRow.from_state(older).cells(["a", "b"])


def test_the_number_of_classes_is_an_option_of_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)
    root = sift_flow(tmp_path / "sift")
    options = {"backbone": "alexnet", "width": 1, "geometric_classes": 3}
    given = engine.TrainOptions(data="sift-flow", root=str(root), model="fcn32s", model_options=options, epochs=1)
    plan = engine.prepare(given)
    assert plan.config.model.extra_classes == {"geometric": 3}
    sample = plan.train_set[0]
    assert list(sample.extra) == ["geometric"]
    np.testing.assert_array_equal(sample.extra["geometric"], plan.train_set.others["geometric"].mask(0))
