"""What a worker process does: evaluate the segments that come through its connection, and tell what came out."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import torch
from numpy.typing import NDArray

from gan.training import TrainingHooks, TrainingRecord
from search.errors import WorkerError
from search.objective import CandidateEvaluator
from search.record import TrialRecord
from search.runner import Segment, evaluated

_LAST_WORDS_SECONDS = 20.0


@dataclass(frozen=True)
class Recorded:
    """A point of the training curves."""

    record: TrainingRecord


@dataclass(frozen=True)
class Sampled:
    """Sample images float32 [N, C, S, S] in [-1, 1] at a step."""

    step: int
    images: NDArray[Any]


@dataclass(frozen=True)
class Done:
    """A segment's record."""

    record: TrialRecord


@dataclass(frozen=True)
class Failed:
    """An error that is no outcome of a candidate; ``error`` is None where it cannot be sent."""

    error: Exception | None
    text: str

    def as_raised(self) -> Exception:
        """Return the error as it was, or one that has its traceback."""
        return self.error if self.error is not None else WorkerError(f"a worker met an error:\n{self.text}")


Progress = Recorded | Sampled
Message = Progress | Done | Failed


def work(connection: Connection, threads: int) -> None:
    """Evaluate segments until the connection closes; the first message is the evaluator, pickled.

    An interrupt, or the end of the driver, ends it too: training then writes its last step.
    """
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_the_driver, daemon=True).start()
    try:
        evaluate = pickle.loads(connection.recv_bytes())
        while True:
            segment: Segment = connection.recv()
            connection.send(_outcome(evaluate, segment, connection))
    except (EOFError, ConnectionError, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would fill the terminal with the way out


def _outcome(evaluate: CandidateEvaluator, segment: Segment, connection: Connection) -> Message:
    try:
        return Done(evaluated(evaluate, segment, telling_hooks(connection.send)).record)
    except Exception as error:
        return failure(error)


def telling_hooks(send: Callable[[Progress], None]) -> TrainingHooks:
    """Return hooks that send what training records; :func:`pass_on` is for the other end."""
    return TrainingHooks(
        on_record=lambda record: send(Recorded(record)),
        on_samples=lambda step, images: send(Sampled(step, images.cpu().numpy())),
    )


def pass_on(message: Progress, hooks: TrainingHooks) -> None:
    """Give ``hooks`` what training recorded elsewhere."""
    match message:
        case Recorded(record):
            hooks.on_record(record)
        case Sampled(step, images):
            hooks.on_samples(step, torch.from_numpy(images))


def failure(error: Exception) -> Failed:
    """Return ``error``, which is being handled, in a form that can be sent."""
    text = traceback.format_exc()
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever an error of a third party does when it is pickled
        return Failed(None, text)
    return Failed(error, text)


def _end_with_the_driver() -> None:
    """Interrupt this process when its driver dies, and end it if that does not help."""
    driver = multiprocessing.parent_process()
    if driver is None:
        return
    driver.join()
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(_LAST_WORDS_SECONDS)
    os._exit(1)
