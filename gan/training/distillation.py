"""Knowledge distillation: what a small generator may learn from a large one."""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan.errors import SpecError
from gan.generators.generator import Generator
from gan.spec import GeneratorSpec


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """Weights of the terms that pull a student to its teacher.

    Both see the same classes, and the teacher latents that follow from the student's (:meth:`Teacher.latents`).

    Attributes:
        output_weight: of the mean absolute distance of the images.
        feature_weight: of the mean squared distance of feature maps of equal size, the student's brought to the
            teacher's channels by a learned 1x1 convolution each (Romero et al. 2015, "FitNets").
        judge_weight: of the mean absolute distance of the discriminator's features of the images.
        kl_weight: of the published form, which takes the three colours of a pixel for a distribution.
        temperature: of that form.
        teacher: digest of the teacher, so that recipes with different ones differ; empty for whichever is given.
    """

    output_weight: float = 1.0
    feature_weight: float = 0.0
    judge_weight: float = 0.0
    kl_weight: float = 0.0
    temperature: float = 3.0
    teacher: str = ""

    def __post_init__(self) -> None:
        weights = (self.output_weight, self.feature_weight, self.judge_weight, self.kl_weight)
        if not all(0 <= weight < math.inf for weight in weights) or max(weights) == 0:
            raise SpecError(
                f"distillation weights must be finite and not negative, and one must be positive; got {weights}"
            )
        if self.temperature <= 0:
            raise SpecError(f"temperature must be positive; got {self.temperature}")


@dataclass(frozen=True)
class Teacher:
    """A trained generator, in evaluation mode, and the spec that it has.

    Attributes:
        spec: of the same images and classes as the student's.
        generator: its weights are never changed.
        digest: of spec and weights.
    """

    spec: GeneratorSpec
    generator: Generator
    digest: str

    def latents(self, latent: Tensor) -> Tensor:
        """Give the teacher's latents [N, its latent_dim] for a student's [N, Z].

        They follow from the student's alone, or it would have to learn what it cannot see. Of a longer one the first
        numbers are taken; a shorter one goes through a fixed matrix with columns of length one, so that each of the
        teacher's numbers is standard normal.
        """
        wanted = self.spec.latent_dim
        if wanted <= latent.shape[1]:
            return latent[:, :wanted]
        return latent @ _latent_map(latent.shape[1], wanted, self.digest).to(latent)


@functools.cache
def _latent_map(shorter: int, longer: int, digest: str) -> Tensor:
    seed = int.from_bytes(hashlib.sha256(digest.encode()).digest()[:7], "big")
    columns = torch.randn(shorter, longer, generator=torch.Generator().manual_seed(seed))
    return F.normalize(columns, dim=0)


def feature_maps(generator: Generator, latent: Tensor, one_hot: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
    """Run a generator: its images, and its last feature map [N, c, s, s] of each size by s."""
    x, condition = generator.begin(latent, one_hot)
    maps: dict[int, Tensor] = {}
    for stage in generator.stages[:-1]:
        x = stage(x, condition)
        if x.ndim == 4:
            maps[x.shape[-1]] = x
    return generator.stages[-1](x, condition), maps


@torch.no_grad()
def map_channels(generator: Generator, spec: GeneratorSpec) -> dict[int, int]:
    """Channels of a generator's last feature map of each size, by size."""
    device = next(generator.parameters()).device
    latent, one_hot = (torch.zeros(2, length, device=device) for length in (spec.latent_dim, spec.num_classes))
    training = generator.training
    _, maps = feature_maps(generator.eval(), latent, one_hot)
    generator.train(training)
    return {size: found.shape[1] for size, found in maps.items()}


class Adaptors(nn.Module):
    """The 1x1 convolutions from the student's feature maps to the teacher's, at every size that both have."""

    def __init__(self, student: dict[int, int], teacher: dict[int, int]) -> None:
        super().__init__()
        shared = sorted(set(student) & set(teacher))
        if not shared:
            raise SpecError(
                f"feature_weight needs feature maps of a common size; got {sorted(student)} and {sorted(teacher)}"
            )
        self.layers = nn.ModuleDict({str(size): nn.Conv2d(student[size], teacher[size], 1) for size in shared})

    def forward(self, student: dict[int, Tensor], teacher: dict[int, Tensor]) -> Tensor:
        """Mean over the sizes of the mean squared distance."""
        distances = [
            F.mse_loss(layer(student[int(size)]).float(), teacher[int(size)].float())
            for size, layer in self.layers.items()
        ]
        return torch.stack(distances).mean()


def published_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The write-up's ``distillation_loss``: Kullback-Leibler divergence over axis 1, summed and divided by N."""
    scale = temperature**2
    logs = F.log_softmax(student.float() / temperature, dim=1)
    return F.kl_div(logs, F.softmax(teacher.float() / temperature, dim=1), reduction="batchmean") * scale
