"""What weights expect of images: by hand, in a run's configuration, and in its checkpoint."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_runs import make_folder, options, without_pictures

from tinyseg import engine
from tinyseg.checkpoint import load
from tinyseg.data import Normalise
from tinyseg.engine.parts.pipeline import create_model, segmentation_model
from tinyseg.engine.storage.run import load_model
from tinyseg.errors import InputError
from tinyseg.models import CAFFE, IMAGENET, INCEPTION, Preprocessing


def prepared(preprocessing: Preprocessing, pixel: tuple[int, int, int]) -> Any:
    transform = Normalise(preprocessing.mean, preprocessing.std, preprocessing.bgr)
    image = np.array(pixel, np.uint8).reshape(1, 1, 3)
    return transform.image(image)


@pytest.mark.parametrize(
    ("preprocessing", "wanted"),
    [
        (CAFFE, [30 - 104.00699, 20 - 116.66877, 10 - 122.67892]),
        (IMAGENET, [(10 / 255 - 0.485) / 0.229, (20 / 255 - 0.456) / 0.224, (30 / 255 - 0.406) / 0.225]),
        (INCEPTION, [10 / 127.5 - 1, 20 / 127.5 - 1, 30 / 127.5 - 1]),
    ],
)
def test_a_pixel_by_hand(preprocessing: Preprocessing, wanted: list[float]) -> None:
    """Red 10, green 20, blue 30."""
    found = prepared(preprocessing, (10, 20, 30))
    assert (found.dtype, found.flags.c_contiguous) == (np.float32, True)
    np.testing.assert_allclose(found[0, 0], wanted, rtol=1e-4, atol=1e-4)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "data")


def test_weights_that_expect_nothing_get_what_was_measured(root: Path, tmp_path: Path) -> None:
    plan = engine.prepare(options(root))
    data = plan.config.data
    pixels = np.concatenate([plan.train_set[n].image.reshape(-1, 3) for n in range(len(plan.train_set))]) / 255
    np.testing.assert_allclose(data.mean, pixels.mean(0), rtol=1e-3)
    np.testing.assert_allclose(data.std, pixels.std(0), rtol=1e-3)
    assert not data.bgr


def test_a_run_keeps_what_its_weights_expect(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the network to the configuration, its file, the checkpoints, and back into a network."""
    without_pictures(monkeypatch)

    def expecting(*given: Any) -> Any:
        model = segmentation_model(*given)
        model.preprocessing = CAFFE
        return model

    monkeypatch.setitem(engine.prepare.__globals__, "segmentation_model", expecting)
    plan = engine.prepare(options(root, epochs=1))
    data = plan.config.data
    assert Preprocessing(data.mean, data.std, data.bgr) == CAFFE
    folder = tmp_path / "run"
    engine.train(plan, folder, workers=1)
    assert engine.read_config(folder / "config.toml") == plan.config
    for name in ("best", "last"):
        kept = load(folder / f"{name}.safetensors").state["preprocessing"]
        assert Preprocessing(tuple(kept["mean"]), tuple(kept["std"]), kept["bgr"]) == CAFFE
    model, _ = load_model(engine.open_run(folder))
    assert model.preprocessing == CAFFE
    red_and_blue = [np.zeros((32, 32, 3), np.uint8) for _ in range(2)]
    red_and_blue[0][:, :, 0] = red_and_blue[1][:, :, 2] = 255
    other = replace(plan.config, data=replace(data, bgr=False, mean=data.mean[::-1], std=data.std[::-1]))
    red, blue = (engine.segment(model, plan.config, image) for image in red_and_blue)
    np.testing.assert_array_equal(engine.segment(model, other, red_and_blue[1]), red)
    np.testing.assert_array_equal(engine.segment(model, other, red_and_blue[0]), blue)


def test_a_network_knows_what_its_configuration_says(root: Path) -> None:
    config = engine.prepare(options(root)).config
    kept = create_model(config).preprocessing
    assert kept is not None
    assert asdict(kept) == {"mean": config.data.mean, "std": config.data.std, "bgr": False}


def test_a_classifier_labels_no_pixels(root: Path) -> None:
    with pytest.raises(InputError, match="vgg16 is a classifier, and labels no pixels; take a network"):
        engine.prepare(options(root, model="vgg16", model_options={"width": 1}))
