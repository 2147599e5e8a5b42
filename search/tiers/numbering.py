"""The two numberings of the published experiments, side by side."""

from __future__ import annotations

from dataclasses import dataclass

from zk.benchmark.report.text import NOTHING, table


@dataclass(frozen=True)
class Numbers:
    """What the text calls something, and where it is here.

    Attributes:
        text: its numbers in the text; empty if it names none.
        tier: its tier there; None without one.
        ids: of the experiments here: ``exp_NNN`` by the table's number, ``writeup_NNN`` by the text's.
        remark: what the table has under the text's number, and in which tier.
    """

    text: str
    tier: int | None
    ids: tuple[str, ...]
    remark: str = ""


def _table(*numbers: int) -> tuple[str, ...]:
    return tuple(f"exp_{number:03}" for number in numbers)


NUMBERS: tuple[Numbers, ...] = (
    Numbers("1 to 5", 1, _table(1, 2, 3, 4, 5)),
    Numbers("6, 7", 1, _table(6, 7), "tier 2 in the table"),
    Numbers("8 to 11, 13, 15", 2, _table(8, 9, 10, 11, 13, 15)),
    Numbers("12", 2, ("writeup_012",), "skip connections, which are 10 in the table; its 12 is spectral normalisation"),
    Numbers("14", 2, ("writeup_014", "exp_014"), "light attention in both, with other widths"),
    Numbers("16", 3, ("writeup_016", "exp_016"), "the text's listing has other widths than the table's row"),
    Numbers("17 to 22", 3, _table(17, 18, 19, 20, 21, 22)),
    Numbers("23", 4, ("writeup_023",), "not in the table; its 23 is conditional batch normalisation, tier 3"),
    Numbers("24", 4, ("writeup_024",), "not in the table; its 24 is a feature pyramid, tier 3"),
    Numbers("25", 4, ("writeup_025",), "INT8 weights, which are 28 in the table; its 25 is full attention, tier 3"),
    Numbers("26", 4, _table(26)),
    Numbers("27", 4, ("writeup_027",), "not in the table; its 27 is an autoencoder with a discriminator"),
    Numbers("28", 4, ("writeup_028",), "not in the table; its 28 is INT8 weights"),
    Numbers("", None, _table(12), "spectral normalisation, in the table only"),
    Numbers("", None, _table(23, 24, 25), "in the table only, tier 3"),
    Numbers("", None, _table(27), "in the table only, with the 27.5 % that the text gives its 25"),
    Numbers("", None, _table(28), "the text's 25"),
    Numbers("", None, _table(29, 30), "in the table only; 30 is the text's first attempt, too"),
)
"""Every experiment of the four tiers once."""


def of_text_tier(tier: int) -> tuple[str, ...]:
    """Experiments here that the text counts among its ``tier``."""
    return tuple(id for found in NUMBERS if found.tier == tier for id in found.ids)


def numbering_section() -> list[str]:
    """What is what, as a table."""
    return [
        "The table of configurations numbers 30 experiments, the text 28, and they disagree. Here `exp_NNN` is the",
        "table's and `writeup_NNN` the text's, where the text describes something of its own; where it only names a",
        "range (1 to 7, 8 to 15, 16 to 22), its numbers are taken for the table's. Tiers here are the table's, and 4",
        "for what only the text has; statements about the text's tiers are judged by what the text counts among them.",
        "",
        *table(
            ("text", "tier there", "here", "remark"),
            (
                (found.text or NOTHING, str(found.tier or NOTHING), ", ".join(found.ids), found.remark or NOTHING)
                for found in NUMBERS
            ),
        ),
    ]
