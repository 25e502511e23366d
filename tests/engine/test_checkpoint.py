"""Checkpoints: what is saved comes back, and what does not fit is named; test_files.py fills the disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import checkpoint, nn
from tinyseg.checkpoint import Checkpoint, load, load_weights, save
from tinyseg.errors import CheckpointError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "last.safetensors"


def network(width: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))


def test_round_trip_keeps_types_shapes_and_structure(path: Path) -> None:
    momenta = {0: {"mean": tinyseg.tensor([[1.5, -2.0]]), "step": 3}, 7: {}}
    state = {"epoch": 2, "score": 0.1 + 0.2, "optimizer": {"state": momenta}, "rows": [{"loss": None}], "name": "é"}
    weights = network().state_dict()
    save(path, Checkpoint(weights, state))
    found = load(path)
    assert set(found.weights) == set(weights)
    for name, value in weights.items():
        assert found.weights[name].dtype == value.dtype
        assert found.weights[name].shape == value.shape
        np.testing.assert_array_equal(found.weights[name].numpy(), value.numpy())
    assert found.state["score"] == 0.1 + 0.2
    assert found.state["optimizer"]["state"][0]["mean"].tolist() == [[1.5, -2.0]]
    assert found.state["optimizer"]["state"][0]["step"] == 3
    assert found.state["optimizer"]["state"][7] == {}
    assert (found.state["rows"], found.state["name"]) == ([{"loss": None}], "é")


def test_a_transposed_tensor_is_saved_by_its_values(path: Path) -> None:
    values = tinyseg.arange(6).reshape(2, 3).permute(1, 0)
    save(path, Checkpoint({"x": values}))
    assert load(path).weights["x"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_the_same_checkpoint_gives_the_same_bytes(path: Path, tmp_path: Path) -> None:
    weights, other = network().state_dict(), tmp_path / "other.safetensors"
    for target in (path, other):
        save(target, Checkpoint(weights, {"b": 1, "a": {"x": weights["0.weight"]}}))
    assert path.read_bytes() == other.read_bytes()


def test_other_readers_find_the_weights_by_name(path: Path) -> None:
    from safetensors.numpy import load_file

    weights = network().state_dict()
    save(path, Checkpoint(weights, {"momentum": tinyseg.ones(2)}))
    assert {name for name in load_file(path) if "/" not in name} == set(weights)


def test_a_truncated_file_is_named(path: Path) -> None:
    save(path, Checkpoint(network().state_dict(), {"epoch": 1}))
    content = path.read_bytes()
    for length in (0, 4, 100, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"last\.safetensors: not a complete checkpoint"):
            load(path)


def test_other_metadata_than_ours_is_refused_or_empty(path: Path) -> None:
    from safetensors.numpy import save_file

    array = np.zeros(2, np.float32)
    save_file({"x": array}, path)
    assert load(path).state == {}
    for text in ("{", '{"a": {"$tensor": "state/a"}}', "[]"):
        save_file({"x": array}, path, metadata={checkpoint.METADATA_KEY: text})
        with pytest.raises(CheckpointError, match="not a complete checkpoint"):
            load(path)


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load(path)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "x/" * 3000])
def test_a_name_that_no_file_can_have(name: str) -> None:
    with pytest.raises(CheckpointError, match=r"not a complete checkpoint|no such checkpoint"):
        load(name)


def test_weights_that_do_not_fit_are_listed_and_nothing_changes(path: Path) -> None:
    source = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Identity(), nn.Conv2d(5, 1, 1))
    save(path, Checkpoint(source.state_dict()))
    target = network()
    before = {name: value.numpy().copy() for name, value in target.state_dict().items()}
    with pytest.raises(CheckpointError) as error:
        load_weights(path, target)
    text = str(error.value)
    assert "5 missing (1.weight, 1.bias, 1.running_mean, ...)" in text
    assert "2 unexpected (2." in text
    assert "0.weight is (5, 3, 3, 3) but the model's (4, 3, 3, 3)" in text
    for name, value in target.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


def test_weights_that_fit_are_copied(path: Path) -> None:
    source, target = network(), network()
    save(path, Checkpoint(source.state_dict(), {"epoch": 9}))
    assert load_weights(path, target).state == {"epoch": 9}
    np.testing.assert_array_equal(target[0].weight.detach().numpy(), source[0].weight.detach().numpy())


def test_a_state_that_holds_itself_is_refused(path: Path) -> None:
    state: dict[str, Any] = {}
    state["state"] = state
    with pytest.raises(ValueError, match="nested more than 50 deep, or holds itself"):
        save(path, Checkpoint({}, state))
    deep: Any = 1.5
    for level in range(49):
        deep = {level: deep} if level % 2 else [deep]
    save(path, Checkpoint({"x": tinyseg.ones(1)}, {"deep": deep}))
    assert load(path).state == {"deep": deep}


def test_a_name_with_a_slash_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="slash"):
        save(path, Checkpoint({"a/b": tinyseg.ones(1)}))
    assert not path.exists()
