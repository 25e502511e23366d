"""Sums of products over named dimensions, by way of permute, reshape and the matrix product.

Two tensors are contracted at a time, from left to right. Their labels fall into four groups: those of both that are
still needed (the batch), those of both that are summed over, and those of one alone; so they become matrices
(batch, left, summed) and (batch, summed, right), whose product is (batch, left, right).
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

from ..tensor_base import Tensor
from .common import dimension, need_same_device, need_same_type, need_tensor
from .copying import to
from .elementwise import multiply
from .indexing import getitem
from .matmul import matmul
from .reduce import sum
from .shape import flatten, permute, reshape

__all__ = ["bmm", "einsum", "tensordot"]

Label = Any  # a letter, or the place, counted from the last one, of a dimension that an ellipsis stands for
Labels = list[Label]


def _parsed(term: str, ndim: int | None, who: str) -> Labels:
    """The labels of one operand's (or the output's) subscripts; ``ndim`` counts its dimensions."""
    before, dots, after = term.partition("...")
    wrong = [letter for letter in before + after if letter not in string.ascii_letters]
    if wrong:
        raise ValueError(f"einsum: {wrong[0]!r} in the subscripts of {who}; there may be letters and one ellipsis")
    missing = (ndim or 0) - len(before) - len(after)
    if ndim is not None and (missing < 0 or (missing and not dots)):
        raise ValueError(f"einsum: {who} has {ndim} dimensions, but its subscripts {term!r} name {ndim - missing}")
    return [*before, *range(-missing, 0), *after]


def _diagonal(x: Tensor, labels: Labels) -> tuple[Tensor, Labels]:
    """x with each label once: of two dimensions of one name the diagonal is taken."""
    for label in labels:
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            n = x.shape[first]
            if x.shape[second] != n:
                raise ValueError(
                    f"einsum: {label!r} comes twice in one operand, with sizes {n} and {x.shape[second]}"
                )
            rest = [i for i in range(x.ndim) if i not in (first, second)]
            x = flatten(permute(x, [first, second, *rest]), 0, 1)
            x = getitem(x, slice(None, None, n + 1))  # element (i, i) is the (n + 1) i-th
            labels = [label, *(labels[i] for i in rest)]
    return x, labels


def _summed(x: Tensor, labels: Labels, keep: set[Label]) -> tuple[Tensor, Labels]:
    """x summed over the labels that nobody needs."""
    axes = tuple(i for i, label in enumerate(labels) if label not in keep)
    if not axes:
        return x, labels
    return to(sum(x, axes), x.dtype), [label for label in labels if label in keep]


def _without_ones(x: Tensor, labels: Labels, other: dict[Label, int]) -> tuple[Tensor, Labels]:
    """x without dimensions of size 1 that meet larger ones: it is the same all along these."""
    kept = [i for i, label in enumerate(labels) if x.shape[i] != 1 or other.get(label, 1) == 1]
    return reshape(x, tuple(x.shape[i] for i in kept)), [labels[i] for i in kept]


def _ordered(x: Tensor, labels: Labels, *groups: Labels) -> Tensor:
    """x with its dimensions in the order of the groups, and each group made one."""
    size = dict(zip(labels, x.shape, strict=True))
    x = permute(x, [labels.index(label) for group in groups for label in group]) if labels else x
    return reshape(x, tuple(math.prod(size[label] for label in group) for group in groups))


def _contracted(who: str, a: Tensor, la: Labels, b: Tensor, lb: Labels, keep: set[Label]) -> tuple[Tensor, Labels]:
    """The product of two tensors, summed over the labels that are not to be kept."""
    size_a, size_b = dict(zip(la, a.shape, strict=True)), dict(zip(lb, b.shape, strict=True))
    for label in la:
        if label in lb and size_a[label] != size_b[label] and 1 not in (size_a[label], size_b[label]):
            named = f"{label!r}" if isinstance(label, str) else "a dimension"
            raise ValueError(f"{who}: {named} has size {size_a[label]} in one operand and {size_b[label]} in another")
    a, la = _without_ones(a, la, size_b)
    b, lb = _without_ones(b, lb, size_a)
    a, la = _summed(a, la, keep | set(lb))
    b, lb = _summed(b, lb, keep | set(la))
    size = size_a | size_b | dict(zip([*la, *lb], [*a.shape, *b.shape], strict=True))
    batch = [label for label in la if label in lb and label in keep]
    inner = [label for label in la if label in lb and label not in keep]
    left, right = [label for label in la if label not in lb], [label for label in lb if label not in la]
    x, y = _ordered(a, la, batch, left, inner), _ordered(b, lb, batch, inner, right)
    if inner and (left or right) and a.is_floating_point:
        out = matmul(x, y)
    else:  # nothing to sum over, a product of vectors, or integers, of which there is no matrix product
        out = multiply(
            reshape(x, (x.shape[0], x.shape[1], 1, x.shape[2])),
            reshape(permute(y, 0, 2, 1), (y.shape[0], 1, y.shape[2], y.shape[1])),
        )
        out = to(sum(out, -1), a.dtype) if inner else out
    labels = [*batch, *left, *right]
    return reshape(out, tuple(size[label] for label in labels)), labels


def _output(terms: Sequence[str], given: str | None, labels: Sequence[Labels]) -> Labels:
    """The output's labels: the ones given, or an ellipsis's and the letters that come once, in alphabetical order."""
    dots = sorted({label for ones in labels for label in ones if isinstance(label, int)})
    everywhere = "".join(terms)
    if given is None:
        return [*dots, *sorted(x for x in set(everywhere) - {"."} if everywhere.count(x) == 1)]
    bare = given.replace("...", "", 1)
    wanted = _parsed(given, len(bare) + (len(dots) if "..." in given else 0), "the output")
    for letter in bare:
        if letter not in everywhere:
            raise ValueError(f"einsum: {letter!r} of the output comes in no operand")
        if bare.count(letter) > 1:
            raise ValueError(f"einsum: {letter!r} comes twice in the output; once is allowed")
    return wanted


def einsum(equation: str, *operands: Tensor) -> Tensor:
    """Einstein's sum: products of the operands' elements, summed over every subscript that is not in the output.

    ``equation`` has a letter for each dimension of each operand, and, after ``->``, those of the output. Without
    ``->`` the output has the letters that come once, in alphabetical order. ``...`` stands for any further
    dimensions, which are broadcast; a letter that comes twice in one operand takes its diagonal.

    Raises ``ValueError`` for an equation that does not fit the operands and for sizes that differ, ``TypeError`` for
    types that differ.

    >>> import tinyseg
    >>> a, b = tinyseg.tensor([[1.0, 2.0], [3.0, 4.0]]), tinyseg.tensor([1.0, 10.0])
    >>> einsum("ij,j->i", a, b)
    tensor([21., 43.])
    >>> einsum("ii", a)
    tensor(5.)
    """
    if not isinstance(equation, str):
        raise TypeError(f"einsum: equation must be a string such as 'ij,jk->ik', got {equation!r}")
    given = operands[0] if len(operands) == 1 and isinstance(operands[0], Sequence) else operands
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(given):
        raise ValueError(f"einsum: {equation!r} has subscripts of {len(terms)} operands, got {len(given)}")
    for i, x in enumerate(given):
        need_tensor("einsum", f"operand {i}", x, floating=False)
        need_same_device("einsum", given[0], x)
    need_same_type("einsum", **{f"operand {i}": x for i, x in enumerate(given)})
    named = [_parsed(term, x.ndim, f"operand {i}") for i, (term, x) in enumerate(zip(terms, given, strict=True))]
    wanted = _output(terms, output if arrow else None, named)
    pending = [_diagonal(x, labels) for x, labels in zip(given, named, strict=True)]
    result, labels = pending[0]
    for place, (x, others) in enumerate(pending[1:], start=2):
        keep = {*wanted, *(label for _, later in pending[place:] for label in later)}
        result, labels = _contracted("einsum", result, labels, x, others, keep)
    result, labels = _summed(result, labels, set(wanted))
    return permute(result, [labels.index(label) for label in wanted]) if wanted else result


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Products summed over dimensions of both: the last ``dims`` of a with the first of b, or those of two lists.

    The result has a's other dimensions and then b's. Raises ``ValueError`` where sizes differ, ``IndexError`` where
    there is no such dimension.

    >>> import tinyseg
    >>> tensordot(tinyseg.ones(2, 3, 4), tinyseg.ones(3, 4, 5)).shape
    (2, 5)
    >>> tensordot(tinyseg.ones(2, 3), tinyseg.ones(4, 2), dims=([0], [1])).shape
    (3, 4)
    """
    need_same_type("tensordot", a=a, b=b)
    need_same_device("tensordot", a, b)
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ValueError(
                f"tensordot: dims {dims} must be from 0 to {min(a.ndim, b.ndim)}, what both tensors have"
            )
        dims = (range(a.ndim - dims, a.ndim), range(dims))
    if not isinstance(dims, Sequence) or len(dims) != 2 or len(dims[0]) != len(dims[1]):
        raise ValueError(f"tensordot: dims must be a number, or two lists of as many dims each, got {dims!r}")
    of_a, of_b = ([dimension("tensordot", d, x.ndim) for d in ds] for ds, x in zip(dims, (a, b), strict=True))
    if len(set(of_a)) != len(of_a) or len(set(of_b)) != len(of_b):
        raise ValueError(f"tensordot: dims {dims!r} name a dimension twice")
    partner = dict(zip(of_b, of_a, strict=True))
    named_a: Labels = list(range(a.ndim))
    named_b: Labels = [partner.get(i, a.ndim + i) for i in range(b.ndim)]
    keep = {*named_a, *named_b} - set(of_a)
    return _contracted("tensordot", a, named_a, b, named_b, keep)[0]


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Matrix products of two batches: (b, n, k) times (b, k, m) is (b, n, m); nothing is broadcast.

    Raises ``ValueError`` for other shapes.

    >>> import tinyseg
    >>> bmm(tinyseg.ones(2, 1, 3), tinyseg.ones(2, 3, 1)).flatten()
    tensor([3., 3.])
    """
    need_tensor("bmm", "input", input, 3)
    need_tensor("bmm", "mat2", mat2, 3)
    if input.shape[0] != mat2.shape[0]:
        raise ValueError(f"bmm: batches of {input.shape[0]} and {mat2.shape[0]} matrices; matmul broadcasts them")
    return matmul(input, mat2)
