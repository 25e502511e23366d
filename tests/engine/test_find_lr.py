"""The trial of learning rates, the estimate of memory, and event files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_runs import make_folder, options, without_pictures

from tinyseg import engine
from tinyseg.engine.inspection import memory
from tinyseg.engine.parts.pipeline import create_model
from tinyseg.engine.training.find_lr import LARGEST, LEAST, suggested
from tinyseg.errors import InputError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data"))


# Rates


def test_a_trial_goes_through_the_rates_and_draws_them(root: Path, tmp_path: Path) -> None:
    plan = engine.prepare(options(root, optimizer="sgd", bias_lr=2.0, class_weights="median"))
    calls: list[tuple[int, int]] = []
    found = engine.find_lr(plan, tmp_path / "lr.png", steps=8, workers=0, progress=lambda *n: calls.append(n))
    assert found.rates[:2] == pytest.approx((LEAST, LEAST * (LARGEST / LEAST) ** (1 / 7)))
    assert calls == [(n, 8) for n in range(1, len(found.rates) + 1)]
    with Image.open(tmp_path / "lr.png") as picture:
        assert picture.size[0] > 100
    again = engine.find_lr(plan, tmp_path / "lr.png", steps=8, workers=2)
    assert again == found


def test_the_steepest_range_is_suggested() -> None:
    """A loss that falls by a straight line between 1e-3 and 1e-2, and hardly elsewhere."""
    rates = [10.0**power for power in np.linspace(-5, 0, 51)]
    losses = [1 - 0.5 * min(max(power + 3, 0), 1) - 0.01 * power for power in np.linspace(-5, 0, 51)]
    assert suggested(rates, losses) == pytest.approx(10**-2.5, rel=0.3)
    assert suggested(rates, sorted(losses)) is None
    assert suggested([], []) is None


# Memory


def test_memory_grows_with_the_batch_and_the_area(root: Path) -> None:
    config = engine.prepare(options(root)).config
    model = create_model(config)
    small, large = (memory.estimate(config, model, size) for size in ((64, 64), (128, 128)))
    assert small.fixed == large.fixed
    assert large.per_image == pytest.approx(4 * small.per_image, rel=0.02)
    assert small.of(3) == small.fixed + 3 * small.per_image
    assert small.fitting(small.of(3)) == 3
    assert small.fitting(small.fixed - 1) == 0
    parameters = sum(p.numel() for p in model.parameters())
    assert small.fixed == 4 * 4 * parameters  # Adam: weight, gradient, mean, square


def test_the_whole_of_a_large_image_is_not_tried(root: Path) -> None:
    """It is estimated by its area."""
    config = engine.prepare(options(root)).config
    model = create_model(config)
    tried = memory.estimate(config, model, (memory.TRIED, memory.TRIED))
    assert memory.estimate(config, model, (4096, 4096)).per_image == pytest.approx(
        tried.per_image * (4096 / memory.TRIED) ** 2, rel=1e-3
    )


def test_what_does_not_fit_is_refused_or_noted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = engine.prepare(options(root)).config
    found = memory.estimate(config, create_model(config), (32, 32))
    room = found.of(2)  # of a batch of 4
    monkeypatch.setattr(memory, "machine_memory", lambda: (room, room))
    with pytest.raises(InputError, match=r"batches of 4 images of 32x32 need about .*--batch-size 2 --accumulate 2 "):
        engine.prepare(options(root))
    monkeypatch.setattr(memory, "machine_memory", lambda: (10 * room, room))
    notes = engine.prepare(options(root)).notes
    assert any("are free; if it gets killed, --batch-size 2 --accumulate 2" in note for note in notes)
    monkeypatch.setattr(memory, "machine_memory", lambda: (10 * room, found.fixed // 2))
    assert any("a smaller one" in note for note in engine.prepare(options(root)).notes)
    monkeypatch.setattr(memory, "machine_memory", lambda: (None, None))
    assert not engine.prepare(options(root)).notes
    monkeypatch.setattr(memory, "machine_memory", lambda: (room // 9, room // 9))
    monkeypatch.setattr(memory, "get_default_device", lambda: "cuda")  # whose memory is another
    assert not engine.prepare(options(root)).notes


def test_this_machine_tells_its_memory() -> None:
    total, free = memory.machine_memory()
    if total is None or free is None:
        pytest.skip("the system does not tell")
    assert 2**27 < free <= total


# Event files


def test_event_files(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed: nothing to read with")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    without_pictures(monkeypatch)
    plan = engine.prepare(options(root, pictures=1))
    result = engine.train(plan, tmp_path / "run", engine.TensorBoard(), workers=0)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert [entry.step for entry in events.Scalars("batch/loss")] == [1, 2, 3, 4]
    found = [entry.value for entry in events.Scalars("epoch/mean_iu")]
    assert found == pytest.approx([row.mean_iu for row in result.history], rel=1e-6)
    assert [entry.step for entry in events.Images("predictions")] == [1, 2]


def test_without_tensorboard_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto", None)
    with pytest.raises(InputError, match=r"pip install -e '.\[tensorboard\]'"):
        engine.TensorBoard()


def test_several_are_told_together() -> None:
    told: list[Any] = []

    class Part(engine.Callbacks):
        def __getattribute__(self, name: str) -> Any:
            return lambda *arguments: told.append((name, *arguments))

    both = engine.Together(Part(), Part())
    names = [name for name in vars(engine.Callbacks) if not name.startswith("_")]
    for name in names:
        count = 2 if name in ("epoch_started", "validating", "epoch_done") else 1
        getattr(both, name)(*range(count))
    assert [entry[0] for entry in told] == [name for name in names for _ in range(2)]
