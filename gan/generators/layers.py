"""Layers that every generator family is made of: a stage, its normalisation, and its activation."""

from __future__ import annotations

from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from gan.errors import SpecError

LinearOperator: TypeAlias = nn.Linear | nn.Conv2d | nn.ConvTranspose2d
LINEAR_OPERATORS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def build_activation(name: str) -> nn.Module:
    """Return the activation called ``name`` (see ``gan.spec.ACTIVATIONS``)."""
    if name == "leaky_relu":
        return nn.LeakyReLU(0.2)
    plain: dict[str, type[nn.Module]] = {
        "relu": nn.ReLU,
        "hardswish": nn.Hardswish,
        "silu": nn.SiLU,
        "tanh": nn.Tanh,
        "gelu": nn.GELU,
    }
    if name not in plain:
        raise SpecError(f"activation must be one of leaky_relu, {', '.join(plain)}; got {name!r}")
    return plain[name]()


def build_head(name: str) -> nn.Module:
    """Return the output non-linearity, which maps the last pre-activation into [-1, 1]."""
    return nn.Tanh() if name == "tanh" else nn.Hardtanh(-1.0, 1.0)


def settle_weight(layer: LinearOperator) -> None:
    """Make the weight that the parametrisations of ``layer`` give its own, in place; without any, nothing is done.

    torch gives a parametrised layer a class of its own, which copies of the layer share. Its own function to remove
    parametrisations takes the weight from that class, and so from every copy; this one leaves the class alone.
    """
    if not is_parametrized(layer):
        return
    weight, trained = layer.weight.detach().clone(), any(value.requires_grad for value in layer.parameters())
    layer.__class__ = type(layer).__bases__[0]
    del layer._modules["parametrizations"]
    layer.weight = nn.Parameter(weight, requires_grad=trained)


def per_channel(values: Tensor, like: Tensor) -> Tensor:
    """Reshape ``values`` [N or 1, C] so that it broadcasts over the trailing axes of ``like`` [N, C, ...]."""
    return values.reshape(*values.shape, *([1] * (like.ndim - 2)))


class Modulation(nn.Module):
    """``x * scale(condition) + shift(condition)`` per channel; both maps are affine, and at first 1 and 0.

    Shapes: x [N, C, ...], condition [N, K] -> [N, C, ...]. The condition is a one-hot row, whose maps are tables with
    no need of biases, or a style vector.
    """

    def __init__(self, condition_dim: int, channels: int, *, bias: bool = False) -> None:
        super().__init__()
        self.scale = nn.Linear(condition_dim, channels, bias=bias)
        self.shift = nn.Linear(condition_dim, channels, bias=bias)
        nn.init.zeros_(self.shift.weight)
        if bias:
            nn.init.normal_(self.scale.weight, std=condition_dim**-0.5 / 4)
            nn.init.ones_(self.scale.bias)
            nn.init.zeros_(self.shift.bias)
        else:
            nn.init.ones_(self.scale.weight)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Apply the condition's affine map."""
        return x * per_channel(self.scale(condition), x) + per_channel(self.shift(condition), x)


class InstanceNorm(nn.Module):
    """Normalisation of each channel of each image over its pixels (Ulyanov et al. 2016, equation 2), no affine map.

    Written as a layer normalisation over height and width, which is the operator that circuits have a form for.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x`` [N, C, H, W]."""
        return F.layer_norm(x, x.shape[-2:])


class Affine(nn.Module):
    """``x * weight + bias`` per channel of [N, C, ...]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Apply the map; the condition is not read."""
        return x * per_channel(self.weight[None], x) + per_channel(self.bias[None], x)


class ChannelNorm(nn.Module):
    """Normalisation of [N, C] or [N, C, H, W] by batch or by instance, with one affine map or one per condition.

    Conditional form: de Vries et al. 2017, "Modulating early visual processing by language", equation 3.

    Args:
        channels: C.
        flat: the input is [N, C]; only by batch.
        kind: "batch" or "instance".
        condition_dim: length of the condition that the affine map depends on; 0 for one map.
        condition_bias: whether that dependence has a bias (a style), or is a table of classes.
    """

    def __init__(
        self, channels: int, *, flat: bool, kind: str = "batch", condition_dim: int = 0, condition_bias: bool = False
    ) -> None:
        super().__init__()
        plain = condition_dim == 0
        if kind == "batch":
            norm = nn.BatchNorm1d if flat else nn.BatchNorm2d
            self.norm: nn.Module = norm(channels, affine=plain)
        else:
            self.norm = InstanceNorm()
        self.affine: Modulation | Affine | None = None
        if not plain:
            self.affine = Modulation(condition_dim, channels, bias=condition_bias)
        elif kind == "instance":
            self.affine = Affine(channels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Normalise ``x`` and apply the affine map; ``condition`` is read only in the conditional form."""
        x = self.norm(x)
        return x if self.affine is None else self.affine(x, condition)


class Stage(nn.Module):
    """One layer of a generator: linear operator, rearrangement, normalisation, activation, dropout.

    The rearrangement (reshape or pixel shuffle) must keep each output channel of the operator within one channel of its
    result, ``repeat`` neighbouring ones to each, so that a normalisation after it folds into the operator before it.
    """

    def __init__(
        self,
        operator: nn.Module,
        *,
        rearrange: nn.Module | None = None,
        norm: nn.Module | None = None,
        activation: nn.Module | None = None,
        dropout: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.operator = operator
        self.rearrange = rearrange or nn.Identity()
        self.norm = norm
        self.activation = activation or nn.Identity()
        self.dropout = dropout

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Apply the stage to ``x``; ``condition`` [N, K] feeds a conditional normalisation."""
        x = self.rearrange(self.operator(x))
        if self.norm is not None:
            x = self.norm(x, condition)
        activated: Tensor = self.activation(x)
        return activated if self.dropout is None else self.dropout(activated)


def stage_layers(module: nn.Module) -> list[LinearOperator]:
    """Return the linear operators of every stage in ``module``, in the order of its modules."""
    stages = [part for part in module.modules() if isinstance(part, Stage)]
    return [layer for stage in stages for layer in stage.operator.modules() if isinstance(layer, LINEAR_OPERATORS)]
