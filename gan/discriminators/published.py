"""The discriminator of the published experiments: DCGAN shape, the class as one more image channel."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from gan.discriminators.output import DiscriminatorOutput
from gan.discriminators.spec import DiscriminatorSpec


class PublishedDiscriminator(nn.Module):
    """Stride-2 convolutions with BatchNorm and LeakyReLU over the image and an embedded class map.

    Shape: Radford et al. 2016 (DCGAN), class map as in Mirza and Osindero 2014.
    """

    def __init__(self, spec: DiscriminatorSpec) -> None:
        super().__init__()
        self.image_size = spec.image_size
        self.class_map = nn.Embedding(spec.num_classes, spec.image_size**2)
        layers: list[nn.Module] = []
        for index, (inputs, outputs) in enumerate(pairwise((spec.image_channels + 1, *spec.widths))):
            layers.append(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=index == 0))
            if index:  # DCGAN leaves the first layer without normalisation
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.features = nn.Sequential(*layers)
        self.realness = nn.Linear(spec.widths[-1] * spec.top_size**2, 1)

    def forward(self, images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        """Judge ``images`` [N, C, H, W] in [-1, 1] as pictures of ``labels`` [N]."""
        features = self.features_of(images, labels).flatten(1)
        return DiscriminatorOutput(self.realness(features).squeeze(1), None)

    def features_of(self, images: Tensor, labels: Tensor) -> Tensor:
        """Give the last feature map [N, c, s, s]."""
        plane = self.class_map(labels).view(-1, 1, self.image_size, self.image_size)
        features: Tensor = self.features(torch.cat([images, plane], dim=1))
        return features
