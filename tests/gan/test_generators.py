import pytest
import torch

from gan.generators import Generator, build_generator, fold_batchnorm
from gan.generators.attention import SelfAttention
from gan.generators.haar import InverseHaar
from gan.generators.layers import ChannelNorm, Stage
from gan.generators.structures import Residual, Shortcut
from gan.mechanisms import STYLE_WIDTH
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


MECHANISMS: dict[str, dict[str, object]] = {
    "skip": {"skip": True},
    "residual blocks": {"residual_blocks": 2},
    "light attention": {"attention": "light"},
    "full attention": {"attention": "full"},
    "style": {"style_layers": 2},
    "multi scale": {"multi_scale": True},
    "feature pyramid": {"feature_pyramid": True},
    "wavelet": {"wavelet": True},
    "wavelet, multi scale": {"wavelet": True, "multi_scale": True},
    "spectral norm": {"spectral_norm": True},
    "dropout": {"dropout": 0.3},
    "two linear layers": {"linear_layers": 2},
    "all that go together": {
        "skip": True, "residual_blocks": 1, "attention": "light", "style_layers": 1, "feature_pyramid": True,
        "wavelet": True, "spectral_norm": True, "dropout": 0.1,
    },
}  # fmt: skip


@pytest.mark.parametrize("family", ["conv", "subpixel", "separable_nearest", "grouped"])
@pytest.mark.parametrize("name", MECHANISMS)
def test_mechanisms_give_images_and_fold(name: str, family: str) -> None:
    made = spec(family, conditioning="embedding", mechanisms=MECHANISMS[name])
    generator = build_generator(made)
    generator(*inputs(made)).square().mean().backward()
    assert all(value.grad is not None for value in generator.parameters())
    generator.eval()
    if not made.mechanisms.spectral_norm:  # whose vectors belong to the weights
        randomise(generator)
    images = generator(*inputs(made))
    assert images.shape == (5, 3, 32, 32)
    folded = fold_batchnorm(generator)
    assert not any(isinstance(module, ChannelNorm) for module in folded.modules())
    torch.testing.assert_close(folded(*inputs(made)), images, atol=5e-5, rtol=1e-3)
    torch.testing.assert_close(fold_batchnorm(folded)(*inputs(made)), folded(*inputs(made)))
    torch.testing.assert_close(generator(*inputs(made)), images, atol=0, rtol=0)  # the original is as it was


@pytest.mark.parametrize("normalisation", ["batch", "instance", "none"])
@pytest.mark.parametrize("kernel", [3, 4])
def test_transposed_convolutions_of_both_kernels_double_the_side(kernel: int, normalisation: str) -> None:
    made = spec("conv", kernel=kernel, normalisation=normalisation, bias=False)
    generator = build_generator(made)
    assert generator(*inputs(made)).shape[-1] == 32
    biased = [stage.operator.bias is not None for stage in generator.stages if isinstance(stage, Stage)]
    assert biased == [normalisation == "none"] * 3 + [True]  # of the head there is no normalisation


def test_instance_normalisation_is_each_channel_s_own() -> None:
    made = spec("subpixel", normalisation="instance")
    stage = build_generator(made).stages[0]
    x = torch.randn(3, made.input_dim, generator=torch.Generator().manual_seed(0))
    assert isinstance(stage, Stage)
    assert stage.norm is not None
    found = stage.norm(stage.rearrange(stage.operator(x)), x)
    torch.testing.assert_close(found.mean((2, 3)), torch.zeros(3, 8), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.var((2, 3), unbiased=False), torch.ones(3, 8), atol=1e-3, rtol=0)


def test_mixed_activations_take_turns() -> None:
    stages = build_generator(spec("subpixel", activation="mixed", blocks_per_stage=2)).stages
    names = [type(stage.activation).__name__ for stage in stages if isinstance(stage, Stage)]
    assert names == ["ReLU", "LeakyReLU"] * 3 + ["Tanh"]


def test_a_shortcut_and_a_residual_add_what_they_go_around() -> None:
    made = spec("subpixel", mechanisms={"skip": True, "residual_blocks": 1})
    generator = build_generator(made).eval()
    shortcut = next(module for module in generator.modules() if isinstance(module, Shortcut))
    residual = next(module for module in generator.modules() if isinstance(module, Residual))
    x, condition = torch.randn(2, 8, 4, 4, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 10)
    whole = shortcut(x, condition)
    torch.testing.assert_close(whole - shortcut.stage(x, condition), shortcut.path(x))
    x = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(residual(x, condition) - x, residual.row(x, condition), atol=1e-6, rtol=1e-5)


def test_attention_begins_as_the_identity_and_then_mixes_positions() -> None:
    made = spec("subpixel", mechanisms={"attention": "full"})
    layer = next(module for module in build_generator(made).modules() if isinstance(module, SelfAttention))
    x, condition = torch.randn(2, 6, 8, 8, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 10)
    torch.testing.assert_close(layer(x, condition), x)
    assert layer.gain is not None
    with torch.no_grad():
        layer.gain.fill_(1.0)
    moved = x.clone()
    moved[:, :, 7, 7] += 1.0
    assert (layer(moved, condition) - layer(x, condition))[:, :, 0, 0].abs().max() > 1e-5


def test_the_haar_transform_is_inverted() -> None:
    """Sub-bands of an image by their definition, and back."""
    image = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    a, b, c, d = image[..., ::2, ::2], image[..., ::2, 1::2], image[..., 1::2, ::2], image[..., 1::2, 1::2]
    bands = torch.stack([a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d], dim=2) / 2
    torch.testing.assert_close(InverseHaar()(bands.reshape(2, 12, 4, 4)), image)


def test_spectral_norms_are_one() -> None:
    made = spec("conv", mechanisms={"spectral_norm": True})
    generator = build_generator(made)
    for _ in range(30):  # the power iteration goes a step a forward pass
        generator(*inputs(made))
    head = generator.eval().stages[-1].operator
    matrix = head.weight.detach().transpose(0, 1).flatten(1)
    assert float(torch.linalg.matrix_norm(matrix, 2)) == pytest.approx(1.0, abs=0.02)


def test_a_style_depends_on_the_latent() -> None:
    made = spec("subpixel", conditioning="embedding", mechanisms={"style_layers": 2})
    generator = build_generator(made)
    latent, one_hot = inputs(made, 2)
    assert generator.mapping is not None
    styles = generator.mapping(torch.cat([latent, generator.class_code(one_hot)], 1))
    assert styles.shape == (2, STYLE_WIDTH)
    assert (styles[0] - styles[1]).abs().max() > 1e-3
