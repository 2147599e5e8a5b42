import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from search.beating import Beating
from search.drivers import DRIVER, Driver, DriverSign, busy_trials, driver_signs, living_drivers, orphans
from search.endings import file_record
from search.errors import StorageUnreachable
from search.interrupted import close_interrupted
from search.processes import ProcessId, is_running, process_space, this_process
from search.record import TrialOutcome, TrialRecord
from tests.search.conftest import OBJECTIVES
from tests.search.test_patient_storage import LOCKED

ROOT = Path(__file__).resolve().parents[2]
MakeStudy = Callable[..., optuna.Study]
NOW = time.time()


def sign(
    study: optuna.Study, name: str, *, seen: float, started: float = 0.0, space: str = "far", left: bool = False
) -> None:
    process = ProcessId(f"host-{name}", space, 7, started)
    study.set_user_attr(f"driver/{name}", DriverSign(name, process, seen, left).to_json())


def names(signs: list[DriverSign]) -> list[str]:
    return [found.id for found in signs]


def ask(study: optuna.Study, driver: str | None) -> optuna.Trial:
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    if driver is not None:
        trial.set_user_attr(DRIVER, driver)
    return trial


def test_signs_are_kept_with_the_study(make_study: MakeStudy) -> None:
    study = make_study()
    assert driver_signs(study) == []
    sign(study, "a", seen=5.0, started=1.0)
    (found,) = driver_signs(make_study())
    assert found == DriverSign("a", ProcessId("host-a", "far", 7, 1.0), 5.0, False)


def test_silence_leaving_and_a_dead_process_end_a_life(make_study: MakeStudy) -> None:
    study = make_study()
    sign(study, "fresh", seen=NOW - 119, started=30.0)
    sign(study, "silent", seen=NOW - 120, started=10.0)
    sign(study, "left", seen=NOW, left=True)
    sign(study, "here", seen=NOW, space="near", started=20.0)
    sign(study, "ahead", seen=NOW + 30, started=20.0)

    def living(runs: bool, since: float = -math.inf) -> list[str]:
        return names(living_drivers(study, now=NOW, since=since, space="near", runs=lambda _: runs))

    assert living(True) == ["ahead", "here", "fresh"]
    assert living(False) == ["ahead", "fresh"]
    assert living(True, since=NOW - 60) == ["silent", "ahead", "here", "fresh"]
    assert names(living_drivers(study, now=NOW + 500, silence_seconds=1000, space="x")) == [
        "silent", "ahead", "here", "fresh",
    ]  # fmt: skip


def test_orphans_are_the_trials_of_nobody_alive(make_study: MakeStudy) -> None:
    study = make_study()
    for name, seen in (("alive", NOW), ("gone", NOW - 1000)):
        sign(study, name, seen=seen)
    ask(study, "alive")
    ask(study, "gone")
    ask(study, "never signed")
    ask(study, None)
    study.tell(ask(study, "gone"), [1.0, 2.0])
    study.tell(ask(study, "gone"), state=TrialState.FAIL)
    study.tell(ask(study, "alive"), state=TrialState.FAIL)
    study.tell(ask(study, "gone"), state=TrialState.PRUNED)
    living = living_drivers(study, now=NOW, space="near")

    def found(later: float) -> list[int]:
        return [trial.number for trial in orphans(study, living, now=time.time() + later)]

    assert busy_trials(study, living) == {0}
    assert busy_trials(study, []) == set()
    assert found(0) == [1, 2, 5]
    assert found(119) == [1, 2, 5]
    assert found(121) == [1, 2, 3, 5]
    assert close_interrupted(study, OBJECTIVES, orphans(study, living, now=time.time())) == 3
    assert found(0) == []
    states = [trial.state for trial in study.get_trials()]
    assert [states[number] for number in (0, 1, 2, 3)] == [
        TrialState.RUNNING, TrialState.FAIL, TrialState.FAIL, TrialState.RUNNING,
    ]  # fmt: skip
    queued = {trial.user_attrs["continues"]: trial for trial in study.get_trials(states=(TrialState.WAITING,))}
    assert sorted(queued) == [1, 2, 5]
    assert all(study.trials[n].params == queued[n].system_attrs["fixed_params"] for n in queued)


def test_closing_given_trials_leaves_the_others_alone(make_study: MakeStudy) -> None:
    study = make_study()
    for _ in range(3):
        ask(study, "x")
    assert close_interrupted(study, OBJECTIVES, []) == 0
    assert close_interrupted(study, OBJECTIVES, study.get_trials()[1:2]) == 1
    assert close_interrupted(study, OBJECTIVES, study.get_trials()[1:2]) == 0
    assert [t.state for t in study.get_trials()][:3] == [TrialState.RUNNING, TrialState.FAIL, TrialState.RUNNING]
    assert close_interrupted(study, OBJECTIVES) == 2
    assert close_interrupted(study, OBJECTIVES) == 0


def test_a_trial_that_its_driver_ended_meanwhile_stays_as_it_ended(make_study: MakeStudy) -> None:
    study, other = make_study(), make_study()
    trial = ask(study, "x")
    found = other.get_trials()
    study.tell(trial, [0.5, 1.0])
    assert close_interrupted(other, OBJECTIVES, found) == 0
    assert [kept.values for kept in study.get_trials()] == [[0.5, 1.0]]


