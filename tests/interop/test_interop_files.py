"""Files of weights: what is in them comes out, and a file that asks for more is refused and does nothing."""

from __future__ import annotations

import copy
import errno
import io
import json
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies
from make_weight_files import CONTENT, FOLDER
from safetensors.numpy import save_file
from torch_files import (
    Call,
    Name,
    Outside,
    Raw,
    State,
    code,
    pickled,
    state_dict,
    storage,
    tensor,
    write_archive,
    write_legacy,
)

from tinyseg.checkpoint import METADATA_KEY, load
from tinyseg.errors import CheckpointError
from tinyseg.interop import read
from tinyseg.interop.pickle_machine import MAX_VALUES, Machine, PickleError

ARRAYS = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "conv.bias": np.array([0.5, -0.25], np.float32),
    "steps": np.array(7, np.int64).reshape(()),
}
Writer = Callable[..., Path]
NUMBERS = np.arange(6, dtype=np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


def archive_of(path: Path, value: Any) -> Path:
    """A file that holds ``value`` and one storage of six numbers."""
    return write_archive(path, value, {"0": NUMBERS.tobytes()})


def legacy_of(path: Path, value: Any) -> Path:
    return write_legacy(path, value, {"0": NUMBERS.tobytes()})


def six(legacy: bool = False) -> Outside:
    return storage("0", 6, legacy=legacy)


# What is in a file comes out


@pytest.mark.parametrize("name", CONTENT)
def test_what_pytorch_has_written_comes_out(name: str) -> None:
    weights = read(FOLDER / f"{name}.pth")
    assert list(weights.arrays) == list(CONTENT[name])
    for key, array in CONTENT[name].items():
        np.testing.assert_array_equal(weights.arrays[key], array, strict=True)


def test_of_a_nested_file_it_is_told_where_the_weights_were() -> None:
    weights = read(FOLDER / "nested.pth")
    assert weights.found_at == "state_dict, names begin with module."
    assert weights.others == {"best": "0.25"}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_s_arrays_come_out(path: Path, compression: int) -> None:
    weights = read(write_archive(path, *state_dict(ARRAYS), compression=compression))
    assert weights.format == "PyTorch archive"
    assert list(weights.arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(weights.arrays[name], array)
        assert (weights.arrays[name].dtype, weights.arrays[name].shape) == (array.dtype, array.shape)


def test_a_file_from_before_1_6_comes_out(path: Path) -> None:
    arrays = {name: array for name, array in ARRAYS.items() if name != "steps"}
    weights = read(write_legacy(path, *state_dict(arrays, legacy=True)))
    assert weights.format == "PyTorch file from before 1.6"
    for name, array in arrays.items():
        np.testing.assert_array_equal(weights.arrays[name], array)


def test_a_file_from_before_1_6_is_little_endian_on_every_machine(path: Path) -> None:
    """PyTorch turned the bytes on a big-endian machine before it wrote them, and noted what the machine was."""
    write_legacy(path, *state_dict({"x": NUMBERS}, legacy=True), machine="big")
    np.testing.assert_array_equal(read(path).arrays["x"], NUMBERS)


def test_views_of_one_storage_share_its_memory(path: Path) -> None:
    content = {
        "whole": tensor(six(), (2, 3)),
        "turned": tensor(six(), (3, 2), (1, 3)),
        "end": tensor(six(), (2,), (1,), 4),
    }
    arrays = read(archive_of(path, content)).arrays
    np.testing.assert_array_equal(arrays["whole"], NUMBERS.reshape(2, 3))
    np.testing.assert_array_equal(arrays["turned"], NUMBERS.reshape(2, 3).T)
    np.testing.assert_array_equal(arrays["end"], [4, 5])
    assert np.shares_memory(arrays["whole"], arrays["turned"])


def test_arrays_of_a_stored_archive_are_the_file_s_memory(path: Path) -> None:
    array = read(archive_of(path, {"x": tensor(six(), (6,))})).arrays["x"]
    assert not array.flags.writeable
    assert not array.flags.owndata


def test_the_other_byte_order_is_turned(path: Path) -> None:
    numbers = np.array([1.5, -3.0, 2**20], ">f4")
    content = {"x": tensor(storage("0", 3), (3,))}
    write_archive(path, content, {"0": numbers.tobytes()}, members={"byteorder": "big"})
    np.testing.assert_array_equal(read(path).arrays["x"], [1.5, -3.0, 2**20])
    write_archive(path, content, {"0": numbers.tobytes()}, members={"byteorder": "middle"})
    with pytest.raises(CheckpointError, match=r"weights\.pth: its byte order is 'middle'"):
        read(path)


def test_bfloat16_and_bool_become_what_numpy_has(path: Path) -> None:
    """1.0 is 0x3F80 in bfloat16, -2.5 is 0xC020; any byte but 0 is true."""
    content = {"b": tensor(storage("0", 2, "BFloat16"), (2,)), "t": tensor(storage("1", 3, "Bool"), (3,))}
    write_archive(path, content, {"0": np.array([0x3F80, 0xC020], np.uint16).tobytes(), "1": b"\x00\x01\x07"})
    arrays = read(path).arrays
    np.testing.assert_array_equal(arrays["b"], np.array([1.0, -2.5], np.float32))
    np.testing.assert_array_equal(arrays["t"], [False, True, True])


def test_old_relatives_are_known(path: Path) -> None:
    """``_rebuild_tensor`` of PyTorch 0.3, a parameter, a storage that was on a GPU."""
    old = Call(Name("torch._utils", "_rebuild_tensor"), (six(), 0, (6,), (1,)))
    parameter = Call(Name("torch._utils", "_rebuild_parameter"), (tensor(six(), (6,)), True, {}))
    arrays = read(archive_of(path, {"old": old, "parameter": parameter})).arrays
    np.testing.assert_array_equal(arrays["old"], NUMBERS)
    np.testing.assert_array_equal(arrays["parameter"], NUMBERS)
    cuda = Outside(("storage", Name("torch.cuda", "FloatStorage"), "0", "cuda:0", 6))
    np.testing.assert_array_equal(read(archive_of(path, {"x": tensor(cuda, (6,))})).arrays["x"], NUMBERS)


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net"])
def test_weights_are_found_below_other_things(path: Path, key: str) -> None:
    weights = read(archive_of(path, {"epoch": 3, key: {"module.x": tensor(six(), (6,))}, "optimizer": {}}))
    assert list(weights.arrays) == ["x"]
    assert weights.found_at == f"{key}, names begin with module."
    assert weights.others == {"epoch": "3", "optimizer": "a dict of 0"}


def test_a_part_without_tensors_is_not_taken_for_the_weights(path: Path) -> None:
    weights = read(archive_of(path, {"model": {"depth": 4}, "x": tensor(six(), (6,))}))
    assert (list(weights.arrays), weights.others) == (["x"], {"model": "a dict of 1"})


def test_a_prefix_is_taken_off_only_where_all_have_it(path: Path) -> None:
    weights = read(archive_of(path, {"module.x": tensor(six(), (6,)), "y": tensor(six(), (6,))}))
    assert (list(weights.arrays), weights.found_at) == (["module.x", "y"], "")


def test_an_entry_that_is_no_tensor_is_told(path: Path) -> None:
    """milesial's checkpoints have the masks' values among the weights."""
    weights = read(archive_of(path, {"x": tensor(six(), (6,)), "mask_values": [0, 255]}))
    assert weights.others == {"mask_values": "a list of 2"}


def test_a_numpy_number_beside_the_weights_is_understood(path: Path) -> None:
    """wkentaro's checkpoints keep the best mean IU as one."""
    kind = State(Call(Name("numpy", "dtype"), ("f8", False, True)), (3, "<", None, None, None, -1, -1, 0))
    raw = Call(Name("_codecs", "encode"), (np.array(0.625, "<f8").tobytes().decode("latin1"), "latin1"))
    score = Call(Name("numpy.core.multiarray", "scalar"), (kind, raw))
    weights = read(archive_of(path, {"best_mean_iu": score, "model_state_dict": {"x": tensor(six(), (6,))}}))
    assert weights.others == {"best_mean_iu": "0.625"}


def test_texts_of_python_2_are_texts(path: Path) -> None:
    """Its pickles have bytes where Python 3 has texts."""
    content = {Raw(b"U\x06weight"): tensor(six(), (6,)), Raw(b"T\x04\x00\x00\x00bias"): tensor(six(), (2,), (1,))}
    assert list(read(archive_of(path, content)).arrays) == ["weight", "bias"]


def test_a_state_dict_s_metadata_is_left_aside(path: Path) -> None:
    content = State({"x": tensor(six(), (6,))}, {"_metadata": {"": {"version": 1}}})
    assert list(read(archive_of(path, content)).arrays) == ["x"]


def test_numpy_archives_come_out(tmp_path: Path) -> None:
    arrays = {**ARRAYS, "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "empty": np.zeros((0, 3))}
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "w.npz", **arrays)
        found = read(tmp_path / "w.npz").arrays
        assert list(found) == list(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)


def test_safetensors_come_out_with_bfloat16_as_float32(tmp_path: Path) -> None:
    entries = {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
    entries["b"] = {"dtype": "BF16", "shape": [2], "data_offsets": [24, 28]}
    header = json.dumps(entries).encode()
    raw = NUMBERS.tobytes() + np.array([0xC020, 0x3F80], np.uint16).tobytes()
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + raw)
    weights = read(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(weights.arrays["a"], NUMBERS.reshape(2, 3))
    np.testing.assert_array_equal(weights.arrays["b"], np.array([-2.5, 1.0], np.float32))


def test_a_header_may_be_as_long_as_a_pickle_begins(tmp_path: Path) -> None:
    """The length's lowest byte is 0x80, as a pickle's first."""
    entry = {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]}
    header = json.dumps({"a": entry}).encode().ljust(0x180)
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + NUMBERS.tobytes())
    np.testing.assert_array_equal(read(tmp_path / "w.safetensors").arrays["a"], NUMBERS)


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", x=NUMBERS)
    os.rename(tmp_path / "w.npz", tmp_path / "w.pth")
    assert read(tmp_path / "w.pth").format == "NumPy archive"


# What is refused


class Reaches:
    """A pickle that runs a command."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"echo run > {self.target}",)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_command_in_a_pickle_is_named_and_not_run(tmp_path: Path, path: Path, protocol: int) -> None:
    target = tmp_path / "run"
    hostile = Raw(pickle.dumps(Reaches(target), protocol)[2:-1])
    for write, legacy in ((archive_of, False), (legacy_of, True)):
        with pytest.raises(CheckpointError, match=r"weights\.pth: asks for '(posix|nt)\.system'"):
            read(write(path, {"x": tensor(six(legacy), (6,)), "y": hostile}))
    assert not target.exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Call(Name("builtins", "eval"), ("1",)), r"asks for 'builtins\.eval'"),
        (Call(Name("__builtin__", "getattr"), ({}, "pop")), r"asks for '__builtin__\.getattr'"),
        (Name("torch.nn.modules.conv", "Conv2d"), r"asks for 'torch\.nn\.modules\.conv\.Conv2d'"),
        (Name("torch._utils", "_rebuild_tensor_v2.__globals__"), "asks for 'torch._utils._rebuild_tensor_v2.__gl"),
        (Name("posix\\i", "\\usystem"), "asks for|damaged"),
        (Call("collections.OrderedDict", ()), "calls what is no function"),
        (Call(Name("torch", "FloatStorage"), (5,)), "calls what is no function"),
        (Call(Name("collections", "OrderedDict"), [1]), "calls what is no function"),
        (Call(Name("collections", "OrderedDict"), (1, 2, 3)), "damaged"),
        (State({}, {"pop": 1}), "sets the state of a dict"),
        (State(Name("torch", "FloatStorage"), {"name": "int8"}), "sets the state of a DType"),
        (State(six(), {"count": 10**9}), "sets the state of a Storage"),
        (Raw(code(Name("collections", "OrderedDict")) + b")\x81"), "instruction NEWOBJ"),
        (Raw(b"(i__main__\nX\n"), "instruction INST"),
        (Raw(b"\x82\x01"), "instruction EXT1"),
        (Raw(b"Pname\n"), "instruction PERSID"),
        (Raw(b"S'text'\n"), "instruction STRING"),
        (Outside(("module", Name("torch", "float32"), "source", "code")), "whole pickled model"),
        (Outside("0"), "not described as a storage"),
        (Outside(("storage", "FloatStorage", "0", "cpu", 6)), "not described as a storage"),
        (storage("0", -6), "a storage's size is -6"),
        (storage("0", 2**80), "a storage's size is int"),
        ([six(), storage("0", 7)], "storage '0' has two types or sizes"),
        ({(1, 2): 3}, "has a tuple as the key"),
        (Raw(b"h\x07"), "no value number 7"),
        (Raw(b"R"), "calls what is no function"),
        (Raw(b"(R"), "takes a value where there is none"),
        (Raw(b"t"), "takes values where there are none"),
        (Raw(b"N(Nu"), "sets items of a NoneType"),
        (Raw(b"NNa"), "appends to a NoneType"),
        (Raw(b"\xff"), "damaged"),
        (Raw(b"\x8d" + b"\xff" * 7 + b"\x7f"), "damaged"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_tensors_is_refused_with_the_reason(path: Path, value: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read(archive_of(path, {"x": tensor(six(), (6,)), "y": value}))


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "message"),
    [
        ((7,), (1,), 0, "7 elements up to number 7 of its storage, which has 6"),
        ((10**6, 10**6), (0, 0), 0, "1000000000000 elements"),
        ((2**40, 2**40), (1, 1), 0, "its storage, which has 6"),
        ((2, 3), (4, 1), 0, "up to number 7"),
        ((6,), (1,), 1, "up to number 7"),
        ((3,), (-1,), 2, "a tensor's stride is -1"),
        ((3,), (1,), -1, "a tensor's offset is -1"),
        ((-3,), (1,), 0, "a tensor's size is -3"),
        ((0,), (1,), 7, "up to number 7"),
        ((2.0,), (1,), 0, "a tensor's size is float"),
        ((True,), (1,), 0, "a tensor's size is bool"),
        ((2**90,), (1,), 0, "a tensor's size is int"),
        ((6,), (1, 1), 0, "1 dimensions and 2 strides"),
        ((1,) * 40, (1,) * 40, 0, "40 dimensions"),
    ],
)
def test_a_tensor_that_reaches_out_of_its_storage_is_refused(
    path: Path, shape: Any, strides: Any, offset: int, message: str
) -> None:
    for write, legacy in ((archive_of, False), (legacy_of, True)):
        with pytest.raises(CheckpointError, match=message):
            read(write(path, {"x": tensor(six(legacy), shape, strides, offset)}))


def test_a_storage_that_is_shorter_than_its_pickle_says_is_refused(path: Path) -> None:
    with pytest.raises(CheckpointError, match="storage '0' has 24 bytes where the pickle says 4,000,000,000"):
        read(archive_of(path, {"x": tensor(storage("0", 10**9), (10**9,))}))
    with pytest.raises(CheckpointError, match="has no member 'archive/data/1'"):
        read(archive_of(path, {"x": tensor(storage("1", 6), (6,))}))
    with pytest.raises(CheckpointError, match="storage '0' has 6 elements where the pickle says 7"):
        read(legacy_of(path, {"x": tensor(storage("0", 7, legacy=True), (7,))}))
    with pytest.raises(CheckpointError, match="its list of storages is not"):
        read(legacy_of(path, {"x": tensor(storage("1", 6, legacy=True), (6,))}))


def test_values_that_hold_themselves_are_refused(path: Path) -> None:
    for cycle in (Raw(b"]q\x05h\x05a"), Raw(b"}q\x05" + code("k") + b"h\x05s"), Raw(b"]q\x05h\x05\x85a")):
        with pytest.raises(CheckpointError, match="nested more than 50 deep, or hold themselves"):
            read(archive_of(path, {"x": tensor(six(), (6,)), "cycle": cycle}))


def test_deep_nesting_is_refused(path: Path) -> None:
    for deep in (Raw(b"N" + b"\x85" * 200_000), Raw(b"]" * 60 + b"a" * 59)):
        with pytest.raises(CheckpointError, match="nested more than 50 deep"):
            read(archive_of(path, {"x": tensor(six(), (6,)), "deep": deep}))


def test_a_short_pickle_of_endless_repeats_is_refused(path: Path) -> None:
    level = b"".join(b"(" + b"h\x00" * 10 + b"tq\x00" for _ in range(9))
    laughs = Raw(b"(Nq\x00" + level + b"t")
    with pytest.raises(CheckpointError, match=f"holds more than {MAX_VALUES:,} values, repeats counted"):
        read(archive_of(path, {"x": tensor(six(), (6,)), "laughs": laughs}))


def test_a_pickle_of_endless_instructions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyseg.interop.pickle_machine.MAX_INSTRUCTIONS", 100)
    with pytest.raises(PickleError, match="more than 100 instructions"):
        Machine({}).run(io.BytesIO(pickled(Raw(b"N" + b"q\x00" * 200))))


@pytest.mark.parametrize(
    "again",
    [
        code(Name("_codecs", "encode")) + b"h\x00" + code("latin1") + b"\x86R",
        code(Name("collections", "OrderedDict")) + b"h\x01\x85R",
    ],
)
def test_a_short_pickle_that_makes_large_things_again_and_again_is_refused(path: Path, again: bytes) -> None:
    """A text of 60 kB, or a list of 30,000 pairs, of which each call makes a new one: 1,000 calls take 12 kB."""
    pairs = b"]q\x01(" + (code(["a", None]) + b"q\x02" + b"h\x02" * 29_999) + b"e"
    bomb = Raw(b"(" + code("x" * 60_000) + b"q\x00" + pairs + again * 1000 + b"t")
    with pytest.raises(CheckpointError, match="its pickle calls functions with more than weights take"):
        read(archive_of(path, {"x": tensor(six(), (6,)), "bomb": bomb}))


def test_numbers_of_many_digits_are_refused(path: Path) -> None:
    """Python does not print them, and a dict takes its time for each as a key."""
    digits = b"\x8b" + (100_000).to_bytes(4, "little") + b"\x7f" * 100_000
    for content in ({Raw(digits): 1}, {"epoch": Raw(digits)}):
        with pytest.raises(CheckpointError, match="a number of 799,999 bits"):
            read(archive_of(path, {"x": tensor(six(), (6,)), **content}))
    largest = 2**2000
    weights = read(archive_of(path, {"x": tensor(six(), (6,)), largest: 1, "epoch": largest}))
    assert weights.others == {str(largest)[:500]: "1", "epoch": "a int"}


@pytest.mark.parametrize(
    ("shape", "strides"),
    [((0, 2**61), (1, 1)), ((2**31, 0, 2**31), (1, 1, 1)), ((0, 2**40, 2**40), (0, 0, 0))],
)
def test_a_tensor_without_elements_may_not_have_any_size(path: Path, shape: Any, strides: Any) -> None:
    for write, legacy in ((archive_of, False), (legacy_of, True)):
        with pytest.raises(CheckpointError, match=r"a tensor of shape .* has more than any memory"):
            read(write(path, {"x": tensor(six(legacy), shape, strides)}))


def test_a_stride_that_is_never_taken_may_be_anything(path: Path) -> None:
    content = {"row": tensor(six(), (1, 6), (2**61, 1)), "none": tensor(six(), (0, 3), (2**61, 2**61))}
    arrays = read(archive_of(path, content)).arrays
    np.testing.assert_array_equal(arrays["row"], NUMBERS.reshape(1, 6))
    assert arrays["none"].shape == (0, 3)


@pytest.mark.parametrize("keys", [[2**2000], [["0"]], [("0",)], {"0": 1}, "0", ["0", "0"]])
def test_keys_of_storages_that_are_none_are_refused(path: Path, keys: Any) -> None:
    content = legacy_of(path, {"x": tensor(six(legacy=True), (6,))}).read_bytes()
    right = pickled(["0"])
    assert content.count(right) == 1
    path.write_bytes(content.replace(right, pickled(keys)))
    with pytest.raises(CheckpointError, match="its list of storages is not that of"):
        read(path)


def npz_of(path: Path, header: str, numbers: bytes = bytes(24), version: bytes = b"\x01\x00") -> Path:
    raw = header.encode("latin1")
    length = len(raw).to_bytes(2 if version[0] == 1 else 4, "little")
    with zipfile.ZipFile(path.with_suffix(".npz"), "w") as archive:
        archive.writestr("w.npy", b"\x93NUMPY" + version + length + raw + numbers)
    return path.with_suffix(".npz")


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", (2, 3)),
        ('{"shape":(3,2),"fortran_order":True,"descr":"<f4"}', (3, 2)),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }", (2, 3)),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (24,)}", (24,)),
        ("{'descr': '>f8', 'fortran_order': False, 'shape': ()}", ()),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 7), }", (0, 7)),
    ],
)
@pytest.mark.parametrize("version", [b"\x01\x00", b"\x02\x00"])
def test_headers_of_numpy_s_files_as_others_write_them(
    path: Path, header: str, wanted: tuple[int, ...], version: bytes
) -> None:
    assert read(npz_of(path, header, version=version)).arrays["w"].shape == wanted


@pytest.mark.parametrize(
    "header",
    [
        "",
        "{",
        "{}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,",
        "{'descr': '<f4', 'fortran_order': False, 'shape': " + "-" * 3000 + "1, }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': " + "(" * 3000 + ")" * 3000 + ", }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999999999, 9, 0), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1," * 33 + "), }",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': True}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f5', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '|S0', 'fortran_order': False, 'shape': (4000000000000,), }",
        "{'descr': '<U0', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '|V0', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<U99999999', 'fortran_order': False, 'shape': (0,), }",
        "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': __import__('os'), 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\0",
        "x" * 20_000,
    ],
)
def test_headers_of_numpy_s_files_that_are_none_are_refused(path: Path, header: str) -> None:
    with pytest.raises(CheckpointError, match=r"weights\.npz: its array 'w\.npy' is ") as caught:
        read(npz_of(path, header))
    assert len(str(caught.value)) < 300 + len(str(path))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 900 + "1" + "}" * 900, "[]", "5", '{"a": ' + "9" * 5000 + "}"]
)
def test_metadata_beyond_reason_are_refused(tmp_path: Path, text: str) -> None:
    """The last is a number of more digits than Python reads."""
    file = tmp_path / "w.safetensors"
    save_file({"w": NUMBERS}, file, metadata={METADATA_KEY: text})
    for reader in (read, load):
        with pytest.raises(CheckpointError, match=r"w\.safetensors: not a complete"):
            reader(file)


def test_metadata_larger_than_any_run_s_are_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyseg.checkpoint.MAX_METADATA", 1000)
    file = tmp_path / "w.safetensors"
    save_file({"w": NUMBERS}, file, metadata={METADATA_KEY: '{"a": [' + "0," * 1000 + "0]}"})
    with pytest.raises(CheckpointError, match=r"its metadata of 2,010 characters is larger than any run's"):
        read(file)


def test_a_name_without_end_is_not_printed(path: Path) -> None:
    with pytest.raises(CheckpointError, match="a weight has the name 'wwww") as caught:
        read(archive_of(path, {"w" * 100_000: tensor(six(), (6,))}))
    assert len(str(caught.value)) < 300 + len(str(path))


def test_what_cannot_be_opened_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*arguments: Any, **options: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "w.npz").write_bytes(b"PK")
    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(CheckpointError, match=r"w\.npz: cannot be read \(Permission denied\)"):
        read(tmp_path / "w.npz")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(path: Path, share: float) -> None:
    arrays = {"a": np.arange(500, dtype=np.float32), "b": np.arange(500, dtype=np.float32)}
    for write, legacy in ((write_archive, False), (write_legacy, True)):
        content = write(path, *state_dict(arrays, legacy)).read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(CheckpointError, match=r"weights\.pth: "):
            read(path)


def test_a_damaged_storage_is_refused_by_its_checksum(path: Path) -> None:
    content = bytearray(archive_of(path, {"x": tensor(six(), (6,))}).read_bytes())
    content[content.index(NUMBERS.tobytes()) + 5] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="'archive/data/0' of its zip archive is damaged: its checksum"):
        read(path)


def test_a_zip_bomb_is_refused_before_it_grows(path: Path) -> None:
    """Two hundred million zeros are 200 kB when deflated."""
    count = 50_000_000
    content = {"x": tensor(storage("0", count), (count,))}
    write_archive(path, content, {"0": bytes(4 * count)}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match=r"would grow to 200,\d\d\d,\d\d\d, which no weights do"):
        read(path)


def test_a_zip_bomb_that_understates_its_size_is_refused(path: Path) -> None:
    """The directory says 24 bytes, the data are a million."""
    write_archive(path, {"x": tensor(six(), (6,))}, {"0": bytes(1_000_000)}, compression=zipfile.ZIP_DEFLATED)
    raw = path.read_bytes()
    lying = raw.replace((1_000_000).to_bytes(4, "little"), (24).to_bytes(4, "little"))
    assert lying != raw
    path.write_bytes(lying)
    with pytest.raises(CheckpointError, match="its checksum or its size is wrong"):
        read(path)


def test_members_that_overlap_are_refused(path: Path) -> None:
    """A thousand entries of the directory may name the same data."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data/0", NUMBERS.tobytes() * 1000)
        for number in range(1, 1000):
            entry = copy.copy(archive.infolist()[0])
            entry.filename = f"archive/data/{number}"
            archive.filelist.append(entry)
        archive.writestr("archive/data.pkl", pickled({}))
    with pytest.raises(CheckpointError, match="overlap"):
        read(path)


