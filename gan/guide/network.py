"""The guide's network: three stages of convolutions, what is left over space, one linear layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan.data import ImageDataset
from gan.guide.spec import GuideSpec


class GuideNetwork(nn.Module):
    """A small residual network of one of two kinds, see :attr:`gan.guide.GuideSpec.network`.

    It is built and trained apart from the networks that score (He et al. 2016 for the residual blocks; Shi et al. 2016
    for the shuffle, which quarters the work of the strided kind's first stage).
    """

    def __init__(self, spec: GuideSpec, *, num_classes: int, image_channels: int = 3) -> None:
        super().__init__()
        half, quarter, eighth = spec.widths
        self._averaged = spec.network == "averaged"
        self.stages = nn.ModuleList(
            [
                self._first(image_channels, half),
                nn.Sequential(self._halving(half, quarter), _Residual(quarter)),
                nn.Sequential(self._halving(quarter, eighth), _Residual(eighth)),
            ]
        )
        self.head = nn.Linear(eighth, num_classes)

    def _first(self, channels: int, half: int) -> nn.Sequential:
        if not self._averaged:
            return nn.Sequential(nn.PixelUnshuffle(2), _convolution(4 * channels, half, stride=1))
        full = max(1, half // 2)
        return nn.Sequential(_convolution(channels, full, stride=1), *self._halving(full, half))

    def _halving(self, inputs: int, outputs: int) -> nn.Sequential:
        if not self._averaged:
            return _convolution(inputs, outputs, stride=2)
        return nn.Sequential(nn.AvgPool2d(2), *_convolution(inputs, outputs, stride=1))

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """Give the feature maps [N, width, S / 2^i, S / 2^i] of ``images`` [N, C, S, S] in [-1, 1], i from 1 to 3."""
        found = []
        for stage in self.stages:
            images = stage(images)
            found.append(images)
        return tuple(found)

    def logits(self, last: Tensor) -> Tensor:
        """Give the class logits [N, K] from the last feature map."""
        found: Tensor = self.head(last.mean(dim=(2, 3)) if self._averaged else last.amax(dim=(2, 3)))
        return found

    def forward(self, images: Tensor) -> Tensor:
        """Give the class logits [N, K] of ``images`` [N, C, S, S] in [-1, 1], S a multiple of 8."""
        return self.logits(self.maps(images)[-1])


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.silu(x + self.norm(self.convolution(x)))


def _convolution(inputs: int, outputs: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.SiLU()
    )


def build_guide_network(spec: GuideSpec, dataset: ImageDataset, *, device: torch.device) -> GuideNetwork:
    """Build the network for images of ``dataset`` with the weights that the spec's seed gives, on ``device``.

    The global random state is left as it was.
    """
    channels = int(dataset.train.images.shape[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        network = GuideNetwork(spec, num_classes=dataset.num_classes, image_channels=channels)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub omits this
    return network
