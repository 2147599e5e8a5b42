import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import search.run
from search.signals import sigterm_interrupts

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import os, signal, sys, time
from search.signals import sigterm_interrupts
try:
    with sigterm_interrupts():
        try:
            print("working", flush=True)
            time.sleep(60)
        finally:
            print("clearing up", flush=True)
            sys.stdin.readline()
            print("cleared up", flush=True)
except KeyboardInterrupt:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    sys.exit("interrupted")
"""


def start(program: str) -> "subprocess.Popen[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}  # takes SIGTERM, too
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT)},
    )


def test_sigterm_ends_a_process_like_ctrl_c_and_a_second_one_lets_it_clear_up() -> None:
    with start(CHILD) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "working\n"
        child.send_signal(signal.SIGTERM)
        assert child.stdout.readline() == "clearing up\n"
        child.send_signal(signal.SIGTERM)
        child.send_signal(signal.SIGTERM)
        printed, problems = child.communicate("\n", timeout=30)
    assert printed == "cleared up\n"
    assert problems.strip() == "interrupted"
    assert child.returncode == 1


@pytest.fixture
def harmless() -> Iterator[object]:
    """Let a SIGTERM that nobody takes for an interrupt do nothing, rather than end the tests."""

    def ignore(number: int, frame: object) -> None:
        return

    former = signal.signal(signal.SIGTERM, ignore)
    yield ignore
    signal.signal(signal.SIGTERM, former)


def test_the_former_handler_comes_back(harmless: object) -> None:
    def work() -> None:
        with sigterm_interrupts():
            assert signal.getsignal(signal.SIGTERM) is not harmless
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)  # a call that the signal ends

    with pytest.raises(KeyboardInterrupt):
        work()
    assert signal.getsignal(signal.SIGTERM) is harmless
    with sigterm_interrupts():
        pass
    assert signal.getsignal(signal.SIGTERM) is harmless


def test_outside_the_main_thread_nothing_changes() -> None:
    former, seen = signal.getsignal(signal.SIGTERM), list[object]()

    def work() -> None:
        with sigterm_interrupts():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [former]


def test_a_study_that_is_terminated_says_how_to_go_on(
    harmless: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(config: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    monkeypatch.setattr(search.run, "run", work)
    quiet = ("hydra/job_logging=disabled", "hydra/hydra_logging=disabled")
    monkeypatch.setattr(sys, "argv", ["search", f"hydra.run.dir={tmp_path}/session", *quiet])
    with pytest.raises(SystemExit, match="interrupted: what was finished is kept; run the same command again to go on"):
        search.run.main()
    assert signal.getsignal(signal.SIGTERM) is harmless
