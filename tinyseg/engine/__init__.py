"""The workflows: train, evaluate, predict, describe. They print nothing; ``Callbacks`` tell what goes on.

>>> from tinyseg import engine
>>> plan = engine.prepare(engine.TrainOptions(data="shapes", size=(64, 64), epochs=3))
>>> plan.config.model.name, plan.config.training.epochs
('fcn8s', 3)
"""

from .callbacks import BatchReport, Callbacks
from .config import Config, DataConfig, ModelConfig, TrainingConfig, read_config, write_config
from .diagnose import DivergenceError
from .evaluate import Evaluation, evaluate, evaluate_model
from .export import export
from .gradients import GradientCheck, check_gradients
from .history import EpochRow
from .info import LayerInfo, ModelInfo, describe, describe_model, describe_run
from .predict import Prediction, predict, segment
from .prepare import Plan, TrainOptions, prepare
from .receptive_field import measure_field
from .run import Run, load_model, next_free_folder, open_run, read_folder
from .train import Best, Trainer, TrainingResult, check_new, resume, train
from .warmup import WarmKernel, warmup

__all__ = [
    "BatchReport",
    "Best",
    "Callbacks",
    "Config",
    "DataConfig",
    "DivergenceError",
    "EpochRow",
    "Evaluation",
    "GradientCheck",
    "LayerInfo",
    "ModelConfig",
    "ModelInfo",
    "Plan",
    "Prediction",
    "Run",
    "TrainOptions",
    "Trainer",
    "TrainingConfig",
    "TrainingResult",
    "WarmKernel",
    "check_gradients",
    "check_new",
    "describe",
    "describe_model",
    "describe_run",
    "evaluate",
    "evaluate_model",
    "export",
    "load_model",
    "measure_field",
    "next_free_folder",
    "open_run",
    "predict",
    "prepare",
    "read_config",
    "read_folder",
    "resume",
    "segment",
    "train",
    "warmup",
    "write_config",
]
