"""Which process measures a cell, so that another can tell a cell in work from one that was left behind."""

from __future__ import annotations

import json
from dataclasses import asdict

from json_files import parse_json
from search.processes import ProcessId, is_running, process_space, this_process


def this_driver() -> str:
    """Name this process so that no later one has the same name."""
    return json.dumps(asdict(this_process()), sort_keys=True)


def runs_elsewhere(driver: str | None) -> bool:
    """Whether another process than this still lives behind a name of :func:`this_driver`.

    Of another host or container nothing can be seen: it is taken to live. What is no such name, like those of earlier
    versions, is taken for one that has ended.
    """
    try:
        process = ProcessId(**parse_json(driver or ""))
    except (ValueError, TypeError):
        return False
    if process.space != process_space():
        return True
    return process != this_process() and is_running(process)
