"""A trained classifier as ONNX, in the form that circuits are made from."""

from __future__ import annotations

from pathlib import Path

import torch

from evaluation.classifier.cache import TrainedClassifier
from evaluation.classifier.folding import fold_batchnorm
from zk.export import OnnxExport, export_onnx


def export_classifier(classifier: TrainedClassifier, path: Path) -> OnnxExport:
    """Write the network without its BatchNorm, for one image [1, 3, S, S] in [-1, 1], checked against torch.

    Raises:
        ExportError: torch and onnxruntime disagree.
    """
    size = classifier.spec.image_size
    folded = fold_batchnorm(classifier.module).cpu()
    return export_onnx(folded, (torch.zeros(1, 3, size, size),), path, ("image",), ("logits",), tolerance=1e-3)
