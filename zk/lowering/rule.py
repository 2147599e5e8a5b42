"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zk.lowering.graph import Graph


@dataclass(frozen=True)
class Rule:
    """One kind of rewrite that keeps what the graph computes.

    Attributes:
        name: as printed and as :mod:`zk.attribution` recommends it.
        summary: one line on what it does and why that is cheaper.
        apply: rewrites every place it can, in place, and gives their number.
        always: keep the rewrite even where it saves no row: another rule, or ezkl's parser, needs it.
    """

    name: str
    summary: str
    apply: Callable[[Graph], int]
    always: bool = False
