"""Each layout: on a tiny copy made here, and on real samples where TINYSEG_DATA says they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import layouts
import numpy as np
import pytest
from PIL import Image

from tinyseg.data import DATASETS, WithInstances, class_counts, open_dataset, read_image, separated_cells
from tinyseg.data.dataset import voc_palette
from tinyseg.errors import DataError, InputError


@pytest.mark.parametrize("name", layouts.TINY)
def test_layouts(name: str, tmp_path: Path) -> None:
    make, count, classes, rows, objects = layouts.TINY[name]
    root = make(tmp_path / "data")
    train = open_dataset(name, "train", root=root)
    assert (len(train), len(train.classes), train.name) == (count, classes, name)
    sample = train[0]
    assert sample.mask.dtype == np.uint8
    assert sample.mask[: len(rows), 0].tolist() == rows
    np.testing.assert_array_equal(train.mask(0), sample.mask)
    assert sample.image.shape == (*layouts.SIZE, train.in_channels)
    assert train.size(0) == layouts.SIZE
    assert train.sample_name(0) == sample.name
    assert train[-1].name == train.sample_name(count - 1) != sample.name
    with pytest.raises(IndexError):
        train[count]
    instances = train.instances(0)
    if objects is None:
        assert instances is None
        with pytest.raises(InputError, match=f"{name}: tells no objects apart"):
            WithInstances(train)[0]
    else:
        assert instances is not None
        assert instances.dtype == np.int32
        assert instances[: len(objects), 0].tolist() == objects
        with_objects = open_dataset(name, "train", root=root, instances=True)[0]
        np.testing.assert_array_equal(with_objects.instances, instances)
    val = open_dataset(name, "val", root=root)
    names = [{part.sample_name(index) for index in range(len(part))} for part in (train, val)]
    assert len(val) >= 1
    assert not names[0] & names[1]
    assert val[0].mask[: len(rows), 0].tolist() == rows


@pytest.mark.parametrize("name", [name for name in DATASETS if not DATASETS[name].drawn])
def test_an_empty_folder_and_none_at_all_are_said_to_be_that(name: str, tmp_path: Path) -> None:
    if name == "sun-rgbd":
        pytest.importorskip("h5py")
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError) as caught:
            open_dataset(name, "train", root=root, num_classes=2 if name == "folder" else None)
        assert str(tmp_path) in str(caught.value)
        assert len(str(caught.value)) < 400
    with pytest.raises(InputError, match=f"{name!r} needs its folder: give --root DIR"):
        open_dataset(name, "train")


@pytest.mark.parametrize(
    "name", [name for name in layouts.TINY if name not in ("camvid", "nyudv2", "sift-flow", "folder")]
)
def test_splits_without_public_labels_are_refused(name: str, tmp_path: Path) -> None:
    root = layouts.TINY[name][0](tmp_path / "data")
    if not name.startswith("sift"):
        with pytest.raises(InputError, match=r"no (split|list) .*test"):
            open_dataset(name, "test", root=root)


@pytest.mark.parametrize("name", ["nyudv2", "sift-flow", "sift-flow-geometric"])
def test_published_test_splits(name: str, tmp_path: Path) -> None:
    test = open_dataset(name, "test", root=layouts.TINY[name][0](tmp_path / "data"))
    assert len(test) == 1


def test_wrong_masks_name_their_file(tmp_path: Path) -> None:
    root = layouts.ade20k(tmp_path)
    masks = root / "ADEChallengeData2016" / "annotations" / "training"
    layouts.save(masks / "a.png", layouts.stripes(0, 151))
    layouts.save(masks / "b.png", layouts.stripes(0, 1, size=(6, 9)))
    train = open_dataset("ade20k", "train", root=root)
    with pytest.raises(DataError, match=r"a.png: values 151 are no class: a mask holds 0, 1, 2, .* \(151 in all\)"):
        train[0]
    with pytest.raises(DataError, match=r"b.png: the mask is 6x9 but its image b.jpg is 6x8"):
        train.mask(1)
    (masks / "b.png").unlink()
    with pytest.raises(DataError, match=r"b.png: no such file"):
        train[1]


def test_broken_matlab_files_name_themselves(tmp_path: Path) -> None:
    root = layouts.nyudv2(tmp_path)
    train = open_dataset("nyudv2", "train", root=root)
    path = root / "segmentation" / "img_1.mat"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=r"img_1.mat: cannot be read as a MATLAB file"):
        train[0]
    layouts.save_mat(path, other=1)
    with pytest.raises(DataError, match=r"img_1.mat: has no variable 'segmentation'; it has other"):
        train[0]
    layouts.save_mat(path, segmentation=np.zeros((2, 2, 2)))
    with pytest.raises(DataError, match=r"img_1.mat: segmentation is float64 \(2, 2, 2\), expected a mask"):
        train[0]


# What is particular about one


def test_voc_knows_other_lists_and_other_folders_of_masks(tmp_path: Path) -> None:
    root = layouts.voc(tmp_path)
    folder = root / "VOCdevkit" / "VOC2012"
    layouts.write(folder / "ImageSets" / "Segmentation" / "trainaug.txt", "/JPEGImages/a.jpg /x/a.png", "d")
    layouts.save(folder / "JPEGImages" / "d.jpg", layouts.photo(9))
    layouts.save(folder / "SegmentationClassAug" / "d.png", layouts.stripes(7))
    for place in (root, root / "VOCdevkit", folder):
        more = open_dataset("voc2012", "trainaug", root=place)
        assert [sample.name for sample in (more[0], more[1])] == ["a", "d"]
        assert more[1].mask[0, 0] == 7
    assert more.instances(1) is None
    with pytest.raises(InputError, match=r"no list .*seg11valid.txt; there are train, trainaug, val"):
        open_dataset("voc2012", "seg11valid", root=root)


def test_cityscapes_takes_train_ids_where_they_were_made(tmp_path: Path) -> None:
    train = open_dataset("cityscapes", "train", root=layouts.cityscapes(tmp_path, train_ids=True))
    assert train[0].mask[:4, 0].tolist() == [255, 0, 13, 18]


def test_isbi_in_folders_is_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    root = layouts.isbi2012_folders(tmp_path)
    train, val = (open_dataset("isbi2012", split, root=root) for split in ("train", "val"))
    assert [part.sample_name(index) for part in (train, val) for index in range(len(part))] == [
        str(number) for number in range(12)
    ]
    assert len(val) == 2
    assert len(open_dataset("isbi2012", "val", root=root, val_fraction=0.5)) == 6
    with pytest.raises(InputError, match="--val-fraction must lie between 0 and 1"):
        open_dataset("isbi2012", "val", root=root, val_fraction=1.0)


def test_isbi_stacks_have_as_many_labels_as_slices(tmp_path: Path) -> None:
    root = layouts.isbi2012(tmp_path)
    val = open_dataset("isbi2012", "val", root=root)
    assert val.sample_name(0) == "train-volume-04"
    np.testing.assert_array_equal(val[0].image[:, :, 0], layouts.photo(4, 1))
    layouts.save(root / "train-labels.tif", layouts.stripes(0))
    with pytest.raises(DataError, match=r"train-labels.tif: has 1 slices but train-volume.tif has 5"):
        open_dataset("isbi2012", "train", root=root)


def test_frames_labelled_in_part_are_left_out(tmp_path: Path) -> None:
    root = layouts.cell_tracking(tmp_path)
    train, val = (open_dataset("cell-tracking", split, root=root) for split in ("train", "val"))
    assert [train.sample_name(index) for index in range(len(train))] == ["01-t000", "01-t001", "01-t002"]
    assert [val.sample_name(index) for index in range(len(val))] == ["01-t003"]
    assert [path.name for path in train.left_out] == ["man_seg004.tif"]  # type: ignore[attr-defined]
    sample = WithInstances(train)[0]
    # Cells in rows 1-2, 3-4 and 5 that touch: the rows along a border are background.
    assert sample.instances is not None
    assert sample.instances[:, 0].tolist() == [0, 1, 1, 2, 2, 3]
    assert sample.mask[:, 0].tolist() == [0, 1, 0, 0, 0, 0]
    silver = open_dataset("cell-tracking-silver", "val", root=root)
    assert silver.sample_name(0) == "01-t004"
    shutil.rmtree(root / "01_GT" / "TRA")
    shutil.rmtree(root / "01_ST")
    assert len(open_dataset("cell-tracking", "train", root=root)) == 4, "without markers all frames are trusted"


def test_sun_rgbd_reads_item_by_item(tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="h5py is not installed: no HDF5 to read")
    root = layouts.sun_rgbd(tmp_path)
    splits = {split: open_dataset("sun-rgbd", split, root=root) for split in ("train", "val", "test")}
    assert len(splits["train"]) + len(splits["val"]) == 8
    assert len(splits["test"]) == 2
    for dataset in splits.values():
        for index in range(len(dataset)):
            sample = dataset[index]
            number = int(sample.name)
            np.testing.assert_array_equal(
                sample.image, read_image(root / f"SUNRGBD/kv2/room/{number:06}/image/rgb.jpg")
            )
            assert sample.mask[:2, 0].tolist() == [255, number]
    assert {int(splits["test"].sample_name(index)) for index in range(2)} == {0, 1}


def test_sun_rgbd_says_what_it_needs(tmp_path: Path) -> None:
    try:
        import h5py  # noqa: F401
    except ImportError:
        for name in ("Metadata/SUNRGBD2Dseg.mat", "traintestSUNRGBD/allsplit.mat"):
            layouts.write(tmp_path / "SUNRGBDtoolbox" / name)
        with pytest.raises(InputError, match=r"reading it needs h5py: pip install -e '.\[hdf5\]'"):
            open_dataset("sun-rgbd", "train", root=tmp_path)
    else:
        pytest.skip("h5py is installed: nothing is missing")


# Objects in COCO's JSON


def test_coco_instances(tmp_path: Path) -> None:
    """A cat of 4x3 pixels, a dog of 2x2 on its corner, a crowd in the first two columns under both."""
    train = open_dataset("coco-instances", "train", root=layouts.coco_instances(tmp_path))
    assert train.classes.names == ("background", "cat", "dog")
    sample = WithInstances(train)[0]
    assert sample.mask.tolist() == [
        [1, 1, 1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0, 0],
        [1, 1, 1, 2, 2, 0, 0, 0],
        [255, 255, 0, 2, 2, 0, 0, 0],
        [255, 255, 0, 0, 0, 0, 0, 0],
        [255, 255, 0, 0, 0, 0, 0, 0],
    ]
    assert sample.instances is not None
    assert sample.instances[2].tolist() == [2, 2, 2, 3, 3, 0, 0, 0]
    assert sample.instances[5].max() == 0
    assert open_dataset("coco-instances", "val", root=tmp_path).size(0) == layouts.SIZE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('"height": 6', None),
        ('"segmentation": [[0, 0, 4, 0]]', "an object of a.jpg cannot be drawn .*three corners"),
        ('"segmentation": {"size": [6, 8], "counts": [3]}', "run lengths add up to 3, expected 6 x 8"),
        ('"segmentation": {"size": [8, 6], "counts": [48]}', r"run lengths are for \[8, 6\]"),
        ('"segmentation": {"size": [6, 8], "counts": "~"}', "compressed run lengths have the character '~'"),
    ],
)
def test_objects_that_cannot_be_drawn(tmp_path: Path, change: str, message: str | None) -> None:
    path = layouts.coco_instances(tmp_path) / "annotations" / "instances_train2017.json"
    old = '"height": 6' if message is None else '"segmentation": [[0, 0, 4, 0, 4, 3, 0, 3]]'
    path.write_text(path.read_text().replace(old, change, 1))
    train = open_dataset("coco-instances", "train", root=tmp_path)
    if message is None:
        train[0]
        return
    with pytest.raises(DataError, match=message):
        train[0]


def test_broken_json_names_itself(tmp_path: Path) -> None:
    path = layouts.coco_instances(tmp_path) / "annotations" / "instances_train2017.json"
    text = path.read_text()
    for broken in (text[:-30], text.replace('"image_id": 0', '"image_id": 77'), "[]", ""):
        path.write_text(broken)
        with pytest.raises(DataError, match=r"instances_train2017.json: "):
            open_dataset("coco-instances", "train", root=tmp_path)


# Real samples


def at(data_root: Path, *parts: str) -> Path:
    path = data_root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def frequencies(dataset: Any) -> dict[int, float]:
    """The share of each class, and of 255, in all pixels."""
    counts = class_counts(dataset)
    total = int(counts.pixels.sum()) + counts.ignored
    found = {index: int(pixels) / total for index, pixels in enumerate(counts.pixels) if pixels}
    return found | ({255: counts.ignored / total} if counts.ignored else {})


def about(expected: dict[int, float]) -> Any:
    return pytest.approx(expected, abs=6e-6)


@pytest.mark.data
def test_real_voc(data_root: Path) -> None:
    root = at(data_root, "voc")
    val = open_dataset("voc2012", "val", root=root)
    assert len(val) == 5
    expected = {0: 0.66322, 2: 0.07926, 5: 0.00307, 12: 0.02299, 15: 0.14122, 17: 0.01640, 255: 0.07383}
    assert frequencies(val) == about(expected)
    train = open_dataset("voc2012", "train", root=root)
    instances = train.instances(0)
    assert instances is not None
    sample = train[0]
    assert (sample.mask[(instances > 0) & (sample.mask != 255)] > 0).all()
    with Image.open(root / "VOCdevkit/VOC2012/SegmentationClass" / f"{val.sample_name(0)}.png") as mask:
        np.testing.assert_array_equal(np.array(mask.getpalette()).reshape(-1, 3)[:21], voc_palette(21))
    np.testing.assert_array_equal(val.classes.palette, voc_palette(21))


@pytest.mark.data
def test_real_cityscapes(data_root: Path) -> None:
    root = at(data_root, "mmseg_pseudo", "pseudo_cityscapes_dataset")
    val = open_dataset("cityscapes", "val", root=root)
    assert (len(val), val.size(0)) == (1, (128, 256))
    path = "gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_labelIds.png"
    ids = np.asarray(Image.open(root / path))
    train_ids = val.mask(0)
    # The files were made smaller one by one, so borders differ: in 77 pixels.
    from tinyseg.data.labels.mapping import to_labels
    from tinyseg.data.layouts.cityscapes import CLASSES, FROM_IDS

    assert (to_labels(ids, FROM_IDS, CLASSES, path) != train_ids).sum() == 77
    instances = val.instances(0)
    assert instances is not None
    assert set(np.unique(instances) // 1000) <= {0, *range(24, 34)}


@pytest.mark.data
def test_real_names_of_pascal_context(data_root: Path, tmp_path: Path) -> None:
    """All of the 59 are found among the 459, three of them under another name."""
    real = at(data_root, "voc", "lists")
    layouts.pascal_context(tmp_path)
    shutil.copy(real / "pascal-context-classes-400.txt", tmp_path / "labels.txt")
    shutil.copy(real / "pascal-context-classes-59.txt", tmp_path / "59_labels.txt")
    train = open_dataset("pascal-context", "train", root=tmp_path)
    assert len(train.classes) == 59
    table = train.table  # type: ignore[attr-defined]
    assert sorted(value for value in table.values() if value != 255) == list(range(59))
    # Lines of the long list, by hand: 2 aeroplane, 397 table.
    assert train.classes.names[table[2]] == "aeroplane"
    assert train.classes.names[table[397]] == "diningtable"


@pytest.mark.data
def test_real_ade20k(data_root: Path) -> None:
    val = open_dataset("ade20k", "val", root=at(data_root, "ade20k"))
    assert [val.size(index) for index in range(len(val))] == [(512, 683), (364, 500), (300, 400)]
    expected = {
        255: 0.03518, 0: 0.03951, 1: 0.27872, 2: 0.38091, 4: 0.04776, 6: 0.04885, 9: 0.08148, 11: 0.03455,
        13: 0.00052, 17: 0.01623, 20: 0.00358, 43: 0.00023, 80: 0.00258, 87: 0.00031, 96: 0.02710, 102: 0.00248,
    }  # fmt: skip
    assert frequencies(val) == about(expected)
    assert val.classes.names[:3] == ("wall", "building", "sky")


@pytest.mark.data
def test_real_coco_stuff(data_root: Path, tmp_path: Path) -> None:
    real = at(data_root, "coco_stuff")
    for split in ("train", "val"):
        (tmp_path / "annotations").mkdir(exist_ok=True)
        shutil.copytree(real / f"{split}_img", tmp_path / f"{split}2017")
        shutil.copytree(real / f"{split}_label", tmp_path / "annotations" / f"{split}2017")
    train, val = (open_dataset("coco-stuff", split, root=tmp_path) for split in ("train", "val"))
    assert (len(train), len(val)) == (13, 8)
    shares = frequencies(train)
    names = {train.classes.names[index]: share for index, share in shares.items() if index != 255}
    assert names["person"] == pytest.approx(0.11260, abs=6e-6)
    assert names["oven"] == pytest.approx(0.07637, abs=6e-6)
    assert names["sky-other"] == pytest.approx(0.06868, abs=6e-6)
    assert shares[255] == pytest.approx(0.05778, abs=6e-6)
    assert frequencies(val)[158] == pytest.approx(0.10630, abs=6e-6)


@pytest.mark.data
def test_real_coco_panoptic(data_root: Path, tmp_path: Path) -> None:
    real = at(data_root, "coco_panoptic", "sample_data")
    shutil.copytree(real / "input_images", tmp_path / "val2017")
    shutil.copytree(real / "panoptic_examples", tmp_path / "annotations" / "panoptic_val2017")
    shutil.copy(real / "panoptic_examples.json", tmp_path / "annotations" / "panoptic_val2017.json")
    val = open_dataset("coco-panoptic", "val", root=tmp_path)
    assert (len(val), len(val.classes)) == (2, 133)
    assert [int((val.mask(index) == 255).sum()) for index in range(2)] == [2712, 7189]
    # The same files in the authors' other form: R is the category, G the number of the object, crowds are 255.
    content = json.loads((real / "panoptic_examples.json").read_text())
    numbers = sorted(category["id"] for category in content["categories"])
    for index in range(2):
        other = read_image(real / "panoptic_examples_2ch_format" / f"{val.sample_name(index)}.png")
        plain = other[:, :, 1] != 255
        classes = np.searchsorted(numbers, other[:, :, 0])
        np.testing.assert_array_equal(
            val.mask(index)[plain & (other[:, :, 0] > 0)], classes[plain & (other[:, :, 0] > 0)]
        )


@pytest.mark.data
def test_real_compressed_run_lengths(data_root: Path) -> None:
    """The authors wrote the same segments as PNG and as compressed run lengths."""
    from tinyseg.data.layouts.coco_shapes import shape_mask

    real = at(data_root, "coco_panoptic", "sample_data")
    panoptic = json.loads((real / "panoptic_examples.json").read_text())
    detection = json.loads((real / "panoptic_coco_detection_format.json").read_text())
    segments = {
        entry["image_id"]: read_image(real / "panoptic_examples" / entry["file_name"]).astype(int) @ [1, 256, 65536]
        for entry in panoptic["annotations"]
    }
    listed = [(entry["image_id"], part) for entry in panoptic["annotations"] for part in entry["segments_info"]]
    by_box = {(image, part["category_id"], tuple(part["bbox"]), part["area"]): part["id"] for image, part in listed}
    checked = 0
    for annotation in detection["annotations"]:
        key = (annotation["image_id"], annotation["category_id"], tuple(annotation["bbox"]), annotation["area"])
        truth = segments[annotation["image_id"]] == by_box[key]
        np.testing.assert_array_equal(shape_mask(annotation["segmentation"], truth.shape), truth)
        checked += 1
    assert checked == 50


@pytest.mark.data
def test_real_polygons(data_root: Path, tmp_path: Path) -> None:
    """labelme's outlines of three photographs, and the masks that labelme itself drew of them."""
    real = at(data_root, "coco_instances")
    truth = open_dataset("voc2012", "train", root=at(data_root, "voc"))
    masks = {truth.sample_name(index): truth.mask(index) for index in range(len(truth))}
    train, val = (open_dataset("coco-instances", split, root=real) for split in ("train", "val"))
    assert len(train) + len(val) == 3
    assert len(train.classes) == 21
    for dataset in (train, val):
        for index in range(len(dataset)):
            drawn, expected = dataset.mask(index), masks[dataset.sample_name(index)]
            counted = expected != 255
            # Both rules differ along outlines, and objects overlap in another order.
            assert (drawn == expected)[counted].mean() > 0.985


