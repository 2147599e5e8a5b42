"""Plots as PNG files."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from atomic_files import replacing

_DOTS_PER_INCH = 130


def save_figure(figure: Figure, path: Path) -> None:
    """Write ``figure`` to ``path``; equal figures give equal bytes, whichever version of matplotlib is at work."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
