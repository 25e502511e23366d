"""The matrix of a function that is only known by its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from ..autograd import no_grad
from ..tensor import Tensor, tensor
from ..tensor_base import check_dtype, float32


def matrix_of(function: Callable[[Tensor], Tensor], input_shape: Sequence[int], dtype: Any = None) -> Any:
    """The matrix X of a linear function f, found by trying: column i is f of the i-th unit vector.

    X @ a.ravel() = f(a).ravel() for every a of ``input_shape``. What f takes from elsewhere (the places of a pooling,
    the random numbers of a dropout) has to stay the same from call to call.

    Args:
        function: f, of one tensor of the default device.
        input_shape: f's argument's, with N where f wants it.
        dtype: f's argument's type; float32 if None.

    Returns:
        A scipy.sparse.csr_array of that type, (elements of f(a), elements of a).

    Raises:
        ValueError: f is not linear: f(0) is not 0, or X @ a is not f(a) for some random a.
        TypeError: f gives no tensor of that type.

    >>> import tinyseg
    >>> print(matrix_of(lambda a: a.reshape(2, 2).T + a.sum(), (4,)).toarray())
    [[2. 1. 1. 1.]
     [1. 1. 2. 1.]
     [1. 2. 1. 1.]
     [1. 1. 1. 2.]]
    >>> matrix_of(lambda a: a + 1.0, (2, 3))
    Traceback (most recent call last):
    ValueError: matrix_of: the function is not linear: it gives up to 1 where its argument is 0
    """

    dtype = check_dtype(float32 if dtype is None else dtype, "matrix_of")

    def values(argument: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        with no_grad():
            result = function(tensor(argument.reshape(input_shape), dtype))
        if not isinstance(result, Tensor) or result.dtype != dtype:
            what = f"a tensor of {result.dtype}" if isinstance(result, Tensor) else f"a {type(result).__name__}"
            raise TypeError(f"matrix_of: the function must give a tensor of {dtype}, it gave {what}")
        return result.numpy().ravel()

    size = int(np.prod(input_shape))
    at_zero = values(np.zeros(size))
    if at_zero.any():
        largest = np.abs(at_zero).max()
        raise ValueError(f"matrix_of: the function is not linear: it gives up to {largest:g} where its argument is 0")
    unit, columns = np.zeros(size), [sparse.csc_array((len(at_zero), 0), dtype=dtype)]
    for i in range(size):
        unit[i] = 1
        columns.append(sparse.csc_array(values(unit)[:, None]))
        unit[i] = 0
    matrix = sparse.hstack(columns, format="csr")
    other = np.random.default_rng(0).uniform(-1, 1, size).astype(dtype)
    found, wanted = values(other), matrix @ other
    if not np.allclose(found, wanted, rtol=0, atol=1e4 * np.finfo(dtype).eps * max(1, np.abs(found).max(initial=0))):
        raise ValueError("matrix_of: the function is not linear: it is not the sum of what it does to each element")
    return matrix
