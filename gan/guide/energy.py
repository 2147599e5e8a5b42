"""How far generated images are from real ones of their class, as the guide's features see both."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan.data import Split, to_signed_unit
from gan.errors import SpecError
from gan.guide.network import GuideNetwork

_ROWS = 500
_COARSE = 4
_SMALLEST_SHARE = 1e-4
_FEW = 50
_TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class EnergySettings:
    """What the distance is taken of, and how much it counts.

    Attributes:
        weight: of the distance in the generator's loss, positive.
        whitening: power by which principal components lose their standard deviation: 0 keeps it, 1 makes all equal.
        real_images: drawn of each class in every step.
        generated_images: the last ones of each class, kept to compare with.
    """

    weight: float = 8.0
    whitening: float = 0.5
    real_images: int = 1000
    generated_images: int = 300

    def __post_init__(self) -> None:
        if not (0 < self.weight < math.inf and 0 <= self.whitening <= 1):
            raise SpecError(
                "an energy distance needs a positive weight and a whitening in [0, 1]; got "
                f"{self.weight} and {self.whitening}"
            )
        if self.real_images < 1 or self.generated_images < _FEW:
            raise SpecError(
                f"an energy distance needs at least 1 real and {_FEW} generated images of each class; got "
                f"{self.real_images} and {self.generated_images}"
            )


class EnergyDistance(nn.Module):
    """The energy distance between generated and real images of each class, in features of a guide.

    Twice the mean distance of a generated to a real image, less the mean distances within each kind: it is zero just
    where both are distributed alike (Szekely and Rizzo 2013). A batch is compared with the last generated images
    instead of with itself, so that a few images of a class suffice. Their features are saved with a training.
    """

    recent: Tensor
    counts: Tensor

    def __init__(self, network: GuideNetwork, split: Split, *, num_classes: int, settings: EnergySettings) -> None:
        super().__init__()
        if missing := [label for label in range(num_classes) if not bool((split.labels == label).any())]:
            raise SpecError(f"every class needs a real image to compare with; there is none of class {missing[0]}")
        self._network, self._settings = (network,), settings  # in a tuple: its weights are not this module's to save
        with torch.no_grad():
            parts = [self._measured(to_signed_unit(images)) for images in torch.split(split.images, _ROWS)]
        found = torch.cat([torch.cat(part, dim=1) for part in parts])
        self._mean, self._map = _whitening(found, [part.shape[1] for part in parts[0]], settings.whitening)
        features = (found - self._mean) @ self._map
        self._real = [features[split.labels == label] for label in range(num_classes)]
        self.register_buffer("recent", features.new_zeros(num_classes, settings.generated_images, features.shape[1]))
        self.register_buffer("counts", torch.zeros(num_classes, dtype=torch.int64, device=features.device))

    def features(self, images: Tensor) -> Tensor:
        """Give the features [N, d], float32, of ``images`` [N, C, S, S] in [-1, 1]; their variances sum to about 1."""
        parts = self._measured(images)
        with torch.autocast(images.device.type, enabled=False):
            return (torch.cat(parts, dim=1) - self._mean) @ self._map

    def forward(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        """Give what a batch adds to the distance, as a scalar with the gradient of half of it.

        Args:
            images: generated ones [N, C, S, S] in [-1, 1].
            labels: their classes, [N].
            rng: a CPU generator, which draws the real images.
        """
        features = self.features(images)
        with torch.autocast(features.device.type, enabled=False):  # small differences of large numbers
            return self._compared(features, labels, rng)

    def _compared(self, features: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        total = features.new_zeros(())
        for label in torch.unique(labels).tolist():
            rows = features[labels == label]
            real = self._real[label]
            drawn = torch.randint(len(real), (self._settings.real_images,), generator=rng).to(real.device)
            total = total + _distances(rows, real[drawn]).mean(dim=1).sum()
            count = min(int(self.counts[label]), self._settings.generated_images)
            if count >= _FEW:
                total = total - _distances(rows, self.recent[label, :count].clone()).mean(dim=1).sum()
            self._remember(label, rows.detach())
        return total / len(labels)

    def _remember(self, label: int, rows: Tensor) -> None:
        """Put features in the places of the oldest ones of their class."""
        start, kept = int(self.counts[label]), self._settings.generated_images
        places = torch.arange(start, start + len(rows), device=rows.device) % kept
        self.recent[label, places] = rows
        self.counts[label] += len(rows)

    def _measured(self, images: Tensor) -> tuple[Tensor, ...]:
        """The image in four by four patches, and means and maxima of the guide's maps, [N, *] each in float32."""
        _, middle, last = self._network[0].maps(images.contiguous(memory_format=torch.channels_last))
        coarse = F.adaptive_avg_pool2d(images.float(), _COARSE).flatten(1)
        middle, last = middle.float(), last.float()
        return coarse, middle.mean(dim=(2, 3)), last.mean(dim=(2, 3)), last.amax(dim=(2, 3))


def _distances(rows: Tensor, others: Tensor) -> Tensor:
    """Euclidean distances [N, M], whose gradient stays finite where two points meet."""
    squares = rows.square().sum(dim=1)[:, None] + others.square().sum(dim=1)[None] - 2 * rows @ others.T
    return squares.clamp_min(1e-8).sqrt()


def _whitening(found: Tensor, widths: list[int], power: float) -> tuple[Tensor, Tensor]:
    """Mean [m] and map [m, d] to principal components, their spread evened out, with variances that sum to 1.

    Parts of ``widths`` features count alike, however large their numbers are.
    """
    mean = found.mean(dim=0)
    centred = (found - mean).double()
    spread = torch.cat(
        [
            (part.square().mean(dim=0).sum() + _TINY).rsqrt().expand(part.shape[1])
            for part in torch.split(centred, widths, dim=1)
        ]
    )
    centred = centred * spread
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(found))
    kept = values > _SMALLEST_SHARE * values.max()
    scaled = spread[:, None] * vectors[:, kept] * values[kept].pow(-power / 2)
    total = math.sqrt(float(values[kept].pow(1 - power).sum()))
    return mean, (scaled / total).float()
