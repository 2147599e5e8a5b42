"""The judge: a small pre-activation residual network, held out from every training of a generator."""

from __future__ import annotations

from typing import cast, final

from torch import Tensor, nn

from evaluation.classifier.network import FeatureClassifier
from evaluation.classifier.spec import JudgeSpec


@final
class ResidualBlock(nn.Module):
    """Pre-activation block of He et al. 2016 ("Identity mappings in deep residual networks", figure 1b).

    ``x [N, in, H, W] -> [N, out, H / stride, W / stride]``. The first BatchNorm and ReLU are shared with the shortcut
    where the shape changes; the shortcut is then 2x2 average pooling and a 1x1 convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.activation = nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU(inplace=True))
        self.residual = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        )
        self.shortcut: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            pool = [nn.AvgPool2d(stride)] if stride > 1 else []
            self.shortcut = nn.Sequential(*pool, nn.Conv2d(in_channels, out_channels, 1, bias=False))

    def forward(self, hidden: Tensor) -> Tensor:
        """Residual sum."""
        activated = self.activation(hidden)
        carried = hidden if self.shortcut is None else self.shortcut(activated)
        return cast(Tensor, carried + self.residual(activated))


def build_judge(spec: JudgeSpec) -> FeatureClassifier:
    """Build the network of a spec, with torch's default initialisation from the global generator."""
    channels = spec.widths[0]
    layers: list[nn.Module] = [nn.PixelUnshuffle(spec.patch_size)] if spec.patch_size > 1 else []
    layers.append(nn.Conv2d(3 * spec.patch_size**2, channels, 3, padding=1, bias=False))
    for position, width in enumerate(spec.widths):
        for block in range(spec.blocks_per_stage):
            layers.append(ResidualBlock(channels, width, stride=2 if position > 0 and block == 0 else 1))
            channels = width
    layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return FeatureClassifier(nn.Sequential(*layers), nn.Linear(channels, spec.num_classes))
