"""``python -m search.page SESSION STEM``: a results page from a finished session.

Writes ``STEM.json`` (the session's summary), ``STEM.png`` (samples of the best front member) and ``STEM.md`` (tables).
Every figure on the page comes from the summary.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from atomic_files import copy, write_text
from json_files import read_json
from search.headline import HEADLINE_COLUMNS, HEADLINE_SCORES, headline_notes, with_headline
from search.objective import SAMPLES_NAME
from search.report import format_value
from search.tables import markdown_table

_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError, RecursionError)
"""What files raise that no session wrote."""
FRONT_COLUMNS = (
    "trial", "family", "widths", *HEADLINE_COLUMNS, *HEADLINE_SCORES, "cas", "cas_epochs", "einsum_operations",
    "einsum_instances", "published_operations", "macs", "rows", "logrows", "parameters", "train_seconds",
    "proof.wiring",
)  # fmt: skip
TRIAL_COLUMNS = (
    "trial", "state", "front", "family", "conditioning", "activation", "widths", "accuracy", "inception_score",
    "diversity", "judge_accuracy", "einsum_instances", "rows", "predicted_peak_bytes", "train_images",
    "train_seconds", "reason",
)  # fmt: skip
PLAN_COLUMNS = (
    "trial", "planned_rows", "planned_logrows", "circuit_mean_abs_error", "circuit_psnr_db", "circuit_label_agreement",
    "circuit_refused_share", "plan", "circuit_failure",
)  # fmt: skip
PROOF_STAGES = ("settings", "calibrate", "compile", "srs", "setup", "witness", "prove", "verify", "audit", "tamper")


LOCATIONS = frozenset(
    ("dataset.root", "hydra.run.dir", "study.folder", "study.storage", "tracking.uri", "tracking.artifacts",
     "cache_folder", "proving.srs_folder")
)  # fmt: skip
"""Overrides that say where files are kept on one machine: they are left out of the command that a page gives."""


def _one_line(text: str) -> str:
    return " ".join(text.split("\n"))


def proof_lines(front: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the page says of proofs: one table of stages for each front member that was tried."""
    lines: list[str] = []
    for row in front:
        if "proof.outcome" not in row:
            continue
        counts = "counts as proved" if row["proof.counts"] == "true" else "does not count as proved"
        lines += [
            f"Trial {row['trial']} {counts}: outcome {row['proof.outcome']}, verified {row['proof.verified']}, "
            f"wiring {row['proof.wiring']}, tampered copies rejected: {row['proof.tampered_rejected']}.",
            "",
        ]
        stages = [
            {
                "stage": stage,
                "seconds": row[f"proof.{stage}_seconds"],
                "peak GiB": row[f"proof.{stage}_peak_rss_bytes"] / 2**30,
            }
            for stage in PROOF_STAGES
            if f"proof.{stage}_seconds" in row
        ]
        lines += [markdown_table(stages, ("stage", "seconds", "peak GiB")), ""]
        sizes = ("proof_bytes", "public_value_bytes", "vk_bytes", "pk_bytes")
        named = [f"{name} {row[f'proof.{name}']:,.0f}" for name in sizes if f"proof.{name}" in row]
        if named:
            lines += [", ".join(named) + ".", ""]
    return lines or ["No proof was tried.", ""]