def test_encrypted_and_strangely_packed_members_are_refused(path: Path) -> None:
    write_archive(path, *state_dict({"a": NUMBERS}), compression=zipfile.ZIP_BZIP2)
    with pytest.raises(CheckpointError, match="compressed in an unknown way"):
        read(path)
    raw = bytearray(write_archive(path, *state_dict({"a": NUMBERS})).read_bytes())
    place = raw.index(b"PK\x01\x02") + 8
    raw[place] |= 1
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match="encrypted"):
        read(path)


@pytest.mark.parametrize("member", ["constants.pkl", "code/__torch__.py"])
def test_torchscript_is_refused_by_name(path: Path, member: str) -> None:
    write_archive(path, *state_dict(ARRAYS), members={member: b""})
    with pytest.raises(CheckpointError, match=r"TorchScript archive, which is a program; save the state_dict\(\)"):
        read(path)


def test_other_kinds_of_files_are_refused_by_name(path: Path, tmp_path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    with pytest.raises(CheckpointError, match="is a tar archive"):
        read(path)
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointError, match="neither PyTorch's nor NumPy's"):
        read(path)
    for content, message in (
        (pickle.dumps({"x": 1}), "is a pickle, but not of PyTorch's"),
        (b"<!DOCTYPE html>", r"is no file of weights .* it begins with b'<!DOCTYPE ht'"),
        (b"", "is no file of weights"),
    ):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=message):
            read(path)
    with pytest.raises(CheckpointError, match="no such file"):
        read(tmp_path / "none.pth")


