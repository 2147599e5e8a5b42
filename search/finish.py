"""What a finished session files and prints: tables, plots, report, and the line that opens the UI."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atomic_files import write_text
from search.finalists import proved_row
from search.headline import CIRCUIT_COLUMNS, headline_notes
from search.objective import SAMPLES_NAME
from search.plots import hypervolume_figure, parallel_figure, pareto_figure
from search.proof_text import proof_sentences
from search.report import ReportContent, render_report
from search.session import SessionResult
from search.settings import SessionSettings
from search.study import hypervolume_history, scored_trials
from search.study_run import StudyResults, file_study_run
from search.tables import PRINTED, print_table, rich_table, shown_columns
from search.tracking import Tracker
from search.trial_rows import FRONT_METRICS, candidate_folders, front_rows, trial_rows, write_csv

REPORTED = (
    "trial", "family", "widths", "conditioning", "activation", *FRONT_METRICS, "proof.outcome", "proof.wiring",
)  # fmt: skip
"""Columns of the front in the report."""


@dataclass(frozen=True)
class ResultPaths:
    """Files of a finished session."""

    report: Path
    front: Path
    summary: Path


def file_results(
    result: SessionResult,
    settings: SessionSettings,
    tracker: Tracker,
    folder: Path,
    *,
    commit: str,
    command: Sequence[str],
    session: str,
) -> ResultPaths:
    """Write front, plots, summary and report to ``folder`` and file them with the study's parent run.

    Its description tells of ``commit``, ``command`` and the artifact folder ``session`` of the session's configuration.
    """
    front, rows = front_rows(result.study), trial_rows(result.study)
    paths = ResultPaths(folder / "report.html", folder / "front.csv", folder / "summary.json")
    history = hypervolume_history(result.study, settings.objectives)
    figures = _figures(rows, settings, history)
    write_csv(front, paths.front)
    write_csv(rows, folder / "trials.csv")
    write_text(paths.summary, session_summary(result, rows, front))
    content = _report(result, settings, front, rows, facts=score_facts(result, settings, commit=commit), plots=figures)
    write_text(paths.report, render_report(content))
    wanted = (*content.columns, *CIRCUIT_COLUMNS, "float_reason")
    shown = [name for name in wanted if any(name in row for row in front)]
    tracker.table(tracker.parent_id, [{name: row.get(name) for name in shown} for row in front], "front.json")
    results = StudyResults(
        study=result.study,
        objectives=settings.objectives,
        rows=rows,
        front=front,
        hypervolume=history,
        proof=content.proof[0],
        proved=content.proved,
        facts=content.facts,
        files={
            "report": paths.report,
            "front": paths.front,
            "all trials": folder / "trials.csv",
            "summary": paths.summary,
        },
        folder=folder,
        command=command,
        commit=commit,
        session=session,
    )
    file_study_run(results, tracker)
    return paths


def _report(
    result: SessionResult,
    settings: SessionSettings,
    front: list[dict[str, Any]],
    rows: list[dict[str, Any]],
    *,
    facts: dict[str, str],
    plots: dict[str, Any],
) -> ReportContent:
    return ReportContent(
        title=f"Study {settings.name}",
        facts=facts,
        front=front,
        columns=REPORTED,
        pictures={number: path / SAMPLES_NAME for number, path in candidate_folders(result.study).items()},
        figures=list(plots.values()),
        proof=_proof_text(result, settings, rows),
        proved=any(row.get("proof.counts") == "true" for row in front),
        proof_picture=_proof_picture(result, front),
    )


def _figures(rows: list[dict[str, Any]], settings: SessionSettings, history: list[float]) -> dict[str, Any]:
    if not any(row["state"] == "scored" for row in rows):
        return {}
    figures = {
        "pareto": pareto_figure(rows, settings.objectives),
        "parallel": parallel_figure(rows, settings.objectives),
    }
    return figures | ({"hypervolume": hypervolume_figure(history)} if history else {})


def score_facts(result: SessionResult, settings: SessionSettings, *, commit: str) -> dict[str, str]:
    """Return what the scores were computed on, label to text."""
    data, reference = result.dataset, result.judges.reference
    classifier, judge = result.judges.classifier, result.judges.judge
    real_score = classifier.report.real_inception_score
    return {
        "dataset": f"{data.name}, {len(data.train):,} training and {len(data.test):,} test images",
        "dataset digest": data.digest,
        "generated images per score": f"{reference.samples:,}, seed {settings.evaluation.seed}; float and circuit",
        "real images beside them": f"{reference.real_samples:,} of the test set",
        "ZK classifier": f"{classifier.report.accuracy:.2%} of the test set, Inception Score {real_score:.3f}",
        "ZK classifier digest": classifier.digest,
        "held-out judge": f"{judge.report.accuracy:.2%} of the test set",
        "judge digest": judge.digest,
        "SRS": "drawn locally, for tests only; not a ceremony's",
        "commit": commit,
        "seconds of each part of the study": ", ".join(f"{part} {value:.0f}" for part, value in result.seconds.items()),
    }


def _proof_text(result: SessionResult, settings: SessionSettings, rows: list[dict[str, Any]]) -> list[str]:
    known = proved_row(result.study, settings)
    if not result.attempts and known is not None:
        seconds, peak_bytes = known["proof.prove_seconds"], known["proof.prove_peak_rss_bytes"]
        number, wiring = known["trial"], known["proof.wiring"]
        return [
            f"Trial {number}: one image proved and verified in an earlier session; wiring {wiring}.",
            f"prove {seconds:.1f} s, peak {peak_bytes / 2**30:.2f} GiB",
        ]
    return proof_sentences(result.attempts, [row for row in rows if "predicted_peak_bytes" in row], settings.proving)


def _proof_picture(result: SessionResult, front: list[dict[str, Any]]) -> Path | None:
    folders = candidate_folders(result.study)
    proved = next((row["trial"] for row in front if row.get("proof.counts") == "true"), None)
    path = None if proved is None else folders[proved] / "proof" / "proved_image.png"
    return path if path is not None and path.exists() else None


def print_results(
    result: SessionResult, settings: SessionSettings, paths: ResultPaths, *, seconds: float, uri: str
) -> None:
    """Print the front, the proof's verdict and where everything is."""
    front = front_rows(result.study)
    title = f"Front of {settings.name}: {len(front)} of {len(scored_trials(result.study))} scored trials"
    print_table(rich_table(front, shown_columns(front, list(PRINTED)), title))
    for note in headline_notes(front):
        print(note)
    reference = result.judges.reference
    print(f"real images: Inception Score {reference.inception_score:.3f}, diversity {reference.diversity:.4f}")
    for sentence in _proof_text(result, settings, trial_rows(result.study)):
        print(sentence)
    print(f"report: {paths.report}\nfront:  {paths.front}\n{seconds:.0f} s in all")
    print(f"browse the trials: make ui   (or: mlflow ui --backend-store-uri {uri})")


def session_summary(result: SessionResult, rows: list[dict[str, Any]], front: list[dict[str, Any]]) -> str:
    """Return trials, front (best first), classifier and seconds as JSON for a results page."""
    report = result.judges.classifier.report
    judge = result.judges.judge.report
    return json.dumps(
        {
            "trials": _with_published_name(rows),
            "front": _with_published_name(front),
            "classifier": {
                "digest": result.judges.classifier.digest,
                "accuracy": report.accuracy,
                "real_inception_score": report.real_inception_score,
                "judge_real_accuracy": judge.accuracy,
            },
            "seconds": sum(result.seconds.values()),
            "seconds_by_part": result.seconds,
        },
        indent=2,
    )


def _with_published_name(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add ``einsum_ops``, what the write-up calls operations: all einsum entries of EZKL's settings, equal ones too."""
    return [{**row, "einsum_ops": row["einsum_instances"]} if "einsum_instances" in row else row for row in rows]
