"""Every outcome of a child process, with real children."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from zk.child import ChildRun, peak_rss_bytes, run_in_child
from zk.errors import OptionError
from zk.types import Budget, Outcome

ROOMY = Budget(1 << 30, 30.0)


@pytest.fixture(autouse=True)
def _targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


def call(tmp_path: Path, name: str, budget: Budget = ROOMY, **kwargs: object) -> ChildRun:
    return run_in_child(name, f"child_targets:{name}", kwargs, budget=budget, log_path=tmp_path / "child.log")


def test_value_and_log_of_a_good_child(tmp_path: Path) -> None:
    run = call(tmp_path, "add", left=2, right=3)
    assert (run.value, run.result.outcome, run.result.message) == (5, Outcome.OK, "")
    assert "noise on stdout" in (tmp_path / "child.log").read_text()
    assert 0.0 < run.result.work_seconds < run.result.wall_seconds < 20.0


def test_output_sizes_are_reported_for_files_that_exist(tmp_path: Path) -> None:
    written, missing = tmp_path / "written", tmp_path / "missing"
    written.write_bytes(b"12345")
    run = run_in_child(
        "s",
        "child_targets:sleep",
        {"seconds": 0},
        budget=ROOMY,
        log_path=tmp_path / "log",
        outputs=(written, missing),
    )
    assert run.result.output_bytes == (("written", 5),)


def test_peak_is_the_childs_own_and_not_the_parents(tmp_path: Path) -> None:
    block = bytearray(os.urandom(1 << 20)) * 300
    run = call(tmp_path, "hoard", megabytes=100, seconds=0.0)
    assert 100 << 20 < run.result.peak_rss_bytes < 220 << 20
    assert len(block) == 300 << 20


def test_over_the_memory_budget(tmp_path: Path) -> None:
    run = call(tmp_path, "hoard", Budget(120 << 20, 30.0), megabytes=400, seconds=20.0)
    assert run.result.outcome is Outcome.OUT_OF_MEMORY
    assert str(120 << 20) in run.result.message
    assert run.result.wall_seconds < 15.0


@pytest.mark.parametrize("name", ["no_memory", "abort_as_rust_does"])
def test_failed_allocation_is_out_of_memory(tmp_path: Path, name: str) -> None:
    assert call(tmp_path, name).result.outcome is Outcome.OUT_OF_MEMORY


def test_killed_from_outside_is_out_of_memory(tmp_path: Path) -> None:
    run = call(tmp_path, "die", number=int(signal.SIGKILL))
    assert run.result.outcome is Outcome.OUT_OF_MEMORY
    assert "killed from outside" in run.result.message


def test_other_signals_are_refusals(tmp_path: Path) -> None:
    run = call(tmp_path, "die", number=int(signal.SIGSEGV))
    assert run.result.outcome is Outcome.REFUSED
    assert "-11" in run.result.message


def test_timed_out_kills_the_whole_group(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    run = call(tmp_path, "sleep_with_grandchild", Budget(1 << 30, 2.0), pid_file=str(pid_file), seconds=60.0)
    assert run.result.outcome is Outcome.TIMED_OUT
    assert 2.0 <= run.result.wall_seconds < 10.0
    grandchild = int(pid_file.read_text())
    for _ in range(50):
        if not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the grandchild survived")


def test_an_exception_is_refused_with_its_message(tmp_path: Path) -> None:
    run = call(tmp_path, "fail", text="no such layer")
    assert (run.result.outcome, run.result.message) == (Outcome.REFUSED, "RuntimeError: no such layer")
    assert run.value is None


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = (
        "from pathlib import Path; from zk.child import run_in_child; from zk.types import Budget\n"
        "run_in_child('s', 'child_targets:sleep_with_grandchild', "
        f"{{'pid_file': {str(pid_file)!r}, 'seconds': 60.0}},"
        f" budget=Budget(1 << 30, 60.0), log_path=Path({str(tmp_path / 'log')!r}))"
    )
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, str(Path(__file__).parent)])}
    parent = subprocess.Popen([sys.executable, "-c", script], env=environment)
    for _ in range(200):
        if pid_file.exists():
            break
        time.sleep(0.05)
    children = psutil.Process(parent.pid).children()
    parent.kill()
    parent.wait()
    assert len(children) == 1
    _, alive = psutil.wait_procs(children, timeout=5.0)
    psutil.Process(int(pid_file.read_text())).kill()  # a grandchild of our test, not of ezkl, which starts threads only
    assert not alive


def test_peak_of_this_process_and_of_none() -> None:
    assert peak_rss_bytes(os.getpid()) >= psutil.Process().memory_info().rss // 2 > 0
    assert peak_rss_bytes(2**22 + 1) == 0


@pytest.mark.parametrize(("memory", "seconds"), [(0, 1.0), (1, 0.0), (1, float("nan"))])
def test_budget_must_be_positive(memory: int, seconds: float) -> None:
    with pytest.raises(OptionError, match="budget must be positive"):
        Budget(memory, seconds)
