"""Segments on worker processes of this machine; a worker that dies is replaced, and its segment tried again."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from gan.training import TrainingHooks
from search.errors import SegmentError
from search.objective import CandidateEvaluator
from search.record import TrialOutcome, TrialRecord
from search.runner import Ended, Segment
from search.worker import Done, Failed, Message, pass_on, work

_WAIT_SECONDS = 1.0
_LAST_WORDS_SECONDS = 30.0


@dataclass
class _Job:
    segment: Segment
    hooks: TrainingHooks
    deaths: int = 0


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    job: _Job | None = None


class LocalRunner:
    """Evaluates ``workers`` segments at a time, each in a process of its own with ``threads`` threads.

    Processes are forked from a server that has imported everything and run nothing, since PyTorch's thread pools do not
    survive a fork of this process; so a dead worker is soon replaced. A segment whose worker dies ``attempts`` times
    ends as lost; its checkpoint is continued each time.

    Args:
        evaluate: is sent to each worker once, so it must be picklable.
        workers: processes.
        threads: of PyTorch in each.
        attempts: deaths of a worker after which its segment is given up.
        say: hears of deaths.
    """

    def __init__(
        self,
        evaluate: CandidateEvaluator,
        *,
        workers: int,
        threads: int,
        attempts: int = 3,
        say: Callable[[str], None] = print,
    ) -> None:
        self._evaluate = pickle.dumps(evaluate)
        self._count, self._threads, self._attempts, self._say = workers, threads, attempts, say
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([work.__module__])
        self._workers: list[_Worker] = []
        self._waiting: list[_Job] = []

    def has_room(self) -> bool:
        """Say whether a worker is idle and nothing waits."""
        return len(self._waiting) + sum(worker.job is not None for worker in self._workers) < self._count

    def submit(self, segment: Segment, hooks: TrainingHooks) -> None:
        """Hand ``segment`` to an idle worker, or keep it until one is."""
        self._waiting.append(_Job(segment, hooks))
        self._hand_out()

    def wait(self) -> list[Ended]:
        """Pass on what the workers tell, for up to about a second; gives the segments that have ended."""
        self._hand_out()
        busy = [worker for worker in self._workers if worker.job is not None]
        if not busy:
            return []
        ready = set(wait([worker.connection for worker in busy], _WAIT_SECONDS))
        ended = [self._heard(worker) for worker in busy if worker.connection in ready]
        self._hand_out()
        return [one for one in ended if one is not None]

    def close(self) -> None:
        """Interrupt the workers, so that trainings write their last step, and wait for them; kill what stays."""
        self._waiting.clear()
        for worker in self._workers:
            worker.connection.close()
            busy = worker.job is not None  # an idle one ends with its connection
            if busy and worker.process.is_alive() and worker.process.pid is not None:
                os.kill(worker.process.pid, signal.SIGINT)
        for worker in self._workers:
            worker.process.join(_LAST_WORDS_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()

    def _hand_out(self) -> None:
        while self._waiting:
            worker = next((worker for worker in self._workers if worker.job is None), None)
            if worker is None and len(self._workers) < self._count:
                worker = self._spawn()
            if worker is None:
                return
            worker.job = self._waiting.pop(0)
            try:
                worker.connection.send(worker.job.segment)
            except OSError:  # it died idle; ``wait`` finds its end
                return

    def _spawn(self) -> _Worker:
        here, there = self._context.Pipe()
        process = self._context.Process(target=work, args=(there, self._threads), daemon=False)
        process.start()
        there.close()
        worker = _Worker(process, here)
        self._workers.append(worker)
        with contextlib.suppress(OSError):  # it died at once; ``wait`` finds its end
            here.send_bytes(self._evaluate)
        return worker

    def _heard(self, worker: _Worker) -> Ended | None:
        assert worker.job is not None
        try:
            message: Message = worker.connection.recv()
        except (EOFError, OSError, pickle.UnpicklingError):  # the last of these: it died while it wrote
            return self._died(worker)
        match message:
            case Done(record):
                segment, worker.job = worker.job.segment, None
                return Ended(segment, record)
            case Failed():
                raise SegmentError(worker.job.segment.number, message.as_raised())
            case _:
                pass_on(message, worker.job.hooks)
        return None

    def _died(self, worker: _Worker) -> Ended | None:
        job = worker.job
        assert job is not None
        worker.process.join(_WAIT_SECONDS)
        if worker.process.is_alive():
            worker.process.kill()
        worker.connection.close()
        self._workers.remove(worker)
        job.deaths += 1
        number, cause = job.segment.number, _cause(worker.process.exitcode)
        if job.deaths < self._attempts:
            self._say(f"trial {number:3d}  its worker {cause}; trying again from its checkpoint")
            self._waiting.insert(0, job)
            return None
        return Ended(job.segment, lost(job.segment, f"its worker {cause}, {job.deaths} times"))


def lost(segment: Segment, reason: str) -> TrialRecord:
    """Return the record of a segment that was given up."""
    return TrialRecord(segment.candidate, TrialOutcome.LOST, reason, {}, {}, segment.folder)


def _cause(status: int | None) -> str:
    """Say how a process with exit status ``status`` ended."""
    if status is None:
        return "closed its connection"
    if status == -signal.SIGKILL:
        return "was killed (signal 9), by somebody or for want of memory"
    return f"was killed (signal {-status})" if status < 0 else f"ended with status {status}"
