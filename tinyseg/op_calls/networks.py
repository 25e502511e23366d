"""Functions of networks: what ``nn.functional`` defines."""

from __future__ import annotations

from ..nn import functional as F
from ..random import Generator
from ..tensor import tensor
from ..tensor_base import float64
from .table import example, spread

_IMAGES = spread(2, 3, 4, 5)
_KERNELS, _BIAS = spread(2, 3, 3, 3, seed=1), spread(2, seed=2)
_SCALE, _SHIFT = spread(3, seed=3), spread(3, seed=4)

example("conv2d", lambda x, w, b: F.conv2d(x, w, b, padding=1), _IMAGES, _KERNELS, _BIAS)
example("conv2d", lambda x, w: F.conv2d(x, w, None, (2, 1), (1, 2), 2, 2), spread(1, 4, 5, 4), spread(2, 2, 3, 2))
example("conv2d", lambda x, w, b: F.conv2d(x, w, b, activation="relu"), _IMAGES, _KERNELS, _BIAS)
example("conv_transpose2d", F.conv_transpose2d, spread(1, 2, 3, 4), spread(2, 3, 3, 3), _SHIFT)
example(
    "conv_transpose2d",
    lambda x, w: F.conv_transpose2d(x, w, None, 2, 1, 1, 2, activation="relu"),
    spread(1, 4, 3, 2),
    spread(4, 1, 3, 2),
)
example("linear", F.linear, spread(2, 3, 4), spread(5, 4), spread(5))
example("max_pool2d", lambda x: F.max_pool2d(x, 2), _IMAGES)
example("max_pool2d", lambda x: F.max_pool2d(x, 3, 1, 1), _IMAGES)
example(
    "max_unpool2d",
    lambda x, places: F.max_unpool2d(x, places, 2),
    spread(1, 2, 2, 2),
    [[[[5, 2], [12, 15]], [[0, 3], [9, 10]]]],
)
example("interpolate", lambda x: F.interpolate(x, (7, 3)), _IMAGES)
example("interpolate", lambda x: F.interpolate(x, (7, 3), mode="bilinear"), _IMAGES)
example("interpolate", lambda x: F.interpolate(x, (7, 3), mode="bilinear", align_corners=True), _IMAGES)
example("pad", lambda x: F.pad(x, (1, 2, 0, -1), value=0.5), _IMAGES)
example("batch_norm", lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), _IMAGES, _SCALE, _SHIFT)
example(
    "batch_norm",
    lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True, activation="relu"),
    _IMAGES,
    _SCALE,
    _SHIFT,
)
example(
    "batch_norm",
    lambda x, w, b: F.batch_norm(x, tensor(_SHIFT), tensor(_SCALE + 3.0), w, b),
    _IMAGES,
    _SCALE,
    _SHIFT,
)
example("dropout", lambda x: F.dropout(x, 0.3, generator=Generator(1)), _IMAGES)
example("dropout2d", lambda x: F.dropout2d(x, 0.3, generator=Generator(1)), _IMAGES)
example("softmax", lambda x: F.softmax(x, 1), _IMAGES)
example("log_softmax", lambda x: F.log_softmax(x, 1), _IMAGES)
example("cross_entropy", F.cross_entropy, spread(1, 3, 2, 2), [[[0, 2], [1, -100]]])
example(
    "cross_entropy",
    lambda x, y: F.cross_entropy(x, y, tensor([0.5, 2.0, 1.0], float64), reduction="none"),
    spread(1, 3, 2, 2),
    [[[0, 2], [1, 1]]],
)
example("conv1d", lambda x, w, b: F.conv1d(x, w, b, 2, 1), spread(2, 3, 7), spread(4, 3, 3), spread(4))
example(
    "conv_transpose1d",
    lambda x, w, b: F.conv_transpose1d(x, w, b, 2, 1, 1),
    spread(2, 3, 4),
    spread(3, 2, 3),
    spread(2),
)
example("unfold", lambda x: F.unfold(x, (2, 3), padding=1, stride=2), _IMAGES)
example("fold", lambda x: F.fold(x, (3, 4), (2, 2)), spread(1, 8, 6))
for _mode in ("reflect", "replicate", "circular"):
    example("pad", lambda x, mode=_mode: F.pad(x, (1, 2, 2, 1), mode), _IMAGES)
example("centre_crop", lambda x: F.centre_crop(x, (2, 3)), _IMAGES)
example("bed_of_nails", lambda x: F.bed_of_nails(x, 2), _IMAGES)
example("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), spread(1, 8, 2, 3))
example("pixel_unshuffle", lambda x: F.pixel_unshuffle(x, 2), spread(1, 2, 4, 6))
example("max_pool1d", lambda x: F.max_pool1d(x, 3, 2, 1), spread(2, 3, 7))
example("max_unpool1d", lambda x, places: F.max_unpool1d(x, places, 2), spread(1, 2, 2), [[[1, 2], [0, 3]]])
example("avg_pool2d", lambda x: F.avg_pool2d(x, 3, 2, 1), _IMAGES)
example("avg_pool2d", lambda x: F.avg_pool2d(x, 2, 1, 1, True, False), _IMAGES)
example("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (3, 2)), _IMAGES)
example("adaptive_max_pool2d", lambda x: F.adaptive_max_pool2d(x, (3, 2)), _IMAGES)
example("group_norm", lambda x, w, b: F.group_norm(x, 2, w, b), spread(2, 4, 3, 3), spread(4), spread(4, seed=1))
example("instance_norm", lambda x, w, b: F.instance_norm(x, None, None, w, b), _IMAGES, _SCALE, _SHIFT)
example("layer_norm", lambda x, w, b: F.layer_norm(x, (4,), w, b), spread(2, 3, 4), spread(4), spread(4, seed=1))
example("local_response_norm", lambda x: F.local_response_norm(x, 3, 0.5, 0.75, 2.0), spread(2, 5, 2, 3))
