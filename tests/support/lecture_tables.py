"""What lectures print of convolutions: the matrices in letters, and the picture of an X with its filter's answer."""

STRIDE_1 = """
x y z 0 0 0
0 x y z 0 0
0 0 x y z 0
0 0 0 x y z
"""
STRIDE_1_TRANSPOSED = """
x 0 0 0
y x 0 0
z y x 0
0 z y x
0 0 z y
0 0 0 z
"""
STRIDE_2 = """
x y z 0 0 0
0 0 x y z 0
"""
STRIDE_2_TRANSPOSED = """
x 0
y 0
z x
0 y
0 z
0 0
"""
CROSS = [(1, 1), (1, 7), (2, 2), (2, 6), (3, 3), (3, 5), (4, 4), (5, 3), (5, 5), (6, 2), (6, 6), (7, 1), (7, 7)]
SLIDE = """
 0.77 -0.11  0.11  0.33  0.55 -0.11  0.33
-0.11  1.00 -0.11  0.33 -0.11  0.11 -0.11
 0.11 -0.11  1.00 -0.33  0.11 -0.11  0.55
 0.33  0.33 -0.33  0.55 -0.33  0.33  0.33
 0.55 -0.11  0.11 -0.33  1.00 -0.11  0.11
-0.11  0.11 -0.11  0.33 -0.11  1.00 -0.11
 0.33 -0.11  0.55  0.33  0.11 -0.11  0.77
"""
