"""Run one stage in a process of its own, with a memory and a wall-clock budget.

ezkl kills its process when memory runs out and may hang for good, so no compile, setup, witness or prove runs in the
caller's process. The watchdog polls the resident memory of the whole process group and kills the group when a budget is
exceeded, when the caller is interrupted, or when the caller's process ends (:mod:`zk.stage_main`).
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from zk.types import Budget, Outcome, StageResult

POLL_SECONDS = 0.05
KILLED = "the process was killed from outside, as the kernel does when memory runs out"
_LOG_TAIL_BYTES = 4000


@dataclass(frozen=True)
class ChildRun:
    """A stage's result and the JSON value that its function returned (None unless the outcome is ok)."""

    result: StageResult
    value: Any


def peak_rss_bytes(pid: int) -> int:
    """Highest resident memory of a process so far, in bytes; 0 if the process is gone.

    On Linux this is VmHWM, which starts afresh at exec. ``ru_maxrss`` does not: a child started by fork or vfork
    inherits its parent's peak, so it serves only where there is no /proc, and only for the calling process.
    """
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if Path("/proc").exists() or pid != os.getpid():
        return 0
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def run_in_child(
    stage: str,
    target: str,
    kwargs: dict[str, Any],
    *,
    budget: Budget,
    log_path: Path,
    outputs: tuple[Path, ...] = (),
    threads: int | None = None,
) -> ChildRun:
    """Call ``target`` ("module:function") with JSON keyword arguments in a child process within ``budget``.

    Args:
        stage: name for the report.
        target: function to call; it must take keywords and return a JSON value.
        kwargs: JSON values.
        budget: memory of the child's process group and wall-clock time.
        log_path: receives all that the child prints (ezkl prints a lot).
        outputs: files whose sizes are reported when they exist afterwards.
        threads: number of worker threads of ezkl (RAYON_NUM_THREADS); None leaves it to ezkl.

    Returns:
        The outcome: ok; out_of_memory (over budget, killed by the kernel, or an allocation failed); timed_out; refused
        (an exception or any other end), with the message.

    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ)
    roots = [str(Path(__file__).resolve().parents[1]), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(root for root in roots if root)  # the child runs this very package
    if threads is not None:
        environment["RAYON_NUM_THREADS"] = str(threads)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="zk-stage-") as folder, log_path.open("wb") as log:
        request = Path(folder) / "request.json"
        request.write_text(json.dumps({"target": target, "kwargs": kwargs, "parent_pid": os.getpid()}))
        process = subprocess.Popen(
            [sys.executable, "-m", "zk.stage_main", str(request)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            verdict, peak = _watch(process, budget, start)
        finally:
            _kill_group(process)
        seconds = time.perf_counter() - start
        answer_path = Path(f"{request}.answer")
        answer = json.loads(answer_path.read_text()) if answer_path.exists() else None
    outcome, message = verdict or _judge(process.returncode, answer, log_path)
    sizes = tuple((path.name, path.stat().st_size) for path in outputs if path.exists())
    work = float(answer["work_seconds"]) if answer else 0.0
    peak = max(peak, int(answer["peak_rss_bytes"]) if answer else 0)
    value = answer["value"] if answer and outcome is Outcome.OK else None
    return ChildRun(StageResult(stage, outcome, seconds, peak, message, sizes, work), value)


def _watch(process: subprocess.Popen[bytes], budget: Budget, start: float) -> tuple[tuple[Outcome, str] | None, int]:
    """Wait for the end or the first breach; give the breach, if any, and the highest memory seen."""
    peak = 0
    while True:
        resident = _group_rss_bytes(process.pid)
        peak = max(peak, resident, peak_rss_bytes(process.pid))
        if resident > budget.memory_bytes:
            return (Outcome.OUT_OF_MEMORY, f"used {resident} bytes; the budget is {budget.memory_bytes} bytes"), peak
        if time.perf_counter() - start > budget.wall_seconds:
            return (Outcome.TIMED_OUT, f"ran past its budget of {budget.wall_seconds:g} s"), peak
        try:
            process.wait(POLL_SECONDS)
            return None, peak
        except subprocess.TimeoutExpired:
            continue


def _group_rss_bytes(pid: int) -> int:
    total = 0
    try:
        leader = psutil.Process(pid)
        members = [leader, *leader.children(recursive=True)]
    except psutil.Error:
        return 0
    for member in members:
        try:
            total += int(member.memory_info().rss)
        except psutil.Error:
            continue
    return total


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _judge(returncode: int, answer: dict[str, Any] | None, log_path: Path) -> tuple[Outcome, str]:
    if answer is not None:
        if answer["error"] is None:
            return Outcome.OK, ""
        outcome = Outcome.OUT_OF_MEMORY if answer.get("out_of_memory") else Outcome.REFUSED
        return outcome, str(answer["error"])
    tail = log_path.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()
    if returncode == -signal.SIGKILL:
        return Outcome.OUT_OF_MEMORY, KILLED
    if "memory allocation of" in tail or "MemoryError" in tail:
        return Outcome.OUT_OF_MEMORY, f"an allocation failed: {tail[-300:]}"
    return Outcome.REFUSED, f"the process ended with status {returncode} and no answer: {tail[-600:]}"
