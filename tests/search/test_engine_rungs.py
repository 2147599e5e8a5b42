"""A study whose candidates are compared at rungs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from gan.training import TrainingHooks, TrainingRecipe
from search.candidate import Candidate
from search.endings import RESUMES, trial_outcome
from search.engine import StudyPlan, run_study
from search.halving import Halving
from search.record import TrialOutcome, TrialRecord
from search.rungs import passed_rungs, scores_at
from search.runner import SerialRunner
from search.samplers import nsga2, random, tpe
from search.space import build_search_space
from search.study import ended_trials, front_trials, scored_trials, trained_trials
from tests.search.conftest import OBJECTIVES, SilentObserver

MakeStudy = Callable[..., optuna.Study]
RUNGS = (10, 30)


class Climbing:
    """Accuracy is the width's share of the images seen, so that order is the same at every rung."""

    def __init__(self, diverging_at: int | None = -1) -> None:
        self.calls: list[tuple[str, int | None]] = []
        self.images: dict[str, int] = {}
        self.diverging_at = diverging_at

    def __call__(
        self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
    ) -> TrialRecord:
        self.calls.append((candidate.digest, until_images))
        assert self.images.get(candidate.digest, 0) <= (until_images or 90), "a checkpoint cannot go back"
        seen = self.images[candidate.digest] = until_images or 90
        metrics = {"rows": 500.0, "accuracy": candidate.spec.latent_dim / 100 + seen / 1e6, "train_images": float(seen)}
        outcome = TrialOutcome.DIVERGED if self.diverging_at == until_images else TrialOutcome.SCORED
        return TrialRecord(candidate, outcome, "", metrics, {"rows": -1.0}, folder)


@pytest.fixture
def rung_plan(plan: StudyPlan) -> StudyPlan:
    space = build_search_space(
        families={"subpixel": {"stages": 1, "width_0": 4}},
        shared={"latent_dim": {"low": 1, "high": 60}, "conditioning": "one_hot"},
    )
    rules = Halving(reduction=3, rungs=2, peers=3)
    return replace(plan, space=space, trained=16, candidates=200, rungs=RUNGS, halving=rules)


@pytest.mark.parametrize("sampler", [nsga2(seed=0, population_size=4), tpe(seed=0, startup_trials=3), random(seed=0)])
def test_hopeless_candidates_stop_and_the_best_goes_on(
    make_study: MakeStudy, rung_plan: StudyPlan, sampler: optuna.samplers.BaseSampler
) -> None:
    study, evaluate, observer = make_study(sampler=sampler), Climbing(), SilentObserver()
    run_study(study, rung_plan, SerialRunner(evaluate), observer)
    outcomes = [record.outcome for record in observer.ended]
    assert outcomes.count(TrialOutcome.STOPPED) >= 4
    assert len(trained_trials(study)) == 16
    best = max(trained_trials(study), key=lambda trial: trial.params["latent_dim"])
    assert trial_outcome(best) is TrialOutcome.SCORED
    assert front_trials(study)[0].number == best.number
    stopped = [trial for trial in ended_trials(study) if trial_outcome(trial) is TrialOutcome.STOPPED]
    assert {trial.state for trial in stopped} == {TrialState.PRUNED}
    assert all("stops at" in record.reason for record in observer.ended if record.outcome == "stopped")


def test_segments_follow_the_rungs_and_nothing_is_trained_twice(make_study: MakeStudy, rung_plan: StudyPlan) -> None:
    evaluate = Climbing()
    run_study(make_study(), rung_plan, SerialRunner(evaluate), SilentObserver())
    assert len(set(evaluate.calls)) == len(evaluate.calls)
    for digest in evaluate.images:
        assert [images for called, images in evaluate.calls if called == digest] in (
            [10], [10, 30], [10, 30, None],
        )  # fmt: skip


def test_values_are_compared_at_the_same_rung_only(make_study: MakeStudy, rung_plan: StudyPlan) -> None:
    study = make_study()
    run_study(study, rung_plan, SerialRunner(Climbing()), SilentObserver())
    for images in RUNGS:
        found = scores_at(study, images)
        assert found
        assert all(abs(-score.values[0] * 1e6 % 1e4 - images) < 1e-3 for score in found)
    assert len(scores_at(study, RUNGS[1])) < len(scores_at(study, RUNGS[0]))


def test_a_stopped_candidate_is_taken_up_once_others_turn_out_worse(
    make_study: MakeStudy, rung_plan: StudyPlan
) -> None:
    study, evaluate, observer = make_study(), Climbing(), SilentObserver()
    for latent_dim in (50, 49, 48, 47, 3, 2, 1):  # 47 is the fourth best when it comes, then among the best third
        study.enqueue_trial({"family": "subpixel", "latent_dim": latent_dim})
    run_study(study, replace(rung_plan, trained=20), SerialRunner(evaluate), observer)
    resumed = [trial for trial in ended_trials(study) if RESUMES in trial.user_attrs]
    assert resumed
    for trial in resumed:
        original = study.trials[trial.user_attrs[RESUMES]]
        assert original.params == trial.params
        assert passed_rungs(original).items() <= passed_rungs(trial).items()
    assert len(set(evaluate.calls)) == len(evaluate.calls), "a rung that was passed is not trained again"
    assert len({trial.user_attrs[RESUMES] for trial in resumed}) == len(resumed)


