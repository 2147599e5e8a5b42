"""Trials in worker processes, and what becomes of them when these die."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
import psutil
import pytest

from gan.errors import SpecError
from gan.training import TrainingHooks, TrainingRecord
from search.candidate import Candidate
from search.engine import StudyPlan, run_study
from search.engines import LocalEngine, workers_for
from search.errors import ConfigError, SegmentError, WorkerError
from search.local_runner import LocalRunner
from search.record import TrialOutcome, TrialRecord
from search.runner import Ended, Segment, SerialRunner
from search.study import scored_trials
from tests.search.conftest import SilentObserver

MakeStudy = Callable[..., optuna.Study]


@dataclass(frozen=True)
class Marking:
    """Scores at once; dies, fails or sleeps where ``deed`` says so, as often as ``times`` for each candidate."""

    deed: str = ""
    times: int = 1

    def __call__(
        self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
    ) -> TrialRecord:
        folder.mkdir(parents=True, exist_ok=True)
        done = len(list(folder.glob("call-*")))
        (folder / f"call-{done}-{os.getpid()}").touch()
        hooks.on_record(TrainingRecord(1, 32, 0.1, 0.5, 0.6, 320.0, None))
        if done < self.times:
            if self.deed == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.deed == "leave":
                os._exit(7)
            if self.deed == "refuse":
                raise SpecError("widths must be positive; got 0")
            if self.deed == "break":
                raise Unsendable("broken", 3)
            if self.deed == "sleep":
                time.sleep(60)
        width = candidate.spec.widths[0]
        return TrialRecord(
            candidate, TrialOutcome.SCORED, "", {"rows": 10.0 * width, "accuracy": 1 / width}, {}, folder
        )


class Unsendable(Exception):
    """Cannot be made again from its arguments."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)
        self.number = number


@contextmanager
def opened(evaluate: Marking, workers: int = 1, attempts: int = 3) -> Iterator[LocalRunner]:
    runner = LocalRunner(evaluate, workers=workers, threads=1, attempts=attempts, say=lambda text: None)
    try:
        yield runner
    finally:
        runner.close()


def results(runner: LocalRunner, count: int) -> list[Ended]:
    found: list[Ended] = []
    while len(found) < count:
        found += runner.wait()
    return found


def test_a_study_in_processes_ends_as_one_in_this_process(make_study: MakeStudy, plan: StudyPlan) -> None:
    alone, spread = make_study(name="alone"), make_study(name="spread")
    run_study(alone, plan, SerialRunner(Marking()), SilentObserver())
    with opened(Marking(), workers=2) as runner:
        run_study(spread, replace(plan, folder=plan.folder / "spread"), runner, SilentObserver())
    assert len(scored_trials(spread)) == len(scored_trials(alone)) == 5
    assert all(trial.state.is_finished() for trial in spread.trials)


def test_records_come_back_while_a_segment_runs(tiny_candidate: Candidate, tmp_path: Path) -> None:
    heard: list[TrainingRecord] = []
    with opened(Marking()) as runner:
        runner.submit(Segment(4, tiny_candidate, tmp_path), TrainingHooks(on_record=heard.append))
        assert not runner.has_room()
        (ended,) = results(runner, 1)
        assert runner.has_room()
    assert (ended.segment.number, ended.record.outcome) == (4, TrialOutcome.SCORED)
    assert [record.images for record in heard] == [32]


@pytest.mark.parametrize(("deed", "cause"), [("die", "signal 9"), ("leave", "status 7")])
def test_a_dead_worker_is_replaced_and_its_segment_tried_again(
    tiny_candidate: Candidate, tmp_path: Path, deed: str, cause: str
) -> None:
    said: list[str] = []
    with opened(Marking(deed)) as runner:
        runner._say = said.append
        runner.submit(Segment(0, tiny_candidate, tmp_path), TrainingHooks())
        (ended,) = results(runner, 1)
    assert ended.record.outcome is TrialOutcome.SCORED
    assert len(list(tmp_path.glob("call-*"))) == 2
    assert len(said) == 1
    assert all(cause in text for text in said)


