"""One network at one scale, ready to be laid out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from zk.benchmark.row import LayerRow
from zk.counting import multiply_accumulates
from zk.export import export_onnx

INPUT, OUTPUT = "x", "y"
EXPORT_TOLERANCE = 1e-3
"""Squares of squares lose float32's last digits in another order in torch than in onnxruntime."""


@dataclass(frozen=True, eq=False)
class Trained:
    """What is known of a trained classifier.

    Attributes:
        accuracy: share of the real test images that the float network gets right.
        images: float inputs [N, ...] from the test set, to score the circuit's integers on.
        labels: int64 [N].
    """

    accuracy: float
    images: Tensor
    labels: Tensor


@dataclass(frozen=True, eq=False)
class Case:
    """One network at one scale.

    Attributes:
        name: of the experiment.
        category: its category.
        scale_bits: asked scale.
        module: in eval mode.
        inputs: ``[N, *shape]``, with the batch in the shape: the first is proved, ranges come from all.
        trained: of a classifier; None for a layer.
    """

    name: str
    category: str
    scale_bits: int
    module: nn.Module
    inputs: Tensor
    trained: Trained | None = None

    @property
    def sample(self) -> Tensor:
        """The input that is proved."""
        return self.inputs[0]

    @property
    def constants(self) -> int:
        """Parameters and statistics, all of which the first column keeps private."""
        tensors = [*self.module.parameters(), *self.module.buffers()]
        return sum(tensor.numel() for tensor in tensors if tensor.is_floating_point())

    @functools.cached_property
    def output_elements(self) -> int:
        """Elements of the output."""
        with torch.no_grad():
            return int(self.module(self.sample).numel())

    def export(self, folder: Path) -> Path:
        """Write the network as ``folder/model.onnx``.

        Raises:
            ExportError: it cannot be exported.
        """
        target = folder / "model.onnx"
        export_onnx(self.module, (self.sample,), target, (INPUT,), (OUTPUT,), tolerance=EXPORT_TOLERANCE)
        return target

    def row(self, variant: str, **fields: object) -> LayerRow:
        """A row of this case: its name and sizes, and ``fields``."""
        with torch.no_grad():
            return self._row(variant, fields)

    def _row(self, variant: str, fields: Mapping[str, object]) -> LayerRow:
        sizes: dict[str, object] = {
            "macs": multiply_accumulates(self.module, (self.sample,)),
            "input_elements": self.sample.numel(),
            "output_elements": self.output_elements,
            "parameters": sum(tensor.numel() for tensor in self.module.parameters()),
        }
        if self.trained is not None:
            right = self.module(self.trained.images).argmax(1) == self.trained.labels
            sizes |= {
                "test_accuracy": self.trained.accuracy,
                "float_accuracy": float(right.double().mean()),
                "accuracy_images": len(right),
            }
        return LayerRow(self.name, self.category, self.scale_bits, variant, **(sizes | dict(fields)))  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Draft:
    """A layout that is planned and not proved yet.

    Attributes:
        row: all that is known before: sizes, rows, predictions as if it were ``predicted``; a refusal is final.
        need_bytes: memory to have free; None where there is nothing to prove.
        prove: proves, checks and measures; call it once.
    """

    row: LayerRow
    need_bytes: int | None = None
    prove: Callable[[], LayerRow] | None = None


@dataclass(frozen=True)
class Limits:
    """Within what the benchmark runs.

    Attributes:
        memory_bytes: most memory of one stage; what is predicted above is not started.
        stage_seconds: most wall clock of a proof's stage.
        draft_bytes: most memory of drafting settings or calibrating.
        draft_seconds: most wall clock of these.
        repeats: how often to prove.
        repeat_below_seconds: proofs of this wall clock or more are not repeated.
        pinned: keep activations at the asked scale even where finer ones cost nothing.
    """

    memory_bytes: int
    stage_seconds: float
    draft_bytes: int
    draft_seconds: float
    repeats: int = 3
    repeat_below_seconds: float = 120.0
    pinned: bool = False
