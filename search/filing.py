"""What the tracking server keeps of a trial that has ended, filed when it ends or by a later session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import optuna

from search.candidate import CANDIDATE_NAME
from search.circuit import NETWORK_NAME
from search.endings import REPEATS, ended_as_recorded, stored_record
from search.note import trial_note
from search.objective import CIRCUIT_FOLDER, SAMPLES_NAME
from search.record import TrialOutcome
from search.study import ended_trials
from search.tracking import Tracker
from search.trial_rows import trial_row
from search.weights import SPEC_NAME, WEIGHTS_NAME

PROGRESS_FOLDER = "progress"
PICTURES = "samples/float"
UNPROVED = {"proof.outcome": "not tried", "proof.wiring": "unchecked"}
_FAILED = (TrialOutcome.DIVERGED, TrialOutcome.UNSCORED, TrialOutcome.LOST)


def file_outcome(
    tracker: Tracker,
    run: str,
    *,
    outcome: TrialOutcome,
    reason: str,
    metrics: Mapping[str, float],
    constraints: Mapping[str, float],
    facts: Mapping[str, str],
    folder: Path,
    note: str,
) -> None:
    """File figures, labels and files of a trial with ``run`` and end it; ending it comes last and says all is there."""
    tracker.metrics(run, {**metrics, **{f"constraint.{key}": value for key, value in constraints.items()}})
    feasible = outcome is not TrialOutcome.INFEASIBLE
    tags = {"outcome": str(outcome), "feasible": str(feasible).lower(), **UNPROVED}
    tracker.tags(run, {**facts, **tags, **({"reason": reason} if reason else {})})
    for name in (CANDIDATE_NAME, SPEC_NAME, WEIGHTS_NAME, SAMPLES_NAME, PROGRESS_FOLDER):
        tracker.artifact(run, folder / name)
    for name in (NETWORK_NAME, "settings.json", "figures.json"):
        tracker.artifact(run, folder / CIRCUIT_FOLDER / name, CIRCUIT_FOLDER)
    tracker.picture(run, folder / SAMPLES_NAME, PICTURES)
    tracker.note(run, note)
    tracker.end(run, failed=outcome in _FAILED)


def file_missing(
    study: optuna.Study, tracker: Tracker, tags: Mapping[str, str], say: Callable[[str], None] = print
) -> int:
    """File the ended trials whose runs an earlier session could not complete; returns how many.

    For a trial whose run had not even been opened the new one gets ``tags``; parameters of training are not kept with
    the study and stay missing there. Late findings, headline and proof are filed where they are made.
    """
    filed, missing = tracker.filed_trials(), 0
    for trial in ended_trials(study):
        record = stored_record(trial)
        if record is None or trial.number in filed or REPEATS in trial.user_attrs or not ended_as_recorded(trial):
            continue
        run = tracker.trial_run(trial.number, {**tags, "family": record["spec"]["family"]})
        outcome = TrialOutcome(record["outcome"])
        file_outcome(
            tracker,
            run,
            outcome=outcome,
            reason=record["reason"],
            metrics=record["metrics"],
            constraints=trial.constraints,
            facts=record["facts"],
            folder=Path(record["folder"]),
            note=trial_note(trial_row(trial, on_front=False), run=run, picture=outcome is TrialOutcome.SCORED),
        )
        missing += 1
    if missing:
        say(f"filed {missing} trials of an earlier session that the tracking server had missed")
    return missing
