"""Generators from few operations to many, small and large ones: what decides whether a circuit can be proved?

The published limits are stated in operations: success up to 50, failure from 100. The narrow generators here have
almost nothing but operations, the published ones almost nothing but products.
"""

from __future__ import annotations

from torch import Tensor, nn

from gan.generators import build_generator, fold_batchnorm
from gan.mechanisms import Mechanisms
from gan.spec import GeneratorSpec
from zk.benchmark.experiments import Experiment
from zk.counting import published_operations

GENERATOR = "generator"
CATEGORY = "ladder"
NARROW_BLOCKS = (1, 3, 6, 10, 14, 20, 30, 50)
"""Layers of each stage of the narrow generators."""


def _narrow(blocks: int) -> GeneratorSpec:
    """16x16 images from 4 channels: a convolution at 8x8 has nine thousand products."""
    return GeneratorSpec(
        family="subpixel",
        latent_dim=16,
        conditioning="one_hot",
        widths=(4, 4),
        blocks_per_stage=blocks,
        activation="relu",
        image_size=16,
    )


def _published(latent_dim: int, widths: tuple[int, ...], activation: str) -> GeneratorSpec:
    return GeneratorSpec(
        family="conv",
        latent_dim=latent_dim,
        conditioning="one_hot",
        widths=widths,
        kernel=4,
        upsampling="transposed",
        activation=activation,
        mechanisms=Mechanisms(full_size_head=True),
    )


LADDER: dict[str, GeneratorSpec] = {
    **{f"narrow_{blocks}": _narrow(blocks) for blocks in NARROW_BLOCKS},
    "wide_exp_001": _published(50, (128, 64, 32, 16), "relu"),
    "wide_exp_006": _published(100, (192, 96, 48, 24), "relu"),
    "wide_exp_016": _published(128, (256, 128, 64, 32), "leaky_relu"),
}
"""Specs by name. The wide ones are published shapes, the class as a one-hot row, so that one vector is the input."""


class OneInput(nn.Module):
    """A generator of one vector [N, latent_dim + num_classes]: latent, then the class's one-hot row."""

    def __init__(self, spec: GeneratorSpec, seed: int) -> None:
        super().__init__()
        folded = fold_batchnorm(build_generator(spec, seed=seed))
        self.stages = folded.stages
        self._classes = spec.num_classes

    def forward(self, vector: Tensor) -> Tensor:
        """Generate one image per row."""
        x, one_hot = vector, vector[:, -self._classes :]
        for stage in self.stages:
            x = stage(x, one_hot)
        return x


def ladder_grid() -> dict[str, Experiment]:
    """Every rung as an experiment."""
    return {name: Experiment(name, CATEGORY, GENERATOR, network=name) for name in LADDER}


def operations(name: str) -> int:
    """Operations of a rung by the published rule, its normalisations included."""
    return published_operations(build_generator(LADDER[name]))
