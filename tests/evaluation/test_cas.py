import pytest
import torch

from evaluation import SpecError
from evaluation.cas import classification_accuracy_score


def coloured(labels: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    colours = torch.tensor([[-0.14, -0.14, -0.14], [0.5, -0.45, -0.45], [-0.45, 0.5, -0.45], [-0.45, -0.45, 0.5]])
    noise = [torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(int(i))) for i in indices]
    return (colours[labels][:, :, None, None] + 0.3 * torch.stack(noise)).clamp(-1, 1)


def test_good_images_teach_and_mislabelled_ones_do_not(dataset, spec, recipe, classifier, tmp_path) -> None:
    common = {"spec": spec, "recipe": recipe, "dataset": dataset, "images": 160, "seed": 0, "cache_dir": tmp_path}
    good = classification_accuracy_score(coloured, **common)
    wrong = classification_accuracy_score(lambda labels, i: coloured((labels + 1) % 4, i), **common)
    assert 0.9 <= good.accuracy <= 1.0
    assert 0.0 <= wrong.accuracy <= 0.1
    assert good.real_accuracy == wrong.real_accuracy == classifier.report.accuracy
    assert (good.images, good.real_images) == (160, 160)
    assert good.real_classifier_digest == classifier.digest
    assert len(good.per_class_accuracy) == 4
    assert len(list(tmp_path.glob("*.pt"))) == 1


def test_too_few_images_are_an_error(dataset, spec, recipe) -> None:
    with pytest.raises(SpecError, match="one for each of 4 classes; got 3"):
        classification_accuracy_score(coloured, spec=spec, recipe=recipe, dataset=dataset, images=3, seed=0)
