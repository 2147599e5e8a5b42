import errno
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from gan.training import TrainingHooks
from search.candidate import Candidate
from search.drivers import Driver, DriverSign
from search.engine import StudyPlan, run_study
from search.errors import StudyError
from search.processes import ProcessId
from search.record import TrialOutcome, TrialRecord
from search.runner import Ended, SerialRunner
from search.samplers import grid, nsga2, random, tpe
from search.space import build_search_space
from search.study import add_late_findings, ended_trials, front_trials, hypervolume_history, scored_trials
from search.trial_rows import front_rows, trial_rows
from tests.search.conftest import OBJECTIVES, CheapEvaluator, SilentObserver

MakeStudy = Callable[..., optuna.Study]


@pytest.mark.parametrize("sampler", [nsga2(seed=0, population_size=4), tpe(seed=0, startup_trials=3), random(seed=0)])
def test_a_study_ends_with_the_scored_trials_asked_for(
    make_study: MakeStudy, plan: StudyPlan, sampler: optuna.samplers.BaseSampler
) -> None:
    study, evaluate, observer = make_study(sampler=sampler), CheapEvaluator(infeasible_above=6), SilentObserver()
    run_study(study, plan, SerialRunner(evaluate), observer)
    assert len(scored_trials(study)) == 5
    states = [row["state"] for row in trial_rows(study)]
    assert states.count("scored") == 5
    assert states.count("infeasible") == sum(record.outcome == "infeasible" for record in observer.ended)
    wide = {candidate.digest for candidate in evaluate.calls if candidate.spec.widths[0] > 6}
    told = [trial for trial in ended_trials(study) if trial.user_attrs["candidate_digest"] in wide]
    assert told
    # Complete, so that every sampler learns of the constraint, with values that add nothing to a front.
    assert {(trial.state, tuple(trial.values)) for trial in told} == {(TrialState.COMPLETE, (0.0, 1000.0))}


def test_infeasible_and_diverged_trials_are_not_on_the_front(make_study: MakeStudy, plan: StudyPlan) -> None:
    study = make_study()
    run_study(
        study, replace(plan, trained=8), SerialRunner(CheapEvaluator(infeasible_above=6, diverging=5)), SilentObserver()
    )
    rows = trial_rows(study)
    assert {"scored", "infeasible", "diverged"} <= {row["state"] for row in rows}
    assert all(row["state"] == "scored" for row in rows if row["front"])
    assert all(row["reason"].startswith("width") for row in rows if row["state"] in ("infeasible", "diverged"))


def test_the_front_is_the_non_dominated_set(make_study: MakeStudy, plan: StudyPlan) -> None:
    study = make_study()
    run_study(study, replace(plan, trained=12), SerialRunner(CheapEvaluator()), SilentObserver())
    points = {trial.number: trial.values for trial in scored_trials(study)}

    def dominated(number: int) -> bool:
        accuracy, rows = points[number]
        others = (value for other, value in points.items() if other != number)
        return any(a >= accuracy and r <= rows and (a, r) != (accuracy, rows) for a, r in others)

    assert {trial.number for trial in front_trials(study)} == {number for number in points if not dominated(number)}
    accuracies = [row["accuracy"] for row in front_rows(study)]
    assert accuracies == sorted(accuracies, reverse=True)
    history = hypervolume_history(study, OBJECTIVES)
    assert len(history) == len(scored_trials(study)) == 12
    assert all(later >= earlier for earlier, later in zip(history, history[1:], strict=False))


def test_a_repeated_draw_is_not_evaluated_again(make_study: MakeStudy, plan: StudyPlan) -> None:
    fixed = build_search_space(
        families={"subpixel": {"stages": 1, "width_0": {"choices": [4, 5]}}},
        shared={"latent_dim": 2, "conditioning": "one_hot"},
    )
    study, evaluate, observer = make_study(), CheapEvaluator(), SilentObserver()
    run_study(study, replace(plan, space=fixed, trained=3, candidates=9), SerialRunner(evaluate), observer)
    assert len(evaluate.calls) == len(scored_trials(study)) == 2
    assert len(observer.repeated) == 7
    assert len(front_rows(study)) <= 2