def test_a_filed_record_is_told_in_the_place_of_a_driver_that_is_gone(
    make_study: MakeStudy, tiny_candidate: object, tmp_path: Path
) -> None:
    study = make_study()
    for outcome in (TrialOutcome.SCORED, TrialOutcome.INFEASIBLE, TrialOutcome.DIVERGED):
        metrics = {"accuracy": 0.5, "rows": 3.0}
        file_record(ask(study, "x"), TrialRecord(tiny_candidate, outcome, "", metrics, {}, tmp_path))  # type: ignore[arg-type]
    assert close_interrupted(study, OBJECTIVES, study.get_trials()) == 0
    assert [trial.state for trial in study.get_trials()] == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL]
    assert study.trials[0].values == [0.5, 3.0]


def test_a_queued_trial_that_stopped_while_drawing_is_queued_whole_and_an_empty_one_not(make_study: MakeStudy) -> None:
    study = make_study()
    study.enqueue_trial({"x": 0.25, "y": 0.75})
    trial = study.ask()
    trial.suggest_float("y", 0, 1)
    study.ask()  # drew nothing: nothing to continue
    assert close_interrupted(study, OBJECTIVES) == 1
    again = study.ask()
    assert (again.suggest_float("x", 0, 1), again.suggest_float("y", 0, 1)) == (0.25, 0.75)


def test_a_driver_signs_and_leaves(make_study: MakeStudy) -> None:
    study = make_study()
    with Driver(study, sign_seconds=0.05) as driver:
        first = driver_signs(study)[0]
        assert first.id == driver.id
        assert first.process == this_process()
        assert names(driver.living()) == [driver.id]
        trial = study.ask()
        driver.mark(trial)
        assert trial.user_attrs[DRIVER] == driver.id
        deadline = time.monotonic() + 20
        while driver_signs(study)[0].seen <= first.seen:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert [found.left for found in driver_signs(study)] == [True]
    assert driver.living() == []


def test_only_the_eldest_driver_closes_orphans(make_study: MakeStudy) -> None:
    study = make_study()
    ask(study, "gone")
    sign(study, "elder", seen=time.time(), started=1.0)
    with Driver(study) as driver:
        assert driver.close_orphans(OBJECTIVES) == 0
        sign(study, "elder", seen=time.time(), started=1.0, left=True)
        assert driver.close_orphans(OBJECTIVES) == 1
        assert driver.close_orphans(OBJECTIVES) == 0


def test_a_driver_that_was_cut_off_itself_gives_the_others_time(make_study: MakeStudy) -> None:
    study, now = make_study(), [NOW]
    driver = Driver(study, sign_seconds=0.01, say=lambda _: None, now=lambda: now[0])
    driver._show()
    sign(study, "other", seen=NOW)
    now[0] += 300  # nobody reached the database
    assert names(driver.living()) == []
    driver._show()
    assert names(driver.living()) == ["other", driver.id]
    for _ in range(3):
        now[0] += 40
        driver._show()
    assert names(driver.living()) == [driver.id]


def test_trouble_with_signs_is_said_once_and_kills_nobody() -> None:
    said, calls, done = list[str](), [0], threading.Event()

    def beat() -> None:
        calls[0] += 1
        if calls[0] in (2, 3, 4):
            raise StorageUnreachable("gone")
        if calls[0] == 6:
            done.set()

    with Beating(beat, every_seconds=0.001, say=said.append):
        assert done.wait(20)
    assert len(said) == 2
    assert "no sign of life could be given (gone)" in said[0]
    count = calls[0]
    time.sleep(0.05)
    assert calls[0] == count


def test_leaving_does_not_wait_for_a_beat_that_hangs() -> None:
    begun, release = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        release.wait(20)

    started = time.monotonic()
    with Beating(hang, every_seconds=1, patience_seconds=0.05):
        assert begun.wait(20)
    assert time.monotonic() - started < 10
    release.set()


def test_signs_of_life_do_not_wait_for_the_database(make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study()
    driver = Driver(study)

    def locked(*_: object) -> None:
        raise optuna.exceptions.StorageInternalError("x") from LOCKED

    monkeypatch.setattr(study._storage.backend, "set_study_user_attr", locked)  # type: ignore[attr-defined]
    started = time.monotonic()
    with pytest.raises(StorageUnreachable):
        driver._show()
    assert time.monotonic() - started < 5


def test_processes_are_told_apart_by_number_and_start() -> None:
    me = this_process()
    assert me.pid == os.getpid()
    assert is_running(me)
    assert not is_running(ProcessId(me.host, me.space, me.pid, me.started - 3600))
    free = next(pid for pid in range(4_000_000, 2, -1) if not psutil.pid_exists(pid))
    assert not is_running(ProcessId(me.host, me.space, free, me.started))
    assert me.space == process_space()


CHILD = """
import sys, time
import optuna
from search.drivers import Driver
from search.storage import build_storage
study = optuna.load_study(study_name="s", storage=build_storage(sys.argv[1]))
with Driver(study) as driver:
    trial = study.ask()
    driver.mark(trial)
    trial.suggest_float("x", 0, 1)
    print("working", flush=True)
    time.sleep(60)
"""


def test_the_trial_of_a_killed_driver_is_known_at_once_on_its_own_machine(
    make_study: MakeStudy, tmp_path: Path
) -> None:
    study = make_study()
    command = [sys.executable, "-c", CHILD, f"sqlite:///{tmp_path}/studies/optuna.db"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (
        Driver(study) as driver,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as child,
    ):
        assert child.stdout is not None
        assert child.stdout.readline() == "working\n"
        assert len(driver.living()) == 2
        assert driver.close_orphans(OBJECTIVES) == 0
        child.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 20
        while len(driver.living()) == 2:  # a zombie counts as dead, so it need not be waited for
            assert time.monotonic() < deadline
        assert driver.close_orphans(OBJECTIVES) == 1
    assert [trial.state for trial in study.get_trials()] == [TrialState.FAIL, TrialState.WAITING]
