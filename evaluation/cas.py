"""Classification accuracy score: how well a classifier trained on generated images does on real ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from evaluation.classifier.cache import load_or_train
from evaluation.classifier.recipe import ClassifierRecipe
from evaluation.classifier.spec import NetworkSpec, check_spec_fits
from evaluation.classifier.training import ProgressFunction, train_classifier
from evaluation.errors import SpecError
from evaluation.inference import predict
from evaluation.metrics.accuracy import accuracy, per_class_accuracy
from evaluation.sampling import balanced_labels, collect_images
from evaluation.types import DatasetLike, Sampler


@dataclass(frozen=True)
class CasResult:
    """The score and the mark beside it.

    Attributes:
        accuracy: on the real test set, of the network trained on generated images only, in [0, 1]; maximise.
        per_class_accuracy: the same within each class.
        real_accuracy: on the same test set, of the same spec and recipe trained on the real training set.
        images: number of generated training images.
        real_images: number of real training images.
        seed: of both trainings.
        train_seconds: wall-clock time of the training on generated images.
        real_classifier_digest: which network gave ``real_accuracy``.
    """

    accuracy: float
    per_class_accuracy: tuple[float, ...]
    real_accuracy: float
    images: int
    real_images: int
    seed: int
    train_seconds: float
    real_classifier_digest: str


def classification_accuracy_score(
    sample: Sampler,
    *,
    spec: NetworkSpec,
    recipe: ClassifierRecipe,
    dataset: DatasetLike,
    images: int = 50_000,
    seed: int,
    device: torch.device | str = "cpu",
    cache_dir: Path | str | None = None,
    batch_size: int = 250,
    progress: ProgressFunction | None = None,
) -> CasResult:
    """Train on ``images`` generated images with balanced labels, test on the real test set.

    S. Ravuri and O. Vinyals 2019, "Classification accuracy score for conditional generative models".

    Args:
        sample: see :data:`evaluation.types.Sampler`.
        spec: the network; it must fit the data set (``spec.for_dataset(dataset)``).
        recipe: how to train it, on generated and on real images alike. Epochs count passes over ``images``, so equal
            numbers of images make equal numbers of steps.
        dataset: real images; its training split only gives ``real_accuracy``.
        images: number of generated images.
        seed: of both trainings.
        device: where to train.
        cache_dir: cache of the real-trained network; None keeps nothing and trains it again.
        batch_size: images per call of ``sample``.
        progress: follows both trainings.

    Raises:
        SpecError: the spec does not fit, or there are fewer images than classes.
        SamplerError: the sampler gives something other than finite images in [-1, 1].
        ClassifierTrainingError: a training failed.
    """
    check_spec_fits(spec, dataset)
    classes = len(dataset.class_names)
    if images < classes:
        raise SpecError(f"images must be at least one for each of {classes} classes; got {images}")
    real = load_or_train(
        spec=spec, recipe=recipe, dataset=dataset, seed=seed, device=device, cache_dir=cache_dir, progress=progress
    )
    labels = balanced_labels(images, classes)
    generated = train_classifier(
        spec=spec,
        recipe=recipe,
        images=collect_images(sample, labels=labels, batch_size=batch_size),
        labels=labels,
        horizontal_flip=dataset.horizontal_flip,
        seed=seed,
        device=device,
        progress=progress,
    )
    predicted = predict(generated.module, dataset.test.images).labels
    return CasResult(
        accuracy=accuracy(predicted, dataset.test.labels),
        per_class_accuracy=per_class_accuracy(predicted, dataset.test.labels, classes),
        real_accuracy=real.report.accuracy,
        images=images,
        real_images=real.report.train_images,
        seed=seed,
        train_seconds=generated.train_seconds,
        real_classifier_digest=real.digest,
    )