def test_an_exhausted_grid_ends_the_study(make_study: MakeStudy, plan: StudyPlan) -> None:
    fixed = build_search_space(
        families={"subpixel": {"stages": 1, "width_0": {"choices": [4, 5]}}, "mlp": {"kernel": 0, "upsampling": "none",
                  "stages": 1, "width_0": {"choices": [4, 6, 8]}}},
        shared={"latent_dim": {"choices": [2, 3]}, "conditioning": "one_hot"},
    )  # fmt: skip
    study, evaluate = make_study(sampler=grid(seed=0)), CheapEvaluator()
    run_study(study, replace(plan, space=fixed, trained=99), SerialRunner(evaluate), SilentObserver())
    assert len({candidate.digest for candidate in evaluate.calls}) == len(evaluate.calls) == 10


def test_a_trial_killed_while_it_was_drawn_hides_nothing_from_a_grid(make_study: MakeStudy, plan: StudyPlan) -> None:
    fixed = build_search_space(
        families={"subpixel": {"stages": 1, "width_0": {"choices": [4, 5]}}},
        shared={"latent_dim": {"choices": [2, 3, 4]}, "conditioning": "one_hot"},
    )
    study, evaluate = make_study(sampler=grid(seed=0)), CheapEvaluator()
    study.ask()
    study.ask().suggest_categorical("family", ["subpixel"])
    run_study(study, replace(plan, space=fixed, trained=99), SerialRunner(evaluate), SilentObserver())
    assert len({candidate.digest for candidate in evaluate.calls}) == len(evaluate.calls) == 6
    assert all(trial.state.is_finished() for trial in study.trials)


def test_illegal_draws_are_recorded_and_cost_nothing(make_study: MakeStudy, plan: StudyPlan) -> None:
    deep = build_search_space(
        families={"subpixel": {"stages": {"choices": [1, 2]}, "width_0": {"low": 4, "high": 60}, "width_1": 4}},
        shared={"latent_dim": 2, "conditioning": "one_hot"},
    )
    study, evaluate, observer = make_study(), CheapEvaluator(), SilentObserver()
    run_study(study, replace(plan, space=deep, image_size=2, trained=6), SerialRunner(evaluate), observer)
    assert observer.rejected
    assert all("image_size must be a multiple of 4" in reason for reason in observer.rejected)
    assert {row["state"] for row in trial_rows(study)} == {"scored", "illegal"}


def test_an_interrupted_trial_is_done_again_with_its_parameters(make_study: MakeStudy, plan: StudyPlan) -> None:
    class Interrupted(CheapEvaluator):
        def __call__(
            self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
        ) -> TrialRecord:
            if len(self.calls) == 2:
                self.calls.append(candidate)
                raise KeyboardInterrupt
            return super().__call__(candidate, folder, hooks, until_images)

    first, second = Interrupted(), CheapEvaluator()
    with pytest.raises(KeyboardInterrupt):
        run_study(make_study(), plan, SerialRunner(first), SilentObserver())
    study = make_study()
    run_study(study, plan, SerialRunner(second), SilentObserver())
    assert second.calls[0].digest == first.calls[-1].digest
    assert len(scored_trials(study)) == 5
    assert all(trial.state.is_finished() for trial in study.trials)
    assert [row["state"] for row in trial_rows(study)].count("interrupted") == 1


def test_a_trial_interrupted_after_its_record_keeps_it(make_study: MakeStudy, plan: StudyPlan) -> None:
    class Interrupting(SilentObserver):
        def trial_ended(self, number: int, record: TrialRecord) -> None:
            super().trial_ended(number, record)
            if len(self.ended) == 2:
                raise KeyboardInterrupt

    first, second, first_heard = CheapEvaluator(infeasible_above=6), CheapEvaluator(infeasible_above=6), Interrupting()
    with pytest.raises(KeyboardInterrupt):
        run_study(make_study(), plan, SerialRunner(first), first_heard)
    study = make_study()
    run_study(study, plan, SerialRunner(second), SilentObserver())
    assert {c.digest for c in first.calls}.isdisjoint({c.digest for c in second.calls})
    rows = trial_rows(study)
    assert [row["state"] for row in rows].count("interrupted") == 0
    recorded = {row["accuracy"] for row in rows if row["state"] == "scored"}
    assert {record.metrics["accuracy"] for record in first_heard.ended if record.outcome == "scored"} <= recorded
    assert len(recorded) == len(scored_trials(study)) == 5


