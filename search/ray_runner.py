"""Segments as tasks of a Ray cluster; a task whose worker or node is lost is submitted again."""

from __future__ import annotations

import itertools
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from gan.training import TrainingHooks
from search.errors import LostWorkerError, SegmentError, StarvedWorkerError
from search.local_runner import lost
from search.mailbox import Courier
from search.memory import MemoryForecast, PeakMeter
from search.objective import CandidateEvaluator
from search.ray_cluster import Delivery, Needs, RayCluster, Reference
from search.record import TrialRecord
from search.runner import Ended, Segment, evaluated
from search.worker import pass_on, telling_hooks

_WAIT_SECONDS = 1.0
_HEARING_SECONDS = 0.5
_WHOLE_NODE = 2**62
_TRAINED = "train_steps"
"""A metric of records whose candidate was trained."""


@dataclass
class _Job:
    segment: Segment
    hooks: TrainingHooks
    sender: int
    deaths: int = 0
    starved: bool = False
    needs: Needs = Needs(0)


class RayRunner:
    """Evaluates segments on the nodes of ``cluster``, as many at a time as they hold, but at most ``most``.

    The evaluator goes into the object store once, and each node fetches it from there. A segment whose worker dies, or
    whose node is lost, ``attempts`` times ends as lost; its checkpoint is continued each time, so the folders of
    segments must be the same files on every node.

    Args:
        evaluate: must be picklable.
        cluster: is closed with the runner.
        needs: of each segment; it trains with as many threads as it has cores.
        forecast: predicts the memory of each, in place of that of ``needs``; no more is asked for than the largest node
            has, and of that all after a worker was killed for want of memory.
        most: segments at a time.
        attempts: deaths of a worker after which its segment is given up.
        say: hears of deaths, and of a cluster without room.
    """

    def __init__(
        self,
        evaluate: CandidateEvaluator,
        cluster: RayCluster,
        *,
        needs: Needs,
        most: int,
        attempts: int = 3,
        forecast: MemoryForecast | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self._forecast = forecast
        self._cluster, self._needs, self._most, self._attempts, self._say = cluster, needs, most, attempts, say
        self._evaluate = cluster.share(evaluate)
        self._jobs: dict[Reference, _Job] = {}
        self._senders = itertools.count()
        self._slots, self._slots_known = 0, -_WAIT_SECONDS

    def has_room(self) -> bool:
        """Say whether the nodes hold one more segment; the first is submitted even if it has to wait for a node.

        While one waits for a whole node, nothing else is submitted: Ray would put it on the node first, for ever.
        """
        if any(job.starved for job in self._jobs.values()):
            return False
        return len(self._jobs) < min(self._most, max(1, self._room()))

    def submit(self, segment: Segment, hooks: TrainingHooks) -> None:
        """Hand ``segment`` to the cluster."""
        self._send(_Job(segment, hooks, next(self._senders)))

    def wait(self) -> list[Ended]:
        """Pass on what the tasks tell, for up to about a second; gives the segments that have ended."""
        self._resend_stranded()
        ready = self._cluster.ended(list(self._jobs), _WAIT_SECONDS)
        self._hear()
        ended = [self._ended(task) for task in ready]
        return [one for one in ended if one is not None]

    def close(self) -> None:
        """Interrupt the tasks, so that trainings write their last step; then leave the cluster."""
        tasks = list(self._jobs)
        self._jobs.clear()
        try:
            self._cluster.cancel(tasks)
        finally:
            self._cluster.close()

    def _room(self) -> int:
        """Return how many segments the nodes hold, known for a second: nodes join and leave."""
        if time.monotonic() - self._slots_known >= _WAIT_SECONDS:
            needs = self._needs if self._forecast is None else self._fitting(self._forecast.of_any())
            before, self._slots, self._slots_known = self._slots, self._cluster.slots(needs), time.monotonic()
            if before > 0 and self._slots == 0:
                self._say("no node is left that a trial fits on; waiting for one to join")
        return self._slots

    def _fitting(self, memory_bytes: int) -> Needs:
        """Return what a segment of that much memory takes, as far as a node has it; where none has, as configured."""
        needs = replace(self._needs, memory_bytes=memory_bytes).at_most_on(self._cluster.nodes())
        return needs if needs.memory_bytes > 0 else self._needs

    def _resend_stranded(self) -> None:
        """Ask for less where a node that was to take a segment has left; one that runs is on a node that is there."""
        if self._forecast is None:
            return
        bare = replace(self._needs, memory_bytes=0)
        nodes = [node for node in self._cluster.nodes() if bare.times_in(node)]
        for task, job in list(self._jobs.items()):
            if nodes and not any(job.needs.times_in(node) for node in nodes):
                del self._jobs[task]
                self._cluster.cancel([task])
                self._send(job)

    def _send(self, job: _Job) -> None:
        delivery = self._cluster.delivery(job.sender)
        name = f"trial {job.segment.number}"
        if self._forecast is None:
            job.needs = self._needs
        else:
            job.needs = self._fitting(_WHOLE_NODE if job.starved else self._forecast.of(job.segment.candidate))
        task = self._cluster.submit(
            evaluate_in_task, self._evaluate, job.segment, job.needs.threads, delivery, needs=job.needs, name=name
        )
        self._jobs[task] = job

    def _hear(self) -> None:
        jobs = {job.sender: job for job in self._jobs.values()}
        enough = time.monotonic() + _HEARING_SECONDS
        for sender, message in self._cluster.messages():
            if time.monotonic() > enough:  # results come first: what follows is dropped
                return
            if sender in jobs:
                pass_on(pickle.loads(message), jobs[sender].hooks)

    def _ended(self, task: Reference) -> Ended | None:
        job = self._jobs.pop(task)
        try:
            record, peak_bytes = self._cluster.result(task)
            if self._forecast is not None and _TRAINED in record.metrics:
                self._forecast.learn(job.segment.candidate, peak_bytes)
            return Ended(job.segment, record)
        except LostWorkerError as error:
            job.starved = job.starved or isinstance(error, StarvedWorkerError)
            job.deaths += 1
            if job.deaths == self._attempts:
                return Ended(job.segment, lost(job.segment, f"{error}, {job.deaths} times"))
            self._say(f"trial {job.segment.number:3d}  {error}; trying again from its checkpoint")
            self._send(job)
            return None
        except Exception as error:
            raise SegmentError(job.segment.number, error) from error


def evaluate_in_task(
    evaluate: CandidateEvaluator, segment: Segment, threads: int, delivery: Delivery
) -> tuple[TrialRecord, int]:
    """Evaluate ``segment`` with ``threads`` threads of PyTorch; what training records goes to ``delivery``.

    Returns:
        the record, and the highest memory of this process and its children in bytes.
    """
    torch.set_num_threads(threads)
    with PeakMeter() as meter, Courier(delivery) as courier:
        record = evaluated(evaluate, segment, telling_hooks(courier.send)).record
    return record, meter.bytes


def run_job(
    cluster: RayCluster,
    function: Callable[..., Any],
    *arguments: Any,
    needs: Needs,
    attempts: int,
    say: Callable[[str], None],
    **options: Any,
) -> Any:
    """Return ``function(*arguments)``, computed by a task, which is started again when its worker dies.

    Raises:
        LostWorkerError: the worker died ``attempts`` times.
    """
    for attempt in range(1, attempts + 1):
        task = cluster.submit(function, *arguments, needs=needs, **options)
        room = True
        try:
            while not cluster.ended([task], _WAIT_SECONDS):
                if room and not (room := cluster.slots(needs) > 0):
                    say("no node is left that this fits on; waiting for one to join")
            return cluster.result(task)
        except LostWorkerError as error:
            if attempt == attempts:
                raise LostWorkerError(f"{error}, {attempts} times") from error
            say(f"{error}; trying again")
        except BaseException:
            cluster.cancel([task])
            raise
    raise AssertionError("attempts is at least 1")