@pytest.mark.data
def test_real_isbi(data_root: Path) -> None:
    root = at(data_root, "isbi2012")
    train, val = (open_dataset("isbi2012", split, root=root) for split in ("train", "val"))
    assert (len(train), len(val)) == (20, 5)
    assert [val.sample_name(index) for index in range(5)] == ["20", "21", "22", "23", "24"]
    assert train.size(0) == (512, 512)
    assert frequencies(train)[0] == pytest.approx(0.22, abs=0.01)
    tif = open_dataset("isbi2012", "train", root=at(data_root, "isbi2012_tif", "dataset", "images", "train"))
    np.testing.assert_array_equal(tif[0].image, train[0].image)
    np.testing.assert_array_equal(tif[0].mask, train[0].mask)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "whole", "left_out"),
    [("DIC-C2DH-HeLa", 8, ["man_seg067.tif"]), ("Fluo-N2DL-HeLa", 1, ["man_seg012.tif"]), ("PhC-C2DL-PSC", 4, [])],
)
def test_real_cell_tracking(data_root: Path, name: str, whole: int, left_out: list[str]) -> None:
    root = at(data_root, "ctc", name)
    if whole == 1:
        with pytest.raises(DataError, match="1 image cannot be divided"):
            open_dataset("cell-tracking", "train", root=root)
        return
    train, val = (open_dataset("cell-tracking", split, root=root) for split in ("train", "val"))
    assert len(train) + len(val) == whole
    assert [path.name for path in train.left_out] == left_out  # type: ignore[attr-defined]
    instances = [part.instances(index) for part in (train, val) for index in range(len(part))]
    if name.startswith("DIC"):
        assert len(val) == 2
        assert sum(int(cells.max()) for cells in instances if cells is not None) == 95
        # "Foreground 0.4854 without 067" is said of all frames; borders between cells are no foreground here.
        mask = train.mask(0)
        cells = train.instances(0)
        assert cells is not None
        np.testing.assert_array_equal(mask, separated_cells(cells))
        assert 0.9 < mask.sum() / (cells > 0).sum() < 1
    else:
        assert sorted(int(cells.max()) for cells in instances if cells is not None) == [72, 111, 145, 186]


