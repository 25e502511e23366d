"""The Winograd algorithm for 3x3 convolutions with stride 1: F(4x4, 3x3), forward and weight gradient."""
