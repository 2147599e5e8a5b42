"""Layers that every generator family is made of: a stage, its normalisation, and its activation."""

from __future__ import annotations

from torch import Tensor, nn

from gan.errors import SpecError


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


def per_channel(values: Tensor, like: Tensor) -> Tensor:
    """Reshape ``values`` [N or 1, C] so that it broadcasts over the trailing axes of ``like`` [N, C, ...]."""
    return values.reshape(*values.shape, *([1] * (like.ndim - 2)))


class ClassAffine(nn.Module):
    """``x * scale[class] + shift[class]`` per channel, the class given as a one-hot row.

    Shapes: x [N, C, ...], one_hot [N, K] -> [N, C, ...].
    """

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__()
        self.scale = nn.Linear(num_classes, channels, bias=False)
        self.shift = nn.Linear(num_classes, channels, bias=False)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, x: Tensor, one_hot: Tensor) -> Tensor:
        """Apply the class's affine map."""
        return x * per_channel(self.scale(one_hot), x) + per_channel(self.shift(one_hot), x)


class ChannelNorm(nn.Module):
    """Batch normalisation over axis 1 of [N, C] or [N, C, H, W], with one affine map or one per class.

    Conditional form: de Vries et al. 2017, "Modulating early visual processing by language", equation 3.
    """

    def __init__(self, channels: int, *, flat: bool, num_classes: int = 0) -> None:
        super().__init__()
        norm = nn.BatchNorm1d if flat else nn.BatchNorm2d
        self.norm = norm(channels, affine=num_classes == 0)
        self.affine = ClassAffine(num_classes, channels) if num_classes else None

    def forward(self, x: Tensor, one_hot: Tensor) -> Tensor:
        """Normalise ``x`` and apply the affine map; ``one_hot`` is read only in the conditional form."""
        x = self.norm(x)
        return x if self.affine is None else self.affine(x, one_hot)


class Stage(nn.Module):
    """One layer of a generator: linear operator, rearrangement, normalisation, activation.

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
    ) -> None:
        super().__init__()
        self.operator = operator
        self.rearrange = rearrange or nn.Identity()
        self.norm = norm
        self.activation = activation or nn.Identity()

    def forward(self, x: Tensor, one_hot: Tensor) -> Tensor:
        """Apply the stage to ``x``; ``one_hot`` [N, K] feeds a conditional normalisation."""
        x = self.rearrange(self.operator(x))
        if self.norm is not None:
            x = self.norm(x, one_hot)
        activated: Tensor = self.activation(x)
        return activated
