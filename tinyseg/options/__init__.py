"""What a user may say about a training run: each option is declared once, as a field of a class.

The declaration has the option's type, default, range, choices and help text. The command line, files of options, the
checks of values, the configuration of a run and the table in the documentation are made from it. So a new option is
one field in ``training.py`` (an option of the training itself) or in ``run.py`` (of what is around it), and the code
that uses it.
"""

from .declaration import Option, Range, check, declared
from .run import RUN_OPTIONS, RunSettings, in_files
from .training import (
    EPOCHS,
    LEARNING_RATES,
    MOMENTA,
    OPTIMIZERS,
    OTHER_EPOCHS,
    REDUCTIONS,
    SCHEDULES,
    STAGES,
    TRAIN_OPTIONS,
    ImageOptions,
    TrainingOptions,
    TrainOptions,
)
from .values import Size

__all__ = [
    "EPOCHS",
    "LEARNING_RATES",
    "MOMENTA",
    "OPTIMIZERS",
    "OTHER_EPOCHS",
    "REDUCTIONS",
    "RUN_OPTIONS",
    "SCHEDULES",
    "STAGES",
    "TRAIN_OPTIONS",
    "ImageOptions",
    "Option",
    "Range",
    "RunSettings",
    "Size",
    "TrainOptions",
    "TrainingOptions",
    "check",
    "declared",
    "in_files",
]
