"""What a reproduction found, as lines for a person and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from search.reproduce.comparison import Comparison, Verdict, failures

NAMED_FAILURES = 5
"""How many figures outside the tolerance the last line names."""


@dataclass(frozen=True)
class Reproduction:
    """What came of rebuilding one trial.

    Attributes:
        run: MLflow id of the trial's run.
        trial: its name.
        retrained: whether it was trained again rather than loaded.
        tolerance: that figures were compared with.
        statements: what differs from the record beside the figures, in sentences.
        comparisons: recorded figures beside reproduced ones.
        seconds: wall clock of it all.
    """

    run: str
    trial: str
    retrained: bool
    tolerance: float
    statements: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    seconds: float

    @property
    def reproduced(self) -> bool:
        """Whether something recorded was compared and all of it holds."""
        compared = [found for found in self.comparisons if found.verdict is not Verdict.UNRECORDED]
        return bool(compared) and not failures(compared)


def comparison_lines(comparisons: Sequence[Comparison]) -> list[str]:
    """Lay out ``comparisons`` as a table, a line each, with a heading; empty without any."""
    if not comparisons:
        return []
    rows = [("", "recorded", "reproduced", "difference", "")]
    rows += [
        (found.name, _text(found.recorded), _text(found.reproduced), _text(found.difference, "+.2e"), found.verdict)
        for found in comparisons
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for name, *numbers, verdict in rows:
        cells = [name.ljust(widths[0]), *(text.rjust(width) for text, width in zip(numbers, widths[1:], strict=True))]
        lines.append(f"  {'  '.join(cells)}  {verdict}".rstrip())
    return lines


def _text(value: float | str | None, form: str = ".10g") -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value if len(value) <= 16 else f"{value[:12]}..."
    return "0" if value == 0 else format(value, form)


def verdict_sentence(found: Reproduction) -> str:
    """Say in one sentence whether the trial was reproduced, and if not, by what it was not."""
    compared = [item for item in found.comparisons if item.verdict is not Verdict.UNRECORDED]
    how = "trained again" if found.retrained else "from its recorded weights"
    if found.reproduced:
        proof = " and its proof counts again" if any(item.group == "proof" for item in compared) else ""
        return (
            f"reproduced: all {len(compared)} recorded figures of {found.trial}, {how}, are within "
            f"{found.tolerance:g}{proof}"
        )
    wrong = failures(compared)
    if not wrong:
        return f"NOT reproduced: the record of {found.trial} holds nothing to compare with"
    named = "; ".join(_failure(item) for item in wrong[:NAMED_FAILURES])
    rest = f"; and {len(wrong) - NAMED_FAILURES} more" if len(wrong) > NAMED_FAILURES else ""
    return (
        f"NOT reproduced: {len(wrong)} of {len(compared)} recorded figures of {found.trial}, {how}, are not within "
        f"{found.tolerance:g}: {named}{rest}"
    )


def _failure(item: Comparison) -> str:
    found = "is missing" if item.reproduced is None else f"is {_text(item.reproduced)}"
    return f"{item.name} {found} (recorded {_text(item.recorded)})"


def report_json(found: Reproduction) -> str:
    """Return everything as JSON; numbers that are not finite are the texts ``nan``, ``inf`` and ``-inf``."""
    content: dict[str, Any] = {
        **asdict(found),
        "comparisons": [asdict(item) | {"holds": item.holds} for item in found.comparisons],
        "reproduced": found.reproduced,
        "sentence": verdict_sentence(found),
    }
    return json.dumps(_plain(content), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