def test_what_was_trained_beyond_a_rung_is_not_compared_there(make_study: MakeStudy, rung_plan: StudyPlan) -> None:
    class Further(Climbing):
        """One candidate has a checkpoint of the whole training, as if an earlier session had had no rungs."""

        def __call__(
            self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
        ) -> TrialRecord:
            whole = candidate.spec.latent_dim == 1
            return super().__call__(candidate, folder, hooks, None if whole else until_images)

    study, observer = make_study(), SilentObserver()
    study.enqueue_trial({"family": "subpixel", "latent_dim": 1})
    run_study(study, replace(rung_plan, recipe=TrainingRecipe(batch_size=2)), SerialRunner(Further()), observer)
    assert 0 not in {number for number, _, _ in observer.compared}
    assert passed_rungs(study.trials[0]) == {}
    assert trial_outcome(study.trials[0]) is TrialOutcome.SCORED
    assert all(score.number != 0 for images in RUNGS for score in scores_at(study, images))


def test_a_training_that_ends_below_a_rung_is_scored_and_not_compared(
    make_study: MakeStudy, rung_plan: StudyPlan
) -> None:
    class Short(Climbing):
        """Ends every training after 90 images."""

        def __call__(
            self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
        ) -> TrialRecord:
            return super().__call__(candidate, folder, hooks, min(until_images or 90, 90))

    study, observer = make_study(), SilentObserver()
    few = replace(rung_plan, rungs=(10, 1000), trained=4, halving=Halving(reduction=3, rungs=2, peers=9))
    run_study(study, few, SerialRunner(Short()), observer)
    assert {trial_outcome(trial) for trial in trained_trials(study)} == {TrialOutcome.SCORED}
    assert {images for _, images, _ in observer.compared} == {10}


def test_a_stopped_candidate_that_two_drivers_queue_is_taken_up_once(
    make_study: MakeStudy, rung_plan: StudyPlan
) -> None:
    study, evaluate, observer = make_study(), Climbing(), SilentObserver()
    run_study(study, rung_plan, SerialRunner(evaluate), observer)
    stopped = next(trial for trial in study.trials if trial_outcome(trial) is TrialOutcome.STOPPED)
    for _ in range(2):
        study.enqueue_trial(stopped.params, user_attrs={RESUMES: stopped.number})
    calls = len(evaluate.calls)
    run_study(study, replace(rung_plan, trained=18, rungs=()), SerialRunner(evaluate), observer)
    first, second = [trial for trial in study.trials if trial.user_attrs.get(RESUMES) == stopped.number]
    assert trial_outcome(first) is TrialOutcome.SCORED
    assert second.user_attrs["repeats"] == first.number
    assert evaluate.calls[calls:].count((first.user_attrs["candidate_digest"], None)) == 1
    assert second.number not in {trial.number for trial in scored_trials(study)}
    study.enqueue_trial(stopped.params)  # drawn once more, it ends as it ended last
    run_study(study, replace(rung_plan, trained=19, rungs=()), SerialRunner(evaluate), observer)
    drawn = [trial for trial in study.trials if trial.params == stopped.params][-1]
    assert (drawn.user_attrs["repeats"], trial_outcome(drawn)) == (first.number, TrialOutcome.SCORED)


def test_a_study_interrupted_between_rungs_goes_on_from_there(make_study: MakeStudy, rung_plan: StudyPlan) -> None:
    class Interrupted(Climbing):
        def __call__(
            self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
        ) -> TrialRecord:
            if until_images == 30:
                raise KeyboardInterrupt
            return super().__call__(candidate, folder, hooks, until_images)

    first = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run_study(make_study(), rung_plan, SerialRunner(first), SilentObserver())
    ((digest, _),) = first.calls
    second = Climbing()
    second.images = first.images
    study = make_study()
    run_study(study, rung_plan, SerialRunner(second), SilentObserver())
    assert second.calls[0] == (digest, 30)
    assert len(trained_trials(study)) == 16


def test_an_undisturbed_study_and_one_without_rungs_agree_on_what_is_scored(
    make_study: MakeStudy, rung_plan: StudyPlan
) -> None:
    whole, halved = make_study(name="whole"), make_study(name="halved")
    run_study(whole, replace(rung_plan, rungs=()), SerialRunner(Climbing()), SilentObserver())
    run_study(halved, rung_plan, SerialRunner(Climbing()), SilentObserver())
    scores = {trial.user_attrs["candidate_digest"]: trial.values for trial in scored_trials(whole)}
    assert len(scored_trials(halved)) < len(scored_trials(whole)) == 16
    for trial in scored_trials(halved):
        assert scores.get(trial.user_attrs["candidate_digest"], trial.values) == trial.values


def test_a_training_that_diverges_at_a_rung_ends_as_diverged(make_study: MakeStudy, rung_plan: StudyPlan) -> None:
    study, observer = make_study(), SilentObserver()
    run_study(study, replace(rung_plan, candidates=5), SerialRunner(Climbing(diverging_at=10)), observer)
    assert {record.outcome for record in observer.ended} == {TrialOutcome.DIVERGED}
    assert scores_at(study, 10) == []
    assert OBJECTIVES
