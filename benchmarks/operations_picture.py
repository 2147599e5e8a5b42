"""Draw rows against operations for the candidates of a study: ``python benchmarks/operations_picture.py JSON PNG``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot


def main(source: Path, target: Path) -> None:
    """Read the trials of a results page and write the picture."""
    trials = [row for row in json.loads(source.read_text())["trials"] if "rows" in row]
    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    for panel, key, label in (
        (panels[0], "einsum_ops", "einsum entries (the published count)"),
        (panels[1], "macs", "multiply-accumulates"),
    ):
        for family in sorted({row["family"] for row in trials}):
            chosen = [row for row in trials if row["family"] == family]
            panel.scatter([row[key] for row in chosen], [row["rows"] for row in chosen], label=family, s=24)
        panel.set_xlabel(label)
        panel.set_ylim(bottom=0)
    panels[0].set_ylabel("rows of the circuit")
    panels[1].legend(fontsize=8)
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
