"""Which process this is, told so that another one can find out whether it still runs."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

_SAME_START_SECONDS = 60.0
"""Slack between two readings of one process's start: they are derived from the wall clock, which may be set."""


@dataclass(frozen=True)
class ProcessId:
    """A process.

    Attributes:
        host: name of the machine, for people.
        space: what its process numbers are unique in: one boot of one kernel, and there one namespace. Containers may
            share a host's name without sharing its processes.
        pid: process number.
        started: unix seconds of its start.
    """

    host: str
    space: str
    pid: int
    started: float


def this_process() -> ProcessId:
    """Return who we are."""
    pid = os.getpid()
    return ProcessId(socket.gethostname(), process_space(), pid, psutil.Process(pid).create_time())


def process_space() -> str:
    """Return what tells this space of process numbers from any other, as well as the system lets us know."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
    with contextlib.suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def is_running(process: ProcessId) -> bool:
    """Say whether ``process``, of this very space, still runs; a zombie or a new owner of its number does not count."""
    try:
        found = psutil.Process(process.pid)
        return (
            found.status() != psutil.STATUS_ZOMBIE and abs(found.create_time() - process.started) <= _SAME_START_SECONDS
        )
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
