import math

import pytest
import torch

from gan.errors import SpecError
from gan.losses import discriminator_loss, generator_loss, mode_seeking_loss


def test_hinge_by_hand() -> None:
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 1.0])
    assert discriminator_loss("hinge", real, fake).item() == pytest.approx((0 + 0.5) / 2 + (0 + 2) / 2)
    assert generator_loss("hinge", fake).item() == pytest.approx(1.0)


def test_bce_by_hand() -> None:
    real, fake = torch.tensor([1.5]), torch.tensor([-0.5])
    at = 1 / (1 + math.exp(-1.5))
    expected = (-(0.9 * math.log(at) + 0.1 * math.log(1 - at)) - math.log(1 - 1 / (1 + math.exp(0.5)))) / 2
    assert discriminator_loss("bce", real, fake, label_smoothing=0.1).item() == pytest.approx(expected, rel=1e-5)
    assert generator_loss("bce", fake).item() == pytest.approx(-math.log(1 / (1 + math.exp(0.5))), rel=1e-5)


def test_bce_stays_finite_for_large_logits() -> None:
    huge = torch.tensor([1e4])
    assert torch.isfinite(discriminator_loss("bce", -huge, huge))
    assert torch.isfinite(generator_loss("bce", -huge))


def test_unknown_loss() -> None:
    with pytest.raises(SpecError, match="must be one of bce, hinge"):
        generator_loss("wgan", torch.zeros(1))
    with pytest.raises(SpecError, match="must be one of bce, hinge"):
        discriminator_loss("wgan", torch.zeros(1), torch.zeros(1))


def test_mode_seeking_by_hand() -> None:
    latent = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0], [1.0, 3.0], [9.0, 9.0]])
    images = torch.tensor([0.0, 1.0, 0.5, 0.5, 9.0]).reshape(5, 1, 1, 1)
    # Latents of the pairs (0, 2) and (1, 3) are 1 apart on average, their images 0.5; the fifth has no partner.
    assert mode_seeking_loss(latent, images).item() == pytest.approx(2.0, rel=1e-4)
    assert 0 < mode_seeking_loss(latent, torch.zeros(5, 1, 1, 1)).item() < math.inf  # images that are all alike
