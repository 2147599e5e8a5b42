import dataclasses
import json
import math
from typing import get_args

import pytest
import torch
from torch import nn

from evaluation.composites import (
    CompositeKind,
    CompositeRecipe,
    CompositeSpec,
    Square,
    build_composite,
    composite_digest,
    largest_magnitudes,
    load_or_train_composite,
    train_composite,
    with_batchnorm,
    without_batchnorm,
)
from evaluation.composites import cache as cache_module
from evaluation.composites import training as training_module
from evaluation.errors import ClassifierTrainingError, SpecError

KINDS = get_args(CompositeKind)
LAYERS = {
    "relu": [nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.Flatten, nn.Linear],
    "poly": [nn.Conv2d, Square, nn.AvgPool2d, nn.Conv2d, Square, nn.AvgPool2d, nn.Flatten, nn.Linear],
    "mixed": [nn.Conv2d, Square, nn.AvgPool2d, nn.Conv2d, nn.ReLU, nn.AvgPool2d, nn.Flatten, nn.Linear],
    "strided": [nn.Conv2d, nn.ReLU, nn.Conv2d, nn.ReLU, nn.Flatten, nn.Linear],
}


@pytest.fixture(scope="module")
def recipe() -> CompositeRecipe:
    return CompositeRecipe(epochs=4, batch_size=20, max_learning_rate=0.05, shift_pixels=1)


def tiny_spec(dataset, kind: CompositeKind = "relu") -> CompositeSpec:
    return CompositeSpec(kind, channels=(6, 8)).for_dataset(dataset)


def train(dataset, spec, recipe, **changes) -> nn.Sequential:
    arguments = {
        "spec": spec,
        "recipe": recipe,
        "images": dataset.train.images,
        "labels": dataset.train.labels,
        "horizontal_flip": dataset.horizontal_flip,
        "seed": 0,
        **changes,
    }
    return train_composite(**arguments)


def same_weights(left: nn.Module, right: nn.Module) -> bool:
    ours, theirs = left.state_dict(), right.state_dict()
    return list(ours) == list(theirs) and all(torch.equal(value, theirs[name]) for name, value in ours.items())


@pytest.mark.parametrize("kind", KINDS)
def test_the_layers_are_the_published_ones(kind) -> None:
    network = build_composite(CompositeSpec(kind), seed=0)
    assert [type(layer) for layer in network] == LAYERS[kind]
    first, second = (layer for layer in network if isinstance(layer, nn.Conv2d))
    for convolution, channels in ((first, (3, 32)), (second, (32, 64))):
        assert (convolution.in_channels, convolution.out_channels) == channels
        assert convolution.kernel_size == (3, 3)
        assert convolution.padding == (1, 1)
        assert convolution.stride == ((2, 2) if kind == "strided" else (1, 1))
        assert convolution.bias is not None
    assert (network[-1].in_features, network[-1].out_features) == (4096, 10)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("size", [4, 8, 28])
