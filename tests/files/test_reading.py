"""Files of a user's that are no files, no text, or hostile: an error of tinyseg's own, at once, naming the file."""

from __future__ import annotations

import contextlib
import os
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyseg.data import read_classes, read_mapping
from tinyseg.data.layouts.layout import read_list
from tinyseg.engine import read_config
from tinyseg.engine.config import recipes
from tinyseg.engine.parts.class_weights import class_weights
from tinyseg.engine.prediction.predict import listed
from tinyseg.errors import DataError, InputError
from tinyseg.files import parse_toml, read_text, read_toml, reading

READERS = [
    read_toml,
    read_config,
    recipes.read_options,
    read_mapping,
    read_list,
    read_classes,
    lambda path: read_text(path, "list"),
]


def refusals(path: Path) -> list[str]:
    """What each reader says of a file; all must refuse it."""
    found = []
    for read in READERS:
        with pytest.raises(InputError) as error:
            read(path)  # type: ignore[operator]
        found.append(str(error.value))
    assert all(str(path) in message and len(message) < 400 for message in found)
    return found


def test_what_is_no_file(tmp_path: Path) -> None:
    assert all("it is a folder" in message for message in refusals(tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "list.txt")
    assert all("it is a pipe" in message for message in refusals(tmp_path / "list.txt"))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there are no such devices here")
def test_a_device_is_not_read_for_ever() -> None:
    assert all("it is a device" in message for message in refusals(Path("/dev/zero")))


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    for name in ("a\0b", "x" * 5000):
        for read in READERS:
            with pytest.raises(InputError):
                read(tmp_path / name)  # type: ignore[operator]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="making links may need rights here")
def test_links_that_lead_to_themselves(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    refusals(tmp_path / "loop")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a")
    (tmp_path / "secret").chmod(0)
    assert all("Permission denied" in message for message in refusals(tmp_path / "secret"))


@pytest.mark.parametrize("data", [b"\xff\xfe", b"a\xc3", b"names = '\xe4'", b"\xed\xa0\x80"])
def test_bytes_that_are_no_text(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "list.txt").write_bytes(data)
    assert all("in UTF-8 (" in message for message in refusals(tmp_path / "list.txt"))


def test_a_nul_in_a_text(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"image.png\na\0b.png\n")
    assert all("NUL at character 11" in message for message in refusals(tmp_path / "list.txt"))


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfa.png\r\nb.png\r\n")
    assert read_list(tmp_path / "list.txt") == ["a.png", "b.png"]


def test_files_that_are_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_TOML_BYTES", 100)
    path = tmp_path / "config.toml"
    path.write_text("#" * 100)
    assert read_toml(path) == {}
    path.write_text("#" * 101)
    with pytest.raises(InputError, match="it is longer than 100 bytes"):
        read_toml(path)


def test_lists_of_weights_and_of_images(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"1\n\0\n")
    from tinyseg.data import Classes

    with pytest.raises(InputError, match="is no list of weights"):
        class_weights(str(path), None, Classes.numbered(2))
    with pytest.raises(InputError, match="is no list of files"):
        listed([path])
    assert issubclass(DataError, InputError)


# --- TOML

HOSTILE = {
    "lists in lists": "x = " + "[" * 2000 + "]" * 2000,
    "tables in tables": "x = " + "{a=" * 1500 + "1" + "}" * 1500,
    "a few levels too many": "x = " + "[" * 17 + "]" * 17,
    "tables by their names": ".".join("a" * 20) + " = 1",
    "a key of many parts": ".".join("a" * 200_000) + " = 1",
    "a table of many parts": "[" + " . ".join("a" * 200_000) + "]",
    "a quoted key of many parts": ".".join('"a b"' for _ in range(100_000)) + " = 1",
    "a key of many parts in a line": "x = {b = 1, " + ".".join("a" * 100_000) + " = 1}",
    "a long key": "k" * 10_000 + " = 1",
    "a number of many digits": "x = " + "9" * 5000,
    "a long number in base 16": "x = 0x" + "f" * 5000,
    "65 bits": f"x = {2**63}",
    "a NUL in a text": 'x = "a\\u0000b"',
    "text that is cut": 'x = "a',
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_toml_is_refused_at_once(tmp_path: Path, text: str) -> None:
    begin = time.process_time()
    with pytest.raises(InputError) as error:
        parse_toml(text)
    assert time.process_time() - begin < 2
    assert len(str(error.value)) < 200
    path = tmp_path / "config.toml"
    path.write_text(text)
    for read in (read_config, recipes.read_options, read_mapping):
        with pytest.raises(InputError, match=r"config\.toml"):
            read(path)


MANY = ".".join("a" * 200_000)
DOTTED = {
    "plain": f"{MANY} = 1",
    "an escaped quote": f'"\\"".{MANY} = 1',
    "escaped quotes in each part": ".".join([r'"\"."'] * 100_000) + " = 1",
    "a backslash at the end of a part": rf'"\\".{MANY} = 1',
    "a single quote in a part": f"""\"'\".{MANY} = 1""",
    "a backslash in single quotes": rf"'\'.{MANY} = 1",
    "in a table's name": rf'["\"".{MANY}]',
    "in a table within a line": rf'x = {{b = 1, "\"".{MANY} = 1}}',
    "many keys of many parts": "\n".join(f"k{n}." + ".".join("a" * 90) + " = 1" for n in range(2000)),
}


@pytest.mark.parametrize("text", DOTTED.values(), ids=DOTTED.keys())
def test_keys_of_many_parts_never_reach_the_parser(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Its time grows with the square of their number."""
    monkeypatch.setattr(tomllib, "loads", lambda _: pytest.fail("parsed"))
    with pytest.raises(InputError, match=r"more than (100 parts|10,000 parts in all)"):
        parse_toml(text)


SLOW_TO_SEARCH = (',"', '"\\', '\\"', "a ", "a.", '"a".', ",'", "\t,", '"\\".', "a-", ',"\\"', "[[")


@pytest.mark.parametrize("unit", SLOW_TO_SEARCH)
def test_texts_that_are_searched_for_keys_in_one_pass(monkeypatch: pytest.MonkeyPatch, unit: str) -> None:
    """A search that tried a part in two ways would not return from a megabyte of it."""
    monkeypatch.setattr(tomllib, "loads", lambda _: {})
    for begin in ("", '"', "'", "x = ["):
        with contextlib.suppress(InputError):
            assert parse_toml(begin + unit * (1_000_000 // len(unit))) == {}


def test_what_is_within_the_bounds() -> None:
    levels = "x = " + "[" * 15 + "1" + "]" * 15
    assert str(parse_toml(levels)["x"]) == "[" * 15 + "1" + "]" * 15
    assert parse_toml(f"a = {2**63 - 1}\nb = {-(2**63)}") == {"a": 2**63 - 1, "b": -(2**63)}
    numbers = ", ".join(["1.5"] * 300)
    assert parse_toml(f"weights = [{numbers}]") == {"weights": [1.5] * 300}
    deep = parse_toml("\n".join(f"a.k{n}.b.c = 1.5" for n in range(2000)))["a"]
    assert len(deep) == 2000
    assert parse_toml(r'"\".a.b.c"."d.e.f\\" = 1') == {'".a.b.c': {"d.e.f\\": 1}}
    assert parse_toml('path = "' + "a." * 300 + '/x"')["path"].endswith("./x")


@given(st.text(alphabet="ab.\"'[]{}=\n\\#,1 \0é", max_size=60))
def test_any_text_is_a_table_or_an_input_error(text: str) -> None:
    with contextlib.suppress(InputError):
        assert isinstance(parse_toml(text), dict)


def test_long_values_are_not_repeated_in_full(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("epochs = '" + "x" * 100_000 + "'")
    with pytest.raises(InputError) as error:
        recipes.read_options(path)
    assert len(str(error.value)) < 300
    path.write_text("[mapping]\n1 = '" + "x" * 100_000 + "'")
    with pytest.raises(InputError) as error:
        read_mapping(path)
    assert len(str(error.value)) < 300
