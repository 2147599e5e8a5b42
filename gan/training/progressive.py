"""Progressive resolution: training that begins with small images, on one network whose weights stay where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan.errors import SpecError
from gan.generators.generator import Generator
from gan.spec import GeneratorSpec


@dataclass(frozen=True, kw_only=True)
class Progressive:
    """Sizes that training goes through, each for an equal share of the budget.

    Attributes:
        sizes: sides of the images, each a multiple of the one before; the last is the full one.
        fade: share of each size's time in which it is blended in (Karras et al. 2018, "Progressive growing", figure 2).
    """

    sizes: tuple[int, ...]
    fade: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", tuple(self.sizes))
        if len(self.sizes) < 2 or any(b <= a or b % a for a, b in zip(self.sizes, self.sizes[1:], strict=False)):
            raise SpecError(
                f"progressive sizes must be two or more, each a multiple of the one before; got {self.sizes}"
            )
        if not 0.0 <= self.fade <= 1.0:
            raise SpecError(f"fade must be a share from 0 to 1; got {self.fade}")

    def at(self, share: float) -> Resolution:
        """What is trained once ``share`` of the budget is spent."""
        phase = min(int(share * len(self.sizes)), len(self.sizes) - 1)
        within = share * len(self.sizes) - phase
        if phase == 0 or within >= self.fade:
            return Resolution(self.sizes[phase], self.sizes[phase], 1.0)
        return Resolution(self.sizes[phase], self.sizes[phase - 1], within / self.fade)


@dataclass(frozen=True)
class Resolution:
    """Images of one size, ``share`` of them, blended with those of the size before."""

    size: int
    before: int
    share: float

    def match(self, images: Tensor) -> Tensor:
        """Give real images [N, C, S, S] the detail of this resolution, at their own size."""
        own = _coarse(images, self.size)
        return own if self.share == 1.0 else self.share * own + (1 - self.share) * _coarse(images, self.before)


def _coarse(images: Tensor, size: int) -> Tensor:
    factor = images.shape[-1] // size
    if factor == 1:
        return images
    return F.interpolate(F.avg_pool2d(images, factor), scale_factor=factor, mode="nearest")


class Growing(nn.Module):
    """A generator with an image head at each smaller size: ``(latent, one_hot) -> images`` of the full size.

    The discriminator sees images of one size throughout, so nothing of it has to be changed either. At the full size
    this is the generator itself.
    """

    def __init__(self, generator: Generator, spec: GeneratorSpec, sizes: Sequence[int]) -> None:
        super().__init__()
        sides = [spec.base_size * 2**level for level in range(len(spec.widths))]
        if spec.family in ("mlp", "hybrid") or spec.mechanisms.multi_scale or spec.mechanisms.feature_pyramid:
            raise SpecError("progressive training needs an image family without multi_scale and feature_pyramid")
        unknown = [size for size in sizes[:-1] if size not in sides]
        if unknown or sizes[-1] != spec.image_size:
            raise SpecError(
                f"progressive sizes must be of {sides}, and the last the images' {spec.image_size}; got {tuple(sizes)}"
            )
        self.generator = generator
        widths = dict(zip(sides, spec.widths, strict=True))
        self.heads = nn.ModuleDict(
            {str(size): nn.Conv2d(widths[size], spec.image_channels, 1) for size in sizes[:-1]}
        )  # fmt: skip
        self.image_size = spec.image_size
        self._sides = _sides(generator, spec)
        self.resolution = Resolution(sizes[0], sizes[0], 1.0)

    def forward(self, latent: Tensor, one_hot: Tensor) -> Tensor:
        """Give images of the present resolution, enlarged to the full size."""
        wanted = {self.resolution.size, self.resolution.before}
        found = self._images(latent, one_hot, wanted)
        own, share = found[self.resolution.size], self.resolution.share
        return own if share == 1.0 else share * own + (1 - share) * found[self.resolution.before]

    def _images(self, latent: Tensor, one_hot: Tensor, sizes: set[int]) -> dict[int, Tensor]:
        x, condition = self.generator.begin(latent, one_hot)
        maps: dict[int, Tensor] = {}
        largest = max(sizes)
        for stage, side in zip(self.generator.stages, self._sides, strict=True):
            if side > largest:
                break
            x = stage(x, condition)
            if side:
                maps[side] = x
        images = {}
        for size in sizes:
            if size == self.image_size:
                images[size] = maps[size]
            else:
                small = torch.tanh(self.heads[str(size)](maps[size]))
                images[size] = F.interpolate(small, scale_factor=self.image_size // size, mode="nearest")
        return images


def plain_generator(generator: Generator | Growing) -> Generator:
    """The generator of full size in either."""
    return generator.generator if isinstance(generator, Growing) else generator


@torch.no_grad()
def _sides(generator: Generator, spec: GeneratorSpec) -> list[int]:
    """Side of what each stage of ``generator`` gives; 0 for a vector."""
    training, sides = generator.training, list[int]()
    generator.eval()
    x, condition = generator.begin(torch.zeros(1, spec.latent_dim), torch.zeros(1, spec.num_classes))
    for stage in generator.stages:
        x = stage(x, condition)
        sides.append(x.shape[-1] if x.ndim == 4 else 0)
    generator.train(training)
    return sides