@pytest.mark.data
def test_real_nyudv2(data_root: Path, tmp_path: Path) -> None:
    """Real rooms, whose labels another project numbered from 0: put back into Gupta's form."""
    real = at(data_root, "nyudv2")
    names = ["000834", "001299"]
    layouts.write(tmp_path / "test.txt", *names)
    for name in names:
        mask = np.asarray(Image.open(real / f"{name}_mask.png"))
        (tmp_path / "data" / "images").mkdir(parents=True, exist_ok=True)
        shutil.copy(real / f"{name}.png", tmp_path / "data" / "images" / f"img_{name}.png")
        gupta = np.where(mask == 255, 0, mask.astype(int) + 1).astype(np.uint8)
        layouts.save_mat(tmp_path / "segmentation" / f"img_{name}.mat", segmentation=gupta)
    test = open_dataset("nyudv2", "test", root=tmp_path)
    shares = frequencies(test)
    named = {test.classes.names[index]: shares[index] for index in (0, 1, 2)}
    assert named == pytest.approx({"wall": 0.07540, "floor": 0.20141, "cabinet": 0.20970}, abs=6e-6)
    assert shares[255] == pytest.approx(0.10212, abs=6e-6)
    listed = [line for line in (real / "lists" / "classes.txt").read_text().splitlines() if line][:40]
    assert list(test.classes.names) == listed
