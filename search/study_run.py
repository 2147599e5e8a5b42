"""What a study's own run in MLflow shows: its files, its curves, its description, and those of its front members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from search.curves import study_curves
from search.headline import HEADLINE_SCORES
from search.note import StudyNote, study_note, trial_note
from search.objectives import Objective
from search.plot_pictures import save_curve_picture, save_front_picture
from search.study import scored_trials, trained_trials
from search.tracking import Tracker

_PLOTS = "plots"


@dataclass(frozen=True)
class StudyResults:
    """What a finished session has found out about its study.

    Attributes:
        study: the Optuna study.
        objectives: what is optimised.
        rows: of all ended trials.
        front: of its front members, with their headlines, best first.
        hypervolume: of the front after each scored trial; empty for one objective.
        proof: the verdict on the proof.
        proved: whether a proof counts.
        facts: what the scores were computed on, label to text.
        files: to be filed, label to path.
        folder: for pictures.
        command: words that the study was run by, quoted for a shell.
        commit: of the code.
        session: artifact folder of this session's configuration and versions.
    """

    study: optuna.Study
    objectives: Sequence[Objective]
    rows: Sequence[dict[str, Any]]
    front: Sequence[dict[str, Any]]
    hypervolume: Sequence[float]
    proof: str
    proved: bool
    facts: Mapping[str, str]
    files: Mapping[str, Path]
    folder: Path
    command: Sequence[str]
    commit: str
    session: str


def file_study_run(results: StudyResults, tracker: Tracker) -> None:
    """File ``results`` with the study's run, and the descriptions of its front members with theirs."""
    parent = tracker.parent_id
    for path in results.files.values():
        tracker.artifact(parent, path)
    pictures = _pictures(results)
    if pictures:
        tracker.artifact(parent, results.folder / _PLOTS)
    _file_curves(results, tracker)
    tracker.tags(parent, {"proved": str(results.proved).lower()})
    runs = {row["trial"]: tracker.trial_run(row["trial"]) for row in results.front}
    for row in results.front:
        run = runs[row["trial"]]
        tracker.note(run, trial_note(row, run=run, picture=True))
    note = StudyNote(
        experiment_id=tracker.experiment_id,
        run=parent,
        trial_runs=runs,
        counts=_counts(results.rows),
        front=results.front,
        proof=results.proof,
        facts=results.facts,
        pictures=pictures,
        links={label: path.name for label, path in results.files.items()},
        command=results.command,
        commit=results.commit,
        session=results.session,
    )
    tracker.note(parent, study_note(note))


def _counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    states = [str(row["state"]) for row in rows]
    return {state: states.count(state) for state in dict.fromkeys(states)}


def _pictures(results: StudyResults) -> list[str]:
    """Draw the plots and return their paths as artifacts."""
    if not any(row["state"] == "scored" for row in results.rows):
        return []
    save_front_picture(results.rows, results.objectives, results.folder / _PLOTS / "front.png")
    if results.hypervolume:
        save_curve_picture("hypervolume", results.hypervolume, results.folder / _PLOTS / "hypervolume.png")
    return [f"{_PLOTS}/front.png"]


def _file_curves(results: StudyResults, tracker: Tracker) -> None:
    """File how the front grew, each point once, and what the study comes to at its last scored trial."""
    scored, parent = scored_trials(results.study), tracker.parent_id
    curves = study_curves(results.objectives, [trial.values for trial in scored])
    if results.hypervolume:
        curves["hypervolume"] = list(results.hypervolume)
    logged = {name: tracker.last_step(parent, name) for name in curves}
    for step in range(1, len(scored) + 1):
        if new := {name: curve[step - 1] for name, curve in curves.items() if step > logged[name]}:
            tracker.metrics(parent, new, step=step)
    totals = {
        "scored_trials": float(len(scored)),
        "trained_trials": float(len(trained_trials(results.study))),
        "drawn_trials": float(len(results.rows)),
    }
    tracker.metrics(parent, totals | _best_headlines(results.front), step=len(scored))


def _best_headlines(front: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    best = {}
    for name in HEADLINE_SCORES:
        if values := [row[f"headline_{name}"] for row in front if f"headline_{name}" in row]:
            best[f"best.headline.{name}"] = float(min(values) if name == "frechet_distance" else max(values))
    return best
