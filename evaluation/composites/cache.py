"""Trained composite networks kept by content digest, so that none is trained twice."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from atomic_files import write_bytes
from evaluation.classifier import augment
from evaluation.classifier import folding as classifier_folding
from evaluation.classifier import recipe as classifier_recipe
from evaluation.classifier.network import FeatureClassifier
from evaluation.classifier.training import ProgressFunction
from evaluation.composites import folding, spec, training
from evaluation.composites.magnitudes import MAGNITUDE_IMAGES, largest_magnitudes
from evaluation.composites.recipe import CompositeRecipe
from evaluation.composites.spec import CompositeSpec, build_composite, check_composite_fits
from evaluation.composites.training import train_composite
from evaluation.digests import json_digest, source_digest
from evaluation.errors import CacheFileError
from evaluation.inference import predict
from evaluation.metrics.accuracy import accuracy
from evaluation.types import DatasetLike

logger = logging.getLogger(__name__)

# Two groups, because a source digest tells files apart by their names alone and both have a ``folding``.
_OWN_MODULES = (folding, spec, training)
_SHARED_MODULES = (augment, classifier_folding, classifier_recipe)


@dataclass(frozen=True, eq=False)
class TrainedComposite:
    """A trained composite network and its figures.

    Attributes:
        module: the published layers, in eval mode.
        accuracy: on the whole real test set, in [0, 1].
        test_images: number of images behind it.
        train_seconds: wall-clock time of the training alone, whenever that was.
        digest: of all that made the weights; the name of its files in the cache.
        epochs: passes over the training images.
        magnitudes: see :func:`evaluation.composites.magnitudes.largest_magnitudes`, over the first 1,000 test images.
    """

    module: nn.Sequential
    accuracy: float
    test_images: int
    train_seconds: float
    digest: str
    epochs: int
    magnitudes: dict[str, float]


def composite_code_digest() -> str:
    """Digest of exactly those source files that decide the weights, given spec, recipe, seed and data."""
    groups = (_OWN_MODULES, _SHARED_MODULES)
    return json_digest([source_digest(Path(str(module.__file__)) for module in group) for group in groups])


def composite_digest(*, spec: CompositeSpec, recipe: CompositeRecipe, dataset: DatasetLike, seed: int) -> str:
    """Cache key (64 hex digits) of a composite network: data set, architecture, recipe, seed and code."""
    return json_digest(
        {
            "dataset": dataset.digest,
            "horizontal_flip": dataset.horizontal_flip,
            "spec": spec.to_dict(),
            "recipe": recipe.to_dict(),
            "seed": seed,
            "code": composite_code_digest(),
        }
    )


def load_or_train_composite(
    *,
    spec: CompositeSpec,
    recipe: CompositeRecipe,
    dataset: DatasetLike,
    seed: int,
    device: torch.device | str = "cpu",
    cache_dir: Path | str | None,
    progress: ProgressFunction | None = None,
) -> TrainedComposite:
    """Load the network of these arguments from ``<cache_dir>/<digest>.{safetensors,json}``, or train it and keep it.

    Cache files that cannot be read, or that do not belong together, are logged as a warning and made again.

    Args:
        spec: must fit the data set (``spec.for_dataset(dataset)``).
        recipe: how to train it.
        dataset: real images; the training split is trained on, the test split gives the figures.
        seed: initial weights, order and augmentation.
        device: where to train and where the module ends up.
        cache_dir: made if missing; None keeps nothing.
        progress: see :func:`evaluation.composites.training.train_composite`; not called on a cache hit.

    Raises:
        SpecError: the spec or the recipe does not fit.
        ClassifierTrainingError: training failed.
    """
    check_composite_fits(spec, dataset)
    digest = composite_digest(spec=spec, recipe=recipe, dataset=dataset, seed=seed)
    path = None if cache_dir is None else Path(cache_dir) / f"{digest}.safetensors"
    if path is not None and path.exists():
        try:
            return _load(path, spec, digest, device)
        except CacheFileError as error:
            logger.warning("cached composite %s cannot be read (%s); training it again", path, error)
    started = time.perf_counter()
    module = train_composite(
        spec=spec,
        recipe=recipe,
        images=dataset.train.images,
        labels=dataset.train.labels,
        horizontal_flip=dataset.horizontal_flip,
        seed=seed,
        device=device,
        progress=progress,
    )
    trained = _measured(module, time.perf_counter() - started, digest, recipe, dataset)
    if path is not None:
        _save(path, trained, spec, recipe, dataset, seed)
    return trained


def _measured(
    module: nn.Sequential, train_seconds: float, digest: str, recipe: CompositeRecipe, dataset: DatasetLike
) -> TrainedComposite:
    images = dataset.test.images
    head = module[-1]
    assert isinstance(head, nn.Linear)
    predicted = predict(FeatureClassifier(module[:-1], head), images).labels
    return TrainedComposite(
        module=module,
        accuracy=accuracy(predicted, dataset.test.labels),
        test_images=len(images),
        train_seconds=train_seconds,
        digest=digest,
        epochs=recipe.epochs,
        magnitudes=largest_magnitudes(module, images[:MAGNITUDE_IMAGES]),
    )


def _load(path: Path, spec: CompositeSpec, digest: str, device: torch.device | str) -> TrainedComposite:
    try:
        data = path.read_bytes()
        facts: dict[str, Any] = json.loads(path.with_suffix(".json").read_bytes())
        found = hashlib.sha256(data).hexdigest()
        if (facts["digest"], facts["weights_sha256"]) != (digest, found):
            raise CacheFileError(f"{path.name} must be the file that its report names; got SHA-256 {found}")
        module = build_composite(spec, seed=0)
        module.load_state_dict(load(data))
        report = facts["report"]
        return TrainedComposite(
            module=module.to(device).eval(),
            accuracy=float(report["accuracy"]),
            test_images=int(report["test_images"]),
            train_seconds=float(report["train_seconds"]),
            digest=digest,
            epochs=int(report["epochs"]),
            magnitudes={str(name): float(value) for name, value in report["magnitudes"].items()},
        )
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RuntimeError,
        SafetensorError,
    ) as error:  # RecursionError of deep JSON is a RuntimeError
        raise CacheFileError(f"{path.name} must hold weights beside a report; got {error!r}") from error


def _save(
    path: Path, trained: TrainedComposite, spec: CompositeSpec, recipe: CompositeRecipe, dataset: DatasetLike, seed: int
) -> None:
    """Write the report first: weights without one, or beside another's, are never taken for a whole entry."""
    weights = {name: value.detach().cpu().contiguous() for name, value in trained.module.state_dict().items()}
    data = save(weights)
    facts = {
        "digest": trained.digest,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
        "dataset_digest": dataset.digest,
        "spec": spec.to_dict(),
        "spec_digest": spec.digest,
        "recipe": recipe.to_dict(),
        "seed": seed,
        "code": composite_code_digest(),
        "torch": str(torch.__version__),
        "train_images": len(dataset.train.labels),
        "report": {
            "accuracy": trained.accuracy,
            "test_images": trained.test_images,
            "train_seconds": trained.train_seconds,
            "epochs": trained.epochs,
            "magnitudes": trained.magnitudes,
        },
    }
    write_bytes(path.with_suffix(".json"), json.dumps(facts, indent=2).encode())
    write_bytes(path, data)
