"""The real data's own figures, computed once and compared with every sampler's."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path

from evaluation.classifier.cache import TrainedClassifier
from evaluation.digests import json_digest, source_digest
from evaluation.errors import CacheFileError
from evaluation.files import load_tensors, save_tensors_atomically
from evaluation.inception import INCEPTION_SPLITS, classifier_inception_score
from evaluation.inference import predict
from evaluation.metrics import diversity as diversity_core
from evaluation.metrics import frechet as frechet_core
from evaluation.metrics.diversity import intra_class_diversity
from evaluation.metrics.frechet import GaussianStatistics, frechet_distance, gaussian_statistics
from evaluation.sampling import balanced_indices, dequantize
from evaluation.types import DatasetLike

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RealReference:
    """Figures of real images under one classifier, at one number of samples.

    Attributes:
        num_classes: C.
        image_size: height and width of the images.
        samples: the number of generated images these figures are meant for.
        real_samples: number of real test images actually used (class-balanced), at most ``samples``.
        real_train_samples: number of real training images actually used, at most ``samples``.
        seed: which images were chosen, and the shuffle of the Inception Score.
        inception_splits: groups of the Inception Score.
        inception_score: of the chosen test images.
        inception_score_std: its deviation over the splits.
        diversity: of the chosen test images.
        frechet_distance: of the chosen training images against the whole test set.
        test_statistics: Gaussian of the classifier's features over the whole test set.
        classifier_digest: which classifier.
        dataset_digest: which data set.
    """

    num_classes: int
    image_size: int
    samples: int
    real_samples: int
    real_train_samples: int
    seed: int
    inception_splits: int
    inception_score: float
    inception_score_std: float
    diversity: float
    frechet_distance: float
    test_statistics: GaussianStatistics
    classifier_digest: str
    dataset_digest: str


def compute_reference(
    *,
    dataset: DatasetLike,
    classifier: TrainedClassifier,
    samples: int = 1000,
    seed: int,
    inception_splits: int = INCEPTION_SPLITS,
    cache_dir: Path | str | None = None,
) -> RealReference:
    """Real figures for samplers that are scored on ``samples`` images.

    Real images are chosen with balanced classes, as generated ones are. With ``cache_dir`` the result is kept in
    ``<cache_dir>/reference-<digest>.pt``; a file that cannot be read is logged as a warning and made again.

    Args:
        dataset: real images.
        classifier: the ZK classifier, trained on them.
        samples: number of generated images; fewer real ones are used where there are fewer.
        seed: which real images are chosen.
        inception_splits: groups of the Inception Score, two or more.
        cache_dir: made if missing; None keeps nothing.

    Raises:
        MetricError: too few images for a metric: two of each class, and one for each split.
    """
    digest = _reference_digest(dataset, classifier, samples, seed, inception_splits)
    path = None if cache_dir is None else Path(cache_dir) / f"reference-{digest}.pt"
    if path is not None and path.exists():
        try:
            return _load(path)
        except CacheFileError as error:
            logger.warning("cached reference %s cannot be read (%s); computing it again", path, error)
    reference = _compute(dataset, classifier, samples, seed, inception_splits)
    if path is not None:
        save_tensors_atomically(path, _to_payload(reference))
    return reference


def _compute(
    dataset: DatasetLike, classifier: TrainedClassifier, samples: int, seed: int, inception_splits: int
) -> RealReference:
    classes = len(dataset.class_names)
    test, train = dataset.test, dataset.train
    chosen = balanced_indices(test.labels, classes, samples, seed).to(test.images.device)
    chosen_train = balanced_indices(train.labels, classes, samples, seed).to(train.images.device)
    images = test.images[chosen]
    score = classifier_inception_score(classifier.module, images, seed=seed, splits=inception_splits)
    test_statistics = gaussian_statistics(predict(classifier.module, test.images).features)
    train_statistics = gaussian_statistics(predict(classifier.module, train.images[chosen_train]).features)
    return RealReference(
        num_classes=classes,
        image_size=int(test.images.shape[-1]),
        samples=samples,
        real_samples=len(chosen),
        real_train_samples=len(chosen_train),
        seed=seed,
        inception_splits=inception_splits,
        inception_score=score.mean,
        inception_score_std=score.deviation,
        diversity=intra_class_diversity(dequantize(images), test.labels[chosen], classes),
        frechet_distance=frechet_distance(train_statistics, test_statistics),
        test_statistics=test_statistics,
        classifier_digest=classifier.digest,
        dataset_digest=dataset.digest,
    )


def _reference_digest(
    dataset: DatasetLike, classifier: TrainedClassifier, samples: int, seed: int, inception_splits: int
) -> str:
    folder = Path(__file__).parent
    code = [folder / "reference.py", folder / "inference.py", folder / "inception.py", folder / "sampling.py"]
    code += [Path(str(core.__file__)) for core in (diversity_core, frechet_core)]
    # inception.py also exists among the metric cores; only its shell decides a figure here.
    return json_digest(
        {
            "dataset": dataset.digest,
            "classifier": classifier.digest,
            "samples": samples,
            "seed": seed,
            "inception_splits": inception_splits,
            "code": source_digest(code),
        }
    )


def _to_payload(reference: RealReference) -> dict[str, object]:
    plain = {field.name: getattr(reference, field.name) for field in dataclasses.fields(reference)}
    statistics = plain.pop("test_statistics")
    return {**plain, "mean": statistics.mean, "covariance": statistics.covariance}


def _load(path: Path) -> RealReference:
    payload = load_tensors(path)
    try:
        statistics = GaussianStatistics(payload.pop("mean"), payload.pop("covariance"))
        return RealReference(test_statistics=statistics, **payload)
    except (KeyError, TypeError) as error:
        raise CacheFileError(f"{path.name} must hold the fields of a reference; got {error}") from error
