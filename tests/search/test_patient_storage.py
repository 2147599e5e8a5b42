"""A storage that waits for its database, and never writes twice what got through."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import TrialState
from sqlalchemy import event
from sqlalchemy.exc import OperationalError, ProgrammingError

from search.errors import StorageUnreachable
from search.patience import Patience
from search.patient_storage import PatientStorage
from search.storage import build_storage
from tests.search.test_patience import Clock

LOCKED = OperationalError("UPDATE", {}, sqlite3.OperationalError("database is locked"))


def storage_at(tmp_path: Path, clock: Clock, patience: Patience | None = None) -> PatientStorage:
    return build_storage(
        f"sqlite:///{tmp_path}/deep/optuna.db",
        patience=patience or Patience(60.0),
        say=lambda _: None,
        sleep=clock.sleep,
        clock=clock,
    )


@contextmanager
def failing_statements(storage: PatientStorage, times: int, error: Exception) -> Iterator[None]:
    """Let the first ``times`` statements of the engine raise ``error``."""
    left = [times]

    def fail(*_: object) -> None:
        if left[0]:
            left[0] -= 1
            raise error

    engine = storage.backend._backend.engine  # type: ignore[attr-defined]
    event.listen(engine, "before_cursor_execute", fail)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", fail)
    assert left == [0]


class LosesAnswers(PatientStorage):
    """Carries one operation out and fails all the same."""

    def __init__(self, whole: PatientStorage, name: str) -> None:
        super().__init__(whole.backend, whole._call)
        real, lost = whole.backend, list[str]()

        class Losing:
            def __getattr__(self, asked: str) -> Any:
                def call(*arguments: Any, **named: Any) -> Any:
                    value = getattr(real, asked)(*arguments, **named)
                    if asked == name and not lost:
                        lost.append(asked)
                        raise StorageInternalError("lost") from LOCKED
                    return value

                return call

        self.backend = Losing()  # type: ignore[assignment]


def make(storage: BaseStorage) -> optuna.Study:
    return optuna.create_study(study_name="s", storage=storage, directions=["minimize"] * 2, load_if_exists=True)


@pytest.mark.parametrize("times", [1, 4])
def test_operations_survive_a_database_that_is_locked_for_a_while(tmp_path: Path, times: int) -> None:
    clock = Clock()
    storage = storage_at(tmp_path, clock)
    with failing_statements(storage, times, LOCKED):
        study = make(storage)
    waited = len(clock.pauses)
    assert waited == times
    trial = study.ask()
    with failing_statements(storage, times, LOCKED):
        trial.set_user_attr("key", "value")
    with failing_statements(storage, times, LOCKED):
        study.tell(trial, [1.0, 2.0])
    with failing_statements(storage, times, LOCKED):
        (kept,) = study.get_trials()
    assert (kept.user_attrs, kept.values, kept.state) == ({"key": "value"}, [1.0, 2.0], TrialState.COMPLETE)
    assert len(clock.pauses) >= 3 * times


def test_patience_ends_with_an_error_that_says_how_to_go_on(tmp_path: Path) -> None:
    clock = Clock()
    storage = storage_at(tmp_path, clock, Patience(1.0))
    study = make(storage)
    with failing_statements(storage, 3, LOCKED), pytest.raises(StorageUnreachable, match="database is locked") as error:
        study.set_user_attr("a", 1)
    assert isinstance(error.value.__cause__, StorageInternalError)
    assert clock.pauses == [0.5, 0.5]


@pytest.mark.parametrize(
    "error",
    [
        ProgrammingError("SELECT", {}, sqlite3.ProgrammingError("wrong number of bindings")),
        OperationalError("SELECT", {}, sqlite3.OperationalError("no such table: trials")),
    ],
)
def test_defects_are_raised_at_once(tmp_path: Path, error: Exception) -> None:
    clock = Clock()
    storage = storage_at(tmp_path, clock)
    study = make(storage)
    with failing_statements(storage, 1, error), pytest.raises(StorageInternalError):
        study.set_user_attr("a", 1)
    with pytest.raises(KeyError):
        storage.get_trial(99)
    assert clock.pauses == []


def test_a_trial_that_was_ended_although_the_answer_was_lost_is_ended_once(tmp_path: Path) -> None:
    clock = Clock()
    storage = storage_at(tmp_path, clock)
    study = make(LosesAnswers(storage, "set_trial_state_values"))
    study.tell(study.ask(), [1.0, float("inf")])
    (kept,) = study.get_trials()
    assert (kept.state, kept.values) == (TrialState.COMPLETE, [1.0, float("inf")])
    assert len(clock.pauses) == 1


@pytest.mark.parametrize(
    ("state", "values"), [(TrialState.FAIL, None), (TrialState.COMPLETE, [1.0, 3.0]), (TrialState.PRUNED, None)]
)
def test_a_trial_that_somebody_else_ended_otherwise_is_an_error(
    tmp_path: Path, state: TrialState, values: list[float] | None
) -> None:
    storage = storage_at(tmp_path, Clock())
    study = make(storage)
    trial = study.ask()
    study.tell(trial, [1.0, 2.0])
    with pytest.raises(UpdateFinishedTrialError):  # the first attempt
        storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [1.0, 2.0])
    with failing_statements(storage, 1, LOCKED), pytest.raises(UpdateFinishedTrialError):  # a repeat
        storage.set_trial_state_values(trial._trial_id, state, values)
    with failing_statements(storage, 1, LOCKED):
        assert storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [1, 2])


def test_other_writes_whose_answer_was_lost_leave_what_was_sent(tmp_path: Path) -> None:
    storage = storage_at(tmp_path, Clock())
    study = make(LosesAnswers(storage, "create_new_study"))
    assert make(LosesAnswers(storage, "get_study_id_from_name"))._study_id == study._study_id
    for name in ("set_trial_param", "set_trial_user_attr", "set_trial_system_attr", "set_study_user_attr"):
        study = make(LosesAnswers(storage, name))
        trial = study.ask()
        x = trial.suggest_float("x", 0.0, 1.0)
        trial.set_user_attr("a", [name])
        trial.set_constraint("c", 0.5)
        study.set_user_attr("b", name)
        study.tell(trial, [x, 0.0])
        kept = study.get_trials()[-1]
        assert (kept.params, kept.user_attrs["a"], kept.constraints) == ({"x": x}, [name], {"c": 0.5})
        assert study.user_attrs["b"] == name
        assert kept.values == [x, 0.0]


def test_a_trial_made_twice_is_left_running_without_a_driver(tmp_path: Path) -> None:
    study = make(LosesAnswers(storage_at(tmp_path, Clock()), "create_new_trial"))
    trial = study.ask()
    states = {kept.number: (kept.state, kept.user_attrs) for kept in study.get_trials()}
    assert states == {0: (TrialState.RUNNING, {}), 1: (TrialState.RUNNING, {})}
    assert trial.number == 1


def test_a_queued_trial_whose_taking_was_not_answered_is_taken_by_nobody_else(tmp_path: Path) -> None:
    study = make(LosesAnswers(storage_at(tmp_path, Clock()), "set_trial_state_values"))
    study.enqueue_trial({"x": 0.25})
    assert study.ask().number == 1
    assert [kept.state for kept in study.get_trials()] == [TrialState.RUNNING, TrialState.RUNNING]


def test_every_operation_of_the_base_is_forwarded() -> None:
    left = {
        name
        for name in dir(BaseStorage)
        if not name.startswith("_") and callable(getattr(BaseStorage, name)) and name not in vars(PatientStorage)
    }
    derived = {"get_trial_number_from_id", "get_trial_param", "get_n_trials", "get_trial_params"}
    assert left == {*derived, "get_trial_user_attrs", "get_trial_system_attrs", "check_trial_is_updatable"}


def test_operations_give_what_the_storage_itself_gives(tmp_path: Path) -> None:
    storage = storage_at(tmp_path, Clock())
    study = optuna.create_study(study_name="one", storage=storage)
    trial = study.ask()
    trial.suggest_int("n", 1, 9)
    trial.report(0.5, 3)
    study.tell(trial, 0.25)
    plain, number = storage.backend, study._study_id
    assert storage.get_best_trial(number) == plain.get_best_trial(number) == study.trials[0]
    assert storage.get_all_trials(number) == plain.get_all_trials(number)
    assert storage.get_n_trials(number, TrialState.COMPLETE) == 1
    assert storage.get_all_studies() == plain.get_all_studies()
    assert storage.get_trial_param(trial._trial_id, "n") == trial.params["n"]
    assert storage.get_trial(trial._trial_id).intermediate_values == {3: 0.5}
    assert storage.get_study_directions(number) == study.directions
    storage.remove_session()
    storage.delete_study(number)
    assert storage.get_all_studies() == []
