"""The live view where it belongs: a study of cheap candidates, watched in a pseudo-terminal."""

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna

from gan.training import TrainingBudget, TrainingHooks, TrainingRecipe, TrainingRecord
from search.candidate import Candidate
from search.engine import StudyPlan, run_study
from search.observer import StudyObserver
from search.record import TrialRecord
from search.runner import SerialRunner
from search.space import build_search_space
from search.watching import open_view
from tests.search.conftest import OBJECTIVES, CheapEvaluator

ROOT = Path(__file__).resolve().parents[2]


class NoTracker:
    """Takes whatever a study files."""

    def start_trial(self, number: int, tags: dict[str, str]) -> str:
        return str(number)

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


class SlowEvaluator(CheapEvaluator):
    """Trains for half a second, and is interrupted in the trial after ``last``."""

    def __init__(self, last: int) -> None:
        super().__init__(infeasible_above=6)
        self.last = last

    def __call__(
        self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
    ) -> TrialRecord:
        print("a library prints")
        for share in (1, 2, 4):
            hooks.on_record(TrainingRecord(share, 100 * share, 0.15 * share, 0.5, 0.25, 500.0, 1.0))
            time.sleep(0.15)
        if len(self.calls) == self.last:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        return super().__call__(candidate, folder, hooks, until_images)


def watched_study(folder: Path) -> None:
    """What runs in the terminal: a session of two trials, and one that is interrupted in its second trial."""
    space = build_search_space(
        families={"mlp": {"kernel": 0, "upsampling": "none", "stages": 1, "width_0": {"choices": [4, 5, 6, 7, 8]}}},
        shared={"latent_dim": {"choices": [2, 4]}, "conditioning": "one_hot"},
        recipe={"auxiliary_weight": {"low": 0.1, "high": 1.0}},
    )
    plan = StudyPlan(
        space=space, recipe=TrainingRecipe(batch_size=4), budget=TrainingBudget(images=400), objectives=OBJECTIVES,
        image_size=16, num_classes=2, trained=2, candidates=50, seed=0, folder=folder,
    )  # fmt: skip
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background of a shell inherit it ignored
    study = optuna.create_study(
        study_name="watched",
        directions=[objective.direction for objective in OBJECTIVES],
        sampler=optuna.samplers.RandomSampler(seed=0),
    )
    watch(study, plan, SlowEvaluator(last=99))
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 70, 0, 0))
    print("a narrower terminal")
    try:
        watch(study, replace(plan, trained=6), SlowEvaluator(last=1))
    except KeyboardInterrupt:
        raise SystemExit("over") from None


def watch(study: optuna.Study, plan: StudyPlan, evaluate: SlowEvaluator) -> None:
    with open_view("auto", study, plan, train_images=1000) as view:
        observer = StudyObserver(
            NoTracker(),  # type: ignore[arg-type]
            study_folder=plan.folder,
            objectives=OBJECTIVES,
            tags={},
            view=view,
        )
        view.say(f"[say] {plan.trained} trials " + "long " * 30)
        run_study(study, plan, SerialRunner(evaluate), observer)


def on_screen(stream: str, width: int) -> list[str]:
    """Return the lines that ``stream`` leaves on a terminal that knows: return, newline, up, erase line, wrap."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]", re.sub(r"\x1b\[[0-9;]*m", "", stream)):
        if part == "\r":
            column = 0
        elif part == "\n":
            row, column = row + 1, 0
        elif part == "\x1b[1A":
            row -= 1
        elif part == "\x1b[2K":
            lines[row] = ""
        elif not part.startswith("\x1b"):
            if column == width:
                row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
            lines[row] = lines[row].ljust(column)[:column] + part + lines[row][column + 1 :]
            column += 1
        lines += [""] * (row + 1 - len(lines))
    return [line.rstrip() for line in lines]


def resize(terminal: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))


def test_a_study_in_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    resize(theirs, 100)
    code = f"import pathlib; from tests.search.test_live_view import *; watched_study(pathlib.Path({str(tmp_path)!r}))"
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}  # no COLUMNS, no colours
    environment |= {"TERM": "xterm", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True
    )
    os.close(theirs)
    stream = ""
    with contextlib.suppress(OSError):  # Linux says so when the other end is closed
        while data := os.read(ours, 65536):
            stream += data.decode()
    os.close(ours)
    assert process.wait(timeout=60) == 1
    assert (stream.count("\x1b[?25l"), stream.count("\x1b[?25h")) == (2, 2)  # the cursor: hidden, given back
    assert stream.rindex("\x1b[?25l") < stream.rindex("\x1b[?25h")
    assert stream.count("2 of 2 trained") < stream.count("study watched") > 6  # it was drawn while trials ran

    wide, narrow = stream.split("a narrower terminal")
    lines = [line for line in on_screen(wide, 100) if line]
    assert lines[0].startswith("[say] 2 trials long")
    states = [line.split()[2] for line in lines if line.startswith("trial  ")]
    assert states == ["infeasible", "infeasible", "scored", "scored"]
    assert sum(line == "a library prints" for line in lines) == 4
    assert sum("study watched" in line for line in lines) == 1  # the last block, and nothing left of those before
    last = lines.index(next(line for line in lines if line.startswith("study watched")))
    assert lines[last].startswith("study watched  2 of 2 trained  4 of at most 50 drawn")
    assert "trials ended" in lines[last]
    assert lines[last + 1].startswith(("infeasible 2  scored 2", "scored 2  infeasible 2"))
    assert lines[last + 2].split() == ["front", "family", "accuracy", "rows"]

    lines = [line for line in on_screen(narrow, 70) if line]
    assert max(map(len, lines)) <= 70
    assert sum("study watched" in line for line in lines) == 1
    assert "interrupted" in " ".join(lines)
    assert [line.split()[:3] for line in lines if "/ 400" in line] == [["5", "mlp", "scoring"]]
    assert lines[-1] == "over"
