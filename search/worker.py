"""What a worker process does: evaluate the segments that come through its connection, and tell what came out."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import torch
from numpy.typing import NDArray

from gan.training import TrainingHooks, TrainingRecord
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


Message = Recorded | Sampled | Done | Failed


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
    hooks = TrainingHooks(
        on_record=lambda record: connection.send(Recorded(record)),
        on_samples=lambda step, images: connection.send(Sampled(step, images.cpu().numpy())),
    )
    try:
        return Done(evaluated(evaluate, segment, hooks).record)
    except Exception as error:
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
