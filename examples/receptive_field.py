"""How much of an image a unit sees: plain, pooled and dilated stacks, and the context module of DilatedNet.

Fields are computed by arithmetic, and measured: the gradient of one unit by the image is not zero exactly at the
pixels that move this unit. How large it is there says how much they count.

Sources: Yu and Koltun 2016, "Multi-scale context aggregation by dilated convolutions", sections 2 and 3, table 1;
Luo, Li, Urtasun and Zemel 2016, "Understanding the effective receptive field in deep convolutional neural networks",
for the gradient as a measure; Wang et al. 2018, "Understanding convolution for semantic segmentation", section 3.2,
for the grid that equal dilations leave.

Run:  python examples/receptive_field.py --out pictures
"""

# %%
import numpy as np
from example_options import example_options

import tinyseg
from tinyseg import engine, models, nn, viz
from tinyseg.geometry import Field

options = example_options(__doc__)

# %% [markdown]
# ## Three layers
# A dilated convolution leaves out pixels: (F *_l k)(p) is the sum of F(s) k(t) over s + l t = p. Its kernel has
# 3 x 3 weights whatever the dilation l. With l = 1, 2, 4 the field is 3, then 7, then 15 pixels wide, while plain
# layers reach 3, 5, 7. Pooling widens the field as fast, but thins out the units: in the end they stand 4 pixels
# apart. `Field.through` is the arithmetic, for any window.


# %%
def convolution(dilation: int = 1) -> nn.Module:
    """A 3x3 convolution whose weights are all 1/9: an average."""
    layer = nn.Conv2d(1, 1, 3, dilation=dilation, bias=False).double()
    nn.init.constant_(layer.weight, 1 / 9)
    return layer


stacks = {
    "plain": [convolution(), convolution(), convolution()],
    "pooled": [convolution(), nn.AvgPool2d(2), convolution(), nn.AvgPool2d(2), convolution()],
    "dilated": [convolution(1), convolution(2), convolution(4)],
}


def fields_of(layers: list[nn.Module]) -> list[Field]:
    """What the units behind each convolution see, along one dimension."""
    found, field = [], Field()
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            field = field.through(3, dilation=layer.dilation[0])
            found.append(field)
        else:
            field = field.through(2, stride=2)
    return found


fields = {name: fields_of(layers) for name, layers in stacks.items()}
parameters = {name: [p.numel() for layer in layers for p in layer.parameters()] for name, layers in stacks.items()}
print("three 3x3 convolutions   field after each          parameters   pixels between units")
for name, found in fields.items():
    sizes = ", ".join(f"{field.size}x{field.size}" for field in found)
    each = " + ".join(str(count) for count in parameters[name])
    print(f"  {name:<23}{sizes:<26}{each:<13}{found[-1].stride:g}")

# %% [markdown]
# ## Measured
# The gradient of the unit in the middle, by every pixel. Here all is linear and all weights are positive, so that
# nothing cancels and the picture that is looked at does not matter. The numbers sum to 1: they are the weights of the
# average that the stack computes. It is not even: a pixel in the middle reaches the unit on more ways than one
# at the border.


