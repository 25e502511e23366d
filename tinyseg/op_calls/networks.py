"""Functions of networks: what ``nn.functional`` defines."""

from __future__ import annotations

from ..random import Generator
from .table import IMAGES, call, like, rectified, spread

SMALL = spread(2, 3, 3, 4)
SEED = 2**40 + 77  # of the generators of random numbers
# Of batch norm.
MEAN, VAR = spread(3, seed=6), spread(3, low=0.5, high=2, seed=7)
SCALE, SHIFT = spread(3, seed=8), spread(3, seed=9)

call(
    "conv2d",
    lambda t, x, w, b: t.F.conv2d(x, w, b, padding=1),
    spread(2, 3, 5, 4),
    spread(4, 3, 3, 3, seed=1),
    spread(4, seed=2),
    name="conv2d 3x3 padded",
)
call(
    "conv2d",
    lambda t, x, w: t.F.conv2d(x, w, None, (2, 1), (1, 2), 2, 2),
    spread(1, 4, 5, 4),
    spread(2, 2, 3, 2),
    name="conv2d with every option",
)
call(
    "conv2d",
    lambda t, x, w, b: rectified(t, "conv2d", x, w, b, padding=1),
    spread(2, 3, 5, 6),
    spread(4, 3, 3, 3, seed=1),
    spread(4, seed=2),
    name="conv2d and relu, 3x3",
)
call(
    "conv_transpose2d",
    lambda t, x, w, b: t.F.conv_transpose2d(x, w, b),
    spread(2, 3, 4, 5),
    spread(3, 2, 3, 3, seed=1),
    spread(2, seed=2),
    name="conv_transpose2d 3x3",
)
call(
    "conv_transpose2d",
    lambda t, x, w: rectified(t, "conv_transpose2d", x, w, None, 2, 1, 1, 2),
    spread(1, 4, 3, 2),
    spread(4, 1, 3, 2),
    name="conv_transpose2d and relu, with every option",
)
call("linear", lambda t, x, w, b: t.F.linear(x, w, b), spread(2, 3, 4), spread(5, 4), spread(5))
call(
    "max_pool2d",
    lambda t, x: t.F.max_pool2d(x, kernel_size=2, return_indices=True),
    spread(2, 3, 4, 6),
    name="max_pool2d 2x2",
)
call(
    "max_pool2d",
    lambda t, x: t.F.max_pool2d(x, kernel_size=3, stride=2, padding=1, return_indices=True),
    spread(1, 2, 5, 6),
    name="max_pool2d padded",
)
call(
    "max_unpool2d",
    lambda t, x, i: t.F.max_unpool2d(x, i, 2),
    spread(1, 2, 2, 2),
    [[[[5, 2], [12, 15]], [[0, 3], [9, 10]]]],
)
call("interpolate", lambda t, x: t.F.interpolate(x, (7, 3)), IMAGES, name="nearest up and down")
call("interpolate", lambda t, x: t.F.interpolate(x, (7, 3), mode="bilinear"), IMAGES, name="bilinear up and down")
call(
    "interpolate",
    lambda t, x: t.F.interpolate(x, (7, 3), mode="bilinear", align_corners=True),
    IMAGES,
    name="bilinear up and down, corners aligned",
)
call("pad", lambda t, x: t.F.pad(x, (1, 2, 0, -1), value=0.5), IMAGES, name="pad that adds and cuts off")
call(
    "batch_norm",
    lambda t, x, w, b: t.F.batch_norm(x, None, None, w, b, training=True),
    IMAGES,
    SCALE,
    SHIFT,
    name="batch_norm training",
)
call(
    "batch_norm",
    lambda t, x, w, b: rectified(t, "batch_norm", x, None, None, w, b, training=True),
    IMAGES,
    SCALE,
    SHIFT,
    name="batch_norm and relu, training",
)
call(
    "batch_norm",
    lambda t, x, w, b: t.F.batch_norm(x, like(MEAN, x, t), like(VAR, x, t), w, b),
    IMAGES,
    SCALE,
    SHIFT,
    name="batch_norm evaluation, with gradients",
)
call("dropout", lambda t, x: t.F.dropout(x, 0.5, generator=Generator(SEED)), IMAGES, name="dropout of images")
call("dropout2d", lambda t, x: t.F.dropout2d(x, 0.4, generator=Generator(SEED)), IMAGES)
call("softmax", lambda t, x: t.F.softmax(x, 1), IMAGES)
call("log_softmax", lambda t, x: t.F.log_softmax(x, 1), IMAGES, name="log_softmax of images")
call(
    "conv1d",
    lambda t, x, w, b: t.F.conv1d(x, w, b, stride=2, dilation=3, padding=1, groups=2),
    spread(2, 4, 9),
    spread(6, 2, 2, seed=1),
    spread(6, seed=2),
    name="conv1d strided, dilated, in groups",
)
call(
    "conv_transpose1d",
    lambda t, x, w, b: t.F.conv_transpose1d(x, w, b, stride=2, padding=1, output_padding=1),
    spread(2, 3, 4),
    spread(3, 2, 3, seed=1),
    spread(2, seed=2),
    name="conv_transpose1d with output padding",
)
call("unfold", lambda t, x: t.F.unfold(x, (2, 3), padding=1, stride=2), IMAGES, name="unfold padded, strided")
call("fold", lambda t, x: t.F.fold(x, (3, 4), (2, 2)), spread(1, 8, 6), name="fold 2x2")
for _mode in ("reflect", "replicate", "circular"):
    call("pad", lambda t, x, mode=_mode: t.F.pad(x, (1, 2, 3, 0), mode), IMAGES, name=f"pad {_mode} of images")
