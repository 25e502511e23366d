"""The workflows: train, evaluate, predict, describe. They print nothing; ``Callbacks`` tell what goes on.

>>> from tinyseg import engine
>>> plan = engine.prepare(engine.TrainOptions(data="shapes", size=(64, 64), epochs=3))
>>> plan.config.model.name, plan.config.training.epochs
('fcn8s', 3)
"""

from ..options import TrainOptions
from ..options.parsing import parse_loss_options
from .checking.check import check
from .checking.check_report import CheckReport, Finding, SplitReport
from .comparison.compare import NUMBERS, REPORT, compare, read_contenders
from .comparison.comparison import Comparison, Contender, Reached
from .config.config import Config, DataConfig, ModelConfig, TrainingConfig, options_of, read_config, write_config
from .config.recipes import Preset, preset, preset_names, read_options
from .inspection.gradients import GradientCheck, check_gradients
from .inspection.info import LayerInfo, ModelInfo, describe, describe_model, describe_run
from .inspection.receptive_field import measure_field
from .inspection.warmup import WarmKernel, warmup
from .parts.diagnose import DivergenceError
from .parts.objective import LOSSES, Objective, loss_options
from .prediction.evaluate import Evaluation, evaluate, evaluate_model
from .prediction.export import export
from .prediction.measures import METRICS, parse_metrics
from .prediction.predict import Prediction, PredictionError, PredictOptions, predict
from .prediction.segmenter import Segmenter, Views, parse_views, segment
from .storage.history import EpochRow
from .storage.progress import Best, Progress, TrainingResult, read_progress
from .storage.run import Run, load_model, next_free_folder, open_run, read_folder
from .training.callbacks import BatchReport, Callbacks, Together, TrainerView
from .training.find_lr import RateTrial, find_lr
from .training.prepare import Plan, prepare
from .training.tensorboard import TensorBoard
from .training.train import Trainer, check_new, resume, train

__all__ = [
    "LOSSES",
    "METRICS",
    "NUMBERS",
    "REPORT",
    "BatchReport",
    "Best",
    "Callbacks",
    "CheckReport",
    "Comparison",
    "Config",
    "Contender",
    "DataConfig",
    "DivergenceError",
    "EpochRow",
    "Evaluation",
    "Finding",
    "GradientCheck",
    "LayerInfo",
    "ModelConfig",
    "ModelInfo",
    "Objective",
    "Plan",
    "PredictOptions",
    "Prediction",
    "PredictionError",
    "Preset",
    "Progress",
    "RateTrial",
    "Reached",
    "Run",
    "Segmenter",
    "SplitReport",
    "TensorBoard",
    "Together",
    "TrainOptions",
    "Trainer",
    "TrainerView",
    "TrainingConfig",
    "TrainingResult",
    "Views",
    "WarmKernel",
    "check",
    "check_gradients",
    "check_new",
    "compare",
    "describe",
    "describe_model",
    "describe_run",
    "evaluate",
    "evaluate_model",
    "export",
    "find_lr",
    "load_model",
    "loss_options",
    "measure_field",
    "next_free_folder",
    "open_run",
    "options_of",
    "parse_loss_options",
    "parse_metrics",
    "parse_views",
    "predict",
    "prepare",
    "preset",
    "preset_names",
    "read_config",
    "read_contenders",
    "read_folder",
    "read_options",
    "read_progress",
    "resume",
    "segment",
    "train",
    "warmup",
    "write_config",
]
