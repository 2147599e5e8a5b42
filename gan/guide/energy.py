"""How far generated images are from real ones of their class, as the guide's features see both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from gan.data import Split, to_signed_unit
from gan.errors import SpecError
from gan.guide.moments import RATE, MomentMatching
from gan.guide.network import GuideNetwork
from gan.guide.poses import posed
from gan.guide.views import View, pooled

_ROWS = 500
_SMALLEST_SHARE = 1e-4
_FEW = 50
_TINY = 1e-12
_MOST_PROJECTIONS = 4096
"""More would take a decomposition longer than the steps between two of them."""


@dataclass(frozen=True, kw_only=True)
class EnergySettings:
    """What the distance is taken of, and how much it counts.

    Attributes:
        weight: of the distance in the generator's loss, positive.
        whitening: power by which principal components lose their standard deviation: 0 keeps it, 1 makes all equal.
        real_images: drawn of each class in every step.
        generated_images: the last ones of each class, kept to compare with.
        moments: how much :class:`gan.guide.moments.MomentMatching` counts beside the distance; 0 leaves it out.
        moments_rate: share of a batch in the running moments, in (0, 1].
        projections: random directions in which the middle and the last map of every guide are looked at as they lie
            (:class:`gan.guide.views.Projections`), as a distance of its own; 0 leaves it out.
        quarters: means of the last map's quarters are looked at (:func:`gan.guide.views.quartered`), as another one.
        bf16: guides look at images in bfloat16, too, where the training computes in it.
        shift: pixels, at most, by which images are moved before guides look at them, and mirrored where the data may
            be (:func:`gan.guide.poses.posed`): what only one place in the image makes of a network is not learnt; 0
            has them look at images as they are.
        guides_per_step: how many of several guides look at a batch, drawn anew for each; 0 has all of them look.
    """

    LATER_FIELDS: ClassVar[tuple[str, ...]] = (
        "moments",
        "projections",
        "bf16",
        "guides_per_step",
        "moments_rate",
        "quarters",
        "shift",
    )

    weight: float = 8.0
    whitening: float = 0.5
    real_images: int = 1000
    generated_images: int = 300
    moments: float = 0.0
    projections: int = 0
    bf16: bool = False
    guides_per_step: int = 0
    moments_rate: float = RATE
    quarters: bool = False
    shift: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.weight < math.inf and 0 <= self.whitening <= 1 and 0 <= self.moments < math.inf):
            raise SpecError(
                "an energy distance needs a positive weight, a whitening in [0, 1] and moments of at least 0; got "
                f"{self.weight}, {self.whitening} and {self.moments}"
            )
        if not 0 < self.moments_rate <= 1:
            raise SpecError(f"moments_rate must be a share, in (0, 1]; got {self.moments_rate}")
        if not 0 <= self.projections <= _MOST_PROJECTIONS:
            raise SpecError(f"projections must be in 0..{_MOST_PROJECTIONS}; got {self.projections}")
        if self.shift < 0:
            raise SpecError(f"shift must be at least 0 pixels; got {self.shift}")
        if self.guides_per_step < 0:
            raise SpecError(f"guides_per_step must be at least 0, which is all; got {self.guides_per_step}")
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

    def __init__(
        self,
        network: GuideNetwork,
        split: Split,
        *,
        num_classes: int,
        settings: EnergySettings,
        mirrored: bool = False,
        bf16: bool = False,
        view: View = pooled,
    ) -> None:
        """Measure the real images of ``split``; ``mirrored``, images may be, and every second real one is.

        ``view`` says what is looked at, and with ``bf16`` the guide's maps are made in bfloat16.
        """
        super().__init__()
        if missing := [label for label in range(num_classes) if not bool((split.labels == label).any())]:
            raise SpecError(f"every class needs a real image to compare with; there is none of class {missing[0]}")
        self._network, self._settings = (network,), settings  # in a tuple: its weights are not this module's to save
        self._bf16, self._view, self._flip = bf16, view, mirrored
        poses = torch.Generator().manual_seed(0)
        with torch.no_grad():
            images = (
                self._moved(_varied(part, mirrored), poses, flip=False) for part in torch.split(split.images, _ROWS)
            )
            parts = [view(part, self.maps(part)) for part in images]
        found, widths = torch.cat([torch.cat(part, dim=1) for part in parts]), [part.shape[1] for part in parts[0]]
        del parts
        self._mean, self._map = _whitening(found, widths, settings.whitening)
        self._real = [(found[split.labels == label] - self._mean) @ self._map for label in range(num_classes)]
        self._moments = MomentMatching(self._real, rate=settings.moments_rate) if settings.moments else None
        self.register_buffer("recent", found.new_zeros(num_classes, settings.generated_images, found.shape[1]))
        self.register_buffer("counts", torch.zeros(num_classes, dtype=torch.int64, device=found.device))

    def posed(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Give generated ``images`` as the guide is to look at them."""
        return self._moved(images, rng, flip=self._flip)

    def _moved(self, images: Tensor, rng: torch.Generator, *, flip: bool) -> Tensor:
        return posed(images, rng, shift=self._settings.shift, flip=flip) if self._settings.shift else images

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """Give the guide's maps of ``images`` [N, C, S, S] in [-1, 1], as float32, real and generated ones alike."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self._bf16):
            found = self._network[0].maps(images.float().contiguous(memory_format=torch.channels_last))
        return tuple(seen.float() for seen in found)

    def features(self, images: Tensor, maps: tuple[Tensor, ...] | None = None) -> Tensor:
        """Give the features [N, d], float32, of ``images`` [N, C, S, S] in [-1, 1]; their variances sum to about 1.

        ``maps`` are what :meth:`maps` gives of them, where that is known.
        """
        with torch.autocast(images.device.type, enabled=False):  # as the real ones, or the difference would be learnt
            found = self._view(images.float(), self.maps(images) if maps is None else maps)
            return (torch.cat(found, dim=1) - self._mean) @ self._map

    def forward(
        self, images: Tensor, labels: Tensor, rng: torch.Generator, maps: tuple[Tensor, ...] | None = None
    ) -> Tensor:
        """Give what a batch adds to the distance, as a scalar with the gradient of half of it.

        Args:
            images: generated ones [N, C, S, S] in [-1, 1].
            labels: their classes, [N].
            rng: a CPU generator, which draws the real images, and poses.
            maps: what :meth:`maps` gives of the images, where these are posed already.
        """
        if maps is None:
            images = self.posed(images, rng)
        features = self.features(images, maps)
        with torch.autocast(features.device.type, enabled=False):  # small differences of large numbers
            total = features.new_zeros(())
            for label in torch.unique(labels).tolist():
                rows = features[labels == label]
                total = total + self._compared(rows, label, rng)
                self._remember(label, rows.detach())
            total = total / len(labels)
            if self._moments is not None:
                total = total + self._settings.moments * self._moments(features, labels)
        return total

    def _compared(self, rows: Tensor, label: int, rng: torch.Generator) -> Tensor:
        """Sum over ``rows`` of the mean distance to real images, less that to the last generated ones."""
        real, kept = self._real[label], self._settings.generated_images
        drawn = torch.randint(len(real), (self._settings.real_images,), generator=rng).to(real.device)
        found = distances(rows, real[drawn]).mean(dim=1).sum()
        if (count := min(int(self.counts[label]), kept)) >= _FEW:
            found = found - distances(rows, self.recent[label, :count].clone()).mean(dim=1).sum()
        return found

    def _remember(self, label: int, rows: Tensor) -> None:
        """Put features in the places of the oldest ones of their class."""
        kept, start = self._settings.generated_images, int(self.counts[label])
        skipped = max(0, len(rows) - kept)
        places = torch.arange(start + skipped, start + len(rows), device=rows.device) % kept
        self.recent[label, places] = rows[skipped:]
        self.counts[label] += len(rows)


def _varied(images: Tensor, mirrored: bool) -> Tensor:
    """Bytes [N, C, S, S] to [-1, 1]; ``mirrored``, every second image as its mirror image."""
    found = to_signed_unit(images)
    if mirrored:
        found[1::2] = found[1::2].flip(3)
    return found


def distances(rows: Tensor, others: Tensor) -> Tensor:
    """Euclidean distances [N, M] of ``rows`` [N, d] and ``others`` [M, d]; the gradient is finite where two meet."""
    squares = rows.square().sum(dim=1)[:, None] + others.square().sum(dim=1)[None] - 2 * rows @ others.T
    return squares.clamp_min(1e-8).sqrt()


def _whitening(found: Tensor, widths: list[int], power: float) -> tuple[Tensor, Tensor]:
    """Mean [d] of ``found`` [N, d] and map [d, d] to features whose principal directions are evened out by ``power``.

    Parts of ``widths`` features count alike, however large their numbers are, and variances sum to 1. The map is
    symmetric in those directions (ZCA), so that it does not depend on the signs and order that a decomposition gives
    them: what was saved on one machine means the same on another.
    """
    mean = found.mean(dim=0)
    covariance = found.new_zeros(found.shape[1], found.shape[1], dtype=torch.float64)
    for part in torch.split(found, _ROWS):
        centred = (part - mean).double()
        covariance += centred.T @ centred
    covariance /= len(found)
    spread = torch.cat(
        [(part.sum() + _TINY).rsqrt().expand(len(part)) for part in torch.split(covariance.diag(), widths)]
    )
    covariance = spread[:, None] * covariance * spread
    values, vectors = torch.linalg.eigh(covariance)
    evened = values.clamp_min(_SMALLEST_SHARE * float(values.max())).pow(-power / 2)
    total = math.sqrt(float((values * evened.square()).sum()))
    return mean, (spread[:, None] * (vectors * evened) @ vectors.T / total).float()
