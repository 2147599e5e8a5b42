import copy
import json

import pytest
import torch
from PIL import Image

from evaluation.classifier import ClassifierReport, draw_confusion, write_confusion_png
from evaluation.errors import EvaluationError, MetricError, SpecError
from evaluation.inception import classifier_inception_score
from evaluation.inference import predict
from evaluation.metrics import expected_calibration_error, inception_score


def test_figures_agree_with_the_cores(dataset, classifier) -> None:
    report, predictions = classifier.report, predict(classifier.module, dataset.test.images)
    counts = torch.tensor(report.confusion)
    assert int(counts.sum()) == report.test_images == 80
    assert counts.sum(dim=1).tolist() == torch.bincount(dataset.test.labels).tolist()
    assert report.accuracy == pytest.approx(float(counts.diagonal().sum()) / 80, abs=1e-12)
    expected = (counts.diagonal().double() / counts.sum(dim=1)).tolist()
    assert report.per_class_accuracy == pytest.approx(tuple(expected), abs=1e-12)
    calibration = expected_calibration_error(predictions.probabilities, dataset.test.labels)
    assert report.expected_calibration_error == pytest.approx(calibration, abs=1e-12)
    order = torch.randperm(80, generator=torch.Generator().manual_seed(0))
    core = inception_score(predictions.probabilities[order], splits=10)
    assert report.real_inception_score == pytest.approx(core.mean, rel=1e-9)
    assert report.real_inception_score_std == pytest.approx(core.deviation, rel=1e-7)
    assert report.train_images == 160
    assert report.train_seconds > 0


def test_report_survives_json(classifier) -> None:
    text = json.dumps(classifier.report.to_dict())
    assert ClassifierReport.from_dict(json.loads(text)) == classifier.report
    with pytest.raises(EvaluationError, match="must have the fields"):
        ClassifierReport.from_dict({"accuracy": 1.0})


def test_inception_score_is_seeded_and_leaves_global_state_alone(dataset, classifier) -> None:
    state = torch.get_rng_state()
    first = classifier_inception_score(classifier.module, dataset.test.images, seed=1, splits=4)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(3)
    assert classifier_inception_score(classifier.module, dataset.test.images, seed=1, splits=4) == first
    assert classifier_inception_score(classifier.module, dataset.test.images, seed=2, splits=4) != first


def test_inception_score_needs_images_and_splits(dataset, classifier) -> None:
    with pytest.raises(MetricError, match="splits must be at least 2"):
        classifier_inception_score(classifier.module, dataset.test.images, seed=0, splits=1)
    with pytest.raises(MetricError, match="10 splits, 9 samples"):
        classifier_inception_score(classifier.module, dataset.test.images[:9], seed=0)


def test_inference_refuses_what_is_not_an_image_and_what_is_not_finite(dataset, classifier) -> None:
    with pytest.raises(MetricError, match="must be uint8"):
        predict(classifier.module, dataset.test.images.float())
    with pytest.raises(MetricError, match="N > 0"):
        predict(classifier.module, dataset.test.images[:0])
    broken = copy.deepcopy(classifier.module)
    with torch.no_grad():
        broken.head.bias[0] = float("nan")
    with pytest.raises(MetricError, match="outputs must be finite"):
        predict(broken, dataset.test.images)


def test_confusion_picture_is_darker_on_the_diagonal(tmp_path) -> None:
    write_confusion_png(tmp_path / "c.png", [[9, 1], [0, 0]], ["cat", "a much longer name"])
    picture = Image.open(tmp_path / "c.png").convert("L")
    left, top = picture.width - 12 - 2 * 46, picture.height - 12 - 2 * 46
    hit, miss, none = (picture.getpixel((left + x * 46 + 4, top + y * 46 + 4)) for x, y in ((0, 0), (1, 0), (0, 1)))
    assert hit < miss < none == 255


def test_confusion_picture_wants_a_square() -> None:
    with pytest.raises(SpecError, match="counts must be 2 x 2"):
        draw_confusion([[1, 2]], ["a", "b"])