@pytest.mark.parametrize(
    "content", [5, [1], {}, {"epoch": 1}, {"state_dict": {"a": 1}}, {"state_dict": {"model": {}}}]
)
def test_a_file_without_weights_is_refused(path: Path, content: Any) -> None:
    with pytest.raises(CheckpointError, match="holds no weights by name"):
        read(archive_of(path, content))


def test_a_name_that_would_steer_a_terminal_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"a weight has the name '\\x1b\[2Jx'"):
        read(archive_of(path, {"\x1b[2Jx": tensor(six(), (6,))}))
    np.savez(tmp_path / "w.npz", **{"\x1b[2Jx": NUMBERS})
    with pytest.raises(CheckpointError, match="cannot be printed"):
        read(tmp_path / "w.npz")


def test_python_objects_in_numpy_archives_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", x=np.array([{}], object), allow_pickle=True)
    with pytest.raises(CheckpointError, match=r"'x\.npy' is of Python objects"):
        read(tmp_path / "w.npz")


def test_an_array_larger_than_its_file_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("x.npy", stream.getvalue())
    with pytest.raises(CheckpointError, match=r"'x\.npy' is damaged"):
        read(tmp_path / "w.npz")


def test_a_damaged_safetensors_file_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "w.safetensors"
    save_file({"x": NUMBERS}, path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CheckpointError, match="not a complete safetensors file"):
        read(path)