# %%
def influence(network: nn.Module, size: int) -> np.ndarray:
    """The magnitude of the gradient of the middle unit, summed over its channels, by each pixel of size x size."""
    channels = next(network.parameters()).shape[1]
    image = tinyseg.ones(1, channels, size, size, dtype="float64", requires_grad=True)
    units = network(image)
    middle = units[0, :, units.shape[2] // 2, units.shape[3] // 2].sum()
    (by_image,) = tinyseg.grad(middle, image)
    return abs(by_image.numpy()).sum((0, 1))


def extent(heat: np.ndarray) -> int:
    """From the first to the last row that has an influence."""
    rows = np.flatnonzero(heat.any(1))
    return int(rows[-1] - rows[0] + 1)


heats = {name: influence(nn.Sequential(*layers), 27) for name, layers in stacks.items()}
print("\nmeasured by gradients    field     pixels that count    largest weight   sum")
for name, heat in heats.items():
    size, count = extent(heat), np.count_nonzero(heat)
    print(f"  {name:<23}{f'{size}x{size}':<10}{f'{count} of {size**2}':<21}{heat.max():<17.4f}{heat.sum():.4f}")
viz.save_field(options.out / "receptive_field_stacks.png", heats, "Three 3x3 convolutions: what moves one unit")

# %% [markdown]
# ## Gridding
# With dilations 2, 2, 2 every step is even, so a unit sees only each second pixel of each second row, and its
# neighbours see the others. With 1, 2, 3 or 1, 2, 4 every pixel of the square counts.

# %%
choices = {"dilations 2, 2, 2": (2, 2, 2), "dilations 1, 2, 3": (1, 2, 3), "dilations 1, 2, 4": (1, 2, 4)}
grids = {name: influence(nn.Sequential(*map(convolution, chosen)), 19) for name, chosen in choices.items()}
print("\nholes in the field")
for name, heat in grids.items():
    print(f"  {name}: {np.count_nonzero(heat)} of {extent(heat) ** 2} pixels count")
viz.save_field(options.out / "receptive_field_gridding.png", grids, "Equal dilations leave holes, growing ones none")

# %% [markdown]
# ## Growth
# A plain layer adds 2 pixels. Where dilations double from layer to layer, the field doubles, too; so it does with a
# pooling before each layer, but then the map is halved each time.

# %%
depth = 7
growth = {
    "plain": fields_of([convolution() for _ in range(depth)]),
    "pooled: 2x2 before each layer": fields_of(
        [convolution(), *(layer for _ in range(depth - 1) for layer in (nn.AvgPool2d(2), convolution()))]
    ),
    "dilated: 1, 2, 4, 8, ...": fields_of([convolution(2**layer) for layer in range(depth)]),
}
print(f"\nfield after 1 .. {depth} layers, and pixels between units in the end")
for name, found in growth.items():
    print(f"  {name:<32}", *(f"{field.size:>5}" for field in found), f"{found[-1].stride:>7g}")
viz.save_lines(
    options.out / "receptive_field_growth.png",
    {name: (range(1, depth + 1), [field.size for field in found]) for name, found in growth.items()},
    "3x3 convolutions, 9 weights each",
    "receptive field, pixels",
    "With each layer plain stacks see 2 pixels more, the others twice as much",
    log_y=True,
)

# %% [markdown]
# ## The context module
# Table 1 of Yu and Koltun: seven 3x3 convolutions with dilations 1, 1, 2, 4, 8, 16, 1, and a 1x1. `engine.describe`
# reads dilations and fields off the network, in pixels of the image; a unit of the front end stands for 8 pixels, and
# sees 380 of them. Below, the module alone: fields in units of its input.

# %%
classes = 2
network = models.create("dilatednet", num_classes=classes, context="basic", width=2)
module = network.context
convolutions = [layer for layer in module.children() if isinstance(layer, nn.Conv2d)]
computed, field = [], Field()
for layer in convolutions:
    field = field.through(layer.kernel_size[0], dilation=layer.dilation[0])
    computed.append(field.size)

info = engine.describe_model(network, (64, 64))
in_pixels = {layer.name: layer.field[0] for layer in info.layers if layer.kind == "Conv2d"}
front_end = in_pixels["front_end.final"]
described = [(size - front_end) // 8 + 1 for name, size in in_pixels.items() if name.startswith("context")]

# %% [markdown]
# It begins as the identity: at first every unit depends on one unit alone, its own. The field is what it *can* learn
# to see. To measure that, its weights are made equal, as above, and biases zero, so that no ReLU is shut.

# %%
module.double()
at_first = influence(module, 73)
for layer in convolutions:
    nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
context_heats = {
    f"layer {count}": influence(nn.Sequential(*convolutions[:count]), 73) for count in range(1, len(convolutions) + 1)
}
measured = [extent(heat) for heat in context_heats.values()]
print("\nthe context module       ", *(f"{count:>5}" for count in range(1, len(convolutions) + 1)))
print("  kernel                 ", *(f"{layer.kernel_size[0]:>5}" for layer in convolutions))
print("  dilation               ", *(f"{layer.dilation[0]:>5}" for layer in convolutions))
print("  field, by arithmetic   ", *(f"{size:>5}" for size in computed))
print("  field, of the network  ", *(f"{size:>5}" for size in described))
print("  field, by gradients    ", *(f"{size:>5}" for size in measured))
print(f"  as the identity, at first: {np.count_nonzero(at_first)} unit counts")
viz.save_field(
    options.out / "receptive_field_context.png",
    {name: heat for name, heat in context_heats.items() if name in ("layer 2", "layer 4", "layer 5", "layer 7")},
    "The context module: dilations 1, 1, 2, 4, 8, 16, 1",
)

# %% [markdown]
# ## The effective field
# A plain stack needs 33 layers for the same 67 units, and hardly looks at most of them. With equal weights the
# influence spreads like a sum of random steps, one a layer, to -d, 0 or d: for many equal steps that is nearly a
# Gaussian. A step has the variance 2/3 d^2, so the standard deviation is sqrt(2/3 sum d^2): 4.7 for 33 steps of 1,
# and 15.1 for the context module's.

# %%
plain_layers = 33
plain = nn.Sequential(*(convolution() for _ in range(plain_layers)))
profiles = {
    f"plain, {plain_layers} layers": influence(plain, 67).sum(0),
    "context module, 7 layers": context_heats["layer 7"][3:-3, 3:-3].sum(0) / classes,
}
places = np.arange(67) - 33
spreads = {name: float(np.sqrt((profile * places**2).sum())) for name, profile in profiles.items()}
print("\nfields of 67 units         weights standard deviation   within 10 units of the middle")
for (name, profile), layers in zip(profiles.items(), (plain_layers, 7), strict=True):
    share = profile[abs(places) <= 10].sum()
    print(f"  {name:<25}{9 * layers:<8}{spreads[name]:<21.2f}{share:.0%} of the influence")
viz.save_lines(
    options.out / "receptive_field_effective.png",
    {name: (places, profile) for name, profile in profiles.items()},
    "units from the middle",
    "share of the influence",
    "Both fields are 67 units wide; the plain stack uses the middle of its own",
)

# %% [markdown]
# ## Whole networks
# `engine.measure_field` does the same for any network, with max pooling and skips, on a copy with positive weights.
# Channels do not matter to a field, so the networks may be narrow.

# %%
whole = {
    "fcn32s, alexnet": {"name": "fcn32s", "backbone": "alexnet"},
    "fcn32s, vgg16": {"name": "fcn32s", "backbone": "vgg16"},
    "dilatednet, front end": {"name": "dilatednet", "context": "none"},
}
network_fields = {}
print("\nnetworks                 by arithmetic   by gradients   pixels between units")
for name, created in whole.items():
    net = models.create(num_classes=2, width=2, **created)
    info = engine.describe_model(net, (64, 64))
    network_fields[name] = info.coarsest.field[0], engine.measure_field(net, info, images=2)[0]
    print(f"  {name:<23}{network_fields[name][0]:<16}{network_fields[name][1]:<15}{info.coarsest.stride[0]:g}")
