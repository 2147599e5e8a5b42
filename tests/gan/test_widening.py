"""A wider generator makes the images of the one that it begins from, and its new channels learn."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gan.errors import SpecError
from gan.generators import Generator, build_generator
from gan.mechanisms import Mechanisms
from gan.spec import GeneratorSpec
from gan.training import Start
from gan.training.start import begin_from


def wider(spec: GeneratorSpec, more: int = 3) -> GeneratorSpec:
    return replace(spec, widths=tuple(width + more + place for place, width in enumerate(spec.widths)))


def started(spec: GeneratorSpec, grown: GeneratorSpec) -> tuple[Generator, Generator]:
    """Give a generator whose normalisations are not at their first values, and the one that begins from it."""
    given = build_generator(spec, seed=9)
    rng = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in [*given.parameters(), *given.buffers()]:
            if value.is_floating_point():
                value.add_(0.4 * torch.rand(value.shape, generator=rng) - 0.2)
    generator = build_generator(grown, seed=3)
    begin_from(generator, grown, Start(spec, given, "nine"))
    return given, generator


def images(generator: Generator, spec: GeneratorSpec, *, training: bool) -> torch.Tensor:
    latent = torch.randn(6, spec.latent_dim, generator=torch.Generator().manual_seed(1))
    found: torch.Tensor = generator.train(training)(
        latent, torch.eye(spec.num_classes)[torch.arange(6) % spec.num_classes]
    )
    return found


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"family": "conv", "upsampling": "transposed", "kernel": 4},
        {"family": "separable", "blocks_per_stage": 2},
        {"family": "pointwise", "kernel": 1},
        {"conditioning": "conditional_batchnorm"},
        {"conditioning": "embedding", "embed_dim": 4},
        {"normalisation": "instance"},
        {"normalisation": "none", "mechanisms": Mechanisms(residual_blocks=1)},
    ],
)
def test_the_first_images_are_those_of_the_narrower_one(
    changes: dict[str, object], training: bool, tiny_spec: GeneratorSpec
) -> None:
    spec = replace(tiny_spec, **changes)  # type: ignore[arg-type]
    grown = wider(spec)
    given, generator = started(spec, grown)
    found = images(generator, grown, training=training)
    assert torch.allclose(found, images(given, spec, training=training), atol=1e-5)
    assert found.std() > 0.01
    same_latent = torch.ones(2, spec.latent_dim)
    one, other = generator.eval()(same_latent, torch.eye(spec.num_classes)[:2])
    assert (one - other).abs().max() > 0.01, "the class counts"


@pytest.mark.parametrize("family", ["subpixel", "separable"])
@pytest.mark.parametrize("more", [0, 2])
def test_kernels_may_be_larger(more: int, family: str, tiny_spec: GeneratorSpec) -> None:
    spec = replace(tiny_spec, family=family)
    grown = replace(wider(spec, more) if more else spec, kernel=5)
    given, generator = started(spec, grown)
    expected = images(given, spec, training=True)
    assert torch.allclose(images(generator, grown, training=True), expected, atol=1e-5)


def test_transposed_kernels_stay(tiny_spec: GeneratorSpec) -> None:
    spec = replace(tiny_spec, family="conv", upsampling="transposed", kernel=3)
    grown = replace(spec, kernel=4)
    with pytest.raises(SpecError, match="kernel 4, and a start .* kernel 3"):
        begin_from(build_generator(grown), grown, Start(spec, build_generator(spec), "nine"))


def test_channels_blocks_and_kernels_may_be_added_at_once(tiny_spec: GeneratorSpec) -> None:
    grown = replace(wider(tiny_spec), mechanisms=Mechanisms(residual_blocks=2), kernel=5)
    given, generator = started(tiny_spec, grown)
    expected = images(given, tiny_spec, training=False)
    assert torch.allclose(images(generator, grown, training=False), expected, atol=1e-5)


def test_the_weights_that_read_new_channels_learn_at_once(tiny_spec: GeneratorSpec) -> None:
    grown = wider(tiny_spec)
    _, generator = started(tiny_spec, grown)
    images(generator, grown, training=True).square().sum().backward()
    head = generator.stages[-1].operator.weight
    assert not head[:, tiny_spec.widths[-1] :].any()
    assert head.grad[:, tiny_spec.widths[-1] :].abs().min() > 0


@pytest.mark.parametrize(
    "changes",
    [{"family": "grouped", "groups": 2}, {"family": "hybrid"}, {"mechanisms": Mechanisms(skip=True)}, {"widths": (4,)}],
)
def test_what_cannot_be_widened_is_refused(changes: dict[str, object], tiny_spec: GeneratorSpec) -> None:
    spec = replace(tiny_spec, **changes)  # type: ignore[arg-type]
    grown = replace(spec, widths=tuple(2 * width for width in tiny_spec.widths))
    with pytest.raises(
        SpecError,
        match=r"fewer channels .*in the families conv, subpixel, .*\); got .* widths \[.*\] and kernel ., and a start",
    ):
        begin_from(build_generator(grown), grown, Start(spec, build_generator(spec), "nine"))
