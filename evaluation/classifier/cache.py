"""Trained classifiers kept by content digest, so that none is trained twice."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from atomic_files import write_bytes
from evaluation.classifier import architectures, augment, judge, network, recipe, spec, training, whitening
from evaluation.classifier.network import FeatureClassifier
from evaluation.classifier.recipe import ClassifierRecipe, check_recipe_fits, recipe_to_dict
from evaluation.classifier.report import ClassifierReport, build_report
from evaluation.classifier.shipped import SHIPPED, read_shipped
from evaluation.classifier.spec import NetworkSpec, check_spec_fits, spec_to_dict
from evaluation.classifier.training import ProgressFunction, TrainingResult, build_network, train_classifier
from evaluation.digests import json_digest, source_digest
from evaluation.errors import CacheFileError, EvaluationError
from evaluation.files import load_tensors, save_tensors_atomically
from evaluation.types import DatasetLike
from weight_shapes import differing_shapes

logger = logging.getLogger(__name__)

_WEIGHT_MODULES = (architectures, augment, judge, network, recipe, spec, training, whitening)


@dataclass(frozen=True, eq=False)
class TrainedClassifier:
    """A trained network in eval mode, the digest of all that made it, and its figures on the real test set."""

    module: FeatureClassifier
    digest: str
    report: ClassifierReport
    spec: NetworkSpec


def weights_code_digest() -> str:
    """Digest of exactly those source files that decide the weights, given spec, recipe, seed and data."""
    return source_digest(Path(str(module.__file__)) for module in _WEIGHT_MODULES)


def classifier_digest(*, spec: NetworkSpec, recipe: ClassifierRecipe, dataset: DatasetLike, seed: int) -> str:
    """Cache key (64 hex digits) of a classifier: data set, architecture, recipe, seed and code."""
    return json_digest(
        {
            "dataset": dataset.digest,
            "horizontal_flip": dataset.horizontal_flip,
            "spec": spec_to_dict(spec),
            "recipe": recipe_to_dict(recipe),
            "seed": seed,
            "code": weights_code_digest(),
        }
    )


def load_or_train(
    *,
    spec: NetworkSpec,
    recipe: ClassifierRecipe,
    dataset: DatasetLike,
    seed: int,
    device: torch.device | str = "cpu",
    cache_dir: Path | str | None,
    progress: ProgressFunction | None = None,
    shipped: Path = SHIPPED,
) -> TrainedClassifier:
    """Load the classifier of these arguments from ``<cache_dir>/<digest>.pt``, or train it and put it there.

    One that came with the project, ``<shipped>/<digest>.safetensors``, is taken before either: all machines then score
    by the same weights.

    A cache file that cannot be read is logged as a warning and made again.

    Args:
        spec: a classifier's or a judge's; it must fit the data set (``spec.for_dataset(dataset)``).
        recipe: how to train it.
        dataset: real images; the training split is trained on, the test split gives the report.
        seed: initial weights, order and augmentation.
        device: where to train and where the module ends up.
        cache_dir: made if missing; None keeps nothing.
        progress: see :func:`evaluation.classifier.training.train_classifier`; not called on a cache hit.
        shipped: folder of the classifiers that come with the project.

    Raises:
        SpecError: the spec or the recipe does not fit.
        ClassifierTrainingError: training failed.
        CacheFileError: a file that came with the project is damaged.
    """
    check_spec_fits(spec, dataset)
    check_recipe_fits(recipe, spec)
    digest = classifier_digest(spec=spec, recipe=recipe, dataset=dataset, seed=seed)
    if (given := shipped / f"{digest}.safetensors").exists():
        weights, facts = read_shipped(given, digest)
        return _rebuilt(given.name, {**facts, "weights": weights}, spec, digest, device)
    path = None if cache_dir is None else Path(cache_dir) / f"{digest}.pt"
    if path is not None and path.exists():
        try:
            return _rebuilt(path.name, load_tensors(path), spec, digest, device)
        except CacheFileError as error:
            logger.warning("cached classifier %s cannot be read (%s); training it again", path, error)
    result = train_classifier(
        spec=spec,
        recipe=recipe,
        images=dataset.train.images,
        labels=dataset.train.labels,
        horizontal_flip=dataset.horizontal_flip,
        seed=seed,
        device=device,
        progress=progress,
    )
    trained = TrainedClassifier(result.module, digest, _report(result, dataset, device), spec)
    if path is not None:
        _save(path, trained, recipe, dataset, seed)
    return trained


def load_shipped(digest: str, shipped: Path = SHIPPED) -> TrainedClassifier:
    """Load a classifier or judge that came with the project by its ``digest``, without the data that it was trained on.

    Raises:
        CacheFileError: there is none of that digest, or its files are damaged.
    """
    path = shipped / f"{digest}.safetensors"
    weights, facts = read_shipped(path, digest)
    kinds: dict[str, type[NetworkSpec]] = {kind.__name__: kind for kind in (spec.ClassifierSpec, spec.JudgeSpec)}
    try:
        values = dict(facts["spec"])
        described = kinds[values.pop("kind")](**values)
    except (EvaluationError, KeyError, TypeError, ValueError) as error:
        raise CacheFileError(f"{path.name} must come with a network's spec; got {error!r}") from error
    return _rebuilt(path.name, {**facts, "weights": weights}, described, digest, "cpu")


def _report(result: TrainingResult, dataset: DatasetLike, device: torch.device | str) -> ClassifierReport:
    return build_report(
        result.module,
        images=dataset.test.images,
        labels=dataset.test.labels,
        class_names=dataset.class_names,
        train_images=len(dataset.train.labels),
        train_seconds=result.train_seconds,
        precision=result.precision,
        device=device,
    )


def _rebuilt(
    name: str, payload: dict[str, Any], spec: NetworkSpec, digest: str, device: torch.device | str
) -> TrainedClassifier:
    try:
        if payload["digest"] != digest:
            raise CacheFileError(f"a cache file must hold the digest it is named after; got {payload['digest']}")
        if other := differing_shapes(lambda: build_network(spec, seed=0), payload["weights"]):
            raise CacheFileError(f"its weights must be those of its spec; {', '.join(other)[:200]} differ")
        module = build_network(spec, seed=0)
        module.load_state_dict(payload["weights"])
        report = ClassifierReport.from_dict(payload["report"])
    except (EvaluationError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CacheFileError(f"{name} must hold a digest, weights and a report; got {error}") from error
    return TrainedClassifier(module.to(device).eval(), digest, report, spec)


def _save(path: Path, trained: TrainedClassifier, recipe: ClassifierRecipe, dataset: DatasetLike, seed: int) -> None:
    facts = {
        "digest": trained.digest,
        "dataset_digest": dataset.digest,
        "spec": spec_to_dict(trained.spec),
        "recipe": recipe_to_dict(recipe),
        "seed": seed,
        "code": weights_code_digest(),
        "torch": str(torch.__version__),
        "report": trained.report.to_dict(),
    }
    weights = {name: value.cpu() for name, value in trained.module.state_dict().items()}
    write_bytes(path.with_suffix(".json"), json.dumps(facts, indent=2).encode())
    save_tensors_atomically(path, {**facts, "weights": weights})
