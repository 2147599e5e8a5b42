"""Writes the report: the page, the rows as JSON and CSV, the tables for LaTeX, the plots."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from atomic_files import write_text
from zk.benchmark.report.data import Benchmark, load_benchmark
from zk.benchmark.report.latex import latex_tables
from zk.benchmark.report.plots import write_plots
from zk.benchmark.report.sections_groups import categories, composites, ranking, tiers
from zk.benchmark.report.sections_memory import hardware, small_savings
from zk.benchmark.report.sections_outlook import future_work, provenance, recommendations
from zk.benchmark.report.sections_overview import overall, statements
from zk.benchmark.report.sections_precision import precision
from zk.benchmark.report.sections_proofs import proof_sizes, variability, verification
from zk.benchmark.report.sections_results import beside_published, every_row
from zk.benchmark.report.sections_scaling import scaling
from zk.benchmark.row import LayerRow

_Section = tuple[str, Callable[[Benchmark], list[str]], Sequence[str]]

SECTIONS: tuple[_Section, ...] = (
    ("What is compared", statements, ()),
    ("Overall", overall, ()),
    ("Every experiment", every_row, ("prove-seconds",)),
    ("Beside the published figures", beside_published, ()),
    ("By category", categories, ()),
    ("Performance tiers", tiers, ()),
    ("Layers from fast to slow", ranking, ()),
    ("Composite networks", composites, ()),
    ("Scaling", scaling, ("scaling",)),
    ("Precision", precision, ("precision",)),
    ("Verification against proving", verification, ()),
    ("Proof sizes", proof_sizes, ("proof-bytes",)),
    ("Variability", variability, ()),
    ("Hardware", hardware, ("peak-memory",)),
    ("Where ours saves little", small_savings, ()),
    ("Future work of the published benchmark, measured", future_work, ()),
    ("Recommendations", recommendations, ()),
    ("How it was made", provenance, ()),
)
"""Title, text and plots of each section, in their order."""


def write_report(folder: Path, stem: Path) -> list[Path]:
    """Write ``STEM.md``, ``.json``, ``.csv``, ``.tex`` and the plots from the rows in ``folder``; gives their paths.

    Raises:
        ArtifactError: the rows cannot be read; see :func:`zk.benchmark.report.data.load_benchmark`.
    """
    benchmark = load_benchmark(folder)
    stem.parent.mkdir(parents=True, exist_ok=True)
    plots = write_plots(benchmark, stem)
    texts = {
        "md": page(benchmark, stem.name, plots),
        "json": rows_json(benchmark.rows),
        "csv": rows_csv(benchmark.rows),
        "tex": latex_tables(benchmark),
    }
    written = [stem.with_name(f"{stem.name}.{kind}") for kind in texts]
    for path, text in zip(written, texts.values(), strict=True):
        write_text(path, text)
    return [*written, *(stem.with_name(f"{stem.name}-{name}.{kind}") for name in plots for kind in ("png", "pdf"))]


def page(benchmark: Benchmark, name: str, plots: Sequence[str]) -> str:
    """The page in Markdown; ``plots`` are those that were drawn, as ``NAME-PLOT.png`` beside the page."""
    lines = [
        "# Layer benchmark",
        "",
        "Every figure on this page is computed from the measured rows or taken from the published benchmark.",
        "",
    ]
    for place, (title, section, shown) in enumerate(SECTIONS, 1):
        lines += [f"## {place}. {title}", "", *section(benchmark)]
        for plot in shown:
            if plot in plots:
                lines += [f"![{plot.replace('-', ' ')}]({name}-{plot}.png)", ""]
    return "\n".join(lines).rstrip() + "\n"


def rows_json(rows: Sequence[LayerRow]) -> str:
    """A list of every row with all of its fields."""
    return json.dumps([row.to_json() for row in rows], indent=1, allow_nan=False) + "\n"


def rows_csv(rows: Sequence[LayerRow]) -> str:
    """The same as a table; the peaks of the stages as JSON in one column."""
    target = io.StringIO()
    writer = csv.DictWriter(target, [slot.name for slot in dataclasses.fields(LayerRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(_flat(row.to_json()) for row in rows)
    return target.getvalue()


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "stage_peaks": json.dumps(row["stage_peaks"])}
