"""What a running study shows and records: the terminal and MLflow."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from torch import Tensor

from gan.training import TrainingHooks, TrainingRecord
from search.candidate import Candidate
from search.curve_filing import CurveFiling
from search.filing import PROGRESS_FOLDER, file_outcome
from search.note import trial_note
from search.objectives import Objective
from search.pictures import save_image_grid
from search.record import TrialOutcome, TrialRecord
from search.tracking import Tracker
from search.view import View

RUNG_SCORES = frozenset(("accuracy", "judge_accuracy", "inception_score", "diversity", "frechet_distance"))


class StudyObserver:
    """Has one line per trial said, feeds the view, and files each trial with MLflow."""

    def __init__(
        self,
        tracker: Tracker,
        *,
        study_folder: Path,
        objectives: tuple[Objective, ...],
        tags: dict[str, str],
        attachments: tuple[Path, ...] = (),
        view: View,
    ) -> None:
        self._tracker = tracker
        self._folder = study_folder
        self._objectives = objectives
        self._tags = tags
        self._attachments = attachments
        self._view = view
        self._runs: dict[int, str] = {}
        self._curves: dict[int, CurveFiling] = {}
        self._started: dict[int, float] = {}

    def trial_started(self, number: int, candidate: Candidate) -> TrainingHooks:
        """Open the trial's run; its hooks feed the view and keep sample grids."""
        self._started[number] = time.monotonic()
        run = self._tracker.start_trial(number, {**self._tags, "family": candidate.spec.family})
        self._tracker.params(run, candidate.parameters())
        self._runs[number] = run
        for path in self._attachments:
            self._tracker.artifact(run, path)
        self._view.trial_started(number, candidate)
        curves = self._curves[number] = CurveFiling(self._tracker, run)
        grids = self._folder / candidate.digest[:16] / PROGRESS_FOLDER

        def keep(step: int, images: Tensor) -> None:
            save_image_grid(images, grids / f"step-{step:07d}.png")

        def follow(record: TrainingRecord) -> None:
            self._view.trial_recorded(number, record)
            curves.add(record)

        return TrainingHooks(on_record=follow, on_samples=keep)

    def trial_compared(self, number: int, images: int, record: TrialRecord, reason: str) -> None:
        """Print what a trial scored at a rung, and file it at that step."""
        self._view.say(f"trial {number:3d}  {reason}")
        self._curves[number].file()
        scores = {name: value for name, value in record.metrics.items() if name in RUNG_SCORES}
        self._tracker.metrics(self._runs[number], {f"rung/{name}": scores[name] for name in scores}, step=images)

    def trial_ended(self, number: int, record: TrialRecord) -> None:
        """Print the outcome and file figures, curves and files."""
        self._view.trial_ended(number, str(record.outcome), record)
        self._view.say(self._line(number, record))
        self._curves.pop(number).file()
        file_outcome(
            self._tracker,
            self._runs[number],
            outcome=record.outcome,
            reason=record.reason,
            metrics=record.metrics,
            constraints=record.constraints,
            facts=record.facts,
            folder=record.folder,
            note=trial_note(
                record_row(number, record),
                run=self._runs[number],
                picture=record.outcome is TrialOutcome.SCORED,
            ),
        )

    def trial_rejected(self, number: int, reason: str) -> None:
        """Print and file why a draw is no legal spec."""
        self._view.trial_ended(number, "illegal")
        self._view.say(f"trial {number:3d}  illegal     {reason}")
        self._file_untried(number, {"outcome": "illegal", "feasible": "false", "reason": reason})

    def trial_repeated(self, number: int, original: int) -> None:
        """Print and file that a draw was known."""
        self._view.trial_ended(number, "repeated")
        self._view.say(f"trial {number:3d}  repeated    same candidate as trial {original}")
        self._file_untried(number, {"outcome": "repeated", "repeats": str(original)})

    def _file_untried(self, number: int, tags: dict[str, str]) -> None:
        run = self._tracker.start_trial(number, {**self._tags, **tags})
        row = {"trial": number, "state": tags["outcome"], "reason": tags.get("reason", "")}
        if "repeats" in tags:
            row["reason"] = f"same candidate as trial {tags['repeats']}"
        self._tracker.note(run, trial_note(row, run=run, picture=False))
        self._tracker.end(run)

    def _line(self, number: int, record: TrialRecord) -> str:
        seconds = time.monotonic() - self._started.pop(number)
        spec = record.candidate.spec
        what = f"{spec.family} {'-'.join(map(str, spec.widths))}, {spec.conditioning}, {spec.activation}"
        figures = [f"{o.metric} {record.metrics[o.metric]:.4g}" for o in self._objectives if o.metric in record.metrics]
        for name in ("einsum_operations", "rows"):
            if name in record.metrics:
                figures.append(f"{name} {record.metrics[name]:,.0f}")
        tail = f": {record.reason}" if record.reason else ""
        return f"trial {number:3d}  {record.outcome:<11} {seconds:5.0f} s  {what}  {'  '.join(figures)}{tail}"


def record_row(number: int, record: TrialRecord) -> dict[str, Any]:
    """Return what is known of a trial that has ended as one flat row, as :func:`search.front.trial_row` does later."""
    spec = record.candidate.spec
    what = {
        "family": spec.family,
        "widths": spec.widths,
        "conditioning": spec.conditioning,
        "activation": spec.activation,
    }
    found = {"trial": number, "state": str(record.outcome), **what, **record.metrics, **record.facts}
    return {**found, "reason": record.reason} if record.reason else found
