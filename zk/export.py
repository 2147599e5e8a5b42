"""Export a torch module to ONNX in the form that ezkl's parser accepts, checked against torch."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from atomic_files import replacing
from zk.errors import ExportError


@dataclass(frozen=True)
class OnnxExport:
    """An exported file.

    Attributes:
        path: the ONNX file.
        digest: SHA-256 hex of the file.
        bytes: size of the file.
        max_abs_error: greatest difference between torch and onnxruntime on the checked inputs.
        batchnorm_nodes: BatchNormalization nodes left in the graph; 0 when they were folded.

    """

    path: Path
    digest: str
    bytes: int
    max_abs_error: float
    batchnorm_nodes: int


def export_onnx(
    module: nn.Module,
    example_inputs: tuple[torch.Tensor, ...],
    path: Path,
    input_names: tuple[str, ...],
    output_names: tuple[str, ...],
    *,
    opset: int = 17,
    tolerance: float = 1e-4,
    checks: int = 4,
    seed: int = 0,
) -> OnnxExport:
    """Export ``module`` in eval mode at the fixed shapes of ``example_inputs`` and compare with torch.

    The legacy exporter is used because the newer one writes pads that ezkl's parser rejects. The comparison runs on the
    example and on ``checks - 1`` standard normal inputs drawn from ``seed``.

    Raises:
        ExportError: torch could not export, or an output differs by more than ``tolerance``, or is not finite.

    """
    training = module.training
    module.eval()
    try:
        with replacing(path) as temporary:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")  # the legacy exporter announces its age on every call
                torch.onnx.export(
                    module,
                    example_inputs,
                    str(temporary),
                    input_names=list(input_names),
                    output_names=list(output_names),
                    opset_version=opset,
                    do_constant_folding=True,
                    dynamo=False,
                )
            error = _greatest_difference(module, example_inputs, temporary, input_names, checks, seed)
            if not error <= tolerance:
                raise ExportError(
                    f"torch and onnxruntime must agree within {tolerance}; found a difference of {error}; "
                    "check for randomness or data-dependent control flow in forward"
                )
    except ExportError:
        raise
    except Exception as failure:
        raise ExportError(f"the module must export to ONNX at opset {opset}; {failure}") from failure
    finally:
        module.train(training)
    content = path.read_bytes()
    nodes = sum(node.op_type == "BatchNormalization" for node in onnx.load_from_string(content).graph.node)
    return OnnxExport(path, hashlib.sha256(content).hexdigest(), len(content), error, nodes)


def run_onnx(path: Path, inputs: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """Run an ONNX file on float32 inputs, in the order of its graph inputs; gives its outputs as float32 arrays."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feeds = {
        slot.name: np.asarray(value, np.float32).reshape(slot.shape)
        for slot, value in zip(session.get_inputs(), inputs, strict=True)
    }
    return [np.asarray(output, np.float32) for output in session.run(None, feeds)]


def _greatest_difference(
    module: nn.Module,
    example: tuple[torch.Tensor, ...],
    path: Path,
    input_names: tuple[str, ...],
    checks: int,
    seed: int,
) -> float:
    kept = [slot.name for slot in onnx.load(str(path)).graph.input]
    if kept != list(input_names):
        raise ExportError(f"every input must be used by forward; the graph has {kept}, asked for {list(input_names)}")
    generator = torch.Generator().manual_seed(seed)
    worst = 0.0
    for index in range(max(checks, 1)):
        inputs = example if index == 0 else tuple(torch.randn(x.shape, generator=generator) for x in example)
        with torch.no_grad():
            outputs = module(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        for ours, theirs in zip(outputs, run_onnx(path, tuple(x.numpy() for x in inputs)), strict=True):
            difference = float(np.max(np.abs(ours.numpy() - theirs.reshape(ours.shape)), initial=0.0))
            if not np.isfinite(difference):
                raise ExportError("outputs must be finite; torch or onnxruntime gave a non-finite value")
            worst = max(worst, difference)
    return worst
