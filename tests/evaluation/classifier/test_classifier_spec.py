import dataclasses
from types import SimpleNamespace

import pytest
import torch

from evaluation.classifier import ClassifierRecipe, ClassifierSpec, JudgeSpec, learning_rate_at, spec_digest
from evaluation.classifier.recipe import check_recipe_fits
from evaluation.classifier.spec import check_spec_fits, spec_to_dict
from evaluation.errors import SpecError


def test_widths_become_a_tuple_and_specs_are_hashable() -> None:
    spec = ClassifierSpec(widths=[8, 16])  # type: ignore[arg-type]
    assert spec == ClassifierSpec(widths=(8, 16))
    assert hash(spec) == hash(ClassifierSpec(widths=(8, 16)))


def test_digest_depends_on_every_field_and_on_the_kind() -> None:
    base = ClassifierSpec()
    changed = [
        dataclasses.replace(base, **change)
        for change in (
            {"variant": "strided"},
            {"widths": (32, 64, 128, 255)},
            {"blocks_per_stage": 2},
            {"patch_size": 2},
            {"whitened_stem": True},
            {"num_classes": 11},
            {"image_size": 64},
        )
    ]
    digests = {spec_digest(spec) for spec in [base, *changed, JudgeSpec(widths=base.widths)]}
    assert len(changed) == len(dataclasses.fields(base))
    assert len(digests) == len(changed) + 2
    assert spec_digest(base) == spec_digest(ClassifierSpec())
    assert spec_to_dict(base)["kind"] == "ClassifierSpec"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variant": "maxpool"}, "variant must be one of avgpool, strided, global_pool; got 'maxpool'"),
        ({"widths": ()}, "widths must hold at least one positive number"),
        ({"widths": (8, 0)}, "widths must hold"),
        ({"blocks_per_stage": 0}, "blocks_per_stage must be positive; got 0"),
        ({"num_classes": 1}, "num_classes must be at least 2; got 1"),
        ({"image_size": 24}, "image_size must be a multiple of 16"),
        ({"patch_size": 4}, "multiple of 64"),
        ({"whitened_stem": True, "widths": (33, 8)}, "first of widths must be even and at most 54"),
        ({"whitened_stem": True, "widths": (64, 8)}, "at most 54.*got 64"),
    ],
)
def test_illegal_specs_say_why(change: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        ClassifierSpec(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stem_channels": 7}, r"stem_channels must be even and lie in \[2, 24\]; got 7"),
        ({"stem_channels": 26}, "stem_channels must be even"),
        ({"image_size": 8}, "image_size must be at least 9 for 3 stages; got 8; use fewer widths"),
        ({"widths": ()}, "widths must hold"),
    ],
)
def test_illegal_judges_say_why(change: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        JudgeSpec(**change)  # type: ignore[arg-type]


def test_specs_take_classes_and_size_from_the_data_set() -> None:
    images = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    data = SimpleNamespace(train=SimpleNamespace(images=images), class_names=("a", "b", "c"))
    for spec in (ClassifierSpec(), JudgeSpec()):
        with pytest.raises(SpecError, match=r"num_classes .* must be the data set's 3; got 10; use spec.for_dataset"):
            check_spec_fits(spec, data)
        fitted = spec.for_dataset(data)
        assert (fitted.num_classes, fitted.image_size) == (3, 16)
        check_spec_fits(fitted, data)
    data.train.images = images[..., :8]
    with pytest.raises(SpecError, match="must be square; got 16 x 8"):
        ClassifierSpec().for_dataset(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be positive and finite; got 0"),
        ({"max_learning_rate": float("nan")}, "max_learning_rate must be positive and finite; got nan"),
        ({"warmup_fraction": 1.0}, r"warmup_fraction must lie in \[0, 1\); got 1.0"),
        ({"end_factor": 1.5}, r"end_factor must lie in \[0, 1\]; got 1.5"),
        ({"cpu_threads": 0}, "cpu_threads must be null or positive; got 0"),
        ({"momentum": 0.0}, "momentum must lie in"),
        ({"weight_decay": float("inf")}, "weight_decay must be finite"),
        ({"label_smoothing": -0.1}, "label_smoothing must lie in"),
        ({"shift_pixels": -1}, "shift_pixels must not be negative"),
        ({"ema_decay": 1.0}, "ema_decay must be null or lie in"),
        ({"precision": "float16"}, "precision must be one of auto, float32, bfloat16"),
        ({"low_resolution": 24}, "must be given together"),
        ({"low_resolution_fraction": 0.5}, "must be given together"),
    ],
)
def test_illegal_recipes_say_why(change: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        ClassifierRecipe(**change)  # type: ignore[arg-type]


def test_small_crops_are_for_networks_of_any_size() -> None:
    recipe = ClassifierRecipe(low_resolution=24, low_resolution_fraction=0.5)
    check_recipe_fits(recipe, ClassifierSpec(variant="global_pool"))
    check_recipe_fits(recipe, JudgeSpec())
    with pytest.raises(SpecError, match="low_resolution must be null for this network; got 24"):
        check_recipe_fits(recipe, ClassifierSpec())
    with pytest.raises(SpecError, match=r"low_resolution must lie in \[8, 32\]; got 40"):
        check_recipe_fits(dataclasses.replace(recipe, low_resolution=40), ClassifierSpec(variant="global_pool"))
    with pytest.raises(SpecError, match="shift_pixels must be below image_size 32; got 32"):
        check_recipe_fits(ClassifierRecipe(shift_pixels=32), ClassifierSpec())


def test_learning_rate_rises_to_its_peak_and_falls() -> None:
    recipe = ClassifierRecipe(max_learning_rate=2.0, warmup_fraction=0.25, start_factor=0.1, end_factor=0.0)
    rates = [learning_rate_at(recipe, step, 101) for step in range(101)]
    assert rates[0] == pytest.approx(0.2, rel=1e-12)
    assert rates[25] == pytest.approx(2.0, rel=1e-12) == max(rates)
    assert rates[5] == pytest.approx(2.0 * (0.1 + 0.9 * 5 / 25), rel=1e-12)
    assert rates[50] == pytest.approx(2.0 * (1 - 25 / 75), rel=1e-12)
    assert rates[100] == pytest.approx(0.0, abs=1e-12)


def test_learning_rate_edges() -> None:
    recipe = ClassifierRecipe(max_learning_rate=1.0, warmup_fraction=0.0)
    assert learning_rate_at(recipe, 0, 1) == pytest.approx(1.0)
    with pytest.raises(SpecError, match=r"step must lie in \[0, 10\); got 10"):
        learning_rate_at(recipe, 10, 10)