def test_a_candidate_at_which_sessions_end_gives_others_their_turn(make_study: MakeStudy, plan: StudyPlan) -> None:
    class Broken(CheapEvaluator):
        error: Exception = ZeroDivisionError("widths of nothing")

        def __call__(
            self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
        ) -> TrialRecord:
            if candidate.spec.widths[0] == 4:
                raise self.error
            return super().__call__(candidate, folder, hooks, until_images)

    study, evaluate = make_study(), Broken()
    broken, full = evaluate.error, OSError(errno.ENOSPC, "no space left")
    for error in (broken, full, broken, full, broken):  # a full disk is not the candidate's
        evaluate.error = error
        with pytest.raises(type(error)) as caught:
            run_study(study, plan, SerialRunner(evaluate), SilentObserver())
        assert caught.value is error
    observer, scored = SilentObserver(), len(scored_trials(study))
    assert scored < plan.trained
    evaluate.error = AssertionError("it is not tried again")
    run_study(study, replace(plan, trained=scored + 1), SerialRunner(evaluate), observer)
    lost = observer.ended[0]
    assert lost.outcome is TrialOutcome.LOST
    assert lost.reason == "3 sessions ended with an error at it, the last: ZeroDivisionError: widths of nothing"
    assert len(scored_trials(study)) == scored + 1
    assert all(trial.state.is_finished() for trial in study.trials)


