import dataclasses

import pytest
import torch

from evaluation.classifier import ClassifierSpec, JudgeSpec, TrainingProgress, train_classifier
from evaluation.classifier import training as training_module
from evaluation.errors import ClassifierTrainingError, SpecError
from evaluation.inference import predict


def train(dataset, spec, recipe, **changes):
    arguments = {
        "spec": spec,
        "recipe": recipe,
        "images": dataset.train.images,
        "labels": dataset.train.labels,
        "horizontal_flip": dataset.horizontal_flip,
        "seed": 0,
        **changes,
    }
    return train_classifier(**arguments)


def accuracy_of(module, split) -> float:
    return float((predict(module, split.images).labels == split.labels).double().mean())


@pytest.mark.parametrize(
    ("variant", "changes"),
    [
        ("avgpool", {}),
        ("strided", {}),
        ("global_pool", {"low_resolution": 4, "low_resolution_fraction": 0.5}),
        ("avgpool", {"ema_decay": 0.8}),
        ("avgpool", {"channels_last": False}),
    ],
)
def test_every_variant_learns_the_colours(dataset, spec, recipe, variant, changes) -> None:
    spec = dataclasses.replace(spec, variant=variant)
    result = train(dataset, spec, dataclasses.replace(recipe, **changes))
    assert not result.module.training
    assert 0.85 <= accuracy_of(result.module, dataset.test) <= 1.0
    assert 0.0 < result.final_loss < 1.0


def test_the_judge_and_a_whitened_stem_learn_the_colours(dataset, spec, recipe) -> None:
    for network in (JudgeSpec(widths=(8, 8)).for_dataset(dataset), dataclasses.replace(spec, whitened_stem=True)):
        assert 0.85 <= accuracy_of(train(dataset, network, recipe).module, dataset.test) <= 1.0


def test_a_whitened_stem_stays_as_computed(dataset, spec, recipe) -> None:
    spec = dataclasses.replace(spec, whitened_stem=True)
    short, long = (train(dataset, spec, dataclasses.replace(recipe, epochs=e)).module.body[0] for e in (1, 3))
    assert torch.equal(short.weight, long.weight)
    assert not torch.equal(short.bias, long.bias)


def test_the_seed_decides_everything(dataset, spec, recipe) -> None:
    torch.manual_seed(1)
    first = train(dataset, spec, recipe).module.head.weight
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again = train(dataset, spec, recipe).module.head.weight
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, train(dataset, spec, recipe, seed=1).module.head.weight)


def test_images_are_mirrored_only_where_the_data_and_the_recipe_allow(dataset, spec, recipe, monkeypatch) -> None:
    mirrored: list[bool] = []
    original = training_module.crop_batch

    def spy(padded, plan, start, stop, size):
        mirrored.append(bool(plan.mirrored.any()))
        return original(padded, plan, start, stop, size)

    monkeypatch.setattr(training_module, "crop_batch", spy)
    train(dataset, spec, recipe, horizontal_flip=False)
    train(dataset, spec, dataclasses.replace(recipe, flip=False))
    assert not any(mirrored)
    train(dataset, spec, recipe)
    assert any(mirrored)


def test_small_crops_come_first(dataset, spec, recipe, monkeypatch) -> None:
    sizes: list[int] = []
    original = training_module.crop_batch

    def spy(padded, plan, start, stop, size):
        sizes.append(size)
        return original(padded, plan, start, stop, size)

    monkeypatch.setattr(training_module, "crop_batch", spy)
    recipe = dataclasses.replace(recipe, low_resolution=4, low_resolution_fraction=0.25)
    train(dataset, dataclasses.replace(spec, variant="global_pool"), recipe)
    assert sizes == [4] * 8 + [8] * 24


def test_progress_ends_at_the_last_step(dataset, spec, recipe, monkeypatch) -> None:
    monkeypatch.setattr(training_module, "PROGRESS_SECONDS", 0.0)
    seen: list[TrainingProgress] = []
    train(dataset, spec, recipe, progress=seen.append)
    assert [state.step for state in seen] == list(range(1, 33))
    assert seen[-1].total_steps == 32
    assert seen[-1].eta_seconds == pytest.approx(0.0, abs=1e-12)
    assert seen[-1].epoch == seen[-1].epochs == 4


def test_threads_are_limited_during_training_only(dataset, spec, recipe) -> None:
    before, seen = torch.get_num_threads(), []
    try:
        torch.set_num_threads(2)
        recipe = dataclasses.replace(recipe, cpu_threads=1)
        train(dataset, spec, recipe, progress=lambda _: seen.append(torch.get_num_threads()))
        assert set(seen) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_training_set_smaller_than_a_batch(dataset, spec, recipe) -> None:
    result = train(dataset, spec, recipe, images=dataset.train.images[:8], labels=dataset.train.labels[:8])
    assert 0.0 < result.final_loss < 5.0


def test_a_loss_that_explodes_is_an_error(dataset, spec, recipe) -> None:
    with pytest.raises(ClassifierTrainingError, match="loss must stay finite; got .* lower max_learning_rate"):
        train(dataset, spec, dataclasses.replace(recipe, max_learning_rate=1e30))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": torch.zeros(4, 3, 16, 16, dtype=torch.uint8)}, r"uint8 \[N, \(3, 8, 8\)\]; got torch.uint8"),
        ({"images": torch.zeros(4, 3, 8, 8)}, "got torch.float32"),
        ({"images": torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "labels": torch.zeros(1).long()}, "two or more images"),
        ({"labels": torch.zeros(3).long()}, "one label each; got 160, 3"),
        ({"labels": torch.full((160,), 4)}, r"labels must lie in \[0, 4\); got 4 to 4"),
    ],
)
def test_bad_training_sets_say_why(dataset, spec, recipe, changes, message) -> None:
    with pytest.raises(SpecError, match=message):
        train(dataset, spec, recipe, **changes)


def test_precision_is_asked_of_the_machine(recipe, monkeypatch) -> None:
    cpu = torch.device("cpu")
    for supported, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(training_module, "_cpu_computes_in_bfloat16", lambda answer=supported: answer)
        asking = dataclasses.replace(recipe, precision="auto")
        assert training_module.resolve_precision(asking, cpu) == expected
    forced = dataclasses.replace(recipe, precision="float32")
    monkeypatch.setattr(training_module, "_cpu_computes_in_bfloat16", lambda: True)
    assert training_module.resolve_precision(forced, cpu) == "float32"


def test_bfloat16_autocast_trains_float32_weights(dataset, spec, recipe) -> None:
    recipe = dataclasses.replace(recipe, precision="bfloat16", epochs=2)
    result = train(dataset, dataclasses.replace(spec, widths=(4, 4)), recipe)
    assert result.precision == "bfloat16"
    assert result.module.head.weight.dtype == torch.float32
    assert torch.isfinite(result.module.head.weight).all()


def test_the_classifier_spec_is_not_the_judge(dataset, classifier, judge) -> None:
    assert isinstance(classifier.spec, ClassifierSpec)
    assert isinstance(judge.spec, JudgeSpec)
    assert classifier.digest != judge.digest
