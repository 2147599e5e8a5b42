"""Self-attention over the positions of a feature map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

KEY_SHARE = 8
"""Channels of the map for each one of queries and keys, as in the source."""

VALUE_SHARES = {"light": 8, "full": 2}


class SelfAttention(nn.Module):
    """``x + gain * out(softmax(queries keys^T) values)``, the gain 0 at first.

    Source: Zhang et al. 2019, "Self-attention generative adversarial networks", equations 1 to 3; "full" has their
    shares of channels, "light" as few values as keys.

    Shapes: [N, C, H, W] -> [N, C, H, W]; the condition is not read.
    """

    def __init__(self, channels: int, kind: str) -> None:
        super().__init__()
        keys, values = (max(1, channels // share) for share in (KEY_SHARE, VALUE_SHARES[kind]))
        self.queries = nn.Conv2d(channels, keys, 1, bias=False)
        self.keys = nn.Conv2d(channels, keys, 1, bias=False)
        self.values = nn.Conv2d(channels, values, 1, bias=False)
        self.out = nn.Conv2d(values, channels, 1, bias=False)
        self.gain: nn.Parameter | None = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Let each position look at all of them."""
        count, _, height, width = x.shape
        queries, keys, values = (
            layer(x).reshape(count, -1, height * width) for layer in (self.queries, self.keys, self.values)
        )  # [N, c, HW]
        weights = torch.matmul(queries.transpose(1, 2), keys).softmax(dim=-1)  # [N, HW, HW]
        seen = torch.matmul(values, weights.transpose(1, 2)).reshape(count, -1, height, width)
        added: Tensor = self.out(seen)
        return x + (added if self.gain is None else self.gain * added)

    @torch.no_grad()
    def fold_gain(self) -> None:
        """Multiply the gain into the last layer, in place."""
        if self.gain is not None:
            self.out.weight.mul_(self.gain)
            self.gain = None
