"""Trained guides kept by content digest, so that none is trained twice."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atomic_files import write_bytes
from gan.archive import read_archive
from gan.data import ImageDataset
from gan.digest import json_digest
from gan.errors import DataError
from gan.guide.network import build_guide_network
from gan.guide.spec import GuideSpec
from gan.guide.train import Guide, train_guide

logger = logging.getLogger(__name__)

_FORMAT = 1
"""To be raised whenever the code that trains changes what comes out."""


def guide_key(spec: GuideSpec, dataset: ImageDataset) -> str:
    """Name of a guide's file (64 hex digits): spec, data set and version of the code that trains it."""
    return json_digest(
        {"spec": spec.digest, "dataset": dataset.digest, "flip": dataset.horizontal_flip, "format": _FORMAT}
    )


def load_or_train_guide(
    spec: GuideSpec,
    dataset: ImageDataset,
    *,
    device: torch.device,
    cache_dir: Path | None,
    progress: Callable[[int, float], None] | None = None,
) -> Guide:
    """Load the guide of these arguments from ``<cache_dir>/<key>.pt``, or train it and put it there.

    A file that cannot be read is logged as a warning and made again; of two that are trained at once, the first to be
    written is everybody's. See :func:`gan.guide.train.train_guide` for ``progress``, which is not called for a guide
    from the cache, and for errors.
    """
    path = None if cache_dir is None else cache_dir / f"{guide_key(spec, dataset)}.pt"
    if (known := _known(path, spec, dataset, device)) is not None:
        return known
    guide = train_guide(spec, dataset, device=device, progress=progress)
    if path is None:
        return guide
    if (known := _known(path, spec, dataset, device)) is not None:
        return known
    weights = {name: value.cpu() for name, value in guide.network.state_dict().items()}
    facts = {"key": path.stem, "accuracy": guide.accuracy, "train_seconds": guide.train_seconds}
    stream = io.BytesIO()
    torch.save({**facts, "network": weights, "margins": guide.margins}, stream)
    write_bytes(path, stream.getvalue())
    return guide


def _known(path: Path | None, spec: GuideSpec, dataset: ImageDataset, device: torch.device) -> Guide | None:
    if path is None or not path.exists():
        return None
    try:
        return read_guide(path, spec, dataset, device=device)
    except DataError as error:
        logger.warning("%s; training the guide again", error)
        return None


def read_guide(path: Path, spec: GuideSpec, dataset: ImageDataset, *, device: torch.device) -> Guide:
    """Read the guide in ``path``, which must be of ``spec`` and ``dataset``.

    Raises:
        DataError: the file is damaged, or holds a guide of another shape.
    """
    key = guide_key(spec, dataset)

    def parse(content: Any) -> tuple[str, Guide]:
        weights, margins, *figures = (content[name] for name in ("network", "margins", "accuracy", "train_seconds"))
        return content["key"], restored_guide(spec, dataset, weights, margins, figures, device=device)

    found, guide = read_archive(
        path, parse, wanted="hold a trained guide", refused=DataError, device=torch.device("cpu")
    )
    if found != key:
        raise DataError(f"{path} must hold the guide {key}; got {found}")
    return guide


def restored_guide(
    spec: GuideSpec,
    dataset: ImageDataset,
    weights: Mapping[str, Tensor],
    margins: Tensor,
    figures: Sequence[float],
    *,
    device: torch.device,
) -> Guide:
    """Make the guide of ``spec`` and ``dataset`` that has been trained before.

    Args:
        spec: its shape and training.
        dataset: the images that it was trained on.
        weights: of its network, by name.
        margins: float32 [N], of the training images.
        figures: its accuracy on the test split, in [0, 1], and the seconds that its training took.
        device: where the network goes.

    Raises:
        ValueError: the margins are not finite ones of each training image.
        RuntimeError: the weights are of another network.
    """
    if not isinstance(margins, Tensor):
        raise TypeError(f"margins must be a tensor; got {type(margins).__name__}")
    if margins.shape != (len(dataset.train),) or margins.dtype != torch.float32:
        raise ValueError(
            f"it must have a float32 margin for each of {len(dataset.train)} images; got {margins.dtype} "
            f"{list(margins.shape)}"
        )
    if not bool(margins.isfinite().all()):
        raise ValueError("its margins must be finite; some are not")
    network = build_guide_network(spec, dataset, device=device)
    network.load_state_dict(weights)
    accuracy, seconds = (float(figure) for figure in figures)
    return Guide(network.eval().requires_grad_(False), margins, accuracy, seconds)
