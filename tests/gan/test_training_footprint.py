from dataclasses import replace

import pytest
import torch

from gan.discriminators import build_discriminator
from gan.generators import build_generator
from gan.spec import GeneratorSpec
from gan.training import TrainingRecipe
from gan.training.footprint import training_bytes
from gan.training.state import discriminator_spec

RECIPE = TrainingRecipe(batch_size=16, discriminator_widths=(16, 32))


def weight_bytes(module: torch.nn.Module) -> int:
    return sum(4 * value.numel() for value in module.parameters())


@pytest.mark.parametrize("kind", ["published", "projection"])
@pytest.mark.parametrize("conditioning", ["one_hot", "embedding", "conditional_batchnorm"])
def test_graphs_grow_with_the_batch_and_weights_do_not(tiny_spec: GeneratorSpec, kind: str, conditioning: str) -> None:
    spec = replace(tiny_spec, conditioning=conditioning, embed_dim=4 if conditioning == "embedding" else 0)
    recipe = replace(RECIPE, discriminator=kind, auxiliary_weight=float(kind == "projection"))
    one, two, three = (training_bytes(spec, replace(recipe, batch_size=16 * times)) for times in (1, 2, 3))
    assert three - two == pytest.approx(two - one, rel=0.01)
    weights = one - (two - one)
    generator = weight_bytes(build_generator(spec))
    judge = weight_bytes(build_discriminator(discriminator_spec(spec, recipe, 1), seed=0))
    copies = 5 * generator + 4 * judge
    assert copies <= weights < copies + 2 * judge  # normalised ones and statistics of norms do not grow either


def test_a_wider_generator_takes_what_its_images_take_more(tiny_spec: GeneratorSpec) -> None:
    narrow, wide = (training_bytes(replace(tiny_spec, widths=(8, width)), RECIPE) for width in (8, 64))
    more = (64 - 8) * 8 * 8 * 4 * RECIPE.batch_size  # bytes of one activation of the last stage, before its pixels part
    assert more < wide - narrow < 12 * more


def test_nothing_is_drawn_for_it(tiny_spec: GeneratorSpec) -> None:
    before = torch.get_rng_state()
    assert training_bytes(tiny_spec, RECIPE) == training_bytes(tiny_spec, RECIPE)
    assert torch.equal(torch.get_rng_state(), before)
