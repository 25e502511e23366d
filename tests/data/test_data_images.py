"""Every kind of image and mask file: what it becomes, or how it is refused."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tinyseg.data import Classes, read_image, read_mask, write_palette_png
from tinyseg.data.dataset import voc_palette
from tinyseg.data.formats.images import read_header
from tinyseg.data.labels import mapping
from tinyseg.data.labels.mapping import color_table, to_labels, value_counts
from tinyseg.errors import DataError

RGB = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
GREY = RGB[:, :, 0].copy()
THREE = Classes(("sky", "road", "car"), ((128, 128, 128), (128, 64, 128), (64, 0, 128)))


def saved(folder: Path, image: Image.Image, name: str = "file.png", **options: object) -> Path:
    path = folder / name
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def test_rgb_and_grey(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(RGB))
    np.testing.assert_array_equal(read_image(path), RGB)
    assert read_header(path).channels == 3
    luma = RGB @ [0.299, 0.587, 0.114]
    assert np.abs(read_image(path, channels=1)[:, :, 0] - luma).max() <= 1

    path = saved(tmp_path, Image.fromarray(GREY))
    np.testing.assert_array_equal(read_image(path), GREY[:, :, None])
    np.testing.assert_array_equal(read_image(path, channels=3), np.stack([GREY] * 3, axis=2))
    assert read_header(path).channels == 1
    with pytest.raises(ValueError, match="channels must be 1, 3 or None, got 4"):
        read_image(path, channels=4)


def test_one_bit(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(GREY > 20))
    assert read_header(path).channels == 1
    np.testing.assert_array_equal(read_image(path)[:, :, 0], np.where(GREY > 20, 255, 0))


def test_palette_is_looked_up(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    image.putpalette([9, 8, 7, 200, 100, 50, 1, 2, 3])
    path = saved(tmp_path, image)
    assert read_header(path).channels == 3
    assert read_image(path).tolist() == [[[9, 8, 7], [200, 100, 50], [1, 2, 3]]]


@pytest.mark.parametrize(("mode", "channels"), [("RGBA", 3), ("LA", 1)])
def test_alpha(tmp_path: Path, mode: str, channels: int) -> None:
    opaque = Image.fromarray(RGB if channels == 3 else GREY).convert(mode)
    expected = RGB if channels == 3 else GREY[:, :, None]
    np.testing.assert_array_equal(read_image(saved(tmp_path, opaque)), expected)
    assert read_header(tmp_path / "file.png").channels == channels

    opaque.putalpha(Image.fromarray(np.where(GREY > 20, 255, 0).astype(np.uint8)))
    laid_on_white = np.where((GREY > 20)[:, :, None], expected, 255)
    np.testing.assert_array_equal(read_image(saved(tmp_path, opaque)), laid_on_white)


def test_transparent_palette_entry_is_white(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image.putpalette([9, 8, 7, 200, 100, 50])
    path = saved(tmp_path, image, transparency=0)
    assert read_image(path).tolist() == [[[255, 255, 255], [200, 100, 50]]]


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_sixteen_bits_keep_every_level(tmp_path: Path, mode: str) -> None:
    values = np.array([[0, 1, 33000, 65535]])
    stored = values.astype({"I;16": "<u2", "I;16B": ">u2", "I": "i4"}[mode])
    path = tmp_path / "deep.tif"
    Image.frombytes(mode, (4, 1), stored.tobytes()).save(path)
    image = read_image(path)
    assert image.dtype == np.float32
    assert image.shape == (1, 4, 1)
    np.testing.assert_allclose(image[:, :, 0], values / 65535, rtol=1e-6)
    assert read_image(path, channels=3).shape == (1, 4, 3)


def test_sixteen_bit_png(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(np.array([[0, 256, 65535]], np.uint16)))
    np.testing.assert_allclose(read_image(path)[:, :, 0], [[0, 256 / 65535, 1]], rtol=1e-6)


def test_float_files_must_be_in_unit_range(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(np.array([[0, 0.25, 1]], np.float32)), "float.tif")
    assert read_image(path)[0, :, 0].tolist() == [0, 0.25, 1]
    for wrong, words in ((3.5, "values run from 0 to 3.5"), (np.nan, "holds values that are no numbers")):
        saved(tmp_path, Image.fromarray(np.array([[0, wrong]], np.float32)), "float.tif")
        with pytest.raises(DataError, match=f"float.tif: {words}.* expected 0 to 1"):
            read_image(path)


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.new("CMYK", (2, 1), (0, 255, 255, 0)), "ink.tif")
    assert read_image(path).tolist() == [[[255, 0, 0]] * 2]


def test_exif_orientation_is_applied_to_image_and_mask(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise by a quarter
    path = saved(tmp_path, Image.fromarray(GREY % 3), exif=exif)
    expected = np.rot90(GREY % 3, -1)
    np.testing.assert_array_equal(read_image(path)[:, :, 0], expected)
    np.testing.assert_array_equal(read_mask(path, THREE), expected)
    assert read_header(path).size == expected.shape


@pytest.mark.parametrize("name", ["many.tif", "many.gif"])
def test_several_frames_are_refused(tmp_path: Path, name: str) -> None:
    frames = [Image.fromarray(GREY), Image.fromarray(GREY[::-1].copy())]
    path = saved(tmp_path, frames[0], name, save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=f"{name}: expected one image but the file has 2 frames"):
        read_image(path)


def test_a_phones_mpo_is_its_first_frame(tmp_path: Path) -> None:
    photograph, preview = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    path = saved(tmp_path, photograph, "phone.mpo", save_all=True, append_images=[preview])
    red, _, blue = read_image(path)[4, 4].tolist()
    assert red > 200 > 50 > blue


def test_unreadable_files(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"file.png: cannot be read \(.*\); is the file complete"):
        read_image(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"file.png: not an image"):
        read_image(path)
    with pytest.raises(DataError, match=r"none.png: no such file"):
        read_image(tmp_path / "none.png")


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@given(
    st.sampled_from(["png", "jpg", "tif", "gif", "bmp"]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=6),
)
@settings(max_examples=80, deadline=None)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about what it finds in broken TIFF and EXIF data
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_damaged_files_are_read_or_refused_by_name(
    damaged: Path, extension: str, changes: list[tuple[int, int]]
) -> None:
    path = saved(damaged, Image.fromarray(RGB), f"damaged.{extension}")
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    path.write_bytes(content)
    refusal = ""
    try:
        image = read_image(path)
    except DataError as error:
        refusal = str(error)
    assert str(path) in refusal if refusal else image.ndim == 3


def test_index_masks(tmp_path: Path) -> None:
    values = np.array([[0, 1, 2, 255]], np.uint8)
    for image in (Image.fromarray(values), Image.fromarray(values.astype(np.uint16))):
        np.testing.assert_array_equal(read_mask(saved(tmp_path, image), THREE), values)
    np.testing.assert_array_equal(
        read_mask(saved(tmp_path, Image.fromarray(np.array([[True, False]]))), THREE), [[1, 0]]
    )


def test_palette_masks_round_trip(tmp_path: Path) -> None:
    values = np.array([[0, 1, 2, 255], [2, 2, 255, 0]], np.uint8)
    path = tmp_path / "mask.png"
    write_palette_png(path, values, THREE)
    np.testing.assert_array_equal(read_mask(path, THREE), values)
    with Image.open(path) as image:
        assert image.mode == "P"
        shown = np.asarray(image.convert("RGB"))
    assert shown[0].tolist() == [[128, 128, 128], [128, 64, 128], [64, 0, 128], [224, 224, 192]]
    with pytest.raises(ValueError, match=r"expected a uint8 mask \(H, W\), got int64"):
        write_palette_png(path, values.astype(np.int64), THREE)  # type: ignore[arg-type]


def test_colour_masks(tmp_path: Path) -> None:
    colors = np.array([[[64, 0, 128], [128, 128, 128], [224, 224, 192]]], np.uint8)
    path = saved(tmp_path, Image.fromarray(colors))
    assert read_mask(path, THREE).tolist() == [[2, 0, 255]]
    assert read_mask(saved(tmp_path, Image.fromarray(colors).convert("RGBA")), THREE).tolist() == [[2, 0, 255]]
    colors[0, 0] = 1, 2, 3
    # (Whether tinyseg check has a mapping to propose, nobody knows here.)
    with pytest.raises(
        DataError, match=r"file.png: colours \(1, 2, 3\) are no class; .*, say by --mapping what they mean, or save"
    ):
        read_mask(saved(tmp_path, Image.fromarray(colors)), THREE)


def test_values_that_are_no_class(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(np.array([[0, 3, 254, 255]], np.uint8)))
    with pytest.raises(DataError, match=r"values 3, 254 are no class: with 3 classes .* 0 to 2, and 255"):
        read_mask(path, THREE)
    saved(tmp_path, Image.fromarray(np.arange(40, dtype=np.uint16)[None] * 1000))
    with pytest.raises(DataError, match=r"values 1000, .*, 8000, \.\.\. \(39 in all\) are no class"):
        read_mask(path, THREE)


def test_lossy_and_unfit_masks(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(GREY % 3), "mask.jpg")
    with pytest.raises(DataError, match=r"mask.jpg: a JPEG mask is lossy.*use PNG"):
        read_mask(path, THREE)
    path = saved(tmp_path, Image.new("CMYK", (2, 1)), "ink.tif")
    with pytest.raises(DataError, match=r"ink.tif: a mask of the colour model CMYK is not read"):
        read_mask(path, THREE)


def test_large_masks_are_looked_up_some_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask of 257 kB took 4.4 GB, most of it for the codes of all its colours at once."""
    colors = np.zeros((2000, 3000, 3), np.uint8)
    colors[1999, 2999] = 64, 0, 128
    table = color_table(THREE) | {(0, 0, 0): 1}
    tracemalloc.start()
    labels = to_labels(colors, table, THREE, "mask.png")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert labels.sum() == 6_000_000 - 1 + 2
    assert peak < 100e6  # 144 MB are needed for the colours as 64-bit numbers alone
    monkeypatch.setattr(mapping, "_BAND", 4)
    numbers = np.array([[0, 300], [2, 2], [300, 9], [1, -7]])
    assert [part.tolist() for part in value_counts(numbers)] == [[-7, 0, 1, 2, 9, 300], [1, 1, 1, 2, 1, 2]]
    with pytest.raises(DataError, match=r"mask.png: values -7, 9, 300 are no class"):
        to_labels(numbers, {0: 0, 1: 1, 2: 2}, THREE, "mask.png")
    assert to_labels(numbers, {0: 0, 1: 1, 2: 2, 9: 0, 300: 255, -7: 1}, THREE, "mask.png").tolist() == [
        [0, 255], [2, 2], [255, 0], [1, 1],
    ]  # fmt: skip
    huge = np.array([[2**64 - 1, 3]], np.uint64)
    assert to_labels(huge, {2**64 - 1: 1, 3: 2, -1: 0}, THREE, "mask.png").tolist() == [[1, 2]]


def test_voc_palette_is_the_devkits() -> None:
    """Colours as Pascal VOC's development kit lists them: background, aeroplane ... tv/monitor, void."""
    palette = voc_palette(256)
    assert palette[[0, 1, 2, 7, 8, 15, 20]].tolist() == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 128], [64, 0, 0], [192, 128, 128], [0, 64, 128],
    ]  # fmt: skip
    assert palette[255].tolist() == [224, 224, 192]
    assert len(np.unique(palette, axis=0)) == 256
    with pytest.raises(ValueError, match="count must be 1 to 256, got 0"):
        voc_palette(0)


@pytest.mark.parametrize(
    ("names", "colors", "message"),
    [
        ((), (), "expected 1 to 255 classes, got 0"),
        (("a", "b"), ((0, 0, 0),), "2 names but 1 colours"),
        (tuple(map(str, range(256))), ((0, 0, 0),) * 256, "got 256"),
    ],
)
def test_impossible_classes(names: tuple, colors: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Classes(names, colors)
