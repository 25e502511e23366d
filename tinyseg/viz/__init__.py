"""Pictures: masks in colour, curves, bars, sheets of pictures, what is inside a network, and the graph of a tape.

Two kinds of functions. These give a picture, an array ``(H, W, 3)`` of ``uint8``, to be shown or put on a sheet:

- ``colorize(mask, classes)``: a mask in the colours of its classes
- ``overlay(image, mask, classes, alpha)``: an image with its mask laid over it
- ``stretched(image, span)``: an image of few levels, made visible
- ``heatmap(values, low, high, diverging)``: numbers ``(H, W)`` as colours
- ``feature_maps(activation, columns)``: the channels of a layer's output ``(C, H, W)`` beside each other
- ``filters(weight)``: the kernels of a convolution ``(O, I, kh, kw)`` beside each other
- ``palette(name, count)``: ``count`` colours, ``(count, 3)``: ``voc``, ``okabe-ito``, ``viridis``, ``gray``

and these draw a figure into a file, PNG by default, else of the kind that ``path`` says (``.svg``, ``.pdf``):

- ``save_pictures(path, rows, titles, labels, classes)``: a sheet of pictures and masks, with a legend
- ``save_predictions(path, samples, classes)``: a sheet of inputs, truths and predictions
- ``save_lines(path, lines, xlabel, ylabel, title)``: curves of any kind, by name
- ``save_curves(path, rows)``: the losses and scores of a training run
- ``save_rates(path, rates, losses, chosen)``: losses over learning rates
- ``save_bars(path, groups, xlabel, title)``: bars in groups, with their values
- ``save_class_shares(path, shares, classes)``: how much of each class there is in each split
- ``save_confusion(path, matrix, classes)``: which classes are taken for which
- ``save_field(path, heat, title)``: what part of an image a unit sees
- ``save_tape(path, tensor, names)``: the operators and parameters a tensor was computed from, as a graph

This one draws curves as a part of an HTML page, in the page's colours:

- ``inline_lines(lines, xlabel, ylabel, title)``; ``line_key(number)`` is the legend of one of its lines

Figures are drawn with matplotlib's objects and without ``pyplot``, which keeps a global list of figures and
picks a window system: this works on a server and in threads. matplotlib is imported when it is used. Lines differ in
colour and dashes, bars in colour and hatching, so that nobody depends on colour alone.
"""

from ..data.dataset import voc_palette
from .bars import save_bars, save_class_shares
from .confusion import save_confusion
from .fields import save_field
from .inline import SERIES, inline_lines, line_key
from .lines import save_curves, save_lines, save_rates
from .maps import feature_maps, filters, heatmap
from .overlays import colorize, overlay, stretched
from .palettes import palette
from .sheets import save_pictures, save_predictions
from .tape import save_tape

__all__ = [
    "SERIES",
    "colorize",
    "feature_maps",
    "filters",
    "heatmap",
    "inline_lines",
    "line_key",
    "overlay",
    "palette",
    "save_bars",
    "save_class_shares",
    "save_confusion",
    "save_curves",
    "save_field",
    "save_lines",
    "save_pictures",
    "save_predictions",
    "save_rates",
    "save_tape",
    "stretched",
    "voc_palette",
]
