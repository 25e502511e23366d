"""The arrays of this backend, and ways in which many kernels go over them.

``strides`` is arithmetic of shapes and strides. ``loops`` are element-wise, ``assignment`` copies and fills by them,
``array`` has the arrays. ``planes`` go pixel by pixel over images. ``blocks`` sum over the threads of a block,
``moments`` find mean and variance so, ``partial_sums`` add what several blocks have summed, and ``arg_extremes``
finds where the largest and smallest elements are.
"""
