"""Stages that are run again for their time."""

from pathlib import Path

import pytest

from zk.child import KILLED, ChildRun
from zk.errors import OptionError
from zk.stages import ONCE, Repeats, StageFailed, StageRunner
from zk.types import Budget, CircuitOptions, Outcome, StageResult

BUDGET = Budget(2**31, 60.0)


@pytest.fixture(autouse=True)
def _targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


def runs(tmp_path: Path, repeats: Repeats) -> int:
    runner = StageRunner(tmp_path, CircuitOptions(), BUDGET)
    target = runner.file("touched")
    runner.run_repeatedly(repeats, "touch", "child_targets:touch", {"path": str(target)}, target)
    assert target.exists()
    return len(runner.results)


def test_a_stage_is_run_as_often_as_asked(tmp_path: Path) -> None:
    assert runs(tmp_path, ONCE) == 1
    assert runs(tmp_path, Repeats(3, below_seconds=60.0)) == 3


def test_a_long_run_is_the_last(tmp_path: Path) -> None:
    assert runs(tmp_path, Repeats(3, below_seconds=0.0)) == 1


def test_a_stage_that_is_killed_early_is_run_again_and_recorded_once(tmp_path: Path) -> None:
    runner = StageRunner(tmp_path, CircuitOptions(), BUDGET)
    given = {"path": str(tmp_path / "calls"), "times": 2}
    assert runner.run("draft", "child_targets:die_at_first", given, attempts=3) == 3
    assert [result.outcome for result in runner.results] == [Outcome.OK]


@pytest.mark.parametrize(
    ("message", "peak_bytes", "runs"),
    [(KILLED, 1, 3), (KILLED, BUDGET.memory_bytes // 2, 1), ("an allocation failed", 1, 1)],
)
def test_what_ran_out_of_memory_by_itself_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: str, peak_bytes: int, runs: int
) -> None:
    calls = list[str]()

    def failing(stage: str, *_: object, **__: object) -> ChildRun:
        calls.append(stage)
        return ChildRun(StageResult(stage, Outcome.OUT_OF_MEMORY, 1.0, peak_bytes, message), None)

    monkeypatch.setattr("zk.stages.run_in_child", failing)
    runner = StageRunner(tmp_path, CircuitOptions(), BUDGET)
    with pytest.raises(StageFailed):
        runner.run("draft", "a:b", {}, attempts=3)
    assert (len(calls), len(runner.results)) == (runs, 1)


def test_repeats_are_positive() -> None:
    with pytest.raises(OptionError, match="at least 1"):
        Repeats(0)
