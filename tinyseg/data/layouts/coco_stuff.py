"""COCO-Stuff: all of a photograph labelled, things and stuff, as pixel maps (Caesar et al. 2018).

::

    root/
      train2017/NAME.jpg                  val2017/NAME.jpg             (or images/train2017 ...)
      annotations/train2017/NAME.png      annotations/val2017/NAME.png (or stuffthingmaps/train2017 ...)

118287 and 5000 images. A pixel is COCO's number of its class less one: 0..181, of which eleven never occur (COCO
dropped these classes); 255 is void.
"""

from pathlib import Path

from ...errors import DataError
from ..dataset import Classes
from .layout import Layout, MissingSplitError

CLASSES = Classes.named((
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "street sign", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep",
    "cow", "elephant", "bear", "zebra", "giraffe", "hat", "backpack", "umbrella", "shoe", "eye glasses", "handbag",
    "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove",
    "skateboard", "surfboard", "tennis racket", "bottle", "plate", "wine glass", "cup", "fork", "knife", "spoon",
    "bowl", "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake",
    "chair", "couch", "potted plant", "bed", "mirror", "dining table", "window", "desk", "toilet", "door", "tv",
    "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator",
    "blender", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush", "hair brush", "banner",
    "blanket", "branch", "bridge", "building-other", "bush", "cabinet", "cage", "cardboard", "carpet",
    "ceiling-other", "ceiling-tile", "cloth", "clothes", "clouds", "counter", "cupboard", "curtain", "desk-stuff",
    "dirt", "door-stuff", "fence", "floor-marble", "floor-other", "floor-stone", "floor-tile", "floor-wood", "flower",
    "fog", "food-other", "fruit", "furniture-other", "grass", "gravel", "ground-other", "hill", "house", "leaves",
    "light", "mat", "metal", "mirror-stuff", "moss", "mountain", "mud", "napkin", "net", "paper", "pavement",
    "pillow", "plant-other", "plastic", "platform", "playingfield", "railing", "railroad", "river", "road", "rock",
    "roof", "rug", "salad", "sand", "sea", "shelf", "sky-other", "skyscraper", "snow", "solid-other", "stairs",
    "stone", "straw", "structural-other", "table", "tent", "textile-other", "towel", "tree", "vegetable",
    "wall-brick", "wall-concrete", "wall-other", "wall-panel", "wall-stone", "wall-tile", "wall-wood", "water-other",
    "waterdrops", "window-blind", "window-other", "wood",
))  # fmt: skip

MAPS = ("annotations", "stuffthingmaps")


class CocoStuff(Layout):
    """COCO-Stuff's pixel maps; ``root`` holds ``train2017`` and ``annotations``."""

    name = "coco-stuff"
    classes = CLASSES

    def _find_files(self) -> None:
        images = find_images(self.root, self.split)
        folders = [self.root / name / f"{self.split}2017" for name in MAPS]
        masks = next((folder for folder in folders if folder.is_dir()), None)
        if masks is None:
            raise DataError(f"{self.root}: expected {' or '.join(f'{name}/{self.split}2017' for name in MAPS)}")
        files = sorted(masks.glob("*.png"))
        if not files:
            raise DataError(f"{masks}: no masks NAME.png in it")
        self.pairs = [(images / f"{file.stem}.jpg", file) for file in files]


def find_images(root: Path, split: str) -> Path:
    """The folder of COCO's photographs of a split."""
    for folder in (root / f"{split}2017", root / "images" / f"{split}2017"):
        if folder.is_dir():
            return folder
    raise MissingSplitError(f"{root}: expected the images in {split}2017/ or images/{split}2017/")
