"""A first run of a model in a process of its own: what sizes it computes is not known before."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from zk.child import run_in_child
from zk.errors import LoweringError
from zk.types import Budget

BUDGET = Budget(memory_bytes=4 * 2**30, wall_seconds=60)
"""More than a model takes whose every tensor is small enough; onnxruntime itself takes a few hundred megabytes."""

_RANDOM = frozenset(
    ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
)
"""Operators that give something else at each run."""

Feed = Mapping[str, NDArray[Any]]


def session_of(model: bytes) -> onnxruntime.InferenceSession:
    """Make a session of one thread, without onnxruntime's own rewrites: what is compared is the graph as written."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def check_runs(model: onnx.ModelProto, feeds: Sequence[Feed]) -> None:
    """Run ``model`` on each of ``feeds`` in a child process with a bound on its memory.

    The same runs in this process then take no more: what a model computes with equal inputs is the same.

    Raises:
        LoweringError: it draws at random, or one of them failed, or took more than :data:`BUDGET`.
    """
    if drawn := [node.op_type for node in model.graph.node if node.op_type in _RANDOM]:
        raise LoweringError(f"a circuit draws nothing at random; found {drawn[0]}; export the model without it")
    with tempfile.TemporaryDirectory(prefix="zk-preflight-") as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        for place, feed in enumerate(feeds):
            np.savez(folder / f"{place}.npz", *feed.values())  # in order: a name may be one of savez's own
        found = run_in_child(
            "preflight",
            "zk.lowering.preflight:run_all",
            {"folder": name, "names": [list(feed) for feed in feeds]},
            budget=BUDGET,
            log_path=folder / "log",
            threads=1,
        )
    if not found.result.ok:
        raise LoweringError(f"onnxruntime must run the model; {found.result.outcome}: {found.result.message}")


def run_all(*, folder: str, names: Sequence[Sequence[str]]) -> int:
    """Run the model in ``folder`` on its inputs, of which each has the given names; gives how many runs there were."""
    session = session_of((Path(folder) / "model.onnx").read_bytes())
    for place, called in enumerate(names):
        with np.load(Path(folder) / f"{place}.npz", allow_pickle=False) as feed:
            session.run(None, {name: feed[f"arr_{slot}"] for slot, name in enumerate(called)})
    return len(names)
