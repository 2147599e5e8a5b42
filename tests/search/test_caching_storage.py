from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.caching_storage import CachingStorage

KNOWN_SECONDS = 15.0


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Backend(RDBStorage):
    """Keeps which trials each look fetched."""

    fetched: list[set[int]]

    def _get_trials(self, *args: Any, **options: Any) -> list[FrozenTrial]:
        found = super()._get_trials(*args, **options)
        self.fetched.append({trial.number for trial in found})
        return found


class Process:
    """What one driver has of a study."""

    def __init__(self, path: Path) -> None:
        self.clock, self.backend = Hand(), Backend(f"sqlite:///{path}")
        self.backend.fetched = []
        self.storage = CachingStorage(self.backend, known_seconds=KNOWN_SECONDS, clock=self.clock)
        if not self.storage.get_all_studies():
            self.make_study()
        self.study = self.storage.get_all_studies()[0]._study_id

    def make_study(self) -> int:
        return self.storage.create_new_study([StudyDirection.MINIMIZE])

    def look(self) -> list[FrozenTrial]:
        return self.storage.get_all_trials(self.study, deepcopy=False)

    def fetched(self) -> set[int]:
        """Look, and return what was fetched for it."""
        self.look()
        return self.backend.fetched[-1]

    def begin(self) -> int:
        return self.storage.create_new_trial(self.study)


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process(tmp_path / "optuna.db")


@pytest.fixture
def other(process: Process, tmp_path: Path) -> Process:
    return Process(tmp_path / "optuna.db")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(level)


def test_a_trial_of_this_process_is_fetched_after_each_write_and_not_otherwise(process: Process) -> None:
    first, second = process.begin(), process.begin()
    assert process.fetched() == {0, 1}
    assert process.fetched() == set()
    process.storage.set_trial_user_attr(second, "candidate", "a")
    assert process.look()[1].user_attrs == {"candidate": "a"}
    assert process.backend.fetched[-1] == {1}
    process.storage.set_trial_param(first, "width", 3, IntDistribution(1, 9))
    assert process.look()[0].params == {"width": 3}
    process.storage.set_trial_system_attr(first, "x", [1])
    assert process.look()[0].system_attrs == {"x": [1]}
    process.storage.set_trial_intermediate_value(first, 1, 0.5)
    assert process.look()[0].intermediate_values == {1: 0.5}
    assert process.fetched() == set()


def test_its_end_is_seen_at_once_and_then_kept(process: Process) -> None:
    process.begin()
    process.storage.set_trial_state_values(process.begin(), TrialState.COMPLETE, [2.0])
    assert [trial.state for trial in process.look()] == [TrialState.RUNNING, TrialState.COMPLETE]
    process.clock.seconds += 2 * KNOWN_SECONDS
    assert process.fetched() == {0}


def test_trials_of_another_process_are_fetched_at_each_look(process: Process, other: Process) -> None:
    theirs, ours = other.begin(), process.begin()
    assert process.fetched() == {0, 1}
    assert process.fetched() == {0}
    other.storage.set_trial_user_attr(theirs, "candidate", "b")
    assert process.look()[0].user_attrs == {"candidate": "b"}
    other.storage.set_trial_state_values(theirs, TrialState.COMPLETE, [1.0])
    assert process.look()[0].state is TrialState.COMPLETE
    assert process.fetched() == set()
    assert ours == theirs + 1


def test_what_another_process_began_before_ours_is_not_overlooked(process: Process, other: Process) -> None:
    process.begin()
    process.look()
    other.begin()
    process.begin()  # its number is greater than that of the other's, which was never read
    assert [trial.number for trial in process.look()] == [0, 1, 2]


def test_one_that_another_process_ended_is_seen_after_a_while_or_at_a_write(process: Process, other: Process) -> None:
    first, second = process.begin(), process.begin()
    process.look()
    other.look()
    for trial in (first, second):
        other.storage.set_trial_state_values(trial, TrialState.FAIL)
    with pytest.raises(UpdateFinishedTrialError):
        process.storage.set_trial_user_attr(second, "late", 1)
    assert [trial.state for trial in process.look()] == [TrialState.RUNNING, TrialState.FAIL]
    for process.clock.seconds in (5.0, 10.0):  # a look does not make what was not read younger
        assert process.look()[0].state is TrialState.RUNNING
    process.clock.seconds = KNOWN_SECONDS
    assert process.look()[0].state is TrialState.FAIL


def test_a_single_trial_is_never_given_from_memory_while_it_is_in_work(process: Process, other: Process) -> None:
    trial = process.begin()
    process.look()
    other.storage.set_trial_state_values(trial, TrialState.FAIL)
    assert process.storage.get_trial(trial).state is TrialState.FAIL


WRITES: dict[str, tuple[Any, ...]] = {
    "set_trial_param": ("width", 3, IntDistribution(1, 9)),
    "set_trial_state_values": (TrialState.COMPLETE, [1.0]),
    "set_trial_intermediate_value": (1, 0.5),
    "set_trial_user_attr": ("a", 1),
    "set_trial_system_attr": ("a", 1),
}


@pytest.mark.parametrize("method", [name for name in dir(BaseStorage) if name.startswith("set_trial")])
def test_a_write_whose_answer_was_lost_is_looked_up(process: Process, other: Process, method: str) -> None:
    trial = process.begin()
    process.look()
    other.storage.get_all_trials(other.study)
    other.storage.set_trial_state_values(trial, TrialState.FAIL)
    with pytest.raises(UpdateFinishedTrialError):
        getattr(process.storage, method)(trial, *WRITES[method])
    assert process.look()[0].state is TrialState.FAIL


def test_studies_of_one_database_are_kept_apart(process: Process) -> None:
    first, second = process.study, process.make_study()
    for study in (first, second, first):
        process.storage.create_new_trial(study)
        process.storage.get_all_trials(study)
    assert [len(process.storage.get_all_trials(study)) for study in (first, second)] == [2, 1]


def test_a_study_that_takes_the_place_of_a_deleted_one_is_read_whole(process: Process, other: Process) -> None:
    for _ in range(2):
        process.begin()
    process.look()
    process.storage.delete_study(process.study)
    assert process.make_study() == process.study  # SQLite gives ids of what is gone again
    process.look()
    other.begin()
    process.begin()
    assert [trial.number for trial in process.look()] == [0, 1]


def test_a_queued_trial_is_ours_once_we_took_it(process: Process, other: Process) -> None:
    queued = create_trial(state=TrialState.WAITING)
    taken, lost = (process.storage.create_new_trial(process.study, queued) for _ in range(2))
    assert process.fetched() == {0, 1}
    assert process.fetched() == {0, 1}
    assert process.storage.set_trial_state_values(taken, TrialState.RUNNING)
    assert other.storage.set_trial_state_values(lost, TrialState.RUNNING)
    assert not process.storage.set_trial_state_values(lost, TrialState.RUNNING)
    assert process.fetched() == {0, 1}
    assert process.fetched() == {1}


def test_a_look_that_failed_is_made_up_for(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = process.begin()
    process.look()
    process.storage.set_trial_user_attr(trial, "candidate", "c")
    with monkeypatch.context() as broken:
        broken.setattr(Backend, "_get_trials", lambda *_, **__: (_ for _ in ()).throw(OSError("out of reach")))
        with pytest.raises(OSError, match="out of reach"):
            process.look()
    assert process.look()[0].user_attrs == {"candidate": "c"}
