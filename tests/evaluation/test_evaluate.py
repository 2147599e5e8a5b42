import dataclasses
import math

import pytest
import torch

from evaluation import EvaluationError, MetricError, SamplerError, SpecError
from evaluation.evaluate import evaluate_sampler, score_images
from evaluation.inference import predict
from evaluation.metrics import frechet_distance, gaussian_statistics, inception_score
from evaluation.reference import compute_reference
from evaluation.sampling import balanced_labels, collect_images

SAMPLES = 60


def coloured(labels: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """Images of the right colour, whose noise depends on the sample index only."""
    colours = torch.tensor([[0.0, 0, 0], [0.5, -0.5, -0.5], [-0.5, 0.5, -0.5], [-0.5, -0.5, 0.5]])
    noise = [torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(int(i))) for i in indices]
    return (colours[labels][:, :, None, None] + 0.2 * torch.stack(noise)).clamp(-1, 1)


def collapsed(labels: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    return torch.tensor([0.5, -0.5, -0.5]).view(1, 3, 1, 1).expand(len(labels), 3, 8, 8)


@pytest.fixture(scope="module")
def reference(dataset, classifier):
    return compute_reference(dataset=dataset, classifier=classifier, samples=SAMPLES, seed=5)


@pytest.fixture(scope="module")
def scores(reference, classifier, judge):
    return evaluate_sampler(coloured, reference=reference, classifier=classifier, judge=judge, samples=SAMPLES, seed=5)


def test_a_faithful_sampler_scores_high(scores) -> None:
    assert 0.9 <= scores.accuracy <= 1.0
    assert 0.8 <= scores.judge_accuracy <= 1.0
    order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(5))
    best = inception_score(torch.eye(4)[balanced_labels(SAMPLES, 4)[order]], splits=10).mean
    assert 0.6 * best <= scores.inception_score <= best
    assert scores.mode_entropy == pytest.approx(math.log(4), abs=0.05)
    assert scores.mode_entropy_normalised == pytest.approx(scores.mode_entropy / math.log(4), rel=1e-12)
    assert sum(scores.per_class_accuracy) / 4 == pytest.approx(scores.accuracy, abs=1e-12)


def test_a_collapsed_sampler_scores_low(reference, classifier, judge, scores) -> None:
    low = evaluate_sampler(collapsed, reference=reference, classifier=classifier, judge=judge, samples=SAMPLES, seed=5)
    assert low.accuracy == pytest.approx(0.25, abs=1e-12)
    assert low.inception_score == pytest.approx(1.0, abs=1e-6)
    assert low.diversity == pytest.approx(0.0, abs=1e-12)
    assert low.mode_entropy == pytest.approx(0.0, abs=1e-12)
    assert low.frechet_distance > scores.frechet_distance
    assert low.real_diversity == scores.real_diversity


@pytest.mark.parametrize("batch_size", [1, 7, 60, 1000])
def test_batch_size_does_not_change_a_score(reference, classifier, judge, scores, batch_size: int) -> None:
    again = evaluate_sampler(
        coloured,
        reference=reference,
        classifier=classifier,
        judge=judge,
        samples=SAMPLES,
        seed=5,
        batch_size=batch_size,
    )
    assert again == scores


def test_global_random_state_neither_matters_nor_changes(reference, classifier, judge, scores) -> None:
    torch.manual_seed(99)
    before = torch.get_rng_state()
    again = evaluate_sampler(coloured, reference=reference, classifier=classifier, judge=judge, samples=SAMPLES, seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    assert again == scores


def test_scores_agree_with_the_cores(dataset, reference, classifier, scores) -> None:
    images = collect_images(coloured, labels=balanced_labels(SAMPLES, 4), batch_size=10)
    predictions = predict(classifier.module, images)
    order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(5))
    core = inception_score(predictions.probabilities[order], splits=10)
    assert scores.inception_score == pytest.approx(core.mean, rel=1e-9)
    assert scores.inception_score_std == pytest.approx(core.deviation, rel=1e-7)
    test_statistics = gaussian_statistics(predict(classifier.module, dataset.test.images).features)
    expected = frechet_distance(gaussian_statistics(predictions.features), test_statistics)
    assert scores.frechet_distance == pytest.approx(expected, rel=1e-9)


def test_real_test_images_as_samples_give_the_real_figures(dataset, classifier, judge) -> None:
    chosen = torch.cat([(dataset.test.labels == c).nonzero().flatten()[:5] for c in range(4)])
    subset = dataclasses.replace(
        dataset, test=type(dataset.test)(dataset.test.images[chosen], dataset.test.labels[chosen])
    )
    reference = compute_reference(dataset=subset, classifier=classifier, samples=20, seed=5)
    scores = score_images(
        subset.test.images, subset.test.labels, reference=reference, classifier=classifier, judge=judge, seed=5
    )
    assert reference.real_samples == 20
    assert scores.diversity == pytest.approx(scores.real_diversity, rel=1e-12)
    assert scores.frechet_distance == pytest.approx(0.0, abs=1e-9)


