import pytest
import torch

from gan.data import ImageDataset, Split
from gan.spec import GeneratorSpec


@pytest.fixture
def tiny_dataset() -> ImageDataset:
    """Two classes of 16x16 images, dark and bright."""
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(48) % 2
    images = (torch.rand(48, 3, 16, 16, generator=rng) * 60 + labels[:, None, None, None] * 150).to(torch.uint8)
    train, test = Split(images[:32], labels[:32]), Split(images[32:], labels[32:])
    return ImageDataset("tiny", train, test, ("dark", "bright"), "digest", True)


@pytest.fixture
def tiny_spec() -> GeneratorSpec:
    return GeneratorSpec(
        family="subpixel", latent_dim=4, conditioning="one_hot", widths=(8, 8), num_classes=2, image_size=16
    )
