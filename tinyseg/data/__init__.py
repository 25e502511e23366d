"""Data sets (one layout a file), transforms of image and mask together, and the loader.

>>> from tinyseg.data import open_dataset
>>> val = open_dataset("shapes", "val", size=(64, 64))
>>> len(val), val[0].image.shape
(200, (64, 64, 3))

Its parts, of which each imports only those in rows below its own::

    registry
    loading
    layouts  synthetic  transforms
    formats
    labels
    dataset  instances
"""

from .dataset import (
    DRAWN_SIZE,
    IGNORE_INDEX,
    Classes,
    Dataset,
    Sample,
    WithExtra,
    WithInstances,
    Wrapper,
)
from .formats.images import read_image, read_mask, write_palette_png
from .instances import connected_cells, separated_cells
from .labels.mapping import check_mapping, parse_table, read_mapping, write_mapping
from .layouts.ade20k import ADE20K
from .layouts.camvid import CamVid
from .layouts.cell_tracking import CellTracking, CellTrackingSilver
from .layouts.cityscapes import Cityscapes
from .layouts.coco_instances import CocoInstances
from .layouts.coco_panoptic import CocoPanoptic
from .layouts.coco_stuff import CocoStuff
from .layouts.folder import Folder, is_divided, read_classes
from .layouts.isbi2012 import ISBI2012
from .layouts.nyudv2 import NYUDv2
from .layouts.pascal_context import PascalContext
from .layouts.sbd import SBD
from .layouts.sift_flow import SiftFlow, SiftFlowGeometric, WithGeometric
from .layouts.sun_rgbd import SunRGBD
from .layouts.train_val_split import VAL_FRACTION
from .layouts.voc import VOC, VOC2011
from .loading.border_weights import BorderWeights, border_term
from .loading.cache import Cached, parse_bytes
from .loading.loader import Batch, DataLoader
from .loading.statistics import (
    ClassCounts,
    Normalisation,
    class_counts,
    measure_normalisation,
    median_frequency_weights,
)
from .registry import DATASETS, EXTRA_TARGETS, Kind, get_kind, open_dataset
from .synthetic.cells import Cells
from .synthetic.shapes import Shapes
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
