"""Training a conditional generator; imports without Optuna, MLflow, Hydra or EZKL."""

from gan.training.budget import TrainingBudget, published_budget
from gan.training.checkpoint import checkpoint_discriminator, checkpoint_identity, earlier_checkpoint
from gan.training.distillation import Distillation, Teacher
from gan.training.hardware import resolve_device, trains_in_bf16
from gan.training.learnt import learnt_images
from gan.training.loop import CHECKPOINT_NAME, TrainingIntervals, train_generator
from gan.training.progress import ConsoleProgress
from gan.training.progressive import Progressive
from gan.training.recipe import TrainingRecipe
from gan.training.result import TrainingHooks, TrainingOutcome, TrainingRecord, TrainingResult
from gan.training.start import Start, check_start
from gan.training.weight_forms import WeightForm

__all__ = [
    "CHECKPOINT_NAME",
    "ConsoleProgress",
    "Distillation",
    "Progressive",
    "Start",
    "Teacher",
    "TrainingBudget",
    "TrainingHooks",
    "TrainingIntervals",
    "TrainingOutcome",
    "TrainingRecipe",
    "TrainingRecord",
    "TrainingResult",
    "WeightForm",
    "check_start",
    "checkpoint_discriminator",
    "checkpoint_identity",
    "earlier_checkpoint",
    "learnt_images",
    "published_budget",
    "resolve_device",
    "train_generator",
    "trains_in_bf16",
]
