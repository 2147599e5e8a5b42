"""What a model that comes with the project scores: figures of the images that its circuit computes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evaluation import TrainedClassifier, classification_accuracy_score, compute_reference
from evaluation.classifier import ClassifierRecipe
from evaluation.classifier.spec import NetworkSpec
from evaluation.evaluate import score_images
from evaluation.inception import classifier_inception_score
from evaluation.inference import predict
from evaluation.metrics.accuracy import accuracy
from evaluation.metrics.diversity import intra_class_diversity
from evaluation.metrics.frechet import frechet_distance, gaussian_statistics
from evaluation.sampling import balanced_labels, collect_images, dequantize
from evaluation.types import DatasetLike
from search.planned import CircuitSampler
from search.released.model import CHECK_SAMPLES, IMAGE, ReleasedModel
from zk.checked.circuit import build_checked
from zk.checked.simulate import CheckedSimulator
from zk.types import Budget


@dataclass(frozen=True)
class CasPlan:
    """Trainings of a classification accuracy score: network, recipe, and number of generated images."""

    spec: NetworkSpec
    recipe: ClassifierRecipe
    images: int


def circuit_images(
    model: ReleasedModel, *, samples: int, seed: int, budget: Budget, say: Callable[[str], None] = print
) -> tuple[Tensor, float]:
    """Compute ``samples`` images uint8 [N, C, H, W] as the model's circuit does; image i is of class i modulo K.

    Returns:
        The images, and the share of them for which no proof exists, because an integer leaves a table.

    Raises:
        ReleaseError: the network is not the one that the model's facts name.
        ZkError: its circuit cannot be built.
    """
    with tempfile.TemporaryDirectory(prefix="model-") as name:
        circuit = build_checked(model.export(Path(name)), model.layout(IMAGE), Path(name) / "circuit", budget=budget)
        sampler = CircuitSampler(CheckedSimulator(circuit), model.spec, seed=seed)
        images = collect_images(sampler, labels=balanced_labels(samples, model.spec.num_classes), batch_size=250)
    say(f"{model.name}: {samples:,} images by its circuit, {sampler.refused} of them without a proof")
    return images, sampler.refused / samples


def scores_without_data(
    images: Tensor, classes: int, *, classifier: TrainedClassifier, judge: TrainedClassifier, seed: int
) -> dict[str, float]:
    """Score images that are in the order of :func:`circuit_images` where no real data are at hand."""
    labels = balanced_labels(len(images), classes)
    return {
        "samples": float(len(images)),
        "accuracy": accuracy(predict(classifier.module, images).labels, labels),
        "judge_accuracy": accuracy(predict(judge.module, images).labels, labels),
        "inception_score": classifier_inception_score(classifier.module, images, seed=seed).mean,
        "diversity": intra_class_diversity(dequantize(images), labels, classes),
    }


def scores_with_data(
    images: Tensor,
    *,
    dataset: DatasetLike,
    classifier: TrainedClassifier,
    judge: TrainedClassifier,
    seed: int,
    cache: Path,
) -> dict[str, Any]:
    """Score images that are in the order of :func:`circuit_images` beside as many real ones.

    Returns:
        The fields of :class:`evaluation.Scores`, the Frechet distances on the judge's features among them
        (``judge_frechet_distance``, ``real_judge_frechet_distance``), and under ``check`` the scores of the first
        :data:`CHECK_SAMPLES` images without data.
    """
    classes = len(dataset.class_names)
    labels = balanced_labels(len(images), classes)
    reference = compute_reference(
        dataset=dataset, classifier=classifier, samples=len(images), seed=seed, cache_dir=cache
    )
    scores = score_images(
        images,
        labels,
        reference=reference,
        classifier=classifier,
        judge=judge,
        seed=seed,
        arithmetic="circuit",
    )
    by_judge = compute_reference(dataset=dataset, classifier=judge, samples=len(images), seed=seed, cache_dir=cache)
    seen = gaussian_statistics(predict(judge.module, images).features)
    return {
        **scores.as_flat_dict(),
        "judge_frechet_distance": frechet_distance(seen, by_judge.test_statistics),
        "real_judge_frechet_distance": by_judge.frechet_distance,
        "check": scores_without_data(images[:CHECK_SAMPLES], classes, classifier=classifier, judge=judge, seed=seed),
    }


def cas_of(
    images: Tensor, plan: CasPlan, *, dataset: DatasetLike, seed: int, device: torch.device, cache: Path
) -> dict[str, float]:
    """Return the classification accuracy score of stored images in the order of :func:`circuit_images`."""

    def stored(labels: Tensor, indices: Tensor) -> Tensor:
        return dequantize(images[indices])

    found = classification_accuracy_score(
        stored,
        spec=plan.spec,
        recipe=plan.recipe,
        dataset=dataset,
        images=plan.images,
        seed=seed,
        device=device,
        cache_dir=cache,
    )
    return {
        "cas": found.accuracy,
        "real_cas": found.real_accuracy,
        "cas_images": float(found.images),
        "real_cas_images": float(found.real_images),
    }