def test_real_counts_are_recorded_and_limited_by_the_data(dataset, classifier, scores) -> None:
    assert (scores.samples, scores.real_samples, scores.real_train_samples) == (SAMPLES, SAMPLES, SAMPLES)
    many = compute_reference(dataset=dataset, classifier=classifier, samples=10_000, seed=5)
    assert (many.samples, many.real_samples, many.real_train_samples) == (10_000, 80, 160)


def test_provenance_is_recorded(dataset, classifier, judge, scores) -> None:
    assert scores.classifier_digest == classifier.digest
    assert scores.judge_digest == judge.digest != classifier.digest
    assert scores.classifier_accuracy == classifier.report.accuracy
    assert scores.classifier_real_inception_score == classifier.report.real_inception_score
    assert scores.judge_real_accuracy == judge.report.accuracy
    assert (scores.seed, scores.arithmetic) == (5, "float")


def test_flat_dict_names_every_value(scores) -> None:
    flat = scores.as_flat_dict()
    assert flat["per_class_accuracy_3"] == scores.per_class_accuracy[3]
    assert flat["frechet_distance"] == scores.frechet_distance
    assert len(flat) == len(dataclasses.fields(scores)) - 1 + 4
    assert all(isinstance(value, float | int | str) for value in flat.values())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["accuracy", "inception_score_std", "real_frechet_distance"])
def test_a_score_is_never_nan_or_infinite(scores, name: str, bad: float) -> None:
    with pytest.raises(EvaluationError, match=f"{name} must be a finite number"):
        dataclasses.replace(scores, **{name: bad})


def test_a_nan_class_accuracy_is_an_error(scores) -> None:
    with pytest.raises(EvaluationError, match="per_class_accuracy_1 must be a finite number"):
        dataclasses.replace(scores, per_class_accuracy=(1.0, float("nan"), 1.0, 1.0))


def test_a_nan_image_is_an_error(reference, classifier, judge) -> None:
    def broken(labels: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        images = coloured(labels, indices)
        images[-1, 0, 0, 0] = float("nan")
        return images

    with pytest.raises(SamplerError, match="must be finite"):
        evaluate_sampler(broken, reference=reference, classifier=classifier, judge=judge, samples=SAMPLES, seed=5)


def test_the_reference_must_match(dataset, reference, classifier, judge) -> None:
    with pytest.raises(SpecError, match="same number of samples; got 60 and 40"):
        evaluate_sampler(coloured, reference=reference, classifier=classifier, judge=judge, samples=40, seed=5)
    with pytest.raises(SpecError, match="same classifier"):
        evaluate_sampler(coloured, reference=reference, classifier=judge, judge=judge, samples=SAMPLES, seed=5)


def test_images_of_another_size_are_an_error(reference, classifier, judge) -> None:
    images = torch.zeros(SAMPLES, 3, 16, 16, dtype=torch.uint8)
    with pytest.raises(SpecError, match=r"images must be 8 x 8; got \[16, 16\]"):
        score_images(
            images, balanced_labels(SAMPLES, 4), reference=reference, classifier=classifier, judge=judge, seed=5
        )


def test_too_few_samples_are_an_error(dataset, classifier) -> None:
    with pytest.raises(MetricError, match="10 splits, 8 samples"):
        compute_reference(dataset=dataset, classifier=classifier, samples=8, seed=5)
    with pytest.raises(MetricError, match="at least two images of every class"):
        compute_reference(dataset=dataset, classifier=classifier, samples=4, seed=5, inception_splits=2)


def test_reference_is_cached_and_survives_a_broken_file(tmp_path, dataset, classifier, reference, caplog) -> None:
    arguments = {"dataset": dataset, "classifier": classifier, "samples": SAMPLES, "seed": 5, "cache_dir": tmp_path}
    first = compute_reference(**arguments)
    (path,) = tmp_path.glob("reference-*.pt")
    written = path.stat().st_mtime_ns
    second = compute_reference(**arguments)
    assert path.stat().st_mtime_ns == written
    for field in dataclasses.fields(first):
        if field.name != "test_statistics":
            assert getattr(first, field.name) == getattr(second, field.name) == getattr(reference, field.name)
    assert torch.equal(first.test_statistics.covariance, second.test_statistics.covariance)
    path.write_bytes(b"not a tensor file")
    third = compute_reference(**arguments)
    assert "cannot be read" in caplog.text
    assert third.frechet_distance == first.frechet_distance
    compute_reference(**{**arguments, "seed": 6})
    assert len(list(tmp_path.glob("reference-*.pt"))) == 2
