"""Scoring a sampler against the real data."""

from __future__ import annotations

from torch import Tensor

from evaluation.classifier.cache import TrainedClassifier
from evaluation.errors import SpecError
from evaluation.inception import classifier_inception_score
from evaluation.inference import predict
from evaluation.metrics.accuracy import accuracy, per_class_accuracy
from evaluation.metrics.diversity import intra_class_diversity
from evaluation.metrics.entropy import mode_entropy, normalised_mode_entropy
from evaluation.metrics.frechet import frechet_distance, gaussian_statistics
from evaluation.reference import RealReference
from evaluation.sampling import balanced_labels, collect_images, dequantize
from evaluation.scores import Scores
from evaluation.types import Sampler


def evaluate_sampler(
    sample: Sampler,
    *,
    reference: RealReference,
    classifier: TrainedClassifier,
    judge: TrainedClassifier,
    samples: int = 1000,
    seed: int,
    batch_size: int = 250,
    arithmetic: str = "float",
) -> Scores:
    """Draw ``samples`` images with balanced labels (sample ``i`` has label ``i % C``) and score them.

    Args:
        sample: see :data:`evaluation.types.Sampler`; its own seed decides the images.
        reference: the real figures, computed with the same classifier and number of samples.
        classifier: the ZK classifier.
        judge: the held-out network.
        samples: at least two of each class and one for each Inception split.
        seed: the shuffle before the splits of the Inception Score.
        batch_size: images per call of ``sample``; changes speed and memory, not a score.
        arithmetic: recorded with the scores.

    Raises:
        SpecError: the reference belongs to another classifier or number of samples.
        SamplerError: the sampler gives something other than finite images in [-1, 1].
        MetricError: too few samples.
        EvaluationError: a score is not finite.
    """
    _check_reference(reference, classifier, samples)
    labels = balanced_labels(samples, reference.num_classes)
    images = collect_images(sample, labels=labels, batch_size=batch_size)
    return score_images(
        images,
        labels,
        reference=reference,
        classifier=classifier,
        judge=judge,
        seed=seed,
        arithmetic=arithmetic,
    )


def score_images(
    images: Tensor,
    labels: Tensor,
    *,
    reference: RealReference,
    classifier: TrainedClassifier,
    judge: TrainedClassifier,
    seed: int,
    arithmetic: str = "float",
) -> Scores:
    """Score images that exist already: uint8 [N, 3, H, W] asked for with labels int64 [N], N = ``reference.samples``.

    Raises:
        SpecError: images of another size or number than the reference's, or a reference of another classifier.
        MetricError: too few images.
        EvaluationError: a score is not finite.
    """
    _check_reference(reference, classifier, len(images))
    if images.shape[-1] != reference.image_size or images.shape[-2] != reference.image_size:
        raise SpecError(
            f"images must be {reference.image_size} x {reference.image_size}; got {list(images.shape[-2:])}; "
            "give the generator the data set's image size"
        )
    classes = reference.num_classes
    predictions = predict(classifier.module, images)
    score = classifier_inception_score(classifier.module, images, seed=seed, splits=reference.inception_splits)
    return Scores(
        accuracy=accuracy(predictions.labels, labels),
        per_class_accuracy=per_class_accuracy(predictions.labels, labels, classes),
        inception_score=score.mean,
        inception_score_std=score.deviation,
        real_inception_score=reference.inception_score,
        real_inception_score_std=reference.inception_score_std,
        diversity=intra_class_diversity(dequantize(images), labels, classes),
        real_diversity=reference.diversity,
        frechet_distance=frechet_distance(gaussian_statistics(predictions.features), reference.test_statistics),
        real_frechet_distance=reference.frechet_distance,
        mode_entropy=mode_entropy(predictions.labels, classes),
        mode_entropy_normalised=normalised_mode_entropy(predictions.labels, classes),
        judge_accuracy=accuracy(predict(judge.module, images).labels, labels),
        samples=len(images),
        real_samples=reference.real_samples,
        real_train_samples=reference.real_train_samples,
        seed=seed,
        classifier_digest=classifier.digest,
        classifier_accuracy=classifier.report.accuracy,
        classifier_real_inception_score=classifier.report.real_inception_score,
        judge_digest=judge.digest,
        judge_real_accuracy=judge.report.accuracy,
        arithmetic=arithmetic,
    )


def _check_reference(reference: RealReference, classifier: TrainedClassifier, samples: int) -> None:
    if reference.classifier_digest != classifier.digest:
        raise SpecError(
            f"the reference must be computed with the same classifier; got {reference.classifier_digest[:12]} "
            f"and {classifier.digest[:12]}; call compute_reference with this classifier"
        )
    if reference.samples != samples:
        raise SpecError(
            f"the reference must be computed for the same number of samples; got {reference.samples} "
            f"and {samples}; call compute_reference(samples={samples})"
        )
