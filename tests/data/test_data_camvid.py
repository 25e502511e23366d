"""CamVid: its layout on a tiny copy made here, and the real files where TINYSEG_DATA says they are."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyseg.data import CamVid, class_counts, median_frequency_weights, open_dataset
from tinyseg.errors import DataError, InputError


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Two training images of 3x4, of class 3 with one void pixel."""
    for folder in ("train", "trainannot"):
        (tmp_path / folder).mkdir()
    mask = np.full((3, 4), 3, np.uint8)
    mask[0, 0] = 11
    lines = []
    for name in ("b", "a"):
        Image.new("RGB", (4, 3), (1, 2, 3)).save(tmp_path / "train" / f"{name}.png")
        Image.fromarray(mask).save(tmp_path / "trainannot" / f"{name}.png")
        lines.append(f"/SegNet/CamVid/train/{name}.png /SegNet/CamVid/trainannot/{name}.png\n")
    (tmp_path / "train.txt").write_text("".join(lines))
    return tmp_path


def test_lists_void_and_order(tiny: Path) -> None:
    train = open_dataset("camvid", "train", root=tiny)
    assert len(train) == 2
    assert [train[index].name for index in range(2)] == ["b", "a"]
    image, mask = train[0][:2]
    assert image[0, 0].tolist() == [1, 2, 3]
    assert mask[0].tolist() == [255, 3, 3, 3]
    assert mask.dtype == np.uint8


def test_a_missing_split(tiny: Path) -> None:
    with pytest.raises(DataError, match=r"no split 'test': expected test.txt .* found train"):
        CamVid(tiny, "test")
    with pytest.raises(DataError, match=r"is this CamVid in SegNet's layout\?"):
        CamVid(tiny / "train", "test")
    with pytest.raises(DataError, match="no such folder"):
        CamVid(tiny / "nowhere")
    with pytest.raises(InputError, match="no split 'dev'; it has train, val, test"):
        CamVid(tiny, "dev")


def test_wrong_files(tiny: Path) -> None:
    Image.new("L", (4, 4)).save(tiny / "trainannot" / "a.png")
    with pytest.raises(DataError, match=r"a.png: the mask is 4x4 but its image a.png is 3x4"):
        CamVid(tiny)[1]
    with pytest.raises(DataError, match=r"a.png: the mask is 4x4 but its image a.png is 3x4"):
        CamVid(tiny).mask(1)
    Image.new("L", (4, 3), 12).save(tiny / "trainannot" / "a.png")
    with pytest.raises(DataError, match=r"a.png: values 12 are no class"):
        CamVid(tiny)[1]
    (tiny / "train" / "a.png").unlink()
    with pytest.raises(DataError, match=r"a.png: no such file"):
        CamVid(tiny)[1]
    (tiny / "train.txt").write_text("one two\nthree\n")
    with pytest.raises(DataError, match=r"train.txt: line 2: expected 'IMAGE MASK', got 'three'"):
        CamVid(tiny)
    (tiny / "train.txt").write_text("\n")
    with pytest.raises(DataError, match="lists no images"):
        CamVid(tiny)
    (tiny / "train.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"train.txt: is no list in UTF-8"):
        CamVid(tiny)


@pytest.fixture
def real() -> Path:
    where = os.environ.get("TINYSEG_DATA")
    if where is None:
        pytest.skip("TINYSEG_DATA is not set: no real CamVid to read")
    root = Path(where) / "camvid"
    if not root.is_dir():
        pytest.skip(f"{root} is not there")
    return root


def test_real_splits(real: Path) -> None:
    train, val = CamVid(real, "train"), CamVid(real, "val")
    assert (len(train), len(val)) == (367, 101)
    image, mask, name = val[0][:3]
    assert image.shape == (360, 480, 3)
    assert mask.shape == (360, 480)
    assert name == "0016E5_07959"
    with Image.open(real / "palette" / "camvid11.png") as strip:
        colors = np.asarray(strip.convert("RGB"))[0]
    np.testing.assert_array_equal(train.classes.palette, colors[:11])


def test_real_class_frequencies(real: Path) -> None:
    """Counts and weights as measured from the files by another program (the data's own description)."""
    counts = class_counts(CamVid(real, "train"))
    assert counts.pixels.tolist() == [
        10682767, 14750079, 623349, 20076880, 2845085, 6166762, 743859, 714595, 3719877, 405385, 184967,
    ]  # fmt: skip
    assert counts.ignored == 2503995
    containing = [366, 365, 366, 367, 349, 319, 351, 173, 360, 317, 201]
    assert (counts.image_pixels // (360 * 480)).tolist() == containing
    assert median_frequency_weights(counts).round(4).tolist() == [
        0.2793, 0.2017, 4.7865, 0.1490, 1.0000, 0.4217, 3.8467, 1.9736, 0.7889, 6.3747, 8.8587,
    ]  # fmt: skip