call("centre_crop", lambda t, x: t.F.centre_crop(x, (2, 2)), IMAGES)
call("bed_of_nails", lambda t, x: t.F.bed_of_nails(x, (3, 2)), SMALL)
call("pixel_shuffle", lambda t, x: t.F.pixel_shuffle(x, 2), spread(2, 8, 2, 3), name="pixel_shuffle images")
call("pixel_unshuffle", lambda t, x: t.F.pixel_unshuffle(x, 2), spread(2, 2, 4, 6), name="pixel_unshuffle images")
call("max_pool1d", lambda t, x: t.F.max_pool1d(x, 3, 2, 1), spread(2, 3, 7), name="max_pool1d padded")
call("max_unpool1d", lambda t, x, i: t.F.max_unpool1d(x, i, 2), spread(1, 2, 3), [[[1, 2, 5], [0, 3, 4]]])
call(
    "avg_pool2d",
    lambda t, x: t.F.avg_pool2d(x, kernel_size=3, stride=1, padding=1),
    spread(2, 2, 5, 6),
    name="avg_pool2d overlapping, padded",
)
call(
    "avg_pool2d",
    lambda t, x: t.F.avg_pool2d(x, 2, 1, 1, True, False),
    IMAGES,
    name="avg_pool2d rounded up, of pixels alone",
)
call(
    "adaptive_avg_pool2d",
    lambda t, x: t.F.adaptive_avg_pool2d(x, (3, 2)),
    spread(2, 3, 5, 7),
    name="adaptive_avg_pool2d of overlapping windows",
)
call(
    "adaptive_max_pool2d",
    lambda t, x: t.F.adaptive_max_pool2d(x, (3, 2), return_indices=True),
    spread(2, 3, 5, 7),
    name="adaptive_max_pool2d of overlapping windows",
)
call(
    "group_norm",
    lambda t, x, w, b: t.F.group_norm(x, 2, w, b),
    spread(2, 6, 3, 4, low=3, high=9),
    spread(6, seed=12),
    spread(6, seed=13),
    name="group_norm of (2, 6, 3, 4) in 2",
)
call("instance_norm", lambda t, x, w, b: t.F.instance_norm(x, weight=w, bias=b), IMAGES, SCALE, SHIFT)
call(
    "layer_norm",
    lambda t, x, w, b: t.F.layer_norm(x, (7,), w, b),
    spread(4, 7, low=-1, high=5),
    spread(7, seed=1),
    spread(7, seed=2),
    name="layer_norm of (4, 7) over 1",
)
call(
    "local_response_norm",
    lambda t, x: t.F.local_response_norm(x, size=4, alpha=1.5, beta=1.2, k=0.5),
    spread(1, 6, 2, 3, low=-3, high=3.2),
    name="local_response_norm strong, of an even size",
)
