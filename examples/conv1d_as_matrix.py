"""A convolution is a matrix, and the transposed convolution is the transposed matrix.

The kernel (x, y, z) goes over the signal (a, b, c, d) with a zero at each end: padding 1. Row i of the matrix is the
kernel, moved on by the stride. With stride 1 the transpose is again an ordinary convolution; with stride 2 it is not:
it makes a longer signal from a shorter one, with weights that are learnt. That is how segmentation networks upsample.

Source: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", sections 4.1 and 4.2; Long,
Shelhamer and Darrell 2015, section 3.3.

Run:  python examples/conv1d_as_matrix.py --out pictures
"""

# %%
from example_options import example_options
from grids import GREY, INK, LIGHT_BLUE, LIGHT_GREEN, LIGHT_ORANGE, WHITE, above, beside, grid, save, words
from PIL import Image

import tinyseg
from tinyseg.linear_maps import SymbolicMatrix, convolution, matrix_of, symbolic_conv1d, transposed_convolution
from tinyseg.nn import functional as F

options = example_options(__doc__)

# %% [markdown]
# ## Stride 1
# Output i is the kernel laid over the padded signal from place i on: the 4 x 6 matrix X. Each output reads three
# neighbours, and all read them with the same three letters.

# %%
signal, padded, kernel = "abcd", "0abcd0", "xyz"
X = symbolic_conv1d(kernel, length=4, stride=1, padding=1)
output = X @ padded
print(f"kernel ({', '.join(kernel)}), stride 1, padding 1, on ({', '.join(padded)}):", X, sep="\n")
print("output:", ", ".join(output))

# %% [markdown]
# ## Its transpose
# The 6 x 4 matrix takes four numbers to six: each input is laid down as (x, y, z) times itself, and what falls on the
# same place is added. It is also what the gradient of the convolution is multiplied by on its way back.

# %%
transposed_output = X.T @ signal
print("\nits transpose, on (a, b, c, d):", X.T, sep="\n")
print("output:", ", ".join(transposed_output))

# %% [markdown]
# ## Where printed notes go wrong
# Some printed notes have an x where a z belongs: the rows of their matrices end in "x y x". With that matrix the
# outputs beside it, ay+bz and so on, do not come out. A z belongs at these places of the two matrices (row, column,
# counted from 1). The fourth output of the transpose is also found as "bx+cy+dz", which is an output of X, not of its
# transpose: column 4 of X reads z, y, x from above, so it is bz+cy+dx.


# %%
def places_of_z(matrix: SymbolicMatrix) -> list[tuple[int, int]]:
    """Where the third letter stands: (row, column), from 1."""
    return [
        (i, j) for i, row in enumerate(matrix.rows, start=1) for j, entry in enumerate(row, start=1) if entry == "z"
    ]


X2 = symbolic_conv1d(kernel, length=4, stride=2, padding=1)
misprinted = symbolic_conv1d("xyx", length=4, stride=1, padding=1)
misprinted_output = misprinted @ padded
print("\nplaces of z, where some printed notes have x:")
print("  stride 1:", places_of_z(X))
print("  stride 2:", places_of_z(X2))
print("with x there, the outputs would be", ", ".join(misprinted_output))
print("the transpose's fourth output is", transposed_output[3], "and not", output[2])

# %% [markdown]
# ## Stride 2
# The kernel moves on by two: every second row is left out. The transpose makes six numbers of two, and its rows
# alternate between (y) and (z, x). No single kernel does that, so it is no ordinary convolution.

# %%
output2 = X2 @ padded
transposed_output2 = X2.T @ "ab"
print("\nstride 2:", X2, sep="\n")
print("output:", ", ".join(output2))
print("its transpose, on (a, b):", X2.T, sep="\n")
print("output:", ", ".join(transposed_output2))

# %% [markdown]
# A 1-D transposed convolution with kernel 3, stride 2, padding 0 is the transpose of the convolution that takes five
# numbers to two. It is the one above without the last row, which no output of the convolution read.

# %%
upsampling = symbolic_conv1d(kernel, length=5, stride=2).T
upsampled = upsampling @ "ab"
print("\ntransposed convolution, kernel 3, stride 2, padding 0, on (a, b):", upsampling, sep="\n")
print("output:", ", ".join(upsampled))

