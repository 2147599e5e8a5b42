"""Readers of trained networks and of what was measured on real data: caches, and what comes with the project."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from evaluation import reference
from evaluation.classifier import ClassifierSpec
from evaluation.classifier.cache import load_shipped
from evaluation.classifier.training import build_network
from evaluation.composites import cache as composites
from evaluation.composites.spec import CompositeSpec, build_composite
from gan.data import ImageDataset, Split, content_digest
from gan.guide import GuideSpec
from gan.guide.files import guide_key, read_guide
from gan.guide.network import build_guide_network

DIGEST = "0" * 64
GUIDE = GuideSpec(widths=(2, 2, 2))
COMPOSITE = CompositeSpec("relu", image_size=8, num_classes=2, channels=(2, 2))
CLASSIFIER = ClassifierSpec(image_size=16, num_classes=2, widths=(4, 4, 4))


def _dataset() -> ImageDataset:
    images, labels = torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.arange(4) % 2
    train, names = Split(images, labels), ("a", "b")
    return ImageDataset("fuzz", train, train, names, content_digest(train, train, names), horizontal_flip=True)


def _saved(content: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def guides() -> list[bytes]:
    """A guide's file."""
    dataset = _dataset()
    network = build_guide_network(GUIDE, dataset, device=torch.device("cpu")).state_dict()
    facts = {"key": guide_key(GUIDE, dataset), "accuracy": 0.5, "train_seconds": 1.0, "network": dict(network)}
    return [_saved({**facts, "margins": torch.zeros(4)})]


def read_a_guide(data: bytes, folder: Path) -> object:
    """Read a guide's file."""
    path = folder / "input"
    path.write_bytes(data)
    return read_guide(path, GUIDE, _dataset(), device=torch.device("cpu"))


def references() -> list[bytes]:
    """Figures of real images, as they are kept."""
    plain = {
        **dict.fromkeys(("num_classes", "image_size", "samples", "real_samples", "real_train_samples", "seed"), 8),
        **dict.fromkeys(("inception_score", "inception_score_std", "diversity", "frechet_distance"), 0.5),
        **dict.fromkeys(("classifier_digest", "dataset_digest"), DIGEST),
        "inception_splits": 10,
        "mean": torch.zeros(2, dtype=torch.float64),
        "covariance": torch.eye(2, dtype=torch.float64),
    }
    return [_saved(plain)]


def read_a_reference(data: bytes, folder: Path) -> object:
    """Read figures of real images."""
    path = folder / "input"
    path.write_bytes(data)
    return reference._load(path)


def _weights(module: torch.nn.Module) -> bytes:
    return save({name: value.contiguous() for name, value in module.state_dict().items()})


def _composite_weights() -> bytes:
    return _weights(build_composite(COMPOSITE, seed=0))


def composite_reports() -> list[bytes]:
    """The report beside a composite's weights."""
    report = {"accuracy": 0.5, "test_images": 4, "train_seconds": 1.0, "epochs": 5, "magnitudes": {"0": 1.5}}
    found = hashlib.sha256(_composite_weights()).hexdigest()
    return [json.dumps({"digest": DIGEST, "weights_sha256": found, "report": report}).encode()]


def read_a_composite(data: bytes, folder: Path) -> object:
    """Read a composite whose weights are whole and whose report is the input."""
    path = folder / "input.safetensors"
    path.write_bytes(_composite_weights())
    path.with_suffix(".json").write_bytes(data)
    return composites._load(path, COMPOSITE, DIGEST, "cpu")


def _classifier_weights() -> bytes:
    return _weights(build_network(CLASSIFIER, seed=0))


def classifier_reports() -> list[bytes]:
    """The facts beside a classifier that comes with the project."""
    report = {
        **dict.fromkeys(("accuracy", "expected_calibration_error", "train_seconds"), 0.5),
        **dict.fromkeys(("real_inception_score", "real_inception_score_std"), 1.5),
        **dict.fromkeys(("parameters", "train_images", "test_images"), 4),
        "per_class_accuracy": [0.5, 0.5],
        "confusion": [[1, 1], [1, 1]],
        "class_names": ["a", "b"],
        "precision": "float32",
        "device": "cpu",
    }
    spec = {"kind": "ClassifierSpec", "image_size": 16, "num_classes": 2, "widths": [4, 4, 4]}
    found = hashlib.sha256(_classifier_weights()).hexdigest()
    return [json.dumps({"digest": DIGEST, "weights_sha256": found, "spec": spec, "report": report}).encode()]


def read_a_classifier(data: bytes, folder: Path) -> object:
    """Read a classifier whose weights are whole and whose facts are the input."""
    path = folder / f"{DIGEST}.safetensors"
    path.write_bytes(_classifier_weights())
    path.with_suffix(".json").write_bytes(data)
    return load_shipped(DIGEST, folder)
