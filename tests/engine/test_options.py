"""Options of training are declared once, and what a declaration says is true of the command, files and pages."""

from __future__ import annotations

import ast
import runpy
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from commands import call, done
from sources import PACKAGE, ROOT, parse, sources
from tiny_runs import make_folder
from tiny_runs import options as tiny_run

from tinyseg import cli, engine
from tinyseg.engine.config import recipes
from tinyseg.errors import InputError, flag
from tinyseg.options import RUN_OPTIONS, TRAIN_OPTIONS, RunSettings, TrainOptions, in_files
from tinyseg.options.training import GROUPS

OPTIONS = {**TRAIN_OPTIONS, **RUN_OPTIONS}


# Declared once

SETTLED = {
    "DataConfig": {"num_classes", "mapping", "augment"},
    "TrainingConfig": {"epochs", "lr", "momentum", "class_weights"},
}
"""What a run's configuration declares of options: the types of those that are open before, and settled there."""

OTHERS = {("DataConfig", "seed")}
"""Fields with the name of an option that are another one: this is ``data_seed``."""


def declarations() -> Iterator[tuple[str, str, ast.expr | None]]:
    """Class, name and default of each annotated field of a class in the engine, the command line and the options."""
    for part in ("engine", "cli", "options"):
        for path in sources(PACKAGE / part):
            for node in ast.walk(parse(path)):
                if isinstance(node, ast.ClassDef):
                    for item in node.body:
                        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                            yield node.name, item.target.id, item.value


def is_option(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func) == "option"


def test_every_option_is_declared_in_one_place() -> None:
    found = Counter(name for _, name, value in declarations() if is_option(value))
    assert set(found) == set(OPTIONS)
    assert set(found.values()) == {1}
    assert len(found) > 50


def test_no_class_around_training_lists_the_options_again() -> None:
    """A configuration says only of what was open that it is settled, with no default, range or text of its own."""
    classes = {"TrainOptions", "TrainingConfig", "DataConfig", "RunSettings", "TrainingOptions", "ImageOptions"}
    again = {(cls, name) for cls, name, value in declarations() if cls in classes and not is_option(value)}
    again = {(cls, name) for cls, name in again if name in OPTIONS} - OTHERS
    assert again == {(cls, name) for cls, names in SETTLED.items() for name in names}


def test_a_training_option_stands_in_no_signature_of_the_command_and_no_list_of_names() -> None:
    """``power`` as an example: text, type, range and default stand in one file; elsewhere it is only used."""
    lines = [
        f"{path.relative_to(PACKAGE).as_posix()}: {line.strip()}"
        for part in ("engine", "cli", "options")
        for path in sources(PACKAGE / part)
        for line in path.read_text(encoding="utf-8").splitlines()
        if "power" in line.split("#")[0] and "``power``" not in line and ">>>" not in line
    ]
    assert len(lines) == 2, lines
    assert {line.split(":")[0] for line in lines if "option(" in line} == {"options/training.py"}
    assert [line for line in lines if "training.power" in line], "it is used where the schedule is made"


def test_the_command_has_every_option_in_the_order_of_its_groups() -> None:
    names = list(cli.train.train.__wrapped__.__wrapped__.__annotations__)  # type: ignore[attr-defined]
    assert names[:1] == ["given"], "the command itself declares none"
    words = done("train", "--help").split("Options:")[1].split()
    known = {flag(name) for name in OPTIONS}
    order = list(dict.fromkeys(word for word in words if word in known))
    lines = [line.strip().split()[0] for line in done("train", "--help").splitlines() if line.startswith("  --")]
    assert [line for line in lines if line in known] == [flag(name) for name in OPTIONS]
    assert set(order) == known
    assert [GROUPS.index(option.group) for option in TRAIN_OPTIONS.values()] == sorted(
        GROUPS.index(option.group) for option in TRAIN_OPTIONS.values()
    )


def test_every_option_has_a_text_and_a_group() -> None:
    for name, option in OPTIONS.items():
        assert option.help.endswith("."), name
        assert name in RUN_OPTIONS or option.group in GROUPS
    declared = {item.name for item in fields(TrainOptions)}
    assert declared - set(TRAIN_OPTIONS) == {"model_options"}
    assert set(RUN_OPTIONS) == {item.name for item in fields(RunSettings)}


# What a declaration says is true


def test_every_default_may_be_given_in_a_file_and_is_in_its_range() -> None:
    for name, option in TRAIN_OPTIONS.items():
        if option.default is None:
            continue
        option.check(option.default, flag(name))
        given = list(option.default) if isinstance(option.default, tuple) else option.default
        assert recipes.options_from({name: given}) == {name: option.default}


def test_defaults_that_are_described_are_those_of_the_code() -> None:
    from tinyseg.data import VAL_FRACTION
    from tinyseg.data.dataset import MAX_CLASSES
    from tinyseg.data.layouts.coco_instances import CROWDS
    from tinyseg.engine.training.prepare import AUGMENT, AUGMENT_DRAWN

    shown = {name: option.default_text for name, option in TRAIN_OPTIONS.items()}
    assert shown["val_fraction"] == str(VAL_FRACTION)
    assert shown["crowds"] == CROWDS[0]
    assert shown["augment"] == f"{AUGMENT}; {AUGMENT_DRAWN} for images that are drawn"
    within = TRAIN_OPTIONS["num_classes"].within
    assert within is not None
    assert (within.least, within.most) == (1, MAX_CLASSES)


