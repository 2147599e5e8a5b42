"""Where trials run, as the configuration names it; ``open`` gives the runner."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar, TypeVarTuple

import psutil
import torch

from search.errors import ConfigError
from search.local_runner import LocalRunner
from search.objective import CandidateEvaluator
from search.runner import Runner, SerialRunner

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Engine(Protocol):
    """Opens the runner of a study."""

    def open(
        self, evaluate: CandidateEvaluator, *, most: int, device: torch.device, say: Callable[[str], None]
    ) -> Runner:
        """Return a runner of at most ``most`` trials at a time, whose networks train on ``device``."""

    def job(
        self, function: Callable[[*Ts], T], *arguments: *Ts, memory_bytes: int, say: Callable[[str], None] = print
    ) -> T:
        """Return ``function(*arguments)``, computed where ``memory_bytes`` are free.

        Raises:
            LostWorkerError: whatever computed it died, as often as it was tried.
        """


@dataclass(frozen=True, kw_only=True)
class LocalEngine:
    """Trials on this machine: in this process if there is room for one, else in a process each.

    Attributes:
        workers: trials at a time; None for as many as cores and free memory allow, and one on a GPU.
        threads: of each trial; None shares the cores out.
        memory_bytes: that each trial may need; counts when ``workers`` is None.
        attempts: deaths of a worker after which its trial is given up.
    """

    workers: int | None = None
    threads: int | None = None
    memory_bytes: int = 4 * 2**30
    attempts: int = 3

    def __post_init__(self) -> None:
        for name in ("workers", "threads", "memory_bytes", "attempts"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"engine.{name} must be at least 1; got {value}")

    def open(
        self, evaluate: CandidateEvaluator, *, most: int, device: torch.device, say: Callable[[str], None]
    ) -> Runner:
        """Return the runner of this machine as it is now."""
        cores, free_bytes = usable_cores(), psutil.virtual_memory().available
        on_gpu = device.type != "cpu"
        wanted = self.workers or workers_for(
            cores=cores, threads=self.threads or 1, free_bytes=free_bytes, memory_bytes=self.memory_bytes, on_gpu=on_gpu
        )
        workers = max(1, min(wanted, most))
        threads = self.threads or max(1, cores // workers)
        if workers == 1:
            torch.set_num_threads(threads)
            return SerialRunner(evaluate)
        say(f"{workers} trials at a time, {threads} {'thread' if threads == 1 else 'threads'} each")
        return LocalRunner(evaluate, workers=workers, threads=threads, attempts=self.attempts, say=say)

    def job(
        self, function: Callable[[*Ts], T], *arguments: *Ts, memory_bytes: int, say: Callable[[str], None] = print
    ) -> T:
        """Return ``function(*arguments)``, computed in this process: memory is for the function to watch."""
        return function(*arguments)


def workers_for(*, cores: int, threads: int, free_bytes: int, memory_bytes: int, on_gpu: bool) -> int:
    """Return how many trials of ``threads`` threads and ``memory_bytes`` run at a time, at least 1."""
    return 1 if on_gpu else max(1, min(cores // threads, free_bytes // memory_bytes))


def usable_cores() -> int:
    """Return the cores that this process may use, fewer where OMP_NUM_THREADS says so."""
    cores = len(os.sched_getaffinity(0))
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(asked)) if asked.isdigit() and int(asked) > 0 else cores
