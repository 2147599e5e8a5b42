"""Write a results page: ``python benchmarks/circuits_page.py RATIOS.json AUDIT.json STEM``.

``RATIOS.json`` comes from ``benchmarks/circuits.py``, ``AUDIT.json`` from ``benchmarks/audit_table.py``. The errors of
the cost predictor (:mod:`zk.cost`) are those on the circuits of this comparison; its constants were fitted on none of
them.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

SIDES = ("stock", "ours")


def predictor_errors(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean absolute percentage errors of the predictions, over every proof that was measured."""
    seconds, peaks = [], []
    for row in rows:
        for side in SIDES:
            if f"{side}_prove_seconds" in row:
                seconds.append(row[f"{side}_predicted_prove_seconds"] / row[f"{side}_prove_seconds"] - 1)
                peaks.append(row[f"{side}_predicted_peak_bytes"] / row[f"{side}_peak_rss_bytes"] - 1)
    count = len(seconds)

    def mean(errors: list[float]) -> float | None:
        return sum(map(abs, errors)) / count if count else None

    return {
        "time_mape": None,  # within a calibrated family: nothing is calibrated on the machine at hand yet
        "memory_mape": mean(peaks),
        "cross_family_time_mape": mean(seconds),
        "held_out": count,
        "memory_under_predicted": sum(error < 0 for error in peaks),
    }


def ratio_table(rows: list[dict[str, Any]]) -> list[str]:
    """One line a model: rows, seconds and memory of both sides and their ratios."""
    heads = [
        "model",
        *("rows stock", "ours", "ratio"),
        *("prove s stock", "ours", "ratio"),
        *("peak GiB stock", "ours"),
    ]
    heads += ["wiring stock", "ours"]
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for row in rows:
        cells = [row["model"], _count(row, "stock_rows"), _count(row, "ours_rows"), _ratio(row, "rows")]
        cells += [_seconds(row, side) for side in SIDES] + [_ratio(row, "prove_seconds")]
        cells += [_peak(row, side) for side in SIDES] + [row.get(f"{side}_wiring", "-") for side in SIDES]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _count(row: dict[str, Any], name: str) -> str:
    return f"{row[name]:,}" if name in row else "-"


def _ratio(row: dict[str, Any], name: str) -> str:
    values = [row.get(f"{side}_{name}") for side in SIDES]
    return f"{values[0] / values[1]:.1f}" if all(values) else "-"


def _seconds(row: dict[str, Any], side: str) -> str:
    if f"{side}_prove_seconds" in row:
        return f"{row[f'{side}_prove_seconds']:.1f}"
    predicted = row.get(f"{side}_predicted_prove_seconds")
    return f"not run ({predicted:.0f} predicted)" if predicted else "-"


def _peak(row: dict[str, Any], side: str) -> str:
    if row.get(f"{side}_peak_rss_bytes"):
        return f"{row[f'{side}_peak_rss_bytes'] / 2**30:.2f}"
    predicted = row.get(f"{side}_predicted_peak_bytes")
    return f"{predicted / 2**30:.1f} predicted" if predicted else "-"


def main(ratios: Path, audit: Path, stem: Path) -> None:
    """Write ``STEM.json`` and ``STEM.md``."""
    rows = json.loads(ratios.read_text())
    table = json.loads(audit.read_text())["audit"]
    facts = {"audit": table, "ratios": rows, "predictor": predictor_errors(rows)}
    found = facts["predictor"]
    wrong = [entry for entry in table if entry["sound"] != (entry["verdict"] == "linked")]
    lines = [
        "# Circuits: stock EZKL and ours",
        "",
        "Made by `python benchmarks/circuits.py FOLDER`, `python benchmarks/audit_table.py AUDIT.json` and "
        "`python benchmarks/circuits_page.py FOLDER/ratios.json AUDIT.json docs/results/circuits`.",
        "",
        "Both sides of a line were measured one after the other in one run on one machine "
        f"({os.cpu_count()} cores). Stock is EZKL 23.0.5 as the published benchmark used it: its defaults, private "
        "parameters, range checks of public values, calibration at scale 7 with the multipliers that it tries itself.",
        "",
        *ratio_table(rows),
        "",
        "## The audit",
        "",
        f"{len(table)} circuits, {sum(not entry['sound'] for entry in table)} of them unsound; {len(wrong)} mistakes. "
        '"Unchecked" is no pass: only linked circuits count.',
        "",
        "| circuit | sound | verdict |",
        "| --- | --- | --- |",
        *(f"| {entry['circuit']} | {'yes' if entry['sound'] else 'no'} | {entry['verdict']} |" for entry in table),
        "",
        "## The predictor",
        "",
        f"On the {found['held_out']} proofs above, none of which its constants were fitted on: proving time off by "
        f"{_percent(found['cross_family_time_mape'])} on average, peak memory by {_percent(found['memory_mape'])}, "
        f"under-predicted in {found['memory_under_predicted']} of them.",
        "",
    ]
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")
    stem.with_suffix(".md").write_text("\n".join(lines))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
