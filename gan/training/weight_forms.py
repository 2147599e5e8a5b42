"""What a generator's weights may be: any numbers, integers, two or three values, or some of them zero."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import (
    ParametrizationList,
    is_parametrized,
    register_parametrization,
)

from gan.errors import SpecError
from gan.generators.generator import Generator
from gan.generators.layers import LinearOperator, Stage, settle_weight, stage_layers
from gan.generators.structures import FeaturePyramid, MultiScale, Shortcut
from gan.training.rounding import binary, fixed_point, integer, ternary

FORMS = ("float", "integer", "binary", "ternary")


@dataclass(frozen=True, kw_only=True)
class WeightForm:
    """How the weights of a generator's linear operators, and its activations, are held while it trains.

    The first operator reads the latent and the last one gives the image; with two or three values they stay float.

    Attributes:
        kind: one of :data:`FORMS`.
        weight_bits: of ``integer``, sign included.
        activation_bits: fractional bits of latent, class code, every activation and every path beside the stages, as in
            a checked circuit; 0 leaves them alone. Not for attention and normalisations that depend on class or image.
        sparsity: share of the weights that is zero in the end.
        pruning_at: shares of the budget at which the smallest are dropped, in equal steps up to ``sparsity``.
    """

    kind: str = "float"
    weight_bits: int = 8
    activation_bits: int = 0
    sparsity: float = 0.0
    pruning_at: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "pruning_at", tuple(self.pruning_at))
        if self.kind not in FORMS:
            raise SpecError(f"weight form must be one of {', '.join(FORMS)}; got {self.kind!r}")
        if not 2 <= self.weight_bits <= 16:
            raise SpecError(f"weight_bits must be in 2..16; got {self.weight_bits}")
        if not 0 <= self.activation_bits <= 20:
            raise SpecError(f"activation_bits must be in 0..20; got {self.activation_bits}")
        if not 0.0 <= self.sparsity < 1.0 or (self.sparsity > 0) != bool(self.pruning_at):
            raise SpecError(
                f"sparsity must be in [0, 1), and above 0 just where pruning_at names shares of the budget; got "
                f"{self.sparsity} with {self.pruning_at}"
            )
        growing = sorted(set(self.pruning_at)) == [*self.pruning_at]
        if any(not 0.0 < share < 1.0 for share in self.pruning_at) or not growing:
            raise SpecError(f"pruning_at must be growing shares between 0 and 1; got {self.pruning_at}")

    @property
    def plain(self) -> bool:
        """Whether nothing is done to weights or activations."""
        return self.kind == "float" and not self.activation_bits and not self.sparsity

    def sparsity_at(self, share: float) -> float:
        """Share of weights that is zero once ``share`` of the budget is spent."""
        passed = sum(share >= place for place in self.pruning_at)
        return self.sparsity * passed / len(self.pruning_at) if passed else 0.0


class _Form(nn.Module):
    def __init__(self, form: WeightForm, axis: int) -> None:
        super().__init__()
        self._form, self._axis = form, axis

    def forward(self, weight: Tensor) -> Tensor:
        if self._form.kind == "integer":
            return integer(weight, self._form.weight_bits)
        return binary(weight, self._axis) if self._form.kind == "binary" else ternary(weight, self._axis)


class _Mask(nn.Module):
    """Zeros where weights were dropped; a buffer of truth values, so that an average of weights copies it."""

    kept: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("kept", torch.ones_like(weight, dtype=torch.bool))

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.kept


class Rounding(nn.Module):
    """Rounds to a circuit's fixed point."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self._bits = bits

    def forward(self, x: Tensor) -> Tensor:
        """Round."""
        return fixed_point(x, self._bits)


class Rounded(nn.Module):
    """An activation, or a path beside the stages, whose input and output are rounded to a circuit's fixed point.

    A path reads what a stage has rounded already, which a second rounding leaves as it is.
    """

    def __init__(self, inner: nn.Module, bits: int) -> None:
        super().__init__()
        self.inner = inner
        self._bits = bits

    def forward(self, x: Tensor) -> Tensor:
        """Round, apply, round."""
        return fixed_point(self.inner(fixed_point(x, self._bits)), self._bits)


def apply_form(generator: Generator, form: WeightForm) -> None:
    """Hold the weights and activations of ``generator`` in ``form``, in place.

    Raises:
        SpecError: its weights have a spectral norm already, which would divide what the form has made.
    """
    layers = stage_layers(generator)
    if (form.kind != "float" or form.sparsity) and any(is_parametrized(layer, "weight") for layer in layers):
        raise SpecError(
            "a generator with spectral_norm must have float weights, none of them pruned; choose one of both"
        )
    coarse = form.kind in ("binary", "ternary")
    for place, layer in enumerate(layers):
        if form.kind != "float" and not (coarse and place in (0, len(layers) - 1)):
            register_parametrization(layer, "weight", _Form(form, _output_axis(layer)))
        if form.sparsity:
            register_parametrization(layer, "weight", _Mask(layer.weight))
    if form.activation_bits:
        generator.entry = Rounding(form.activation_bits)
        _replace_rounded(generator, lambda part: Rounded(part, form.activation_bits))


def prune(generator: Generator, sparsity: float) -> None:
    """Drop the smallest of all weights, whatever layer they are in, until ``sparsity`` of them are zero.

    Magnitude pruning over the whole network: Han et al. 2015, section 3. What was dropped before stays dropped.
    """
    masked = [(_steps(layer), mask) for layer in stage_layers(generator) for mask in _masks(layer)]
    weights = [steps.original.detach().abs() for steps, _ in masked]
    sizes = torch.cat([(size * mask.kept).flatten() for size, (_, mask) in zip(weights, masked, strict=True)])
    count = int(sparsity * sizes.numel())
    if count == 0:
        return
    threshold = sizes.kthvalue(count).values
    for size, (_, mask) in zip(weights, masked, strict=True):
        mask.kept &= size > threshold


def baked(generator: Generator) -> Generator:
    """Make what the form gives the weights themselves, in place, and take the roundings of activations away."""
    for layer in stage_layers(generator):
        if is_parametrized(layer, "weight") and any(isinstance(step, _Form | _Mask) for step in _steps(layer)):
            settle_weight(layer)
    generator.entry = nn.Identity()
    _replace_rounded(generator, lambda part: part.inner if isinstance(part, Rounded) else part)
    return generator


def _replace_rounded(generator: Generator, change: Callable[[nn.Module], nn.Module]) -> None:
    """Put ``change(part)`` in the place of every activation, and of every linear path beside the stages."""
    for module in list(generator.modules()):
        if isinstance(module, Stage):
            module.activation = change(module.activation)
        elif isinstance(module, Shortcut):
            module.path = change(module.path)
        elif isinstance(module, MultiScale | FeaturePyramid):
            paths = module.heads if isinstance(module, MultiScale) else module.laterals
            for place, path in enumerate(paths):
                paths[place] = change(path)


def _steps(layer: LinearOperator) -> ParametrizationList:
    """What the weight of ``layer`` goes through; it must be parametrised."""
    steps = cast("nn.ModuleDict", layer.parametrizations)["weight"]
    assert isinstance(steps, ParametrizationList)
    return steps


def _masks(layer: LinearOperator) -> list[_Mask]:
    return [step for step in _steps(layer) if isinstance(step, _Mask)] if is_parametrized(layer, "weight") else []


def _output_axis(layer: LinearOperator) -> int:
    return 1 if isinstance(layer, nn.ConvTranspose2d) else 0
