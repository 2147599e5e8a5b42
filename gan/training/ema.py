"""The exponential moving average of a generator's weights."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def update_average(average: nn.Module, module: nn.Module, *, decay: float, step: int) -> None:
    """Move ``average`` towards ``module`` in place: parameters and float buffers; other buffers are copied.

    The decay is at most ``(1 + step) / (10 + step)`` (the warm-up of TensorFlow's ExponentialMovingAverage), so that
    the random initial weights are forgotten early. ``decay`` 0 copies.
    """
    weight = 1 - min(decay, (1 + step) / (10 + step))
    own, other = average.state_dict(), module.state_dict()
    moving = [name for name, value in own.items() if value.is_floating_point()]
    torch._foreach_lerp_([own[name] for name in moving], [other[name] for name in moving], weight)
    for name in own.keys() - set(moving):
        own[name].copy_(other[name])
