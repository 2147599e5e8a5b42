import pytest
import torch

from gan.discriminators import DiscriminatorSpec, build_discriminator
from gan.errors import SpecError


@pytest.mark.parametrize(
    ("spec", "classes"),
    [
        (DiscriminatorSpec(kind="published", widths=(8, 8), auxiliary_head=False), False),
        (DiscriminatorSpec(kind="projection", widths=(8, 8, 8)), True),
        (DiscriminatorSpec(kind="projection", widths=(8,), auxiliary_head=False, image_size=28), False),
    ],
)
def test_logits_have_one_row_per_image(spec: DiscriminatorSpec, classes: bool) -> None:
    images = torch.randn(4, 3, spec.image_size, spec.image_size)
    output = build_discriminator(spec)(images, torch.arange(4))
    assert output.realness.shape == (4,)
    assert (output.class_logits is not None) == classes
    if output.class_logits is not None:
        assert output.class_logits.shape == (4, 10)


@pytest.mark.parametrize("kind", ["published", "projection"])
def test_realness_depends_on_the_label(kind: str) -> None:
    network = build_discriminator(DiscriminatorSpec(kind=kind, widths=(8, 8), auxiliary_head=False)).eval()
    images = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)).expand(2, -1, -1, -1)
    first, second = network(images, torch.tensor([0, 1])).realness.tolist()
    assert first != second


def test_spectral_norm_bounds_the_weights() -> None:
    network = build_discriminator(DiscriminatorSpec(widths=(8, 8)))
    for _ in range(30):  # power iteration converges with the forward passes
        network(torch.randn(2, 3, 32, 32), torch.tensor([0, 1]))
    norm = torch.linalg.matrix_norm(network.features[0].weight.flatten(1), ord=2).item()
    assert norm == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "other"}, "kind must be one of"),
        ({"widths": ()}, "widths must be positive"),
        ({"image_size": 30}, "image_size must divide by 8"),
        ({"kind": "published"}, "no auxiliary head"),
        ({"num_classes": 1}, "num_classes must be at least 2"),
    ],
)
def test_illegal_specs_say_why(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        DiscriminatorSpec(**changes)  # type: ignore[arg-type]
