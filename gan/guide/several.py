"""The distance as several guides and views see it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan.data import Split
from gan.guide.energy import EnergyDistance, EnergySettings
from gan.guide.network import GuideNetwork
from gan.guide.train import Guide
from gan.guide.views import Projections, View, pooled, quartered


class SeveralDistances(nn.Module):
    """The mean of several energy distances; those of one guide share its maps."""

    def __init__(self, terms: Sequence[Sequence[EnergyDistance]], *, guides_per_step: int = 0) -> None:
        """Take the distances of each guide; so many of them look at a batch, and with 0 all do."""
        super().__init__()
        self._looking = guides_per_step or len(terms)
        self.guides = nn.ModuleList(nn.ModuleList(of_one) for of_one in terms)

    def forward(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        """Give what a batch adds, as :meth:`gan.guide.energy.EnergyDistance.forward` does."""
        found = []
        for terms in self._drawn(rng):
            assert isinstance(terms, nn.ModuleList)
            first = terms[0]
            assert isinstance(first, EnergyDistance)
            seen = first.posed(images, rng)
            maps = first.maps(seen)
            found += [term(seen, labels, rng, maps) for term in terms]
        return torch.stack(found).mean()

    def _drawn(self, rng: torch.Generator) -> list[nn.Module]:
        """Those that look at this batch; what the others remember of generated images stays as it is."""
        guides = list(self.guides)
        if self._looking == len(guides):
            return guides
        return [guides[place] for place in torch.randperm(len(guides), generator=rng)[: self._looking].tolist()]


def guided_distance(
    guide: Guide,
    split: Split,
    *,
    num_classes: int,
    settings: EnergySettings,
    mirrored: bool = False,
    bf16: bool = False,
) -> EnergyDistance | SeveralDistances:
    """Build the distance from the images of ``split`` that ``settings`` ask for, in features of all guides.

    Args:
        guide: the one that chose the images, with the others that look at them, too.
        split: real images to be like.
        num_classes: each of which has an image in ``split``.
        settings: of every single distance.
        mirrored: every second real image is looked at as its mirror image.
        bf16: the guides' maps are made in bfloat16.
    """
    views: list[View] = [pooled]
    if settings.projections:
        views.append(Projections(settings.projections))
    if settings.quarters:
        views.append(quartered)

    def seen_by(network: GuideNetwork) -> list[EnergyDistance]:
        return [
            EnergyDistance(
                network, split, num_classes=num_classes, settings=settings, mirrored=mirrored, bf16=bf16, view=view
            )
            for view in views
        ]

    terms = [seen_by(network) for network in guide.networks]
    if len(terms) == len(views) == 1:
        return terms[0][0]
    return SeveralDistances(terms, guides_per_step=settings.guides_per_step)
