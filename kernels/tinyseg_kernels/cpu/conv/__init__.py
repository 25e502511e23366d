"""Convolution: the choice of the algorithm, direct convolution, weight gradient, depthwise, Winograd."""
