"""Columns of text for a terminal. Rich's own tables take five times as long, too long for twice a second."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.text import Text

GAP = 2
"""Spaces between columns."""


def natural_width(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return how many characters wide the columns would be with every heading on one line."""
    return sum(_widths(headings, rows)) + GAP * (len(headings) - 1)


def columns(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    left: Collection[str] = (),
    bold: Collection[tuple[int, int]] = (),
) -> list[Text]:
    """Return the lines of a table, headings dim.

    Args:
        headings: of the columns; if not all fit in ``width``, each goes word below word.
        rows: cells, one for each heading.
        width: characters of a line; what is beyond is cut.
        left: headings of columns of words, which begin at the left.
        bold: row and column of the cells that stand out.
    """
    stacked = [heading.split() for heading in headings]
    if natural_width(headings, rows) <= width:
        stacked = [[heading] for heading in headings]
    height = max(map(len, stacked), default=0)
    heads = [[""] * (height - len(words)) + words for words in stacked]
    lines = [list(line) for line in zip(*heads, strict=True)]
    widths = _widths([max(words, key=len) for words in stacked], rows)

    def line(cells: Sequence[str], styles: Sequence[str]) -> Text:
        text = Text(no_wrap=True, overflow="crop")
        for place, (cell, style) in enumerate(zip(cells, styles, strict=True)):
            padded = cell.ljust(widths[place]) if headings[place] in left else cell.rjust(widths[place])
            text.append(" " * GAP * (place > 0) + padded, style)
        text.rstrip()
        return text

    above = [line(cells, ["dim"] * len(headings)) for cells in lines]
    below = [
        line(cells, ["bold" if (row, place) in bold else "" for place in range(len(headings))])
        for row, cells in enumerate(rows)
    ]
    return above + below


def _widths(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
