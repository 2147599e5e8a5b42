"""Training that sees a circuit's roundings computes what that circuit computes."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gan.data import ImageDataset, Split
from gan.generators import Generator
from gan.mechanisms import Mechanisms
from gan.spec import GeneratorSpec
from gan.training import TrainingBudget, TrainingRecipe, WeightForm, train_generator
from gan.training.weight_forms import apply_form
from search.circuit import export_generator
from search.compose import build_settings
from search.objective import sampler_for
from search.planned import CircuitSampler, plan_generator
from search.proving import ProvingPlan
from tests.test_config import composed
from zk.checked.circuit import build_checked
from zk.checked.options import CheckedOptions
from zk.checked.plan import CheckedPlan
from zk.checked.simulate import CheckedSimulator
from zk.types import Budget

SPECS = {
    "embedding, tanh": GeneratorSpec(
        family="conv", latent_dim=8, conditioning="embedding", embed_dim=4, widths=(8, 6), kernel=4,
        upsampling="transposed", activation="tanh", image_size=16,
    ),
    "one-hot, relu": GeneratorSpec(
        family="subpixel", latent_dim=8, conditioning="one_hot", widths=(8, 6), activation="relu", image_size=16
    ),
}  # fmt: skip
SPECS |= {
    name: replace(SPECS["one-hot, relu"], mechanisms=Mechanisms(**{name: True}))
    for name in ("skip", "multi_scale", "feature_pyramid")
}


def trained(spec: GeneratorSpec, bits: int) -> Generator:
    """A generator after a few steps, so that its normalisations have statistics."""
    rng = torch.Generator().manual_seed(0)
    split = Split(
        torch.randint(0, 256, (40, 3, 16, 16), dtype=torch.uint8, generator=rng), torch.arange(40) % spec.num_classes
    )
    dataset = ImageDataset("noise", split, split, tuple("abcdefghij"), "noise", True)
    recipe = TrainingRecipe(
        batch_size=8,
        discriminator_widths=(8, 8),
        ema_decay=0.5,
        bf16=False,
        weight_form=WeightForm(activation_bits=bits),
    )
    return train_generator(
        spec, recipe, TrainingBudget(steps=12), dataset, seed=0, device=torch.device("cpu")
    ).generator


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("bits", [5, 8])
def test_the_circuit_gives_the_images_that_training_saw(name: str, bits: int, tmp_path: Path) -> None:
    spec = SPECS[name]
    plain = trained(spec, bits)
    rounded = copy.deepcopy(plain)
    apply_form(rounded, WeightForm(activation_bits=bits))
    exported = export_generator(plain, spec, tmp_path / "network.onnx")
    options = CheckedOptions(private_inputs=("latent",), activation_bits=bits, logrows=15)
    circuit = build_checked(exported.path, options, tmp_path, budget=Budget(2**31, 60))
    labels, places = torch.arange(20) % spec.num_classes, torch.arange(20)
    found = CircuitSampler(CheckedSimulator(circuit), spec, seed=3)(labels, places)
    seen = sampler_for(spec, rounded.eval(), seed=3)(labels, places)
    unseen = sampler_for(spec, plain.eval(), seed=3)(labels, places)
    distance, before = (found - seen).abs(), (found - unseen).abs()
    # the circuit's weights have 15 bits, so a value that lies close to a half is now and then rounded the other way
    assert float((distance < 1e-6).double().mean()) > 0.9
    assert float(distance.mean()) < 0.2 * float(before.mean())


def test_the_plan_keeps_the_scale_that_training_rounded_to(tmp_path: Path) -> None:
    spec = SPECS["one-hot, relu"]
    proving = ProvingPlan(
        budget=Budget(2**31, 60),
        options=CheckedOptions(private_inputs=("latent",)),
        srs_folder=tmp_path,
        plan_samples=4,
    )
    found = {}
    for bits in (0, 4):
        planning = dataclasses.replace(proving, bits=bits).planning
        plan = plan_generator(spec, trained(spec, bits), tmp_path / str(bits), planning)
        assert isinstance(plan, CheckedPlan)
        assert plan.best is not None
        found[bits] = plan.best.options.activation_bits
    assert found[4] == 4
    assert found[0] > 4


def test_a_recipe_that_rounds_fixes_the_scale() -> None:
    rounding = build_settings(composed("circuit=checked", "training.recipe.weight_form.activation_bits=6"))
    assert rounding.recipe.weight_form == WeightForm(activation_bits=6)
    assert rounding.proving.planning.bits == 6
    assert build_settings(composed("circuit=checked")).proving.planning.bits == 0