# Damage of any kind


def _file_of(kind: str, path: Path) -> bytes:
    if kind == "npz":
        np.savez_compressed(path.with_suffix(".npz"), **ARRAYS)
        return path.with_suffix(".npz").read_bytes()
    if kind == "legacy":
        write_legacy(path, *state_dict({"x": NUMBERS, "y": NUMBERS}, legacy=True))
    elif kind == "safetensors":
        from safetensors.numpy import save_file

        save_file(ARRAYS, path)
    elif kind == "nested":
        archive_of(path, {"state_dict": {"module.x": tensor(six(), (2, 3))}, "best": 0.5, "rows": [1, (2, "a")]})
    else:
        method = zipfile.ZIP_DEFLATED if kind == "deflated" else zipfile.ZIP_STORED
        write_archive(path, *state_dict(ARRAYS), compression=method)
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["stored", "deflated", "nested", "legacy", "npz", "safetensors"])
@hypothesis.settings(max_examples=150, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(data=strategies.data())
def test_flipped_bytes_give_arrays_or_a_clean_error(tmp_path: Path, kind: str, data: strategies.DataObject) -> None:
    path = tmp_path / "weights.pth"
    content = bytearray(_file_of(kind, path))
    for _ in range(data.draw(strategies.integers(1, 4))):
        content[data.draw(strategies.integers(0, len(content) - 1))] = data.draw(strategies.integers(0, 255))
    path.write_bytes(content)
    try:
        arrays = read(path).arrays
    except CheckpointError:
        return
    assert all(isinstance(array, np.ndarray) and array.nbytes < 10_000 for array in arrays.values())


@hypothesis.given(program=strategies.binary(max_size=200))
def test_any_program_gives_a_value_or_a_clean_error(program: bytes) -> None:
    from tinyseg.interop.torch_values import NAMES, build, storage_from_id

    try:
        Machine(NAMES, storage_from_id, build).run(io.BytesIO(program))
    except PickleError:
        return