def test_the_dense_layer_follows_the_image(size) -> None:
    for kind in KINDS:
        spec = CompositeSpec(kind, image_size=size, num_classes=3, channels=(2, 5))
        assert spec.features == 5 * (size // 4) ** 2
        assert build_composite(spec, seed=0)(torch.zeros(1, 3, size, size)).shape == (1, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "cubic"}, "kind"),
        ({"image_size": 30}, "image_size"),
        ({"image_size": 0}, "image_size"),
        ({"num_classes": 1}, "num_classes"),
        ({"channels": (4,)}, "channels"),
        ({"channels": (4, 0)}, "channels"),
    ],
)
def test_a_spec_that_cannot_be_built_is_refused(changes, message) -> None:
    with pytest.raises(SpecError, match=message):
        CompositeSpec(**{"kind": "relu", **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs"),
        ({"max_learning_rate": math.nan}, "max_learning_rate"),
        ({"head_factor": 0.0}, "head_factor"),
        ({"head_factor": 1.5}, "head_factor"),
        ({"gradient_clip": 0.0}, "gradient_clip"),
        ({"gradient_clip": math.nan}, "gradient_clip"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(changes, message) -> None:
    with pytest.raises(SpecError, match=message):
        CompositeRecipe(**changes)


def test_every_field_of_a_spec_reaches_its_digest() -> None:
    base = CompositeSpec("relu")
    changes = [{}, {"kind": "poly"}, {"image_size": 28}, {"num_classes": 4}, {"channels": (32, 32)}]
    assert len({dataclasses.replace(base, **change).digest for change in changes}) == len(changes)
    assert CompositeSpec("relu", channels=[32, 64]) == base
    assert hash(CompositeSpec("relu", channels=[32, 64])) == hash(base)


def test_the_seed_decides_the_initial_weights_and_global_state_is_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    spec = CompositeSpec("poly", image_size=8)
    assert same_weights(build_composite(spec, seed=3), build_composite(spec, seed=3))
    assert not same_weights(build_composite(spec, seed=3), build_composite(spec, seed=4))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("kind", KINDS)
def test_folding_keeps_the_function_and_gives_the_published_layers(kind) -> None:
    generator = torch.Generator().manual_seed(1)
    spec = CompositeSpec(kind, image_size=8, num_classes=4, channels=(6, 5))
    network = build_composite(spec, seed=0)
    trained = with_batchnorm(network)
    norms = [layer for layer in trained if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 2
    for norm in norms:
        norm.running_mean.normal_(generator=generator)
        norm.running_var.uniform_(0.2, 3.0, generator=generator)
        nn.init.normal_(norm.weight, generator=generator)  # negative factors too
        nn.init.normal_(norm.bias, generator=generator)
    images = torch.rand(16, 3, 8, 8, generator=generator) * 2 - 1
    folded = without_batchnorm(trained)
    assert [type(layer) for layer in folded] == LAYERS[kind]
    assert not folded.training
    assert {value.dtype for value in folded.state_dict().values()} == {torch.float32}
    assert trained.training
    expected = trained.double().eval()(images.double())
    assert torch.allclose(folded.double()(images.double()), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_learns_the_colours(dataset, recipe, kind) -> None:
    network = train(dataset, tiny_spec(dataset, kind), recipe)
    assert [type(layer) for layer in network] == LAYERS[kind]
    assert not network.training
    with torch.no_grad():
        predicted = network(dataset.test.images.float() / 127.5 - 1.0).argmax(dim=1)
    assert 0.7 <= float((predicted == dataset.test.labels).double().mean()) <= 1.0


@pytest.mark.parametrize(
    "changes",
    [{"head_factor": 0.5}, {"gradient_clip": None}, {"label_smoothing": 0.1}, {"flip": False}],
)
def test_every_knob_reaches_the_weights(dataset, recipe, changes) -> None:
    recipe = dataclasses.replace(recipe, epochs=1, gradient_clip=0.1)
    spec = tiny_spec(dataset, "mixed")
    base, changed = (train(dataset, spec, each) for each in (recipe, dataclasses.replace(recipe, **changes)))
    assert not same_weights(base, changed)


def test_the_seed_decides_the_trained_weights(dataset, recipe) -> None:
    spec, recipe = tiny_spec(dataset, "poly"), dataclasses.replace(recipe, epochs=1)
    torch.manual_seed(1)
    first = train(dataset, spec, recipe)
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    assert same_weights(first, train(dataset, spec, recipe))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not same_weights(first, train(dataset, spec, recipe, seed=1))


def test_progress_ends_at_the_last_step(dataset, recipe) -> None:
    states = []
    train(dataset, tiny_spec(dataset), dataclasses.replace(recipe, epochs=2), progress=states.append)
    assert (states[-1].epoch, states[-1].step, states[-1].total_steps) == (2, 16, 16)
    assert math.isfinite(states[-1].loss)


def test_a_diverged_training_says_so(dataset, recipe, monkeypatch) -> None:
    monkeypatch.setattr(training_module, "learning_rate_at", lambda *_: math.inf)
    with pytest.raises(ClassifierTrainingError, match="max_learning_rate"):
        train(dataset, tiny_spec(dataset, "poly"), recipe)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": torch.zeros(4, 3, 16, 16, dtype=torch.uint8)}, "uint8"),
        ({"images": torch.zeros(4, 3, 8, 8)}, "uint8"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, "one label each"),
        ({"labels": torch.full((160,), 4)}, "num_classes"),
        ({"recipe": CompositeRecipe(shift_pixels=8)}, "shift_pixels"),
    ],
)
def test_a_training_set_that_does_not_fit_is_refused(dataset, recipe, changes, message) -> None:
    with pytest.raises(SpecError, match=message):
        train(dataset, tiny_spec(dataset), **{"recipe": recipe, **changes})


def test_magnitudes_are_the_greatest_outputs() -> None:
    network = build_composite(CompositeSpec("poly", image_size=4, num_classes=2, channels=(1, 1)), seed=0)
    for convolution, weight, bias in ((network[0], 1.0, 0.5), (network[3], 1.0, 0.0)):
        nn.init.zeros_(convolution.weight)
        convolution.weight.data[:, 0, 1, 1] = weight
        nn.init.constant_(convolution.bias, bias)
    nn.init.constant_(network[-1].weight, -1.0)
    nn.init.zeros_(network[-1].bias)
    images = torch.zeros(300, 3, 4, 4, dtype=torch.uint8)
    images[299] = 255
    expected = {"0.Conv2d": 1.5, "1.Square": 2.25, "3.Conv2d": 2.25, "4.Square": 2.25**2, "7.Linear": 2.25**2}
    assert largest_magnitudes(network, images) == pytest.approx(expected)


@pytest.fixture
def trainings(monkeypatch) -> list[int]:
    """Seeds of the trainings that really ran."""
    ran: list[int] = []

    def spy(**arguments):
        ran.append(arguments["seed"])
        return train_composite(**arguments)

    monkeypatch.setattr(cache_module, "train_composite", spy)
    return ran


def test_the_second_call_loads(dataset, recipe, tmp_path, trainings) -> None:
    arguments = {"spec": tiny_spec(dataset, "poly"), "recipe": recipe, "dataset": dataset, "seed": 0}
    first = load_or_train_composite(**arguments, cache_dir=tmp_path)
    second = load_or_train_composite(**arguments, cache_dir=str(tmp_path))
    assert trainings == [0]
    assert same_weights(first.module, second.module)
    assert not second.module.training
    for name in ("accuracy", "test_images", "train_seconds", "digest", "epochs", "magnitudes"):
        assert getattr(first, name) == getattr(second, name)
    assert (first.test_images, first.epochs) == (80, 4)
    with torch.no_grad():
        predicted = first.module(dataset.test.images.float() / 127.5 - 1.0).argmax(dim=1)
    assert first.accuracy == float((predicted == dataset.test.labels).double().mean())
    facts = json.loads((tmp_path / f"{first.digest}.json").read_text())
    assert facts["report"]["accuracy"] == first.accuracy
    assert facts["seed"] == 0
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".safetensors"]


@pytest.mark.parametrize("damage", ["garbage", "truncated", "other weights", "no report", "no accuracy", "not a table"])
def test_a_damaged_entry_is_trained_again(dataset, recipe, tmp_path, trainings, caplog, damage) -> None:
    spec, recipe = tiny_spec(dataset), dataclasses.replace(recipe, epochs=1)
    arguments = {"spec": spec, "recipe": recipe, "dataset": dataset, "cache_dir": tmp_path}
    trained = load_or_train_composite(**arguments, seed=0)
    path = tmp_path / f"{trained.digest}.safetensors"
    report = path.with_suffix(".json")
    if damage == "garbage":
        path.write_bytes(b"garbage")
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-4])
    elif damage == "other weights":
        other = load_or_train_composite(**arguments, seed=1)
        path.write_bytes((tmp_path / f"{other.digest}.safetensors").read_bytes())
    elif damage == "no report":
        report.unlink()
    elif damage == "not a table":
        report.write_text("[]")
    else:
        facts = json.loads(report.read_text())
        del facts["report"]["accuracy"]
        report.write_text(json.dumps(facts))
    trainings.clear()
    again = load_or_train_composite(**arguments, seed=0)
    assert trainings == [0]
    assert "cannot be read" in caplog.text
    assert again.accuracy == trained.accuracy
    load_or_train_composite(**arguments, seed=0)
    assert trainings == [0]


