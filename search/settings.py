"""Everything a session needs, built from the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from evaluation.classifier import ClassifierRecipe, ClassifierSpec, JudgeSpec
from gan.training import Start, Teacher, TrainingBudget, TrainingRecipe
from search.engines import Engine, LocalEngine
from search.halving import Halving
from search.objective import EvaluationSettings
from search.objectives import Objective
from search.patience import Patience
from search.proving import ProvingPlan
from search.space import SearchSpace
from search.warm_start import SeedCandidate


@dataclass(frozen=True, kw_only=True)
class SessionSettings:
    """Everything a session needs, built.

    Attributes:
        name: of the study.
        storage: Optuna's storage URL.
        folder: of the study's candidates.
        trials: scored trials to end with.
        candidates: most draws in all.
        seed: of the study.
        space: what is searched.
        recipe: base recipe.
        budget: training budget of a candidate.
        objectives: what is optimised.
        evaluation: what candidates are measured with.
        classifier: ZK classifier and its recipe.
        judge: judge and its recipe.
        classifier_seed: of the classifier and the judge; apart from the study's, so that studies share them.
        cas_images: generated images for the classification accuracy score; None for as many as there are real training
            images, 0 leaves it out.
        cas_epochs: epochs of its two trainings; None for the classifier's.
        proving: the last step.
        cache_folder: of classifiers.
        device: where networks train.
        teacher: whom the recipe's distillation learns from; None without one.
        start: what the recipe's training begins from; None without one.
        seeds: candidates to begin with.
        engine: where trials run.
        halving: rules at the rungs where candidates are compared; None trains every candidate to the end.
        view: how the running study is shown, one of :data:`search.view.VIEWS`.
        continues: folder of a study with a smaller training budget, whose trainings go on; None trains from the start.
        patience: with a study's storage that is out of reach.
    """

    name: str
    storage: str
    folder: Path
    trials: int
    candidates: int
    seed: int
    space: SearchSpace
    recipe: TrainingRecipe
    budget: TrainingBudget
    objectives: tuple[Objective, ...]
    evaluation: EvaluationSettings
    classifier: tuple[ClassifierSpec, ClassifierRecipe]
    judge: tuple[JudgeSpec, ClassifierRecipe]
    classifier_seed: int
    cas_images: int | None
    cas_epochs: int | None
    proving: ProvingPlan
    cache_folder: Path
    device: torch.device
    teacher: Teacher | None = None
    start: Start | None = None
    continues: Path | None = None
    seeds: tuple[SeedCandidate, ...] = ()
    engine: Engine = field(default_factory=LocalEngine)
    halving: Halving | None = None
    patience: Patience = field(default_factory=Patience)
    view: str = "lines"