def test_the_text_of_the_losses_names_all_of_them() -> None:
    assert all(name in TRAIN_OPTIONS["loss"].help for name in engine.LOSSES)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"power": 0.0}, "--power must be positive, got 0.0"),
        ({"lr": float("inf")}, "--lr must be positive, got inf"),
        ({"lr": float("nan")}, "--lr must be positive, got nan"),
        ({"weight_decay": -1.0}, "--weight-decay must not be negative, got -1.0"),
        ({"warmup": float("inf")}, "--warmup must not be negative, got inf"),
        ({"epochs": 0}, "--epochs must be at least 1, got 0"),
        ({"pictures": -1}, "--pictures must be at least 0, got -1"),
        ({"momentum": 1.0}, "--momentum must be at least 0 and less than 1, got 1.0"),
        ({"gamma": 0.0}, "--gamma must be more than 0 and at most 1, got 0.0"),
        ({"seed": 2**63}, f"--seed must be 0 to 2**63 - 1, got {2**63}"),
        ({"data_seed": -1}, "--data-seed must be 0 to 2**63 - 1, got -1"),
        ({"num_classes": 0}, "--num-classes must be 1 to 255, got 0"),
        ({"rate_of": {"up": 0.0}}, "--rate-of up: the rate must be multiplied with a positive number, got 0.0"),
        ({"reduction": "max"}, "unknown --reduction 'max'; there are mean, sum"),
        ({"stage": "third"}, "unknown --stage 'third'; there are front-end, context"),
    ],
)
def test_values_outside_of_the_range_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        engine.prepare(TrainOptions(**given))
    assert str(error.value) == message


def test_settings_of_the_run_in_a_file_are_checked_too(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("workers = -1\n", encoding="utf-8")
    result = call("train", "--config", tmp_path / "run.toml", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "--workers must be at least 0, got -1" in result.stderr
    assert "resume" not in in_files()


# The configuration of a run

KEYS = {
    "data": (
        "name num_classes in_channels class_names class_colors void_color ignore_index mean std augment seed root "
        "val_fraction size crop mapping bgr as_stored depths spread crowds"
    ),
    "training": (
        "epochs batch_size optimizer lr momentum weight_decay schedule seed class_weights loss loss_options "
        "border_weights nesterov bias_lr rate_of accumulate reduction clip_norm clip_value freeze warmup power gamma "
        "step_epochs milestones plateau_patience ema recalibrate patience stage weights partial_weights pictures"
    ),
}
"""The keys of a run's config.toml when options were declared in three places."""


def test_a_configuration_has_the_keys_of_before(tmp_path: Path) -> None:
    import tomllib

    root = make_folder(tmp_path / "data", train=4, val=2)
    changes = {
        "class_weights": (0.5, 2.0), "rate_of": {"score": 2.0}, "clip_norm": 1.0, "clip_value": 1.0, "ema": 0.9,
        "step_epochs": 1, "patience": 3, "crop": (32, 32), "size": (32, 32), "freeze": ("down.0",),
        "milestones": (1,), "mapping": {"0": 0, "1": 1}, "augment": "noise=0.1", "batch_size": 2, "loss_options": {},
    }  # fmt: skip
    engine.write_config(tmp_path / "config.toml", engine.prepare(tiny_run(root, **changes)).config)
    table = tomllib.loads((tmp_path / "config.toml").read_text(encoding="utf-8"))
    assert list(table) == ["tinyseg", "data", "model", "training"]
    for name, keys in KEYS.items():
        assert set(table[name]) <= set(keys.split())
        assert len(table[name]) > 15
    assert tuple(table["training"])[: len(REQUIRED)] == REQUIRED


REQUIRED = ("epochs", "batch_size", "optimizer", "lr", "momentum", "weight_decay", "schedule", "seed")


def written_before(*without: str) -> str:
    """The shortest file that earlier versions read."""
    training = {
        "epochs": "1", "batch_size": "1", "optimizer": '"sgd"', "lr": "0.1", "momentum": "0.5", "weight_decay": "0",
        "schedule": '"poly"', "seed": "0",
    }  # fmt: skip
    rows = "".join(f"{key} = {value}\n" for key, value in training.items() if key not in without)
    return f"""tinyseg = "0.1.0"
[data]
name = "shapes"
num_classes = 2
in_channels = 1
class_names = ["a", "b"]
class_colors = ["#000000", "#ffffff"]
void_color = "#808080"
ignore_index = 255
mean = [0.5]
std = [0.5]
[model]
name = "unet"
[training]
{rows}"""


def test_a_short_configuration_of_before_still_loads_and_what_it_needs_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(written_before(), encoding="utf-8")
    training = engine.read_config(path).training
    assert (training.power, training.class_weights, training.weight_decay) == (0.9, None, 0.0)
    for key in REQUIRED:
        path.write_text(written_before(key), encoding="utf-8")
        with pytest.raises(InputError, match=f"the key training.{key} is missing"):
            engine.read_config(path)


def test_a_configuration_with_a_choice_that_is_none_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(written_before("optimizer") + 'optimizer = "lbfgs"\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"config\.toml: unknown training\.optimizer 'lbfgs'; there are adam, adamw"):
        engine.read_config(path)


# The page


def test_the_page_of_options_is_what_is_declared() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "options.py"))["page"]()
    written = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    assert written == page, "options.md is stale: python docs/options.py writes it anew"
    assert all(f"`{flag(name)}" in written for name in OPTIONS)
