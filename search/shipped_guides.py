"""Guides that come with the project: a training with one need not train it first, and all learn from the same."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save

from atomic_files import write_bytes
from evaluation.classifier.shipped import read_shipped
from evaluation.errors import CacheFileError
from gan.data import ImageDataset
from gan.guide import Guide, GuideSpec, guide_key, restored_guide
from search.errors import RecordError
from search.weights import halved
from shipped_files import shipped_folder

SHIPPED_GUIDES = shipped_folder("models") / "guides"
"""Where they lie, in a checkout as in an installed package."""
_MARGINS = "margins"
_NETWORK = "network."


def ship_guide(guide: Guide, spec: GuideSpec, dataset: ImageDataset, folder: Path) -> Path:
    """Write ``guide``, of ``spec`` and ``dataset``, to ``folder`` in half precision; gives the path of the weights.

    Its accuracy is that of the weights before they were rounded.

    Raises:
        RecordError: a weight has no place in half precision.
    """
    path = folder / f"{guide_key(spec, dataset)}.safetensors"
    weights = {f"{_NETWORK}{name}": value.cpu().contiguous() for name, value in guide.network.state_dict().items()}
    data = save({**halved(weights), _MARGINS: guide.margins})
    facts = {
        "digest": path.stem,
        "dataset": dataset.digest,
        "spec": spec.form,
        "accuracy": guide.accuracy,
        "train_seconds": guide.train_seconds,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
    }
    write_bytes(path.with_suffix(".json"), json.dumps(facts, indent=2).encode() + b"\n")
    write_bytes(path, data)
    return path


def shipped_guide(
    spec: GuideSpec, dataset: ImageDataset, *, device: torch.device, folder: Path = SHIPPED_GUIDES
) -> Guide | None:
    """Read the guide of ``spec`` and ``dataset`` in ``folder``; None where it has none.

    Raises:
        RecordError: its file is damaged.
    """
    path = folder / f"{guide_key(spec, dataset)}.safetensors"
    if not path.exists():
        return None
    try:
        tensors, facts = read_shipped(path, path.stem)
        margins, figures = tensors.pop(_MARGINS), (facts["accuracy"], facts["train_seconds"])
        weights = {name.removeprefix(_NETWORK): value for name, value in tensors.items()}
        return restored_guide(spec, dataset, weights, margins, figures, device=device)
    except (CacheFileError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise RecordError(
            f"{path} must hold a guide that came with the project; {error}; get its file again"
        ) from error
