"""``tinyseg train``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import models
from .common import Debug, Threads, app, reporting, set_up
from .find_lr import find
from .model_options import with_model_options
from .resume import go_on
from .training import Around, settle, showing


@app.command(short_help="Train a network.")
@with_model_options
def train(
    *,
    data: Annotated[
        str | None,
        typer.Option(
            help="shapes, cells: drawn, no files; folder: your own images/ and masks/, with train/ and val/ or not; "
            "camvid, voc2012 ...: tinyseg datasets lists them. [default: shapes]",
        ),
    ] = None,
    root: Annotated[str | None, typer.Option(metavar="DIR", help="The folder of the data.")] = None,
    num_classes: Annotated[
        int | None, typer.Option(help="Number of classes, for a folder without classes.txt.")
    ] = None,
    val_fraction: Annotated[
        float | None,
        typer.Option(help="Share of the images that validates, for a folder without val/. [default: 0.2]"),
    ] = None,
    data_seed: Annotated[
        int | None, typer.Option(help="Chooses those images, or the ones that shapes and cells draw. [default: 0]")
    ] = None,
    model: Annotated[str | None, typer.Option(help=f"{', '.join(models.names())}. [default: fcn8s]")] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW",
            help="Height x width that files are resized to, in prediction too; scores are still taken at the labels' "
            "own size. Shapes and cells are drawn at it, or at 128x128. Without it files keep their size: training "
            "then takes random windows, as large as the smallest image allows, in multiples of 32 up to 512.",
        ),
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            metavar="HxW",
            help="The random window that training takes of each image; a smaller image is mirrored outwards, and "
            "what is added is ignored.",
        ),
    ] = None,
    full_images: Annotated[
        bool | None,
        typer.Option("--full-images", help="Train on files as they are, without --size; one by one if sizes differ."),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Random changes of training images, such as flip,scale=0.5:2,rotate=10,colour: tinyseg datasets "
            "--augmentations lists them; or none. [default: flip,scale; flip for images that are drawn]",
        ),
    ] = None,
    mapping: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="What numbers and colours in masks mean: tinyseg check --fix-mapping writes one."
        ),
    ] = None,
    as_stored: Annotated[
        bool | None,
        typer.Option(
            "--as-stored", help="Do not turn images as their EXIF orientation says: for masks that were not."
        ),
    ] = None,
    crowds: Annotated[
        str | None,
        typer.Option(help="Of coco-instances: ignore crowds, or take them as objects. [default: ignore]"),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Times through the images. [default: 3 for shapes, 5 for cells, else 50]")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images in a step. [default: 8]")] = None,
    optimizer: Annotated[str | None, typer.Option(help="adam, adamw, sgd or rmsprop. [default: adam]")] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            help="Learning rate. [default: 0.002 for adam and adamw, 0.05 for sgd, 0.001 for rmsprop]",
        ),
    ] = None,
    momentum: Annotated[
        float | None,
        typer.Option(help="Of sgd and rmsprop; the first beta of adam. [default: 0.9, and 0 for rmsprop]"),
    ] = None,
    nesterov: Annotated[
        bool | None, typer.Option("--nesterov/--no-nesterov", help="Nesterov's momentum, of sgd.")
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="Of the convolutions' weights. [default: 0.0001]")
    ] = None,
    bias_lr: Annotated[
        float | None, typer.Option(help="The rate of biases is so many times --lr. [default: 1]")
    ] = None,
    rate_of: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PREFIX=TIMES",
            help="The rate of what has this name, or begins with it and a dot, is so many times the others'. May be "
            "repeated.",
        ),
    ] = None,
    accumulate: Annotated[int | None, typer.Option(help="Batches in a step of the optimizer. [default: 1]")] = None,
    reduction: Annotated[
        str | None, typer.Option(help="The loss of a step is the mean or the sum over its pixels. [default: mean]")
    ] = None,
    clip_norm: Annotated[float | None, typer.Option(help="Shorten gradients that are longer, all together.")] = None,
    clip_value: Annotated[float | None, typer.Option(help="Cut off larger elements of gradients.")] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="Course of the learning rate: poly, cosine, step, multistep, exponential, onecycle, plateau or "
            "constant. [default: cosine]",
        ),
    ] = None,
    warmup: Annotated[
        float | None, typer.Option(help="Epochs in which the rate rises before that. [default: 0]")
    ] = None,
    power: Annotated[float | None, typer.Option(help="Of poly. [default: 0.9]")] = None,
    gamma: Annotated[
        float | None,
        typer.Option(
            help="What the rate is multiplied with: by step, multistep, plateau; by exponential after each epoch. "
            "[default: 0.1]",
        ),
    ] = None,
    step_epochs: Annotated[int | None, typer.Option(help="Epochs in a step. [default: a third of them]")] = None,
    milestones: Annotated[
        str | None, typer.Option(metavar="N,N...", help="The epochs after which multistep lowers the rate.")
    ] = None,
    plateau_patience: Annotated[
        int | None, typer.Option(help="Epochs without a better mean IU that plateau waits for. [default: 10]")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help="ce, focal, dice, jaccard, tversky, focal-tversky, dice+ce, dice+focal, boundary, dice+boundary or "
            "lovasz. [default: ce]",
        ),
    ] = None,
    loss_options: Annotated[
        str | None,
        typer.Option(metavar="NAME=VALUE,...", help="Of the loss, such as alpha=0.3,beta=0.7 of tversky."),
    ] = None,
    border_weights: Annotated[
        str | None,
        typer.Option(
            metavar="W0,SIGMA", help="U-Net's weights of pixels between cells that nearly touch; the paper has 10,5."
        ),
    ] = None,
    class_weights: Annotated[
        str | None,
        typer.Option(
            help="none; median, inverse or log: rare classes count more; or a file, a line a class. [default: none]"
        ),
    ] = None,
    ema: Annotated[
        float | None,
        typer.Option(metavar="DECAY", help="Score and keep the moving average of the weights, such as 0.999."),
    ] = None,
    recalibrate: Annotated[
        int | None, typer.Option(help="Batches over which batch norm is measured anew after each epoch. [default: 0]")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without a better mean IU. [default: never]")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|RUN",
            help="Begin with the weights in a .pth, .pt, .safetensors or .npz file, a classifier's or a whole "
            "network's, or with the best of a run; images are then normalised as they expect it.",
        ),
    ] = None,
    partial_weights: Annotated[
        bool | None,
        typer.Option(
            "--partial-weights/--no-partial-weights",
            help="Accept such as are missing, unexpected or of another shape.",
        ),
    ] = None,
    freeze: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PREFIX",
            help="Do not train what has this name, or begins with it and a dot; its batch norm stays as in "
            "evaluation. May be repeated.",
        ),
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Of dilatednet: front-end, then context.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order and changes. [default: 0]")] = None,
    pictures: Annotated[
        int | None, typer.Option(help="Draw so many validation images after each epoch. [default: 0]")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Begin with these options; tinyseg presets lists them.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Options from a TOML file, or a run's config.toml. Those given here go before it."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A new folder. [default: runs/DATA-MODEL-N]")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Go on with the run in this folder, to the same bits.")
    ] = None,
    find_lr: Annotated[
        Path | None,
        typer.Option(metavar="PICTURE", help="Do not train: draw the loss against the learning rate, and name one."),
    ] = None,
    tensorboard: Annotated[
        bool | None, typer.Option("--tensorboard", help="Write event files, too. Needs the extra tensorboard.")
    ] = None,
    threads: Threads = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Threads that load images. [default: 2]")] = None,
    cache_images: Annotated[
        str | None,
        typer.Option(metavar="BYTES", help="Keep decoded training images in so much memory, such as 2GB."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda (an NVIDIA GPU), or reference: plain NumPy, slow. [default: cpu]")
    ] = None,
    quiet: Annotated[bool | None, typer.Option("--quiet", help="No progress bar.")] = None,
    debug: Debug = False,
    model_options: dict[str, Any],
) -> None:
    """Train a network; the run's folder gets weights, metrics.csv, curves.png and predictions.png."""
    given = {key: value for key, value in locals().items() if value is not None and value != []}
    with reporting(debug):
        asked, around = settle(given)
        set_up(around.device, around.threads)
        if around.find_lr is not None:
            find(asked, around)
        elif around.resume is not None:
            go_on(asked, around)
        else:
            _train(asked, around)


def _train(asked: Mapping[str, Any], around: Around) -> None:
    from .. import engine
    from ..data import parse_bytes

    options = engine.TrainOptions(**asked)
    folder = around.out or engine.next_free_folder(Path("runs"), f"{options.data}-{options.model}")
    engine.check_new(folder)
    cache = parse_bytes(around.cache_images)
    with showing(around) as display:
        engine.train(engine.prepare(options), folder, display, around.workers, cache)