def test_the_end_of_a_study_waits_for_what_a_killed_driver_left(
    make_study: MakeStudy, plan: StudyPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.engine._POLL_SECONDS", 0.01)
    study, beating = make_study(), [True]

    class Watching(CheapEvaluator):
        """The other driver dies while the last trial of this one is evaluated."""

        def __call__(
            self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
        ) -> TrialRecord:
            beating[0] = len(scored_trials(study)) + 2 < plan.trained
            return super().__call__(candidate, folder, hooks, until_images)

    left = make_study(sampler=random(seed=9)).ask()
    left.set_user_attr("driver", "other")
    candidate = plan.draw(left)
    left.set_user_attr("candidate_digest", candidate.digest)
    other = DriverSign("other", ProcessId("elsewhere", "elsewhere", 1, math.inf), seen=time.time())
    with Driver(study) as driver:
        living = driver.living
        monkeypatch.setattr(driver, "living", lambda: [*living(), *([other] if beating[0] else [])])
        evaluate = Watching()
        run_study(study, plan, SerialRunner(evaluate), SilentObserver(), driver)
    assert len(scored_trials(study)) == plan.trained
    assert candidate.digest == evaluate.calls[-1].digest
    assert all(trial.state.is_finished() for trial in study.trials)


class Overtaken(StudyPlan):
    """Another driver ends trial 1 while it is drawn."""

    def draw(self, trial: optuna.Trial) -> Candidate:
        candidate = super().draw(trial)
        if trial.number == 1:
            trial.study.tell(trial.number, state=TrialState.FAIL)
        return candidate


def test_a_trial_that_another_driver_ended_while_it_was_drawn_is_left_to_it(
    make_study: MakeStudy, plan: StudyPlan
) -> None:
    study, evaluate, observer = make_study(), CheapEvaluator(), SilentObserver()
    run_study(study, Overtaken(**vars(plan)), SerialRunner(evaluate), observer)
    assert len(scored_trials(study)) == len(evaluate.calls) == plan.trained
    assert [trial.number for trial in study.trials if trial.state is TrialState.FAIL] == [1]


def test_a_twin_that_another_driver_ended_meanwhile_is_left_to_it(make_study: MakeStudy, plan: StudyPlan) -> None:
    single = build_search_space(
        families={"subpixel": {"stages": 1, "width_0": 4}}, shared={"latent_dim": 2, "conditioning": "one_hot"}
    )
    study = make_study()

    class Roomy(SerialRunner):
        """Has room at all times; while it first waits, another driver ends the twin."""

        def has_room(self) -> bool:
            return True

        def wait(self) -> list[Ended]:
            if study.trials[1].state is TrialState.RUNNING:
                study.tell(1, state=TrialState.FAIL)
            return super().wait()

    evaluate = CheapEvaluator()
    run_study(study, replace(plan, space=single, trained=2, candidates=4), Roomy(evaluate), SilentObserver())
    assert len(evaluate.calls) == len(scored_trials(study)) == 1
    assert study.trials[1].state is TrialState.FAIL
    assert all(trial.state.is_finished() for trial in study.trials)


def test_a_candidate_that_cannot_be_scored_ends_as_failed(make_study: MakeStudy, plan: StudyPlan) -> None:
    class Unscorable(CheapEvaluator):
        def __call__(
            self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
        ) -> TrialRecord:
            record = super().__call__(candidate, folder, hooks, until_images)
            odd = candidate.spec.widths[0] % 2
            return replace(record, outcome=TrialOutcome.UNSCORED, reason="no images") if odd else record

    study = make_study()
    run_study(study, plan, SerialRunner(Unscorable()), SilentObserver())
    states = [row["state"] for row in trial_rows(study)]
    assert states.count("scored") == 5
    assert "unscored" in states


def test_a_finished_study_is_not_worked_on(make_study: MakeStudy, plan: StudyPlan) -> None:
    run_study(make_study(), plan, SerialRunner(CheapEvaluator()), SilentObserver())
    evaluate = CheapEvaluator()
    run_study(make_study(), plan, SerialRunner(evaluate), SilentObserver())
    assert evaluate.calls == []


def test_another_configuration_needs_another_name(make_study: MakeStudy) -> None:
    make_study(signature="x")
    with pytest.raises(StudyError, match="other signature"):
        make_study(signature="y")


def test_late_findings_appear_in_rows(make_study: MakeStudy, plan: StudyPlan) -> None:
    study = make_study()
    run_study(study, plan, SerialRunner(CheapEvaluator()), SilentObserver())
    best = front_trials(study)[0].number
    add_late_findings(study, best, metrics={"cas": 0.5}, facts={})
    add_late_findings(study, best, metrics={}, facts={"proof.wiring": "linked"})
    row = front_rows(study)[0]
    assert (row["cas"], row["proof.wiring"]) == (0.5, "linked")


KILLED = """
import sys, time
from pathlib import Path
import optuna
from tests.search.conftest import CheapEvaluator, OBJECTIVES, SilentObserver
from search.engine import StudyPlan, run_study
from search.runner import SerialRunner
from search.space import build_search_space
from search.study import open_study
from gan.training import TrainingBudget, TrainingRecipe
space = build_search_space(families={"subpixel": {"stages": 1, "width_0": {"low": 4, "high": 60}}},
                           shared={"latent_dim": {"low": 2, "high": 60}, "conditioning": "one_hot"})
plan = StudyPlan(space=space, recipe=TrainingRecipe(), budget=TrainingBudget(steps=1), objectives=OBJECTIVES,
                 image_size=16, num_classes=2, trained=12, candidates=50, seed=0, folder=Path(sys.argv[1].removeprefix("sqlite:///")).parent)
class Slow(CheapEvaluator):
    def __call__(self, *arguments):
        print("evaluating", flush=True)
        time.sleep(float(sys.argv[2]))
        return super().__call__(*arguments)
study = open_study(name="s", storage=sys.argv[1], objectives=OBJECTIVES,
                   sampler=optuna.samplers.RandomSampler(seed=int(sys.argv[3])), signature="x")
run_study(study, plan, SerialRunner(Slow(infeasible_above=1000)), SilentObserver())
"""


def test_a_killed_study_resumes_without_loss_or_double_count(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/optuna.db"
    root = Path(__file__).resolve().parents[2]

    def start(seconds: float, seed: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", KILLED, storage, str(seconds), str(seed)]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=root, env={**os.environ, "PYTHONPATH": "."}
        )

    with start(0.3, 0) as driver:
        assert driver.stdout is not None
        for _ in range(3):
            assert driver.stdout.readline() == "evaluating\n"
        time.sleep(0.1)
        driver.send_signal(signal.SIGKILL)
    with start(0.0, 1) as driver:
        driver.communicate(timeout=60)
    assert driver.returncode == 0
    study = optuna.load_study(study_name="s", storage=storage)
    states = [row["state"] for row in trial_rows(study)]
    assert states.count("scored") == 12
    assert states.count("interrupted") == 1
    digests = [trial.user_attrs["candidate_digest"] for trial in scored_trials(study)]
    assert len(set(digests)) == 12
    assert all(trial.state.is_finished() for trial in study.trials)
