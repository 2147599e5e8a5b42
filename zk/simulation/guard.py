"""Which samples a circuit refuses, and how far its integers reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from zk.simulation.exact import INT_LIMIT

RESERVED_TABLE_ROWS = 8
"""Rows of a lookup column that hold no entry: five for blinding and three that ezkl keeps back."""


def table_range(run_args: Mapping[str, Any]) -> tuple[int, int]:
    """Least and greatest integer that a circuit's activation tables hold.

    ezkl fills whole columns of ``2**logrows - 8`` entries upwards from the lower end of the lookup range, so tables
    reach beyond its upper end.
    """
    low, high = (int(end) for end in run_args["lookup_range"])
    column = (1 << int(run_args["logrows"])) - RESERVED_TABLE_ROWS
    columns = (high - low) // column + 1
    return low, low + columns * column - 1


@final
class RangeGuard:
    """Collects, for each sample, whether every lookup finds its entry and every decomposed value fits its digits.

    Args:
        samples: number of samples.
        run_args: "run_args" of the settings.
        device: where the samples are.

    ``decomposed_peak`` is the greatest magnitude that was split into digits, ``looked_up`` the least and the greatest
    integer that was looked up, or zeros.

    Attributes:
        in_range: bool [samples].
        decomposed_peak: greatest magnitude that was decomposed, over all samples.
        looked_up: least and greatest integer that was looked up, and zero.

    """

    def __init__(self, samples: int, run_args: Mapping[str, Any], device: torch.device) -> None:
        self.in_range = torch.ones(samples, dtype=torch.bool, device=device)
        self.decomposed_peak = 0
        self.looked_up = (0, 0)
        self._bound = min(int(run_args["decomp_base"]) ** int(run_args["decomp_legs"]), INT_LIMIT)
        self._table = table_range(run_args)
        self.decomposed_peak = 0
        self.looked_up = (0, 0)

    def decompose(self, x: Tensor) -> None:
        """Note values [N or 1, ...] that are split into digits: less than ``base**legs`` in magnitude."""
        low, high = self._within(x, 1 - self._bound, self._bound - 1)
        self.decomposed_peak = max(self.decomposed_peak, -low, high)

    def divided(self, x: Tensor, quotient: Tensor, divisor: float) -> None:
        """Note a division: the circuit decomposes its quotient, the rest, and how far that is below the divisor.

        The rest is at most half of the divisor, so it fits where the last one fits.
        """
        self.decompose(quotient)
        if divisor < self._bound:
            self.decomposed_peak = max(self.decomposed_peak, int(divisor))
            return
        rest = (x.long() - quotient.long() * int(divisor)).abs()
        self.decompose(int(divisor) - rest)

    def look_up(self, x: Tensor) -> None:
        """Note values [N or 1, ...] that are looked up in an activation's table."""
        low, high = self._within(x, *self._table)
        self.looked_up = (min(self.looked_up[0], low), max(self.looked_up[1], high))

    def _within(self, x: Tensor, low: int, high: int) -> tuple[int, int]:
        rows = x.reshape(x.shape[0], -1)
        if not rows.numel():
            return 0, 0
        least, greatest = torch.aminmax(rows, dim=1)
        self.in_range &= (least >= low) & (greatest <= high)
        return int(least.min()), int(greatest.max())
