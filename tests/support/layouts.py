"""Tiny data sets on disk, one in each layout: train has two images of 6x8, val one (where the layout has a val)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = (6, 8)


def photo(seed: int = 0, channels: int = 3, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    shape = size if channels == 1 else (*size, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def stripes(*values: int, dtype: Any = np.uint8, size: tuple[int, int] = SIZE) -> NDArray[Any]:
    """Rows of these numbers in turn."""
    return np.broadcast_to(np.resize(np.array(values, dtype), size[0])[:, None], size).copy()


def save(path: Path, pixels: NDArray[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def save_mat(path: Path, **variables: Any) -> None:
    from scipy.io import savemat

    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables)


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


SPLITS = {"train": ["a", "b"], "val": ["c"]}


def voc(root: Path, year: int = 2012) -> Path:
    folder = root / "VOCdevkit" / f"VOC{year}"
    for split, names in SPLITS.items():
        write(folder / "ImageSets" / "Segmentation" / f"{split}.txt", *names)
        for number, name in enumerate(names):
            save(folder / "JPEGImages" / f"{name}.jpg", photo(ord(name)))
            save(folder / "SegmentationClass" / f"{name}.png", stripes(0, 15, 255))
            save(folder / "SegmentationObject" / f"{name}.png", stripes(0, number + 1, 255))
    return root


def sbd(root: Path) -> Path:
    folder = root / "benchmark_RELEASE" / "dataset"
    for split, names in SPLITS.items():
        write(folder / f"{split}.txt", *names)
        for name in names:
            save(folder / "img" / f"{name}.jpg", photo(ord(name)))
            save_mat(folder / "cls" / f"{name}.mat", GTcls={"Segmentation": stripes(0, 20), "CategoriesPresent": 20})
            save_mat(folder / "inst" / f"{name}.mat", GTinst={"Segmentation": stripes(0, 1)})
    return root


def pascal_context(root: Path) -> Path:
    write(root / "labels.txt", "1: accordion", "2: aeroplane", "3: air conditioner", "4: sky")
    write(root / "59_labels.txt", "0: background", "1: aeroplane", "2: sky")
    for split, names in SPLITS.items():
        write(root / "VOC2010" / "ImageSets" / "Main" / f"{split}.txt", *names, "not-labelled")
        for name in names:
            save(root / "VOC2010" / "JPEGImages" / f"{name}.jpg", photo(ord(name)))
            save_mat(root / "trainval" / f"{name}.mat", LabelMap=stripes(0, 1, 2, 4, dtype=np.uint16))
    return root


def cityscapes(root: Path, train_ids: bool = False) -> Path:
    for split, names in SPLITS.items():
        for name in names:
            save(root / "leftImg8bit" / split / "bonn" / f"bonn_{name}_leftImg8bit.png", photo(ord(name)))
            folder = root / "gtFine" / split / "bonn"
            save(folder / f"bonn_{name}_gtFine_labelIds.png", stripes(0, 7, 26, 33, 255))
            ids = stripes(0, 7, 26001, 26002, 33000, dtype=np.uint16)
            save(folder / f"bonn_{name}_gtFine_instanceIds.png", ids)
            if train_ids:
                save(folder / f"bonn_{name}_gtFine_labelTrainIds.png", stripes(255, 0, 13, 18))
    return root


def ade20k(root: Path) -> Path:
    folder = root / "ADEChallengeData2016"
    rows = [f"{number}\t0.1\t1\t1\tthing {number}, object" for number in range(1, 151)]
    write(folder / "objectInfo150.txt", "Idx\tRatio\tTrain\tVal\tName", *rows)
    for split, names in (("training", ["a", "b"]), ("validation", ["c"])):
        for name in names:
            save(folder / "images" / split / f"{name}.jpg", photo(ord(name)))
            save(folder / "annotations" / split / f"{name}.png", stripes(0, 1, 150))
    return root


def coco_stuff(root: Path) -> Path:
    for split, names in SPLITS.items():
        for name in names:
            save(root / f"{split}2017" / f"{name}.jpg", photo(ord(name)))
            save(root / "annotations" / f"{split}2017" / f"{name}.png", stripes(0, 181, 255))
    return root


def coco_panoptic(root: Path) -> Path:
    categories = [
        {"id": 1, "name": "person", "isthing": 1, "color": [220, 20, 60]},
        {"id": 200, "name": "rug", "isthing": 0, "color": [1, 2, 3]},
    ]
    for split, names in SPLITS.items():
        annotations = []
        for name in names:
            save(root / f"{split}2017" / f"{name}.jpg", photo(ord(name)))
            ids = stripes(0, 5 + 256 * 7 + 65536 * 9, 3, 4, dtype=np.int64)
            segments = np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=2).astype(np.uint8)
            save(root / "annotations" / f"panoptic_{split}2017" / f"{name}.png", segments)
            info = [
                {"id": 5 + 256 * 7 + 65536 * 9, "category_id": 1, "iscrowd": 0},
                {"id": 3, "category_id": 1, "iscrowd": 0},
                {"id": 4, "category_id": 200, "iscrowd": 0},
            ]
            annotations.append({"image_id": 1, "file_name": f"{name}.png", "segments_info": info})
        content = {"info": {"year": 2018}, "annotations": annotations, "categories": categories}
        write(root / "annotations" / f"panoptic_{split}2017.json", json.dumps(content))
    return root


def coco_instances(root: Path) -> Path:
    for split, names in SPLITS.items():
        images, objects = [], []
        for number, name in enumerate(names):
            save(root / f"{split}2017" / f"{name}.jpg", photo(ord(name)))
            images.append({"id": number, "file_name": f"{name}.jpg", "height": SIZE[0], "width": SIZE[1]})
            crowd = {"size": list(SIZE), "counts": [0, 12, 36]}  # the first two columns
            objects += [
                {"image_id": number, "category_id": 3, "iscrowd": 0, "segmentation": [[0, 0, 4, 0, 4, 3, 0, 3]]},
                {"image_id": number, "category_id": 7, "iscrowd": 0, "segmentation": [[3, 2, 5, 2, 5, 4, 3, 4]]},
                {"image_id": number, "category_id": 3, "iscrowd": 1, "segmentation": crowd},
            ]
        categories = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}]
        content = {"images": images, "categories": categories, "annotations": objects, "licenses": []}
        write(root / "annotations" / f"instances_{split}2017.json", json.dumps(content))
    return root


def isbi2012(root: Path, count: int = 5) -> Path:
    """As TIFF stacks."""
    root.mkdir(parents=True, exist_ok=True)
    for name, make in (("volume", lambda n: photo(n, 1)), ("labels", lambda n: stripes(0, 255, 255))):
        pages = [Image.fromarray(make(number)) for number in range(count)]
        pages[0].save(root / f"train-{name}.tif", save_all=True, append_images=pages[1:])
    return root


def isbi2012_folders(root: Path, count: int = 12) -> Path:
    for number in range(count):
        save(root / "train" / "image" / f"{number}.png", photo(number, 1))
        save(root / "train" / "label" / f"{number}.png", stripes(0, 255, 255))
    return root


def cell_tracking(root: Path, frames: int = 5) -> Path:
    """Film 01 with a frame, the last, that is labelled in part: 1 of 3 cells."""
    whole = stripes(0, 2, 2, 5, 5, 9, dtype=np.uint16)
    for number in range(frames):
        save(root / "01" / f"t{number:03}.tif", photo(number, 1))
        save(root / "01_GT" / "TRA" / f"man_track{number:03}.tif", whole)
        save(root / "01_ST" / "SEG" / f"man_seg{number:03}.tif", whole)
        gold = whole if number < frames - 1 else np.where(whole == 9, whole, 0).astype(np.uint16)
        save(root / "01_GT" / "SEG" / f"man_seg{number:03}.tif", gold)
    return root


def nyudv2(root: Path) -> Path:
    for split, names in (("train", ["1", "2"]), ("val", ["3"]), ("test", ["4"])):
        write(root / f"{split}.txt", *names)
        for name in names:
            save(root / "data" / "images" / f"img_{name}.png", photo(int(name)))
            save_mat(root / "segmentation" / f"img_{name}.mat", segmentation=stripes(0, 1, 40))
    return root


def sift_flow(root: Path) -> Path:
    folder = "spatial_envelope_256x256_static_8outdoorcategories"
    splits = {"trainval": [f"coast_{number}" for number in range(8)], "test": ["street_1"]}
    for split, names in splits.items():
        write(root / f"{split}.txt", *names)
        for number, name in enumerate(names):
            save(root / "Images" / folder / f"{name}.jpg", photo(number + 10 * len(split)))
            save_mat(root / "SemanticLabels" / folder / f"{name}.mat", S=stripes(0, 1, 33).astype(np.float64))
            save_mat(root / "GeoLabels" / folder / f"{name}.mat", S=stripes(-1, 1, 3, dtype=np.int16))
    return root


def sun_rgbd(root: Path, train: int = 8, test: int = 2) -> Path:
    """Needs h5py. The mask of image n holds 0 and n + 1; images are n + 1 wide, counted over test, then train."""
    import h5py

    toolbox = root / "SUNRGBDtoolbox"
    names = {"alltest": range(test), "alltrain": range(test, test + train)}
    lists = {}
    for key, numbers in names.items():
        cells = np.empty((1, len(numbers)), object)
        for place, number in enumerate(numbers):
            cells[0, place] = f"/n/fs/sun3d/data/SUNRGBD/kv2/room/{number:06}"
            save(root / "SUNRGBD" / "kv2" / "room" / f"{number:06}" / "image" / "rgb.jpg", photo(number))
        lists[key] = cells
    save_mat(toolbox / "traintestSUNRGBD" / "allsplit.mat", **lists)
    (toolbox / "Metadata").mkdir(parents=True)
    with h5py.File(toolbox / "Metadata" / "SUNRGBD2Dseg.mat", "w") as file:
        references = file.create_dataset("SUNRGBD2Dseg/seglabel", (test + train, 1), dtype=h5py.ref_dtype)
        for number in range(test + train):
            mask = file.create_dataset(f"#refs#/{number}", data=stripes(0, number + 1).T)
            references[number, 0] = mask.ref
    return root


def camvid(root: Path) -> Path:
    for split, names in SPLITS.items():
        for name in names:
            save(root / split / f"{name}.png", photo(ord(name)))
            save(root / f"{split}annot" / f"{name}.png", stripes(0, 3, 11))
        lines = [f"/SegNet/CamVid/{split}/{name}.png /SegNet/CamVid/{split}annot/{name}.png" for name in names]
        write(root / f"{split}.txt", *lines)
    return root


def folder(root: Path) -> Path:
    write(root / "classes.txt", "ground 0 0 0", "tree 0 128 0")
    for split, names in SPLITS.items():
        for name in names:
            save(root / split / "images" / f"{name}.jpg", photo(ord(name)))
            save(root / split / "masks" / f"{name}.png", stripes(0, 1, 255))
    return root


# What the stripes of this file become: the values of the first rows.
TINY: dict[str, tuple[Any, int, int, list[int], list[int] | None]] = {
    # name: make, images of train, classes, mask, objects
    "voc2012": (voc, 2, 21, [0, 15, 255], [0, 1, 0]),
    "voc2011": (lambda root: voc(root, 2011), 2, 21, [0, 15, 255], [0, 1, 0]),
    "sbd": (sbd, 2, 21, [0, 20], [0, 1]),
    "pascal-context": (pascal_context, 2, 2, [255, 255, 0, 1], None),
    "cityscapes": (cityscapes, 2, 19, [255, 0, 13, 18, 255], [0, 0, 26001, 26002, 33000]),
    "ade20k": (ade20k, 2, 150, [255, 0, 149], None),
    "coco-stuff": (coco_stuff, 2, 182, [0, 181, 255], None),
    "coco-panoptic": (coco_panoptic, 2, 2, [255, 0, 0, 1], [0, 2, 1, 0]),
    "isbi2012": (isbi2012, 4, 2, [0, 1, 1, 0], [0, 1, 1, 0]),
    "nyudv2": (nyudv2, 2, 40, [255, 0, 39], None),
    "sift-flow": (sift_flow, 6, 33, [255, 0, 32], None),
    "sift-flow-geometric": (sift_flow, 6, 3, [255, 0, 2], None),
    "camvid": (camvid, 2, 11, [0, 3, 255], None),
    "folder": (folder, 2, 2, [0, 1, 255], None),
}
