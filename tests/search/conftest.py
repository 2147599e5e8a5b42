from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from gan.spec import GeneratorSpec
from gan.training import TrainingBudget, TrainingHooks, TrainingRecipe
from search.candidate import Candidate
from search.engine import StudyPlan
from search.objectives import Objective
from search.record import TrialOutcome, TrialRecord
from search.space import SearchSpace, build_search_space
from search.study import open_study
from tests.search.released_scene import Released, make_released

OBJECTIVES = (Objective("accuracy", "maximize", 0.0), Objective("rows", "minimize", 1000.0))


@pytest.fixture(autouse=True)
def quiet_optuna() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def space() -> SearchSpace:
    return build_search_space(
        families={
            "subpixel": {"stages": {"choices": [1, 2]}, "width_0": {"low": 4, "high": 8}, "width_1": {"choices": [4]}},
            "mlp": {"kernel": 0, "upsampling": "none", "stages": 1, "width_0": {"choices": [4, 8]}},
        },
        shared={
            "latent_dim": {"choices": [2, 4]},
            "conditioning": {"choices": ["one_hot", "embedding"]},
            "embed_dim": 3,
        },
        recipe={"auxiliary_weight": {"low": 0.1, "high": 1.0, "log": True}},
    )


@pytest.fixture
def plan(space: SearchSpace, tmp_path: Path) -> StudyPlan:
    return StudyPlan(
        space=space,
        recipe=TrainingRecipe(),
        budget=TrainingBudget(steps=1),
        objectives=OBJECTIVES,
        image_size=16,
        num_classes=2,
        trained=5,
        candidates=50,
        seed=0,
        folder=tmp_path / "candidates",
    )


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., optuna.Study]:
    def make(name: str = "s", signature: str = "x", sampler: optuna.samplers.BaseSampler | None = None) -> optuna.Study:
        return open_study(
            name=name,
            storage=f"sqlite:///{tmp_path}/studies/optuna.db",
            objectives=OBJECTIVES,
            sampler=sampler or optuna.samplers.RandomSampler(seed=0),
            signature=signature,
        )

    return make


class CheapEvaluator:
    """Scores a candidate from its spec alone; wide ones are infeasible, or diverge where asked."""

    def __init__(self, infeasible_above: int = 100, diverging: int = -1) -> None:
        self.infeasible_above, self.diverging = infeasible_above, diverging
        self.calls: list[Candidate] = []

    def __call__(
        self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
    ) -> TrialRecord:
        self.calls.append(candidate)
        width = candidate.spec.widths[0]
        metrics = {"rows": 10.0 * width, "accuracy": 1 / width + candidate.recipe.auxiliary_weight / 100}
        over = width > self.infeasible_above
        outcome = TrialOutcome.INFEASIBLE if over else TrialOutcome.SCORED
        if width == self.diverging:
            outcome = TrialOutcome.DIVERGED
        reason = "" if outcome is TrialOutcome.SCORED else f"width {width}"
        return TrialRecord(candidate, outcome, reason, metrics, {"rows": 1.0 if over else -1.0}, folder)


class SilentObserver:
    """Counts what it hears."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.ended: list[TrialRecord] = []
        self.rejected: list[str] = []
        self.repeated: list[tuple[int, int]] = []
        self.compared: list[tuple[int, int, str]] = []

    def trial_started(self, number: int, candidate: Candidate) -> TrainingHooks:
        self.started.append(number)
        return TrainingHooks()

    def trial_compared(self, number: int, images: int, record: TrialRecord, reason: str) -> None:
        self.compared.append((number, images, reason))

    def trial_ended(self, number: int, record: TrialRecord) -> None:
        self.ended.append(record)

    def trial_rejected(self, number: int, reason: str) -> None:
        self.rejected.append(reason)

    def trial_repeated(self, number: int, original: int) -> None:
        self.repeated.append((number, original))


@pytest.fixture
def tiny_candidate() -> Candidate:
    spec = GeneratorSpec(
        family="subpixel", latent_dim=4, conditioning="one_hot", widths=(4,), num_classes=2, image_size=8
    )
    return Candidate(spec, TrainingRecipe(), TrainingBudget(steps=1), 0)


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    """A tiny model that comes with a project of its own."""
    return make_released(tmp_path_factory.mktemp("released"))


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A Ray cluster of this machine; asked for only where Ray is there."""
    from tests.search.ray_nodes import started

    with started() as cluster:
        yield cluster
