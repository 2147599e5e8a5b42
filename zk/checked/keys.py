"""Keys that parts of one circuit share: bands of one convolution differ in names and values, not in their circuits."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import onnx

from zk.checked.circuit import PartCircuit
from zk.checked.transcript import canonical_settings
from zk.stages import StageRunner
from zk.types import Outcome, StageResult


@contextlib.contextmanager
def key_shelf(parts: Sequence[PartCircuit], folder: Path, *, sharing: bool) -> Iterator[KeyShelf]:
    """Keep keys for the parts of one run; ``folder`` is removed at its end, and what a killed run left at its start.

    Args:
        parts: in the order in which they are proved.
        folder: receives proving keys for as long as a later part needs them.
        sharing: False makes every part's keys anew, as parts that are proved at once must.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield KeyShelf(parts, folder, sharing=sharing)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@final
class KeyShelf:
    """Makes keys of parts, or links those of an equal part before. See :func:`key_shelf`."""

    def __init__(self, parts: Sequence[PartCircuit], folder: Path, *, sharing: bool) -> None:
        self._folder = folder
        self._graphs = {part.part.index: nameless_digest(part.model) for part in parts} if sharing else {}
        self._makers: dict[str, int] = {}

    def setup(
        self, part: PartCircuit, settings: Mapping[str, Any], runner: StageRunner, compiled: str, srs: str
    ) -> None:
        """Stage "setup": write ``vk.key`` and ``pk.key`` of a part.

        Where they are an equal part's, the stage is recorded with 0 seconds, 0 bytes and the number of that part. EZKL
        makes keys of the compiled circuit alone, and its bytes for equal circuits are equal.

        Raises:
            StageFailed: EZKL made no keys.
        """
        index, vk, pk = part.part.index, runner.file("vk.key"), runner.file("pk.key")
        for path in (vk, pk):  # EZKL would write into the very file that another part has a link to
            path.unlink(missing_ok=True)
        graph = self._graphs.get(index, "")
        kept = self._folder / hashlib.sha256(graph.encode() + canonical_settings(settings)).hexdigest()
        maker = self._makers.get(kept.name)
        if maker is None:
            keys = {"compiled": compiled, "vk": str(vk), "pk": str(pk), "srs": srs}
            runner.run("setup", "zk.backend:setup", keys, vk, pk)
        else:
            os.link(kept / vk.name, vk)
            os.link(kept / pk.name, pk)
            runner.record(StageResult("setup", Outcome.OK, 0.0, 0, f"key of part {maker}"))
        if not any(later > index and found == graph for later, found in self._graphs.items()):
            shutil.rmtree(kept, ignore_errors=True)
        elif maker is None:
            with contextlib.suppress(OSError):  # a file system without links: each part makes its own
                kept.mkdir(parents=True)
                os.link(vk, kept / vk.name)
                os.link(pk, kept / pk.name)
                self._makers[kept.name] = index


def nameless_digest(content: bytes) -> str:
    """SHA-256 hex of an ONNX graph with its values called by the order in which they appear, its nodes by nothing."""
    model = onnx.load_from_string(content)
    graph = model.graph
    numbers: dict[str, str] = {"": ""}
    for slot in (*graph.input, *graph.initializer):
        slot.name = numbers.setdefault(slot.name, str(len(numbers)))
    for node in graph.node:
        node.name = ""
        node.input[:] = [numbers.setdefault(name, str(len(numbers))) for name in node.input]
        node.output[:] = [numbers.setdefault(name, str(len(numbers))) for name in node.output]
    for slot in graph.output:
        slot.name = numbers.setdefault(slot.name, str(len(numbers)))
    del graph.value_info[:]
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
