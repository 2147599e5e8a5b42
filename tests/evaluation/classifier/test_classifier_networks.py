import pytest
import torch
from torch import nn

from evaluation.classifier import (
    ClassifierSpec,
    JudgeSpec,
    NetworkSpec,
    build_classifier,
    build_network,
    count_parameters,
    fold_batchnorm,
)
from evaluation.classifier.whitening import whiten_convolution

SPECS: list[NetworkSpec] = [
    ClassifierSpec(widths=(8, 12)),
    ClassifierSpec(variant="strided", widths=(8, 12)),
    ClassifierSpec(variant="global_pool", widths=(8, 12)),
    ClassifierSpec(widths=(8, 12), patch_size=2, blocks_per_stage=2),
    ClassifierSpec(variant="strided", widths=(8, 12), blocks_per_stage=2),
    ClassifierSpec(widths=(8, 12), whitened_stem=True),
    ClassifierSpec(widths=(4,), num_classes=3, image_size=8),
    JudgeSpec(widths=(8, 12)),
    JudgeSpec(widths=(8, 12, 12), stem_channels=8, image_size=28),
]


def unsettle(module: nn.Module) -> None:
    """Give BatchNorm statistics and weights that a fold could get wrong."""
    generator = torch.Generator().manual_seed(7)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.5, generator=generator)
            layer.running_var.uniform_(0.3, 2, generator=generator)
            nn.init.uniform_(layer.weight, 0.5, 1.5, generator=generator)
            nn.init.uniform_(layer.bias, -0.5, 0.5, generator=generator)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_shapes_and_head(spec: NetworkSpec) -> None:
    module = build_network(spec, seed=0).eval()
    images = torch.rand(2, 3, spec.image_size, spec.image_size) * 2 - 1
    features = module.features(images)
    assert features.shape == (2, module.head.in_features)
    assert module(images).shape == (2, spec.num_classes)
    torch.testing.assert_close(module(images), module.head(features))


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_folding_keeps_the_logits_and_the_original(spec: NetworkSpec) -> None:
    module = build_network(spec, seed=0)
    unsettle(module)
    module.train()
    folded = fold_batchnorm(module)
    assert module.training
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in module.modules()) or spec.widths == (4,)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())
    images = torch.rand(5, 3, spec.image_size, spec.image_size) * 2 - 1
    with torch.no_grad():
        difference = (folded(images) - module.eval()(images)).abs().max()
        unfolded_scale = module(images).abs().max()
    assert float(difference) <= 1e-4
    assert float(unfolded_scale) > 1e-2


def test_folding_a_trained_network(classifier) -> None:
    images = torch.rand(5, 3, 8, 8) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(
            fold_batchnorm(classifier.module)(images), classifier.module(images), atol=1e-4, rtol=0
        )


def test_the_avgpool_default_has_the_published_size() -> None:
    # 3x3 weights 27*32 + 9*(32*64 + 64*128 + 128*256), two BatchNorm vectors a stage, a 1024 -> 10 linear layer.
    expected = 864 + 9 * (2048 + 8192 + 32768) + 2 * 480 + 10_250
    assert count_parameters(build_classifier(ClassifierSpec())) == expected


def test_variants_reduce_the_image_in_their_own_way() -> None:
    def kinds(variant: str) -> tuple[int, int, int]:
        layers = list(build_classifier(ClassifierSpec(variant=variant, widths=(8, 8, 8))).modules())  # type: ignore[arg-type]
        strides = sum(isinstance(layer, nn.Conv2d) and layer.stride == (2, 2) for layer in layers)
        pools = sum(isinstance(layer, nn.AvgPool2d) for layer in layers)
        return pools, strides, sum(isinstance(layer, nn.AdaptiveAvgPool2d) for layer in layers)

    assert kinds("avgpool") == (3, 0, 0)
    assert kinds("strided") == (0, 3, 0)
    assert kinds("global_pool") == (2, 0, 1)


@pytest.mark.parametrize("spec", [ClassifierSpec(variant="global_pool", widths=(8, 8)), JudgeSpec(widths=(8, 8))])
def test_networks_of_any_size_take_small_crops(spec: NetworkSpec) -> None:
    assert spec.takes_any_size
    assert build_network(spec, seed=0)(torch.zeros(2, 3, 24, 24)).shape == (2, 10)


@pytest.mark.parametrize("spec", SPECS[:1] + SPECS[-1:], ids=str)
def test_the_seed_alone_decides_the_initial_weights(spec: NetworkSpec) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = build_network(spec, seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    second, other = build_network(spec, seed=4), build_network(spec, seed=5)
    assert torch.equal(first.head.weight, second.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


def test_whitened_patches_have_unit_variance_and_no_correlation() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(200, 3, 12, 12, generator=generator)
    images = nn.functional.avg_pool2d(noise, 3, stride=1) * torch.tensor([1.0, 2.0, 0.5]).view(1, 3, 1, 1)
    convolution = nn.Conv2d(3, 12, 3, bias=True)
    whiten_convolution(convolution, images)
    assert not convolution.weight.requires_grad
    assert convolution.bias is not None
    assert convolution.bias.requires_grad
    assert torch.equal(convolution.weight[6:], -convolution.weight[:6])
    with torch.no_grad():
        outputs = convolution(images)[:, :6].permute(1, 0, 2, 3).reshape(6, -1)
    torch.testing.assert_close(outputs @ outputs.T / outputs.shape[1], torch.eye(6), atol=0.08, rtol=0)
