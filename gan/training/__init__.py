"""Training a conditional generator; imports without Optuna, MLflow, Hydra or EZKL."""

from gan.training.hardware import resolve_device
from gan.training.loop import TrainingIntervals, train_generator
from gan.training.progress import ConsoleProgress
from gan.training.recipe import TrainingBudget, TrainingRecipe, published_budget
from gan.training.result import TrainingHooks, TrainingOutcome, TrainingRecord, TrainingResult

__all__ = [
    "ConsoleProgress",
    "TrainingBudget",
    "TrainingHooks",
    "TrainingIntervals",
    "TrainingOutcome",
    "TrainingRecipe",
    "TrainingRecord",
    "TrainingResult",
    "published_budget",
    "resolve_device",
    "train_generator",
]
