"""What a running study shows and records: the terminal and MLflow."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from gan.training import ConsoleProgress, TrainingHooks, TrainingRecord
from search.candidate import CANDIDATE_NAME, Candidate
from search.circuit import NETWORK_NAME
from search.objective import CIRCUIT_FOLDER, SAMPLES_NAME
from search.objectives import Objective
from search.pictures import save_image_grid
from search.record import TrialOutcome, TrialRecord
from search.tracking import Tracker
from search.weights import SPEC_NAME, WEIGHTS_NAME

PROGRESS_FOLDER = "progress"
CURVES = frozenset(("discriminator_loss", "generator_loss", "images_per_second"))


class StudyObserver:
    """Prints one line per trial and files each trial with MLflow."""

    def __init__(
        self,
        tracker: Tracker,
        *,
        study_folder: Path,
        objectives: tuple[Objective, ...],
        tags: dict[str, str],
        attachments: tuple[Path, ...] = (),
        say: Callable[[str], None] = print,
    ) -> None:
        self._tracker = tracker
        self._folder = study_folder
        self._objectives = objectives
        self._tags = tags
        self._attachments = attachments
        self._say = say
        self._runs: dict[int, str] = {}
        self._started = time.monotonic()
        self._progress: ConsoleProgress | None = None

    def trial_started(self, number: int, candidate: Candidate) -> TrainingHooks:
        """Open the trial's run; its hooks feed the progress line and keep sample grids."""
        self._started = time.monotonic()
        run = self._tracker.start_trial(number, {**self._tags, "family": candidate.spec.family})
        self._tracker.params(run, candidate.parameters())
        self._runs[number] = run
        for path in self._attachments:
            self._tracker.artifact(run, path)
        progress = self._progress = ConsoleProgress(f"trial {number} ({candidate.spec.family})", sys.stderr)
        grids = self._folder / candidate.digest[:16] / PROGRESS_FOLDER

        def keep(step: int, images: Tensor) -> None:
            save_image_grid(images, grids / f"step-{step:07d}.png")

        def follow(record: TrainingRecord) -> None:
            progress(record)
            curve = {f"training/{key}": value for key, value in asdict(record).items() if key in CURVES}
            self._tracker.metrics(run, curve, step=record.step)

        return TrainingHooks(on_record=follow, on_samples=keep)

    def trial_ended(self, number: int, record: TrialRecord) -> None:
        """Print the outcome and file figures, curves and files."""
        if self._progress is not None:
            self._progress.close()
        self._say(self._line(number, record))
        run, tracker = self._runs[number], self._tracker
        tracker.metrics(run, {**record.metrics, **{f"constraint.{k}": v for k, v in record.constraints.items()}})
        feasible = record.outcome is not TrialOutcome.INFEASIBLE
        tags = {"outcome": str(record.outcome), "feasible": str(feasible).lower(), "proof.wiring": "unchecked"}
        tracker.tags(run, {**record.facts, **tags, **({"reason": record.reason} if record.reason else {})})
        for name in (CANDIDATE_NAME, SPEC_NAME, WEIGHTS_NAME, SAMPLES_NAME, PROGRESS_FOLDER):
            tracker.artifact(run, record.folder / name)
        for name in (NETWORK_NAME, "settings.json", "figures.json"):
            tracker.artifact(run, record.folder / CIRCUIT_FOLDER / name, CIRCUIT_FOLDER)
        tracker.end(run, failed=record.outcome in (TrialOutcome.DIVERGED, TrialOutcome.UNSCORED))

    def trial_rejected(self, number: int, reason: str) -> None:
        """Print and file why a draw is no legal spec."""
        self._say(f"trial {number:3d}  illegal     {reason}")
        self._file_untried(number, {"outcome": "illegal", "feasible": "false", "reason": reason})

    def trial_repeated(self, number: int, original: int) -> None:
        """Print and file that a draw was known."""
        self._say(f"trial {number:3d}  repeated    same candidate as trial {original}")
        self._file_untried(number, {"outcome": "repeated", "repeats": str(original)})

    def _file_untried(self, number: int, tags: dict[str, str]) -> None:
        self._tracker.end(self._tracker.start_trial(number, {**self._tags, **tags}))

    def _line(self, number: int, record: TrialRecord) -> str:
        seconds = time.monotonic() - self._started
        spec = record.candidate.spec
        what = f"{spec.family} {'-'.join(map(str, spec.widths))}, {spec.conditioning}, {spec.activation}"
        figures = [f"{o.metric} {record.metrics[o.metric]:.4g}" for o in self._objectives if o.metric in record.metrics]
        for name in ("einsum_operations", "rows"):
            if name in record.metrics:
                figures.append(f"{name} {record.metrics[name]:,.0f}")
        tail = f": {record.reason}" if record.reason else ""
        return f"trial {number:3d}  {record.outcome:<11} {seconds:5.0f} s  {what}  {'  '.join(figures)}{tail}"
