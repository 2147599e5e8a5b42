"""Stages that are run again for their time."""

from pathlib import Path

import pytest

from zk.errors import OptionError
from zk.stages import ONCE, Repeats, StageRunner
from zk.types import Budget, CircuitOptions

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


def test_repeats_are_positive() -> None:
    with pytest.raises(OptionError, match="at least 1"):
        Repeats(0)
