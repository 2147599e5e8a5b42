"""A study's live view in the terminal: a block at the bottom that rewrites itself, below the lines that are said."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

import psutil
import torch
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from gan.training import TrainingRecord
from search.candidate import Candidate
from search.live_frame import MachineUse, frame
from search.live_state import LiveState, TrialInWork
from search.record import TrialOutcome, TrialRecord
from search.tally import EndedTrial

_REFRESH_SECONDS = 0.5


def machine_use() -> MachineUse:
    """Return what the machine is used for now; the processor's share is of the time since the last call."""
    memory = psutil.virtual_memory()
    use = MachineUse(psutil.cpu_percent() / 100, memory.total - memory.available, memory.total)
    # Asking takes hundreds of MiB of a GPU that this process does not use yet.
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return use
    free, total = torch.cuda.mem_get_info()
    return replace(use, gpu_bytes=total - free, gpu_total_bytes=total)


class LiveView:
    """Shows a study by :func:`search.live_frame.frame`, about twice a second, until it is left.

    What other code prints meanwhile appears above. When it is left, by an error or otherwise, the last block stays and
    the cursor is given back.

    Args:
        state: the study as this session finds it.
        train_images: of the dataset; budgets in epochs depend on it.
        known: reads from the study's storage what other sessions and drivers ended; asked when a trial starts.
        console: where to draw; None for the standard output.
        use: measures the machine.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        state: LiveState,
        *,
        train_images: int,
        known: Callable[[], list[EndedTrial]] = list,
        console: Console | None = None,
        use: Callable[[], MachineUse] = machine_use,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state, self._train_images, self._known = state, train_images, known
        self._console = console or Console(force_terminal=True)
        self._use, self._clock = use, clock
        self._used: MachineUse | None = None
        self._live = Live(console=self._console, get_renderable=self._frame, auto_refresh=False)
        # Rich's own thread draws the block while another one prints, and then loses count of its lines.
        self._drawing = threading.RLock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._refresh_until_done, name="live view", daemon=True)

    def __enter__(self) -> Self:
        """Draw the block and begin to refresh it."""
        self._used = self._use()
        self._live.start(refresh=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Draw it a last time and give the terminal back."""
        word = "trials ended" if kind is None else "interrupted" if kind is KeyboardInterrupt else "ended by an error"
        self._state = self._state.closed(self._clock(), word)
        self._done.set()
        try:
            self._thread.join()
        finally:
            self._live.stop()

    def say(self, line: str) -> None:
        """Print ``line`` above the block."""
        with self._drawing:
            self._console.print(Text(line), soft_wrap=True)

    def trial_started(self, number: int, candidate: Candidate) -> None:
        """Take up a trial, and what others have ended."""
        batch, budget = candidate.recipe.batch_size, candidate.budget
        steps = budget.step_limit(batch_size=batch, train_images=self._train_images)
        images = None if steps is None else steps * batch
        trial = TrialInWork(number, candidate.spec.family, images, budget.seconds)
        self._state = self._state.known(self._known()).opened(trial)

    def trial_recorded(self, number: int, record: TrainingRecord) -> None:
        """Take up how a training goes."""
        self._state = self._state.recorded(number, record, self._clock())

    def trial_ended(self, number: int, state: str, record: TrialRecord | None = None) -> None:
        """Take up how a trial ended."""
        self._state = self._state.over(ended_trial(number, state, record, self._state))

    def _frame(self) -> RenderableType:
        size = self._console.size
        return frame(self._state, self._used, self._clock(), width=size.width, height=size.height)

    def _refresh_until_done(self) -> None:
        while not self._done.wait(_REFRESH_SECONDS):
            self._used = self._use()
            with self._drawing:
                self._live.refresh()


def ended_trial(number: int, state: str, record: TrialRecord | None, study: LiveState) -> EndedTrial:
    """Return what the view keeps of a trial of ``study`` that has ended as ``record`` says."""
    if record is None:
        return EndedTrial(number, state)
    values = tuple(record.metrics.get(objective.metric) for objective in study.tally.objectives)
    scored = record.outcome is TrialOutcome.SCORED and None not in values
    known = tuple(value for value in values if value is not None) if scored else ()
    return EndedTrial(number, state, record.candidate.digest, record.candidate.spec.family, known)
