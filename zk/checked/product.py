"""A product of the network over the integers: a convolution of stride 1 at all its positions, or a linear layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zk.errors import OptionError

Integers = NDArray[np.int64]

EXACT_BITS = 62
"""Results must stay below 2**62 in magnitude, so that int64 arithmetic is exact."""


@dataclass(frozen=True, eq=False)
class Product:
    """One product, ``T[i] = sum_c W[i, c] * a[c] + b[i]``.

    A linear layer is a product of kernel 1x1 on 1x1 positions.

    Attributes:
        weight: int64 [m, C, K, K'], in ONNX's orientation: a convolution there does not flip its kernel.
        bias: int64 [m].
        positions: (H, W) of the input.

    Raises:
        OptionError: shapes that do not belong together.
    """

    weight: Integers
    bias: Integers
    positions: tuple[int, int]

    def __post_init__(self) -> None:
        if self.weight.ndim != 4 or 0 in self.weight.shape or self.bias.shape != self.weight.shape[:1]:
            raise OptionError(
                "a product needs weights [m, C, K, K'] and a bias [m]; "
                f"got {list(self.weight.shape)} and {list(self.bias.shape)}"
            )
        if min(self.positions) < 1:
            raise OptionError(f"a product needs positions of at least 1x1; got {self.positions}")

    @property
    def outputs(self) -> int:
        """Output channels m."""
        return int(self.weight.shape[0])

    @property
    def inputs(self) -> int:
        """Input channels C."""
        return int(self.weight.shape[1])

    @property
    def full_positions(self) -> tuple[int, int]:
        """Positions of the full result: (H + K - 1, W + K' - 1)."""
        height, width = self.positions
        return height + self.weight.shape[2] - 1, width + self.weight.shape[3] - 1

    def full_result(self, values: Integers) -> Integers:
        """Compute T at every position, those beyond the input's edge included.

        Args:
            values: int64 [C, H, W].

        Returns:
            int64 [m, H + K - 1, W + K' - 1]. Position (u, v) reads inputs (u + dy - K + 1, v + dx - K' + 1), so that
            a padding of p at the top starts the network's own window at row K - 1 - p.

        Raises:
            OptionError: another shape, or results that int64 may not hold.
        """
        if values.shape != (self.inputs, *self.positions):
            raise OptionError(f"values must be [{self.inputs}, H, W] at {self.positions}; got {list(values.shape)}")
        reach = int(np.abs(self.weight).reshape(self.outputs, -1).sum(1).max()) * int(np.abs(values).max(initial=0))
        if reach + int(np.abs(self.bias).max()) >= 1 << EXACT_BITS:
            raise OptionError(f"results must stay below 2**{EXACT_BITS}; they may reach {reach}; lower the scales")
        down, across = self.weight.shape[2:]
        height, width = self.full_positions
        padded = np.pad(values, ((0, 0), (down - 1, down - 1), (across - 1, across - 1)))
        result = np.repeat(self.bias[:, None], height * width, axis=1).reshape(self.outputs, height, width)
        for dy in range(down):
            for dx in range(across):
                seen = padded[:, dy : dy + height, dx : dx + width].reshape(self.inputs, -1)
                result += (self.weight[:, :, dy, dx] @ seen).reshape(result.shape)
        return result
