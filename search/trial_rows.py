"""Trials as rows of a table: all that ended, or the front with its headlines; and rows as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from atomic_files import write_text
from search.endings import REPEATS, ended_as_recorded, stored_record
from search.headline import HEADLINE_SCORES, in_headline_order, with_headline
from search.study import Late, ended_trials, front_trials, late_findings

FRONT_METRICS = (
    "headline_accuracy",
    "headline_judge_accuracy",
    "headline_inception_score",
    "real_inception_score",
    "headline_diversity",
    "real_diversity",
    "headline_frechet_distance",
    "real_frechet_distance",
    "headline_arithmetic",
    *HEADLINE_SCORES,
    "mode_entropy_normalised",
    "circuit_mean_abs_error",
    "circuit_psnr_db",
    "circuit_label_agreement",
    "circuit_refused_share",
    "planned_rows",
    "planned_logrows",
    "planned_peak_bytes",
    "planned_prove_seconds",
    "cas",
    "cas_real",
    "cas_images",
    "cas_real_images",
    "cas_epochs",
    "einsum_operations",
    "einsum_instances",
    "published_operations",
    "macs",
    "rows",
    "logrows",
    "parameters",
    "predicted_peak_bytes",
    "predicted_prove_seconds",
    "train_seconds",
    "train_images",
    "samples",
)
INTEGER_METRICS = frozenset(
    ("einsum_operations", "einsum_instances", "published_operations", "macs", "rows", "logrows", "parameters",
     "predicted_peak_bytes", "train_images", "samples", "assignments", "cas_images", "cas_real_images", "cas_epochs",
     "planned_rows", "planned_logrows", "planned_peak_bytes", "circuit_samples")
)  # fmt: skip

REASON = "reason"
"""Column of what ended a trial without scores: empty where all went well."""


def trial_state(trial: FrozenTrial) -> str:
    """Return one word: scored, repeated, infeasible, diverged, unscored, illegal or interrupted."""
    record = stored_record(trial)
    if REPEATS in trial.user_attrs:
        return "repeated"
    if record is not None and ended_as_recorded(trial):
        return str(record["outcome"])
    return "illegal" if "illegal" in trial.user_attrs else "interrupted"


def trial_row(trial: FrozenTrial, *, on_front: bool, late: Late | None = None) -> dict[str, Any]:
    """Return ``trial`` as one flat row; figures that were not measured are absent.

    ``late`` holds what was found out after the trial had ended, see :func:`search.study.late_findings`.
    """
    record = stored_record(trial) or {
        "metrics": {},
        "facts": {},
        "spec": {},
        "reason": trial.user_attrs.get("illegal", ""),
    }
    spec = record["spec"]
    row: dict[str, Any] = {"trial": trial.number, "state": trial_state(trial), "front": on_front}
    if "folder" in record:
        row["folder"] = record["folder"]
    row |= {name: spec[name] for name in ("family", "conditioning", "activation", "widths") if name in spec}
    metrics, facts = (late or {}).get("metrics", {}), (late or {}).get("facts", {})
    if facts.get("circuit_failure"):  # its earlier circuit's scores, if it had one under other settings
        metrics = {name: value for name, value in metrics.items() if not name.startswith("circuit_")}
    for name, value in {**record["metrics"], **metrics}.items():
        row[name] = int(value) if name in INTEGER_METRICS and math.isfinite(value) else value
    row |= {**record["facts"], **{name: value for name, value in facts.items() if value}}
    if record["reason"]:
        row[REASON] = record["reason"]
    return row


def trial_rows(study: optuna.Study) -> list[dict[str, Any]]:
    """Return a row for every ended trial, in order; scores without a prefix are the float generator's."""
    front = {trial.number for trial in front_trials(study)}
    late = late_findings(study)
    return [
        trial_row(trial, on_front=trial.number in front, late=late.get(trial.number)) for trial in ended_trials(study)
    ]


def front_rows(study: optuna.Study) -> list[dict[str, Any]]:
    """Return a row for every front member with its headline, best first objective first.

    Where the first objective is a score, its headline decides (see :func:`search.headline.in_headline_order`). Who is
    on the front is decided by the recorded objectives, which every scored trial has.
    """
    late, trials = late_findings(study), front_trials(study)
    rows = [with_headline(trial_row(trial, on_front=True, late=late.get(trial.number))) for trial in trials]
    first, maximise = (study.metric_names or [""])[0], study.directions[0] == StudyDirection.MAXIMIZE
    return in_headline_order(rows, first, maximise=maximise)


def rows_with_headlines(study: optuna.Study) -> list[dict[str, Any]]:
    """Return a row for every ended trial, in order; those of front members carry their headline."""
    front = {row["trial"]: row for row in front_rows(study)}
    return [front.get(row["trial"], row) for row in trial_rows(study)]


def candidate_folders(study: optuna.Study) -> dict[int, Path]:
    """Return the folder of each trial that has one."""
    records = ((trial.number, stored_record(trial)) for trial in study.get_trials(deepcopy=False))
    return {number: Path(record["folder"]) for number, record in records if record is not None}


def to_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> str:
    """Return ``columns`` of ``rows`` as CSV, by default the union of their columns in order of first appearance."""
    names = list(dict.fromkeys(name for row in rows for name in row)) if columns is None else list(columns)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def write_csv(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write ``rows`` to ``path`` as CSV."""
    write_text(path, to_csv(rows))
