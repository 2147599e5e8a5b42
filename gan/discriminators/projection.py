"""A spectrally normalised projection discriminator with an optional auxiliary class head."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gan.discriminators.output import DiscriminatorOutput
from gan.discriminators.spec import DiscriminatorSpec


class ProjectionDiscriminator(nn.Module):
    """Stride-2 convolutions under spectral norm, summed over space, projected on a class embedding.

    Sources: Miyato et al. 2018 (spectral normalisation); Miyato and Koyama 2018, equation 3 (projection);
    Odena et al. 2017 (auxiliary head).
    """

    def __init__(self, spec: DiscriminatorSpec) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((spec.image_channels, *spec.widths)):
            layers += [spectral_norm(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)), _leaky_relu()]
        top = spec.widths[-1]
        layers += [spectral_norm(nn.Conv2d(top, top, 3, padding=1)), _leaky_relu()]
        self.features = nn.Sequential(*layers)
        self.realness = spectral_norm(nn.Linear(top, 1))
        self.class_embedding = spectral_norm(nn.Embedding(spec.num_classes, top))
        self.class_head = nn.Linear(top, spec.num_classes) if spec.auxiliary_head else None

    def forward(self, images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        """Judge ``images`` [N, C, H, W] in [-1, 1] as pictures of ``labels`` [N]."""
        features = self.features_of(images, labels).sum(dim=(2, 3))
        projection = (self.class_embedding(labels) * features).sum(dim=1)
        realness = self.realness(features).squeeze(1) + projection
        return DiscriminatorOutput(realness, None if self.class_head is None else self.class_head(features))

    def features_of(self, images: Tensor, labels: Tensor) -> Tensor:
        """Give the last feature map [N, c, s, s]; the labels come in behind it."""
        features: Tensor = self.features(images)
        return features


def _leaky_relu() -> nn.Module:
    return nn.LeakyReLU(0.1, inplace=True)  # no gradient needs a convolution's own output
