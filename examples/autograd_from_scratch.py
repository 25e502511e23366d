"""The tape: how a program gets its own derivatives.

A tiny expression is computed, its tape is drawn with every value and gradient, and the chain rule is written out by
hand beside it. Then the gradient is checked by differences, also by hand, for steps h from 0.1 to 1e-12: too large a
step is wrong by the curvature, too small a one by rounding. At last an operator of your own, forward and backward.

Reverse mode: Baydin, Pearlmutter, Radul and Siskind 2018, "Automatic Differentiation in Machine Learning: a Survey",
section 3.2. Differences and their step: Press, Teukolsky, Vetterling and Flannery, "Numerical Recipes", section 5.7.

    python examples/autograd_from_scratch.py --out pictures
"""

# %%
import math

import numpy as np
from example_options import example_options

import tinyseg
from tinyseg import models, viz
from tinyseg.autograd import Node, Op
from tinyseg.gradcheck import GradcheckError
from tinyseg.nn import functional as F

OUT = example_options(__doc__).out

# %% [markdown]
# ## A tiny expression
#
# One neuron: a weight w, an input x, a bias b; its answer y is to be t, and L says how far it is from that.
#
#     p = w x        z = p + b        y = tanh(z)        d = y - t        L = d d
#
# While it is computed each operator leaves a *node* on its result: which operator it was, what it will need again,
# and where its inputs came from. These nodes are the tape. The number t needs no gradient and is not on it.

# %%
w, x, b = (tinyseg.tensor(value, dtype="float64", requires_grad=True) for value in (0.5, 2.0, -0.4))
t = 1.0

p = w * x
z = p + b
y = z.tanh()
d = y - t
L = d * d


def walk_back(node: Node) -> list[str]:
    """The operators from this one back to the first, along the first input of each."""
    names = [node.op.__name__]
    first = next(edge for edge in node.edges if edge is not None)
    return names + walk_back(first[0]) if isinstance(first, tuple) else names


order = walk_back(L.node)
print("the tape, from L back:", ", ".join(order))

# %% [markdown]
# ## The chain rule, by hand and by the tape
#
# `backward` visits the nodes from the last to the first and multiplies by each operator's own derivative. Where a
# tensor was used twice, as d is in `d * d`, what comes back from both uses is added.
#
#     dL/dd = d + d                     dL/dp = dL/dz
#     dL/dy = dL/dd                     dL/dw = dL/dp x
#     dL/dz = dL/dy (1 - y^2)           dL/dx = dL/dp w        dL/db = dL/dz

# %%
dL_dd = d.item() + d.item()
dL_dy = dL_dd
dL_dz = dL_dy * (1 - y.item() ** 2)
dL_dp = dL_dz
by_hand = {"w": dL_dp * x.item(), "x": dL_dp * w.item(), "b": dL_dz, "p": dL_dp, "z": dL_dz, "y": dL_dy, "d": dL_dd}

results = {"p": p, "z": z, "y": y, "d": d}
gradients = dict(zip(results, tinyseg.grad(L, list(results.values()), retain_graph=True), strict=True))
L.backward()
leaves = {"w": w, "x": x, "b": b}
by_tape = {name: leaf.grad.item() for name, leaf in leaves.items()}
by_tape |= {name: gradient.item() for name, gradient in gradients.items()}

print(f"\nL = {L.item():.6f}\n\n     value      dL/d. by hand   by the tape")
for name, tensor in (leaves | results).items():
    print(f"{name}  {tensor.item():9.6f}   {by_hand[name]:12.6f}   {by_tape[name]:12.6f}")

viz.save_tape(OUT / "tape.png", L, leaves | results | {"L": L}, gradients)

# %% [markdown]
# ## The same, by differences
#
# A derivative is a slope, so it can be measured, if we can compute L and nothing else:
#
#     forward:  (L(w + h) - L(w)) / h             wrong by about h |L''| / 2        + rounding, eps |L| / h
#     central:  (L(w + h) - L(w - h)) / 2h        wrong by about h^2 |L'''| / 6     + rounding, eps |L| / h
#
# eps is 1.1e-16 in float64 and 6e-8 in float32. A smaller h makes the first term smaller and the second larger, so
# there is a best step: about eps^(1/2) for the forward, eps^(1/3) for the central difference.


# %%
def loss(w: float, dtype: str = "float64") -> float:
    """L as a function of the weight alone."""
    w, x, b = (tinyseg.tensor(value, dtype=dtype) for value in (w, 2.0, -0.4))
    return (((w * x + b).tanh() - t) ** 2).item()


