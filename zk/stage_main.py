"""The child's side of :mod:`zk.child`: ``python -m zk.stage_main request.json``.

The request names a function ("module:function") and its keyword arguments; the answer, written atomically beside it,
holds the returned JSON value or the error, the seconds of the call, and the true peak memory.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from zk.child import peak_rss_bytes
from zk.errors import ZkError

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Ask Linux to kill this process when its parent ends, so that no prover outlives an interrupted search."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # the parent ended before the request was registered
        os._exit(1)


def _answer(target: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    module, _, function = target.partition(":")
    call = getattr(importlib.import_module(module), function)
    start = time.perf_counter()
    answer: dict[str, Any]
    try:
        answer = {"value": call(**kwargs), "error": None}
    except MemoryError as error:
        answer = {"value": None, "error": str(error) or "MemoryError", "out_of_memory": True}
    except BaseException as error:  # a Rust panic reaches Python as a BaseException
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        traceback.print_exc()
        text = str(error) if isinstance(error, ZkError) else f"{type(error).__name__}: {error}"
        answer = {"value": None, "error": text, "out_of_memory": "memory allocation" in text}
    answer["work_seconds"] = time.perf_counter() - start
    answer["peak_rss_bytes"] = peak_rss_bytes(os.getpid())
    return answer


def main(request_path: str) -> None:
    """Serve one request file and write ``<request>.answer`` beside it."""
    request = json.loads(Path(request_path).read_text())
    die_with_parent(int(request["parent_pid"]))
    answer = _answer(request["target"], request["kwargs"])
    temporary = Path(request_path + ".part")
    temporary.write_text(json.dumps(answer))
    os.replace(temporary, request_path + ".answer")


if __name__ == "__main__":
    main(sys.argv[1])