def circuit_lines(front: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the section on the circuits that were planned on the trained weights; nothing if none was."""
    if not any("planned_rows" in row or "circuit_failure" in row for row in front):
        return []
    return [
        "## The circuits",
        "",
        "Planned on the trained weights, and simulated bit by bit. Errors are the distance from the float generator's "
        "images of the same latents.",
        "",
        markdown_table(front, PLAN_COLUMNS),
        "",
    ]


def render_page(
    title: str,
    summary: Mapping[str, Any],
    provenance: Mapping[str, Any],
    config: Mapping[str, Any],
    picture: str,
    note: str = "",
) -> str:
    """Return the page as Markdown; ``note`` is one more paragraph, on what the session's files do not know."""
    front = summary["front"]
    lines = [
        f"# {title}",
        "",
        *_origin_lines(summary, provenance, config, note),
        *_front_lines(front, picture),
        *circuit_lines(front),
        "## Proof",
        "",
        *proof_lines(front),
        "## All trials",
        "",
        "Scores are of the float generators: every trial has them, and the front is decided by them. Circuits are "
        "simulated for front members only.",
        "",
        markdown_table(summary["trials"], TRIAL_COLUMNS),
        "",
    ]
    return "\n".join(lines)


def _origin_lines(
    summary: Mapping[str, Any], provenance: Mapping[str, Any], config: Mapping[str, Any], note: str
) -> list[str]:
    """Say what made the page, on which machine, and what the scores are of."""
    classifier, machine = summary["classifier"], provenance["machine"]
    arguments = [part for part in provenance["command"][1:] if part.partition("=")[0] not in LOCATIONS]
    root = ["dataset.root=FOLDER"] if config["dataset"].get("root") else []
    scored = [row for row in summary["trials"] if row["state"] == "scored"]
    real = summary["front"][0] if summary["front"] else {}
    parts = ", ".join(f"{name.replace('_', ' ')} {value:,.0f}" for name, value in summary["seconds_by_part"].items())
    return [
        f"Made by `python -m search {shlex.join([*arguments, *root])}`, then `python -m search.page`.",
        f"Machine: {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB; "
        f"commit {_short(provenance['commit'])}; "
        f"ezkl {provenance['packages']['ezkl']}, torch {provenance['packages']['torch']}.",
        "",
        *([note, ""] if note else []),
        f"{len(scored)} scored trials of {len(summary['trials'])}; {summary['seconds']:,.0f} s in all ({parts}).",
        f"Scores are of {real.get('samples', 0):,} generated images, seed {real.get('seed', 0):.0f}. "
        f"ZK classifier {classifier['digest'][:12]}: {classifier['accuracy']:.2%} of the real test images, "
        f"Inception Score {classifier['real_inception_score']:.3f} on them; held-out judge: "
        f"{classifier['judge_real_accuracy']:.2%}. No training step saw either.",
        "",
    ]


def _front_lines(front: Sequence[Mapping[str, Any]], picture: str) -> list[str]:
    """Return the section on the front, with the real images' own figures."""
    real = front[0] if front else {}
    names = ("real_inception_score", "real_diversity", "real_frechet_distance", "cas_real")
    own = [
        f"{name.removeprefix('real_').replace('_', ' ')} {format_value(real[name])}" for name in names if name in real
    ]
    return [
        "## Front",
        "",
        f"![samples of trial {real.get('trial')}]({picture})",
        "",
        f"*Samples of trial {real.get('trial')} by its float generator, one row per class.*",
        "",
        markdown_table(front, FRONT_COLUMNS),
        "",
        "\n\n".join(_one_line(note) for note in headline_notes(front)),
        "",
        f"The real images' own figures beside them: {', '.join(own)}.",
        "",
    ]


def write_page(session: Path, stem: Path, title: str, note: str = "") -> None:
    """Write the page of the finished session in the folder ``session``.

    Raises:
        FileNotFoundError: the session did not finish.
    """
    summary = read_json(session / "summary.json")
    provenance = read_json(session / "provenance.json")
    config = yaml.safe_load((session / "config.yaml").read_text(encoding="utf-8"))
    public = {**summary, "trials": [_public(row) for row in summary["trials"]]}
    public["front"] = [with_headline(_public(row)) for row in summary["front"]]
    text = render_page(title, public, provenance, config, f"{stem.name}.png", note)  # before anything is written
    write_text(stem.with_suffix(".json"), json.dumps(public, indent=1) + "\n")
    if summary["front"]:
        copy(Path(summary["front"][0]["folder"]) / SAMPLES_NAME, stem.with_suffix(".png"))
    write_text(stem.with_suffix(".md"), text)


def _short(commit: str) -> str:
    head, changed, _ = commit.partition("+")
    return f"{head[:12]} with changes" if changed else head[:12]


def _public(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``row`` without the folder, which means nothing on another machine."""
    return {name: value for name, value in row.items() if name != "folder"}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m search.page", description=__doc__)
    parser.add_argument("session", type=Path, help="folder of a finished session, mlruns/sessions/DATE/TIME")
    parser.add_argument("stem", type=Path, help="where to write, without suffix, e.g. docs/results/my-study")
    parser.add_argument("--title", default="Results", help="heading of the page")
    parser.add_argument("--note", default="", help="a paragraph under the heading: what the files do not know")
    arguments = parser.parse_args()
    try:
        write_page(arguments.session, arguments.stem, arguments.title, arguments.note)
    except _UNREADABLE as error:
        sys.exit(f"error: {arguments.session} must be the folder of a finished session: {error!r}")


if __name__ == "__main__":
    main()
