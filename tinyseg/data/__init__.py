"""Data sets (one layout a file), transforms of image and mask together, and the loader.

>>> from tinyseg.data import open_dataset
>>> val = open_dataset("shapes", "val", size=(64, 64))
>>> len(val), val[0].image.shape
(200, (64, 64, 3))
"""

from .ade20k import ADE20K
from .border_weights import BorderWeights, border_term
from .cache import Cached, parse_bytes
from .camvid import CamVid
from .cell_tracking import CellTracking, CellTrackingSilver
from .cells import Cells
from .cityscapes import Cityscapes
from .coco_instances import CocoInstances
from .coco_panoptic import CocoPanoptic
from .coco_stuff import CocoStuff
from .dataset import (
    DRAWN_SIZE,
    IGNORE_INDEX,
    ClassCounts,
    Classes,
    Dataset,
    Normalisation,
    Sample,
    WithExtra,
    WithInstances,
    Wrapper,
    class_counts,
    measure_normalisation,
    median_frequency_weights,
)
from .division import VAL_FRACTION
from .folder import Folder, is_divided, read_classes
from .images import read_image, read_mask, write_palette_png
from .instances import connected_cells, separated_cells
from .isbi2012 import ISBI2012
from .loader import Batch, DataLoader
from .mapping import check_mapping, parse_table, read_mapping, write_mapping
from .nyudv2 import NYUDv2
from .pascal_context import PascalContext
from .registry import DATASETS, EXTRA_TARGETS, Kind, get_kind, open_dataset
from .sbd import SBD
from .shapes import Shapes
from .sift_flow import SiftFlow, SiftFlowGeometric, WithGeometric
from .sun_rgbd import SunRGBD
from .transforms import (
    AUGMENTATIONS,
    ColourJitter,
    Compose,
    ElasticDeformation,
    Normalise,
    RandomBlur,
    RandomCrop,
    RandomFlip,
    RandomNoise,
    RandomRotate,
    RandomRotate90,
    RandomScale,
    Resize,
    ResizeImage,
    Transform,
    augmentations,
    parse_augmentations,
)
from .voc import VOC, VOC2011

__all__ = [
    "ADE20K",
    "AUGMENTATIONS",
    "DATASETS",
    "DRAWN_SIZE",
    "EXTRA_TARGETS",
    "IGNORE_INDEX",
    "ISBI2012",
    "SBD",
    "VAL_FRACTION",
    "VOC",
    "VOC2011",
    "Batch",
    "BorderWeights",
    "Cached",
    "CamVid",
    "CellTracking",
    "CellTrackingSilver",
    "Cells",
    "Cityscapes",
    "ClassCounts",
    "Classes",
    "CocoInstances",
    "CocoPanoptic",
    "CocoStuff",
    "ColourJitter",
    "Compose",
    "DataLoader",
    "Dataset",
    "ElasticDeformation",
    "Folder",
    "Kind",
    "NYUDv2",
    "Normalisation",
    "Normalise",
    "PascalContext",
    "RandomBlur",
    "RandomCrop",
    "RandomFlip",
    "RandomNoise",
    "RandomRotate",
    "RandomRotate90",
    "RandomScale",
    "Resize",
    "ResizeImage",
    "Sample",
    "Shapes",
    "SiftFlow",
    "SiftFlowGeometric",
    "SunRGBD",
    "Transform",
    "WithExtra",
    "WithGeometric",
    "WithInstances",
    "Wrapper",
    "augmentations",
    "border_term",
    "check_mapping",
    "class_counts",
    "connected_cells",
    "get_kind",
    "is_divided",
    "measure_normalisation",
    "median_frequency_weights",
    "open_dataset",
    "parse_augmentations",
    "parse_bytes",
    "parse_table",
    "read_classes",
    "read_image",
    "read_mapping",
    "read_mask",
    "separated_cells",
    "write_mapping",
    "write_palette_png",
]
