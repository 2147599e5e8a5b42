"""Which process measures a cell, so that another can tell a cell in work from one that was left behind."""

from __future__ import annotations

import os
import socket

import psutil


def this_driver() -> str:
    """Name this process: host, process id and start, which no later process of the host shares."""
    return f"{socket.gethostname()}/{os.getpid()}/{psutil.Process().create_time():.2f}"


def runs_elsewhere(driver: str | None) -> bool:
    """Whether another process than this still lives behind a name of :func:`this_driver`.

    Of another host's nothing can be seen: it is taken to live.
    """
    if driver is None or driver == this_driver():
        return False
    host, pid, created = driver.rsplit("/", 2)
    if host != socket.gethostname():
        return True
    try:
        return f"{psutil.Process(int(pid)).create_time():.2f}" == created
    except psutil.NoSuchProcess:
        return False