def test_a_segment_whose_workers_always_die_is_lost(tiny_candidate: Candidate, tmp_path: Path) -> None:
    with opened(Marking("die", times=99), attempts=2) as runner:
        runner.submit(Segment(0, tiny_candidate, tmp_path), TrainingHooks())
        (ended,) = results(runner, 1)
    assert ended.record.outcome is TrialOutcome.LOST
    assert "signal 9" in ended.record.reason
    assert len(list(tmp_path.glob("call-*"))) == 2


def test_errors_come_back_as_they_were(tiny_candidate: Candidate, tmp_path: Path) -> None:
    with opened(Marking("refuse")) as runner:
        runner.submit(Segment(0, tiny_candidate, tmp_path / "a"), TrainingHooks())
        with pytest.raises(SegmentError, match="widths must be positive; got 0") as caught:
            results(runner, 1)
    assert (caught.value.number, type(caught.value.error)) == (0, SpecError)
    with opened(Marking("break")) as runner:
        runner.submit(Segment(0, tiny_candidate, tmp_path / "b"), TrainingHooks())
        with pytest.raises(SegmentError, match="Unsendable: broken") as caught:
            results(runner, 1)
    assert isinstance(caught.value.error, WorkerError)


def test_closing_ends_every_process(tiny_candidate: Candidate, tmp_path: Path) -> None:
    with opened(Marking("sleep")) as runner:
        runner.submit(Segment(0, tiny_candidate, tmp_path), TrainingHooks())
        while not (calls := list(tmp_path.glob("call-*"))):
            runner.wait()
        pid = int(calls[0].name.split("-")[2])
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)


DRIVER = """
import sys
from pathlib import Path
from gan.spec import GeneratorSpec
from gan.training import TrainingBudget, TrainingHooks, TrainingRecipe
from search.candidate import Candidate
from search.local_runner import LocalRunner
from search.runner import Segment
from tests.search.test_local_runner import Marking
if __name__ == "__main__":
    spec = GeneratorSpec(
        family="subpixel", latent_dim=4, conditioning="one_hot", widths=(4,), num_classes=2, image_size=8
    )
    runner = LocalRunner(Marking("sleep"), workers=1, threads=1)
    runner.submit(Segment(0, Candidate(spec, TrainingRecipe(), TrainingBudget(steps=1), 0), Path(sys.argv[1])),
                  TrainingHooks())
    while True:
        runner.wait()
"""


def test_workers_end_with_their_driver(tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, str(script), str(tmp_path / "f")], cwd=root, env=environment) as driver:
        calls: list[Path] = []
        deadline = time.monotonic() + 120
        while not calls and time.monotonic() < deadline:
            calls = list((tmp_path / "f").glob("call-*"))
            time.sleep(0.1)
        worker = psutil.Process(int(calls[0].name.split("-")[2]))
        driver.kill()
    worker.wait(timeout=30)
    assert not worker.is_running()


def test_workers_follow_cores_and_memory() -> None:
    gib = 2**30
    assert workers_for(cores=8, threads=2, free_bytes=100 * gib, memory_bytes=4 * gib, on_gpu=False) == 4
    assert workers_for(cores=8, threads=1, free_bytes=13 * gib, memory_bytes=4 * gib, on_gpu=False) == 3
    assert workers_for(cores=1, threads=2, free_bytes=gib, memory_bytes=4 * gib, on_gpu=False) == 1
    assert workers_for(cores=8, threads=1, free_bytes=100 * gib, memory_bytes=gib, on_gpu=True) == 1


@pytest.mark.parametrize("name", ["workers", "threads", "memory_bytes", "attempts"])
def test_an_engine_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"engine.{name} must be at least 1; got 0"):
        LocalEngine(**{name: 0})
