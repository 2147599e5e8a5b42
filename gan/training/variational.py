"""A conditional variational autoencoder around a generator: its encoder and its loss."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from gan.spec import GeneratorSpec


class Encoder(nn.Module):
    """Images and their classes to mean and log variance of a latent.

    Stride-2 convolutions with batch normalisation over the image and one plane for each class.

    Shapes: images [N, C, S, S], one_hot [N, K] -> two of [N, latent_dim].
    """

    def __init__(self, spec: GeneratorSpec, widths: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((spec.image_channels + spec.num_classes, *widths)):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*layers)
        side = spec.image_size // 2 ** len(widths)
        self.statistics = nn.Linear(widths[-1] * side**2, 2 * spec.latent_dim)

    def forward(self, images: Tensor, one_hot: Tensor) -> tuple[Tensor, Tensor]:
        """Encode."""
        planes = one_hot[:, :, None, None].expand(-1, -1, *images.shape[2:]).to(images.dtype)
        mean, log_variance = self.statistics(self.features(torch.cat([images, planes], 1)).flatten(1)).chunk(2, dim=1)
        return mean, log_variance.clamp(-10.0, 10.0)


def drawn_latent(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Draw from the posterior by standard normal ``noise`` of the same shape (Kingma and Welling 2014, section 2.4)."""
    return mean + torch.exp(0.5 * log_variance) * noise


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Mean over images of the divergence from the standard normal prior, in nats (ibid., appendix B)."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(dim=1).mean()


def reconstruction(images: Tensor, wanted: Tensor) -> Tensor:
    """Mean over images of half the summed squared distance: minus log likelihood at unit variance, up to a constant."""
    return 0.5 * (images.float() - wanted.float()).square().flatten(1).sum(dim=1).mean()
