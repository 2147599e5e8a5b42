"""Write a results page: ``python benchmarks/circuits_page.py RATIOS.json AUDIT.json PREDICTOR.json STEM``.

``RATIOS.json`` comes from ``benchmarks/circuits.py``, ``AUDIT.json`` from ``benchmarks/audit_table.py`` and
``PREDICTOR.json`` from ``benchmarks/predictor.py``. The proofs of the comparison are one more test of the cost
predictor: none of them was calibrated on either.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

SIDES = ("stock", "ours")


def errors_on_comparison(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Errors of the predictions over every proof of the comparison: time of proving, memory to have free."""
    seconds, asked = [], []
    for row in rows:
        for side in SIDES:
            if f"{side}_prove_seconds" in row:
                seconds.append(row[f"{side}_predicted_prove_seconds"] / row[f"{side}_prove_seconds"] - 1)
                asked.append(row[f"{side}_predicted_peak_bytes"] / row[f"{side}_peak_rss_bytes"])
    return {
        "proofs": len(seconds),
        "prove_time_mape": sum(map(abs, seconds)) / len(seconds) if seconds else None,
        "memory_asked_over_used": [min(asked), max(asked)] if asked else None,
    }


def ratio_table(rows: list[dict[str, Any]]) -> list[str]:
    """One line a model: rows, seconds and memory of both sides and their ratios."""
    heads = [
        "model",
        *("rows stock (2 inner columns)", "ours (inner columns)", "ratio at equal width"),
        *("prove s stock", "ours", "ratio"),
        *("peak GiB stock", "ours"),
    ]
    heads += ["wiring stock", "ours"]
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for row in rows:
        ours = f"{_count(row, 'ours_rows')} ({row.get('ours_inner_columns', '-')})"
        ratio = row.get("rows_ratio_at_equal_width")
        cells = [row["model"], _count(row, "stock_rows"), ours, f"{ratio:.1f}" if ratio else "-"]
        cells += [_seconds(row, side) for side in SIDES] + [_ratio(row, "prove_seconds")]
        cells += [_peak(row, side) for side in SIDES] + [row.get(f"{side}_wiring", "-") for side in SIDES]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _count(row: dict[str, Any], name: str) -> str:
    return f"{row[name]:,}" if name in row else "-"


def _ratio(row: dict[str, Any], name: str) -> str:
    values = [float(row[f"{side}_{name}"]) for side in SIDES if row.get(f"{side}_{name}")]
    return f"{values[0] / values[1]:.1f}" if len(values) == len(SIDES) else "-"


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


def predictor_lines(found: dict[str, Any], comparison: dict[str, Any]) -> list[str]:
    """What the predictor got wrong, and on which circuits."""
    machine = found["machine"]
    low, high = comparison["memory_asked_over_used"] or (float("nan"), float("nan"))
    lines = [
        f"Calibrated on {machine['processor']}, {machine['cores']} cores. "
        f"Of the {found['held_out']} circuits held out, "
        f"{found['held_out'] - found['held_out_across']} are of families that calibration measures, "
        f"{found['held_out_across']} of others. Mean absolute errors: setup and proving time "
        f"{_percent(found['time_mape'])} within these families and {_percent(found['cross_family_time_mape'])} across "
        f"others; their peak memory {_percent(found['memory_mape'])} "
        f"({_percent(found['cross_family_memory_mape'])} across); sizes of keys and proof "
        f"{_percent(found['sizes_mape'])}. Circuits that needed more memory than was asked for them: "
        f"{found['memory_under_admitted']}.",
        "",
        "| quantity | within | across |",
        "| --- | --- | --- |",
    ]
    for name, errors in found["by_quantity"].items():
        lines.append(f"| {name.replace('_', ' ')} | {_percent(errors['within'])} | {_percent(errors['across'])} |")
    columns = ("setup_seconds", "prove_seconds", "setup_bytes", "prove_bytes", "pk_bytes", "proof_bytes")
    lines += ["", "Predicted over measured, circuit by circuit:", ""]
    lines += [f"| circuit | group | {' | '.join(name.replace('_', ' ') for name in columns)} |", "| --- " * 8 + "|"]
    for row in found["circuits"]:
        cells = [f"{row[name]:.2f}" for name in columns]
        lines.append(f"| {row['name']} | {row['group']} | {' | '.join(cells)} |")
    return [
        *lines,
        "",
        f"On the {comparison['proofs']} proofs of the comparison above: proving time off by "
        f"{_percent(comparison['prove_time_mape'])} on average; the memory asked for was {low:.2f} to {high:.2f} times "
        "what was used.",
        "",
    ]


def main(ratios: Path, audit: Path, predictor: Path, stem: Path) -> None:
    """Write ``STEM.json`` and ``STEM.md``."""
    rows = json.loads(ratios.read_text())
    table = json.loads(audit.read_text())["audit"]
    found = json.loads(predictor.read_text())
    comparison = errors_on_comparison(rows)
    facts = {"audit": table, "ratios": rows, "predictor": {**found, "comparison": comparison}}
    wrong = [entry for entry in table if entry["sound"] != (entry["verdict"] == "linked")]
    lines = [
        "# Circuits: stock EZKL and ours",
        "",
        "Made by `python benchmarks/circuits.py FOLDER`, `python benchmarks/audit_table.py AUDIT.json`, "
        "`python benchmarks/predictor.py FOLDER2` and `python benchmarks/circuits_page.py FOLDER/ratios.json "
        "AUDIT.json FOLDER2/predictor.json docs/results/circuits`.",
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
        *predictor_lines(found, comparison),
    ]
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")
    stem.with_suffix(".md").write_text("\n".join(lines))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:5]))