def test_the_cache_key_depends_on_all_that_decides_the_weights(dataset, recipe, monkeypatch) -> None:
    spec = tiny_spec(dataset)
    base = {"spec": spec, "recipe": recipe, "dataset": dataset, "seed": 0}
    changes = [
        {},
        {"seed": 1},
        {"spec": dataclasses.replace(spec, kind="mixed")},
        {"recipe": dataclasses.replace(recipe, gradient_clip=None)},
        {"dataset": dataclasses.replace(dataset, digest="other")},
        {"dataset": dataclasses.replace(dataset, horizontal_flip=False)},
    ]
    digests = [composite_digest(**{**base, **change}) for change in changes]
    monkeypatch.setattr(cache_module, "composite_code_digest", lambda: "another version")
    digests.append(composite_digest(**base))
    assert len(set(digests)) == len(changes) + 1


def test_a_spec_for_another_data_set_is_refused_before_training(dataset, recipe, trainings) -> None:
    base = {"spec": tiny_spec(dataset), "recipe": recipe, "dataset": dataset, "seed": 0, "cache_dir": None}
    for change, name in (({"num_classes": 7}, "num_classes"), ({"image_size": 12}, "image_size")):
        with pytest.raises(SpecError, match=name):
            load_or_train_composite(**{**base, "spec": dataclasses.replace(base["spec"], **change)})
    assert trainings == []
