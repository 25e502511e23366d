"""Ways in which many kernels go over memory, and the arrays that they go over.

``loops`` are element-wise, ``planes`` go pixel by pixel over images, ``blocks`` sum over the threads of a block.
"""
