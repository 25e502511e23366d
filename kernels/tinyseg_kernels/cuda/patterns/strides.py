"""Shapes and strides, as integers in and integers out; strides count elements."""

from __future__ import annotations

from collections.abc import Sequence


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a new array."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def is_row_major(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """The same, whatever the strides of dimensions of size 1 are."""
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size > 1:
            if stride != step:
                return False
            step *= size
    return True


def broadcast(shape: tuple[int, ...], strides: tuple[int, ...], target: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of an array that is seen in the shape ``target``: 0 where elements repeat."""
    missing = len(target) - len(shape)
    kept = (0 if size == 1 else stride for size, stride in zip(shape, strides, strict=True))
    return (*[0] * missing, *kept)


def reshaped(
    old_shape: tuple[int, ...], old_strides: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[int, ...] | None:
    """Strides of a view with that shape, or None if there is none: new dimensions are to be cut from runs of old
    ones that lie behind each other.
    """
    runs: list[list[int]] = []  # size and stride of what can be walked with one stride
    for size, stride in zip(old_shape, old_strides, strict=True):
        if size == 1:
            continue
        if runs and runs[-1][1] == size * stride:
            runs[-1] = [runs[-1][0] * size, stride]
        else:
            runs.append([size, stride])
    strides: list[int] = []
    left, step = 1, 1
    for size in reversed(shape):
        if size == 1:
            strides.append(step)
            continue
        if left == 1:
            if not runs:
                return None
            left, step = runs.pop()
        if left % size:
            return None
        strides.append(step)
        step *= size
        left //= size
    return tuple(reversed(strides))


def merged(shape: tuple[int, ...], strides: Sequence[tuple[int, ...]]) -> tuple[list[int], list[list[int]]]:
    """Sizes and strides of several arrays of one shape, neighbouring dimensions made one where all allow it."""
    sizes: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        here = [each[axis] for each in strides]
        if sizes and all(step[-1] == size * inner for step, inner in zip(steps, here, strict=True)):
            sizes[-1] *= size
            for step, inner in zip(steps, here, strict=True):
                step[-1] = inner
        else:
            sizes.append(size)
            for step, inner in zip(steps, here, strict=True):
                step.append(inner)
    return sizes, steps