# %% [markdown]
# ## With numbers
# x, y, z = 1, 2, 3 and a, b, c, d = 1, 10, 100, 1000: then the digits of an output say which weight met which
# input. `matrix_of` finds the matrix of an operator by trying unit vectors, `convolution` builds it from the
# definition; both are the table of letters with numbers put in.

# %%
numbers = dict(zip(kernel, (1.0, 2.0, 3.0), strict=True))
weight = tinyseg.tensor([[[1.0, 2.0, 3.0]]])
abcd = tinyseg.tensor([[[1.0, 10.0, 100.0, 1000.0]]])
ab = abcd[:, :, :2]

X_numbers = X.numbers(**numbers)
X_tried = matrix_of(lambda a: F.conv1d(a, weight), (1, 1, 6)).toarray()
X_defined = convolution(weight, 6).toarray()
T_numbers = X.T.numbers(**numbers)
T_tried = matrix_of(lambda a: F.conv_transpose1d(a, weight), (1, 1, 4)).toarray()
T_defined = transposed_convolution(weight, 4).toarray()
print("\nX with x, y, z = 1, 2, 3:", X_numbers.astype(int), sep="\n")
print("the operator's matrix, and the definition's, are the same:", (X_tried == X_numbers).all(), end=", ")
print((X_defined == X_numbers).all())
print("its transpose:", T_numbers.astype(int), sep="\n")
print("the same:", (T_tried == T_numbers).all(), (T_defined == T_numbers).all())

convolved = F.conv1d(abcd, weight, padding=1).numpy().ravel()
convolved2 = F.conv1d(abcd, weight, stride=2, padding=1).numpy().ravel()
transposed = F.conv_transpose1d(abcd, weight).numpy().ravel()
transposed2 = F.conv_transpose1d(ab, weight, stride=2, output_padding=1).numpy().ravel()
transposed2_short = F.conv_transpose1d(ab, weight, stride=2).numpy().ravel()
print("conv1d, stride 1:                         ", *convolved.astype(int))
print("conv_transpose1d, stride 1:               ", *transposed.astype(int))
print("conv1d, stride 2:                         ", *convolved2.astype(int))
print("conv_transpose1d, stride 2, six outputs:  ", *transposed2.astype(int))
print("conv_transpose1d, stride 2, padding 0:    ", *transposed2_short.astype(int))

# %% [markdown]
# ## What a transposed convolution is, and is not
# With stride 1 it is the convolution with the kernel turned round, (z, y, x), and padding 2 instead of 0. The
# gradient of a convolution by its input is a multiplication by the transpose, whatever the stride. And it is no
# inverse ("deconvolution" is a poor name): the transpose of X times X is not the identity.

# %%
ordinary = F.conv1d(abcd, tinyseg.tensor([[[3.0, 2.0, 1.0]]]), padding=2).numpy().ravel()
print("\nconv1d with (z, y, x), padding 2:         ", *ordinary.astype(int))

six = tinyseg.zeros(1, 1, 6, requires_grad=True)
F.conv1d(six, weight).backward(abcd)
gradient = six.grad.numpy().ravel()
print("gradient of conv1d, from (a, b, c, d):    ", *gradient.astype(int))
print("transpose times X:", (T_numbers @ X_numbers).astype(int), sep="\n")

# %% [markdown]
# ## The picture

# %%
COLORS = {"x": LIGHT_BLUE, "y": LIGHT_ORANGE, "z": LIGHT_GREEN}


def product_picture(title: str, matrix: SymbolicMatrix, vector: str, product: list[str]) -> Image.Image:
    """matrix times vector = product, each letter of the kernel in a colour of its own."""
    fill = [[COLORS.get(entry, WHITE) for entry in row] for row in matrix.rows]
    ink = [[GREY if entry == "0" else INK for entry in row] for row in matrix.rows]
    column = grid([[letter] for letter in vector])
    result = grid([[sum_of_products] for sum_of_products in product], cell=(110, 40))
    equation = beside(grid(matrix.rows, fill, ink=ink), column, words("=", 24), result)
    return above(words(title, 18, bold=True), equation)


gap = words(" ", width=60)
save(
    options.out / "conv1d_as_matrix.png",
    above(
        beside(
            product_picture("Convolution, stride 1", X, padded, output),
            gap,
            product_picture("its transpose", X.T, signal, transposed_output),
        ),
        beside(
            product_picture("Convolution, stride 2", X2, padded, output2),
            gap,
            product_picture("its transpose", X2.T, "ab", transposed_output2),
        ),
        gap=36,
    ),
)
