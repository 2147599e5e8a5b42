import io
from dataclasses import replace

import optuna
import pytest

from gan.training import TrainingRecord
from search.candidate import Candidate
from search.engine import StudyPlan, run_study
from search.errors import ConfigError
from search.live import LiveView, ended_trial, machine_use
from search.live_state import LiveState
from search.record import TrialOutcome, TrialRecord
from search.runner import SerialRunner
from search.study import front_trials, trained_trials
from search.tally import EndedTrial, Tally
from search.view import LineView, checked_view, wants_live
from search.watching import known_trials, open_view
from tests.search.conftest import OBJECTIVES, CheapEvaluator, SilentObserver


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("view", "terminal", "term", "live"),
    [
        ("auto", True, "xterm-256color", True), ("auto", True, "dumb", False), ("auto", True, "unknown", False),
        ("auto", True, None, True), ("auto", False, "xterm", False), ("live", False, "dumb", True),
        ("lines", True, "xterm", False),
    ],
)  # fmt: skip
def test_who_gets_a_live_view(view: str, terminal: bool, term: str | None, live: bool) -> None:
    stream = Terminal() if terminal else io.StringIO()
    assert wants_live(view, stream, {} if term is None else {"TERM": term}) is live


def test_an_unknown_view_is_refused() -> None:
    assert checked_view("lines") == "lines"
    with pytest.raises(ConfigError, match="view must be one of auto, live, lines; got 'tui'"):
        checked_view("tui")


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study(
        directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0), study_name="s"
    )


def test_without_a_terminal_there_are_lines_as_ever(
    study: optuna.Study, plan: StudyPlan, tiny_candidate: Candidate, capsys: pytest.CaptureFixture[str]
) -> None:
    view = open_view("auto", study, plan, train_images=100)
    assert isinstance(view, LineView)
    with view:
        view.trial_started(0, tiny_candidate)
        view.trial_recorded(0, TrainingRecord(1, 2, 3.0, 0.5, 0.5, 4.0, None))
        view.say("trial   0  scored")
        view.trial_ended(0, "scored")
        view.trial_ended(1, "illegal")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("trial   0  scored\n", "")


def test_lines_go_to_whoever_takes_them(study: optuna.Study, plan: StudyPlan) -> None:
    said: list[str] = []
    open_view("lines", study, plan, train_images=100, say=said.append).say("x")
    assert said == ["x"]


def test_a_resumed_session_knows_what_the_earlier_one_did(study: optuna.Study, plan: StudyPlan) -> None:
    evaluate = CheapEvaluator(infeasible_above=6)
    run_study(study, plan, SerialRunner(evaluate), SilentObserver())
    known = Tally(OBJECTIVES).with_trials(known_trials(study))
    assert known.trained == len(trained_trials(study)) == plan.trained
    assert known.trained_here == 0
    assert known.counts["scored"] == plan.trained
    assert sum(known.counts.values()) == len(study.trials)
    assert {trial.number for trial in known.front} == {trial.number for trial in front_trials(study)}
    assert known.front[0].values == tuple(front_trials(study)[0].values)
    assert {trial.family for trial in known.front} <= {"mlp", "subpixel"}
    infeasible = [trial for trial in known.trials.values() if trial.state == "infeasible"]
    assert all(trial.values == () and trial.digest for trial in infeasible)

    view = open_view("live", study, replace(plan, trained=plan.trained + 2), train_images=100)
    assert isinstance(view, LiveView)


def test_what_is_kept_of_a_trial_that_ended(tiny_candidate: Candidate, tmp_path: object) -> None:
    study = LiveState("s", 1, 1, 0.0, Tally(OBJECTIVES))

    def ended(outcome: TrialOutcome, **metrics: float) -> EndedTrial:
        record = TrialRecord(tiny_candidate, outcome, "", metrics, {}, tmp_path)  # type: ignore[arg-type]
        return ended_trial(3, str(outcome), record, study)

    assert ended(TrialOutcome.SCORED, rows=7.0, accuracy=0.5).values == (0.5, 7.0)
    assert ended(TrialOutcome.SCORED, rows=7.0).values == ()
    assert ended(TrialOutcome.INFEASIBLE, rows=7.0, accuracy=0.5).values == ()
    assert ended(TrialOutcome.STOPPED).digest == tiny_candidate.digest
    assert ended_trial(4, "repeated", None, study) == EndedTrial(4, "repeated")


def test_the_machine_s_use_is_in_range() -> None:
    machine_use()
    use = machine_use()
    assert 0 <= use.cpu_share <= 1
    assert 0 < use.memory_bytes < use.memory_total_bytes
    assert (use.gpu_bytes is None) == (use.gpu_total_bytes is None)
