"""The exponential moving average of a generator's weights."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.parametrizations import _SpectralNorm as SPECTRAL_NORM  # torch has no public name for it
from torch.nn.utils.parametrize import ParametrizationList

_VECTORS = ("._u", "._v")


@torch.no_grad()
def update_average(average: nn.Module, module: nn.Module, *, decay: float, step: int) -> None:
    """Move ``average`` towards ``module`` in place: parameters and float buffers; other buffers are copied.

    The decay is at most ``(1 + step) / (10 + step)`` (the warm-up of TensorFlow's ExponentialMovingAverage), so that
    the random initial weights are forgotten early. ``decay`` 0 copies. The singular vectors of a spectral norm are
    copied, too, and then brought a step nearer to those of the averaged weights: an average of vectors that turn is
    shorter than they are.
    """
    weight = 1 - min(decay, (1 + step) / (10 + step))
    own, other = average.state_dict(), module.state_dict()
    moving = [name for name, value in own.items() if value.is_floating_point() and not name.endswith(_VECTORS)]
    torch._foreach_lerp_([own[name] for name in moving], [other[name] for name in moving], weight)
    for name in own.keys() - set(moving):
        own[name].copy_(other[name])
    settle_spectral_norms(average, steps=1)


@torch.no_grad()
def settle_spectral_norms(module: nn.Module, *, steps: int) -> None:
    """Run ``steps`` power iterations of every spectral norm in ``module``, in training mode or not."""
    for part in module.modules():
        if isinstance(part, ParametrizationList):
            for norm in part:
                if isinstance(norm, SPECTRAL_NORM):
                    training = norm.training
                    norm.train()
                    for _ in range(steps):
                        norm(part.original)
                    norm.train(training)