def forward_difference(h: float) -> float:
    """dL/dw from one step to the right."""
    return (loss(0.5 + h) - loss(0.5)) / h


def central_difference(h: float, dtype: str = "float64") -> float:
    """dL/dw from a step to either side."""
    return (loss(0.5 + h, dtype) - loss(0.5 - h, dtype)) / (2 * h)


exact = w.grad.item()
# Powers of two, so that 0.5 + h is a number that float32 has, too: the step is h, and not nearly h.
steps = 2.0 ** np.arange(-40, -2)
errors = {
    "forward, float64": [abs(forward_difference(h) - exact) for h in steps],
    "central, float64": [abs(central_difference(h) - exact) for h in steps],
    "central, float32": [abs(central_difference(h, "float32") - exact) for h in steps],
}
print("\ndL/dw =", f"{exact:.12f}", "by the tape; by differences:\n\n   h          forward            central")
for h in (1e-1, 1e-3, 1e-5, 1e-7, 1e-9, 1e-11):
    print(f"   {h:.0e}   {forward_difference(h):16.12f}   {central_difference(h):16.12f}")
best = {name: float(steps[np.argmin(error)]) for name, error in errors.items()}
for name, step in best.items():
    print(f"{name}: best with h = {step:.1e}, wrong by {min(errors[name]):.1e}")

viz.save_lines(
    OUT / "step.png",
    # What is wrong by nothing at all is not on a logarithmic axis.
    {name: (steps, np.where(np.array(error) > 0, error, np.nan)) for name, error in errors.items()},
    "step h",
    "error of the slope",
    "Too large a step is wrong by the curvature, too small a one by rounding",
    log_x=True,
    log_y=True,
)

# %% [markdown]
# `tinyseg.gradcheck` does this for every element of every input, in float64 with h = 1e-6, and is how each operator
# of tinyseg is tested.
#
# ## An operator of your own
#
# The bell y = exp(-x^2), with dy/dx = -2 x y: forward computes and keeps what backward needs; backward gets dL/dy and
# returns dL/dx. What is computed inside is not recorded.


# %%
class Bell(Op):
    """exp(-x^2)."""

    @staticmethod
    def forward(ctx, x):
        """The bell, with what backward needs kept in ``ctx``."""
        y = (-(x * x)).exp()
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, grad):
        """dL/dx = dL/dy (-2 x y)."""
        x, y = ctx.saved_tensors
        return grad * (x * y * -2.0)


class WrongBell(Bell):
    """The same with a factor forgotten in backward."""

    @staticmethod
    def backward(ctx, grad):
        """dL/dx without its 2."""
        x, y = ctx.saved_tensors
        return grad * (x * y * -1.0)


points = tinyseg.linspace(-3.0, 3.0, 121, dtype="float64").requires_grad_()
bell = Bell.apply(points)
(slope,) = tinyseg.grad(bell.sum(), points)
is_right = tinyseg.gradcheck(Bell.apply, points)
print(f"\nBell: steepest at x = {points[slope.argmax()].item():.2f}, where theory says {-math.sqrt(0.5):.4f}")
print("gradcheck of Bell:", is_right)
try:
    tinyseg.gradcheck(WrongBell.apply, tinyseg.tensor([0.5, 1.0], dtype="float64", requires_grad=True))
    refusal = ""
except GradcheckError as error:
    refusal = str(error)
print("gradcheck of WrongBell:", refusal)

viz.save_lines(
    OUT / "bell.png",
    {"y = exp(-x^2)": (points, bell), "dy/dx by the tape": (points, slope)},
    "x",
    "",
    "An operator of your own and its gradient",
)

# %% [markdown]
# ## The tape of a network
#
# It is the same, only longer: a U-Net that halves the image once. The skip connection is the long arrow, and a ReLU
# after a batch normalization is computed together with it, so it has no box of its own.

# %%
net = models.create("unet", num_classes=2, in_channels=1, width=4, depth=1)
image, labels = tinyseg.randn(1, 1, 32, 32), tinyseg.zeros(1, 32, 32, dtype="int64")
of_network = F.cross_entropy(net(image), labels)
parameters = dict(net.named_parameters())
numbers = sum(parameter.numel() for parameter in parameters.values())
print(f"\na U-Net of depth 1: {numbers} numbers in {len(parameters)} parameters")
viz.save_tape(OUT / "network.png", of_network, parameters | {"loss": of_network})
