"""Studies filled by hand, with the functions that a real one is filled with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from optuna.trial import TrialState

from gan.spec import GeneratorSpec
from gan.training import TrainingBudget, TrainingRecipe
from search.candidate import Candidate
from search.endings import END_STATES, file_record
from search.objectives import Objective
from search.record import TrialOutcome, TrialRecord
from search.study import open_study
from tests.search.conftest import OBJECTIVES

TINY = Candidate(
    GeneratorSpec(family="subpixel", latent_dim=4, conditioning="one_hot", widths=(4,), num_classes=2, image_size=8),
    TrainingRecipe(),
    TrainingBudget(steps=1),
    0,
)


@dataclass(frozen=True)
class Draw:
    """One trial: its objectives in the order of the study, and what else its record holds."""

    values: tuple[float, ...] = ()
    seconds: float | None = 10.0
    outcome: TrialOutcome = TrialOutcome.SCORED
    reason: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)


def fill(study: optuna.Study, draws: Sequence[Draw]) -> None:
    """File ``draws`` as ended trials of one candidate."""
    for draw in draws:
        trial = study.ask()
        figures = dict(zip(study.metric_names, draw.values, strict=False))
        figures |= {} if draw.seconds is None else {"trial_seconds": draw.seconds}
        record = TrialRecord(
            TINY, draw.outcome, draw.reason, figures | draw.metrics, {}, Path("folder"), dict(draw.facts)
        )
        file_record(trial, record)
        state = END_STATES[draw.outcome][0]
        if draw.outcome is TrialOutcome.SCORED:
            study.tell(trial.number, list(draw.values))
        else:  # of an infeasible trial any values will do
            study.tell(trial.number, [0.0] * len(study.directions) if state is TrialState.COMPLETE else None, state)


def filled(
    storage: str,
    name: str,
    draws: Sequence[Draw],
    *,
    objectives: Sequence[Objective] = OBJECTIVES,
    signature: str = "x",
) -> optuna.Study:
    """Make the study ``name`` in ``storage`` out of ``draws``."""
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = open_study(name=name, storage=storage, objectives=objectives, sampler=sampler, signature=signature)
    fill(study, draws)
    return study
