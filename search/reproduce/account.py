"""What a reproduction has found so far; every finding is said as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import final

from search.reproduce.comparison import Comparison
from search.reproduce.report import comparison_lines


@final
class Account:
    """Collects sentences and comparisons, and hands each line to ``say``."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.statements: list[str] = []
        self.comparisons: list[Comparison] = []
        self.say = say

    def state(self, lines: Iterable[str]) -> None:
        """Keep and say sentences."""
        for line in lines:
            self.statements.append(line)
            self.say(line)

    def compare(self, title: str, comparisons: Iterable[Comparison]) -> None:
        """Keep comparisons, and show them as a table under ``title``."""
        found = list(comparisons)
        self.comparisons += found
        for line in (title, *comparison_lines(found)) if found else ():
            self.say(line)
