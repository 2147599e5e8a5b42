import pytest
import torch

from gan.generators import Generator, build_generator, fold_batchnorm
from gan.generators.layers import ChannelNorm
from gan.sampling import one_hot_rows
from gan.spec import ACTIVATIONS, CONDITIONINGS, GeneratorSpec

FAMILIES: dict[str, dict[str, object]] = {
    "conv": {"kernel": 4, "upsampling": "transposed"},
    "conv_nearest": {"family": "conv", "upsampling": "nearest"},
    "subpixel": {},
    "subpixel_deep": {"family": "subpixel", "blocks_per_stage": 2},
    "separable": {"kernel": 5},
    "separable_nearest": {"family": "separable", "upsampling": "nearest"},
    "pointwise": {"kernel": 1},
    "grouped": {"groups": 2},
    "grouped_nearest": {"family": "grouped", "groups": 2, "upsampling": "nearest"},
    "mlp": {"kernel": 0, "upsampling": "none"},
    "hybrid": {},
}


def spec(name: str, **changes: object) -> GeneratorSpec:
    base: dict[str, object] = {"family": name, "latent_dim": 6, "conditioning": "one_hot", "widths": (8, 6, 4)}
    chosen = {**base, **FAMILIES[name], **changes}
    if chosen["conditioning"] == "embedding":
        chosen["embed_dim"] = 3
    return GeneratorSpec.from_mapping(chosen)


def inputs(made: GeneratorSpec, count: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    latent = torch.randn(count, made.latent_dim, generator=torch.Generator().manual_seed(1))
    return latent, one_hot_rows(torch.arange(count) % made.num_classes, made.num_classes)


def randomise(generator: Generator) -> None:
    """Give every weight and statistic a value that folding has to carry."""
    rng = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, value in generator.state_dict().items():
            if value.is_floating_point():
                noise = torch.rand(value.shape, generator=rng)
                value.copy_(noise + 0.5 if "var" in name else noise - 0.5)


@pytest.mark.parametrize("conditioning", CONDITIONINGS)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_gives_images_in_range(name: str, conditioning: str) -> None:
    made = spec(name, conditioning=conditioning)
    images = build_generator(made)(*inputs(made))
    assert images.shape == (5, 3, 32, 32)
    assert images.abs().max() <= 1


@pytest.mark.parametrize("conditioning", CONDITIONINGS)
@pytest.mark.parametrize("name", FAMILIES)
def test_folding_keeps_the_outputs_and_leaves_no_normalisation(name: str, conditioning: str) -> None:
    made = spec(name, conditioning=conditioning)
    generator = build_generator(made).eval()
    randomise(generator)
    folded = fold_batchnorm(generator)
    assert not any(isinstance(module, ChannelNorm | torch.nn.BatchNorm2d) for module in folded.modules())
    torch.testing.assert_close(folded(*inputs(made)), generator(*inputs(made)), atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(fold_batchnorm(folded)(*inputs(made)), folded(*inputs(made)))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_builds(activation: str) -> None:
    made = spec("subpixel", activation=activation)
    assert torch.isfinite(build_generator(made)(*inputs(made))).all()


@pytest.mark.parametrize(("size", "widths"), [(28, (8, 4)), (16, (8, 4)), (64, (8, 6, 4, 4))])
def test_other_image_sizes(size: int, widths: tuple[int, ...]) -> None:
    made = spec("subpixel", image_size=size, widths=widths)
    assert build_generator(made)(*inputs(made)).shape[-2:] == (size, size)


def test_clamped_head_stays_in_range() -> None:
    made = spec("subpixel", head="clamp", normalisation="none")
    generator = build_generator(made)
    latent, one_hot = inputs(made)
    assert generator(latent * 1000, one_hot).abs().max() == 1


def test_same_spec_and_seed_give_the_same_weights_and_leave_the_global_stream() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second, other = (build_generator(spec("conv"), seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    same = [torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


@pytest.mark.parametrize("conditioning", CONDITIONINGS)
def test_the_class_changes_the_image(conditioning: str) -> None:
    made = spec("subpixel", conditioning=conditioning)
    generator = build_generator(made).eval()
    randomise(generator)
    latent = inputs(made, 1)[0]
    pictures = [generator(latent, one_hot_rows(torch.tensor([label]), 10)) for label in (0, 1)]
    assert (pictures[0] - pictures[1]).abs().max() > 1e-3
