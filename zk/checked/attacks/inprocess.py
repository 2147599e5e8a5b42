"""Stages without child processes, for thousands of tiny ones.

A child costs a fifth of a second to start; the circuits here take a twentieth. Whatever may hang still needs a child.
"""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zk.checked.rebuild
import zk.checked.verify
import zk.stages
import zk.verify
from zk.checked.attacks.patching import replaced
from zk.child import ChildRun
from zk.errors import ZkError
from zk.types import Budget, Outcome, StageResult

_USERS = (zk.stages, zk.verify, zk.checked.verify, zk.checked.rebuild)


def run_here(
    stage: str,
    target: str,
    kwargs: dict[str, Any],
    *,
    budget: Budget,
    log_path: Path,
    outputs: tuple[Path, ...] = (),
    threads: int | None = None,
) -> ChildRun:
    """Do what :func:`zk.child.run_in_child` does, in this process and without limits."""
    module, _, function = target.partition(":")
    start = time.perf_counter()
    value, outcome, message = None, Outcome.OK, ""
    try:
        value = getattr(importlib.import_module(module), function)(**kwargs)
    except ZkError as error:
        outcome, message = Outcome.REFUSED, str(error)
    return ChildRun(StageResult(stage, outcome, time.perf_counter() - start, 0, message), value)


@contextlib.contextmanager
def in_process() -> Iterator[None]:
    """Within the context, prover and verifier start no children."""
    with contextlib.ExitStack() as stack:
        for module in _USERS:
            stack.enter_context(replaced(module, "run_in_child", run_here))
        yield
