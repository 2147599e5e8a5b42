"""Training that begins from a trained generator instead of random weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from gan.digest import tensors_digest
from gan.errors import SpecError
from gan.generators.generator import Generator
from gan.generators.layers import Stage
from gan.generators.structures import Residual
from gan.spec import GeneratorSpec
from gan.training.widening import WIDENED, copy_widened, is_widened


@dataclass(frozen=True)
class Start:
    """A trained generator, which stays as it is, and the spec that it has.

    Attributes:
        spec: that of the training to come, but for the number of residual blocks, the widths and the kernel.
        generator: whose weights are copied.
        digest: of spec and weights.
        discriminator: weights of the one that judged it, to go on with; None for a new one.
    """

    spec: GeneratorSpec
    generator: Generator
    digest: str
    discriminator: Mapping[str, Tensor] | None = None

    @property
    def discriminator_digest(self) -> str:
        """sha256 of the discriminator's weights; empty without one."""
        return "" if self.discriminator is None else tensors_digest(self.discriminator)


def check_start(spec: GeneratorSpec, start: Start) -> None:
    """Refuse a ``start`` that generators of ``spec`` cannot begin from.

    Raises:
        SpecError: the specs differ in more than residual blocks, channels and kernels that ``spec`` may have beyond it.
    """
    own, given = spec.mechanisms.residual_blocks, start.spec.mechanisms.residual_blocks
    mechanisms = replace(start.spec.mechanisms, residual_blocks=own)
    like, widened = replace(start.spec, mechanisms=mechanisms), is_widened(spec, start.spec)
    if widened:
        like = replace(like, widths=spec.widths, kernel=spec.kernel)
    if like != spec or own < given:
        raise SpecError(
            "a training must begin from a generator of its own spec, or of one that differs in having fewer residual "
            "blocks or, without other mechanisms, fewer channels or smaller kernels (not transposed ones; in the "
            f"families {', '.join(WIDENED)}); got {_shape(spec)}, and a start {_shape(start.spec)}"
        )


def begin_from(generator: Generator, spec: GeneratorSpec, start: Start) -> None:
    """Copy the weights of ``start`` to ``generator``, which may have more residual blocks and channels, larger kernels.

    What it has beyond ``start`` adds nothing at first, so that both make the same images (Chen et al. 2016, "Net2Net").

    Raises:
        SpecError: the specs differ in more than that.
    """
    check_start(spec, start)
    own, given = spec.mechanisms.residual_blocks, start.spec.mechanisms.residual_blocks
    widened = is_widened(spec, start.spec)
    blocks = [place for place, stage in enumerate(generator.stages) if isinstance(stage, Residual)]
    if own > given and len(blocks) != own:
        raise SpecError("multi_scale and feature_pyramid keep their blocks within: begin with as many residual blocks")
    added = blocks[given:]
    kept = [stage for place, stage in enumerate(generator.stages) if place not in added]
    for mine, theirs in zip(kept, start.generator.stages, strict=True):
        if widened:
            copy_widened(mine, theirs)
        else:
            mine.load_state_dict(theirs.state_dict())
    for name in ("class_code", "mapping"):
        if (known := getattr(start.generator, name)) is not None:
            getattr(generator, name).load_state_dict(known.state_dict())
    for place in added:
        _silence(generator.stages[place])


def _shape(spec: GeneratorSpec) -> str:
    return (
        f"{spec.digest[:12]} with {spec.mechanisms.residual_blocks} blocks, widths {list(spec.widths)} and kernel "
        f"{spec.kernel}"
    )


def judge_from(discriminator: nn.Module, start: Start) -> None:
    """Copy the weights of the discriminator that comes with ``start``, if one does.

    Raises:
        SpecError: it is of another kind or size.
    """
    if start.discriminator is None:
        return
    try:
        discriminator.load_state_dict(start.discriminator)
    except RuntimeError as error:  # torch names each tensor that is missing, superfluous or of another shape
        raise SpecError(
            "the recipe's discriminator must be the one that goes on with the start (discriminator, "
            f"discriminator_widths, auxiliary_weight); {error}"
        ) from error


def _silence(block: nn.Module) -> None:
    """Set the last weights of a residual block to zero; those before them then still get a gradient soon."""
    assert isinstance(block, Residual)
    last = block.row.stages[-1]
    assert isinstance(last, Stage)
    if last.norm is None:
        ends = [part for part in last.operator.modules() if any(True for _ in part.parameters(recurse=False))][-1:]
    else:
        ends = [last.norm]
    with torch.no_grad():
        for end in ends:
            for weights in end.parameters():
                weights.zero_()
