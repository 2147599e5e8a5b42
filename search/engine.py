"""The loop of a study: ask, evaluate, compare at the rungs, tell, until enough candidates are trained."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from gan.errors import SpecError, UnwrittenCheckpointError
from gan.training import TrainingBudget, TrainingHooks, TrainingRecipe
from search.candidate import Candidate
from search.drivers import SIGN_SECONDS, Driver
from search.endings import CANDIDATE, ERROR, RESUMES, file_record, tell_outcome, tell_state
from search.errors import ConfigError, SegmentError, StorageUnreachable
from search.halving import Halving, Verdict, promotable, verdict
from search.interrupted import close_interrupted
from search.objectives import Objective, minimised, objective_values, references
from search.record import TrialOutcome, TrialRecord
from search.rungs import copy_rungs, file_rung, passed_rungs, scores_at
from search.runner import Ended, Runner, Segment
from search.space import SearchSpace
from search.study import ended_trials, trained_trials
from search.twins import earlier_trials, given_up, open_twin, repeat_outcome, taken_up, trial_of, twin_of

_POLL_SECONDS = 1.0
_ERROR_CHARACTERS = 500
_OF_THE_MACHINE = (OSError, UnwrittenCheckpointError, ConfigError, StorageUnreachable)
"""Errors that say nothing of the candidate at which they were met."""


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """What a study works through.

    Attributes:
        space: where candidates come from.
        recipe: the recipe whose searched fields the space replaces.
        budget: training budget of each candidate.
        objectives: what is optimised, in order.
        image_size: side of the images.
        num_classes: classes of the dataset.
        trained: number of candidates to end with that were trained: to the end and scored, or to a rung and stopped;
            those of earlier sessions included.
        candidates: most candidates to draw in all; infeasible ones cost no training but are counted here.
        seed: seed of every candidate's training.
        folder: where candidates keep their files.
        halving: the rules at the rungs; unused without rungs.
        rungs: training images of each rung, ascending; none trains every candidate to the end.
    """

    space: SearchSpace
    recipe: TrainingRecipe
    budget: TrainingBudget
    objectives: Sequence[Objective]
    image_size: int
    num_classes: int
    trained: int
    candidates: int
    seed: int
    folder: Path
    halving: Halving = field(default_factory=Halving)
    rungs: tuple[int, ...] = ()

    def draw(self, trial: Trial) -> Candidate:
        """Return the candidate that the sampler proposes for ``trial``.

        Raises:
            gan.errors.SpecError: it is no legal spec.
        """
        spec = self.space.suggest_spec(trial, num_classes=self.num_classes, image_size=self.image_size)
        return Candidate(spec, self.space.suggest_recipe(trial, self.recipe), self.budget, self.seed)


class Observer(Protocol):
    """Follows a study at its edge."""

    def trial_started(self, number: int, candidate: Candidate) -> TrainingHooks:
        """Hear of a trial and return the callbacks of its training."""

    def trial_compared(self, number: int, images: int, record: TrialRecord, reason: str) -> None:
        """Hear what a trial scored at a rung and what follows."""

    def trial_ended(self, number: int, record: TrialRecord) -> None:
        """Hear how it ended."""

    def trial_rejected(self, number: int, reason: str) -> None:
        """Hear of a draw that is no legal spec."""

    def trial_repeated(self, number: int, original: int) -> None:
        """Hear of a draw that equals an earlier one; what that one gave is told again and nothing is trained."""


def run_study(
    study: optuna.Study, plan: StudyPlan, runner: Runner, observer: Observer, driver: Driver | None = None
) -> None:
    """Work through ``plan``. May be called again after any interruption: finished trials are kept, open ones redone.

    With a ``driver``, other processes may work on the study at the same time; without, this one must be alone. An error
    that is no outcome of a candidate ends the open trials as interrupted and is raised; a candidate at which that
    happened in three sessions ends as lost.
    """
    work = _Work(study, plan, runner, observer, driver)
    try:
        work.to_end()
    except SegmentError as failed:
        work.blame(failed)
        work.abandon()
        raise failed.error from failed.error.__cause__
    except BaseException:
        work.abandon()
        raise


@dataclass
class _Open:
    """A trial in work: ``passed`` are the rungs behind it, ``seconds`` is the wall clock of its segments."""

    trial: Trial
    candidate: Candidate
    hooks: TrainingHooks
    passed: set[int]
    started: float = 0.0
    seconds: float = 0.0


class _Work:
    """One session of a study."""

    def __init__(
        self, study: optuna.Study, plan: StudyPlan, runner: Runner, observer: Observer, driver: Driver | None
    ) -> None:
        self._study, self._plan, self._runner, self._observer = study, plan, runner, observer
        self._driver, self._looked_for_orphans = driver, -math.inf
        self._reference = references(plan.objectives)
        self._open: dict[int, _Open] = {}
        self._twins: dict[int, list[tuple[Trial, Candidate]]] = {}  # draws that wait for the end of an equal trial
        self._exhausted = False

    def to_end(self) -> None:
        if self._driver is None:
            for left in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                self._draw_to_its_end(left)
            close_interrupted(self._study, self._plan.objectives)
        while True:
            self._close_orphans()
            self._settle_twins()
            while self._runner.has_room() and self._wants_more():
                with contextlib.suppress(UpdateFinishedTrialError):  # another driver ended it
                    self._start()
            if not self._open and not self._twins:
                if self._driver is None or not self._driver.finds_orphans():
                    return
                time.sleep(_POLL_SECONDS)  # until the eldest driver has queued again what others left behind
                self._looked_for_orphans = -math.inf
                continue
            if not self._open:  # twins in another driver's hands
                time.sleep(_POLL_SECONDS)
            for ended in self._runner.wait():
                try:
                    self._collect(ended)
                except UpdateFinishedTrialError:  # we were silent for so long that others took it over
                    self._open.pop(ended.segment.number, None)

    def _close_orphans(self) -> None:
        now = time.monotonic()
        if self._driver is not None and now - self._looked_for_orphans >= SIGN_SECONDS:
            self._driver.close_orphans(self._plan.objectives, self._draw_to_its_end)
            self._looked_for_orphans = now

    def _draw_to_its_end(self, left: FrozenTrial) -> None:
        """Draw what is missing in a trial whose driver died while it drew it.

        A grid takes an ended trial with half of its parameters for everything that begins like it.
        """
        if CANDIDATE not in left.user_attrs:
            with contextlib.suppress(SpecError):
                self._plan.draw(Trial(self._study, left._trial_id))

    def blame(self, failed: SegmentError) -> None:
        """Keep the error with its trial, unless it says more of the machine than of the candidate."""
        if failed.number in self._open and not isinstance(failed.error, _OF_THE_MACHINE):
            text = f"{type(failed.error).__name__}: {failed.error}"
            with contextlib.suppress(Exception):  # what is raised is the error itself
                self._open[failed.number].trial.set_user_attr(ERROR, text[-_ERROR_CHARACTERS:])

    def abandon(self) -> None:
        """End what is open as interrupted, so that the next session takes it up; an error on the way is not raised."""
        waiting = [trial.number for twins in self._twins.values() for trial, _ in twins]
        for number in (*self._open, *waiting):
            try:
                tell_state(self._study, number, TrialState.FAIL)
            except Exception:  # the next session closes what this one cannot
                return

    def _wants_more(self) -> bool:
        if self._exhausted and not self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            return False
        running = len(self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
        enough = len(trained_trials(self._study)) + running >= self._plan.trained
        return not enough and len(ended_trials(self._study)) + running < self._plan.candidates

    def _start(self) -> None:
        """Take up the best stopped trial that is among the best by now, or else draw a candidate."""
        self._take_up_stopped()
        trial = self._study.ask()
        if self._driver is not None:
            self._driver.mark(trial)
        try:
            candidate = self._plan.draw(trial)
        except SpecError as error:
            trial.set_user_attr("illegal", str(error))
            self._observer.trial_rejected(trial.number, str(error))
            self._told(tell_state(self._study, trial.number, TrialState.PRUNED))
            return
        trial.set_user_attr(CANDIDATE, candidate.digest)
        self._take(trial, candidate)

    def _take(self, trial: Trial, candidate: Candidate) -> None:
        """Train ``candidate``, unless an equal one has ended or is in work here or with another driver."""
        other = open_twin(self._study, candidate, trial.number)  # first: the second look has what ends in between
        if (original := twin_of(self._study, candidate, trial.user_attrs.get(RESUMES))) is not None:
            self._repeat(trial, original.number)
        elif other is not None:
            self._twins.setdefault(other, []).append((trial, candidate))
        else:
            for earlier in earlier_trials(self._study, candidate, trial.number):
                copy_rungs(trial, earlier)
            hooks = self._observer.trial_started(trial.number, candidate)
            passed = set(passed_rungs(trial_of(self._study, trial.number)))
            self._open[trial.number] = _Open(trial, candidate, hooks, passed)
            if reason := given_up(self._study, candidate, trial.number):
                spent, folder = {"trial_seconds": 0.0}, self._folder(candidate)
                self._end(trial.number, TrialRecord(candidate, TrialOutcome.LOST, reason, spent, {}, folder))
            else:
                self._submit(trial.number)

    def _take_up_stopped(self) -> None:
        """Queue the best of the stopped trials that others, who turned out worse, have made room for."""
        for images in reversed(self._plan.rungs):
            scores = scores_at(self._study, images)
            stopped = [index for index, score in enumerate(scores) if score.stopped]
            values = [score.values for score in scores]
            for index in promotable(values, stopped, self._reference, self._plan.halving) if stopped else ():
                original = trial_of(self._study, scores[index].number)
                if not taken_up(self._study, original.number):
                    self._study.enqueue_trial(original.params, user_attrs={RESUMES: original.number})
                    return

    def _folder(self, candidate: Candidate) -> Path:
        return self._plan.folder / candidate.digest[:16]

    def _submit(self, number: int) -> None:
        work = self._open[number]
        work.started = time.monotonic()
        images = next((images for images in self._plan.rungs if images not in work.passed), None)
        self._runner.submit(Segment(number, work.candidate, self._folder(work.candidate), images), work.hooks)

    def _collect(self, ended: Ended) -> None:
        number, images, record = ended.segment.number, ended.segment.until_images, ended.record
        work = self._open[number]
        work.seconds += time.monotonic() - work.started
        record.metrics["trial_seconds"] = work.seconds
        shown = record.metrics.get("train_images", images or 0)
        if images is not None and record.outcome is TrialOutcome.SCORED and shown >= images:
            # What an earlier session trained beyond the rung has no peers there, and goes on without a comparison.
            beyond = shown >= images + work.candidate.recipe.batch_size
            found = None if beyond else self._compare(work, images, record)
            if found is None or found.goes_on:
                work.passed.add(images)
                self._submit(number)
                return
            record = replace(record, outcome=TrialOutcome.STOPPED, reason=found.reason)
        self._end(number, record)

    def _compare(self, work: _Open, images: int, record: TrialRecord) -> Verdict:
        """Compare ``work`` with the others at a rung, and keep what it scored there."""
        values = minimised(self._plan.objectives, objective_values(self._plan.objectives, record.metrics))
        others = [score for score in scores_at(self._study, images) if score.digest != work.candidate.digest]
        peers = [score.values for score in others]
        found = verdict(values, peers, self._reference, self._plan.halving, images=images)
        file_rung(work.trial, images, values, record.metrics)
        self._observer.trial_compared(work.trial.number, images, record, found.reason)
        return found

    def _end(self, number: int, record: TrialRecord) -> None:
        work = self._open.pop(number)
        resumes = work.trial.user_attrs.get(RESUMES)
        if (original := twin_of(self._study, record.candidate, resumes)) is not None:
            self._repeat(work.trial, original.number)  # another driver was as quick
            return
        file_record(work.trial, record)
        self._observer.trial_ended(number, record)
        self._told(tell_outcome(self._study, number, record.outcome, self._plan.objectives, record.metrics))

    def _settle_twins(self) -> None:
        """End the draws whose twin has ended; of a twin that was interrupted, the first takes its place."""
        for original in [number for number in self._twins if number not in self._open]:
            if not trial_of(self._study, original).state.is_finished():
                continue
            for trial, candidate in self._twins.pop(original):
                with contextlib.suppress(UpdateFinishedTrialError):  # another driver took it over
                    trial.set_user_attr(CANDIDATE, candidate.digest)
                    self._take(trial, candidate)

    def _repeat(self, trial: Trial, original: int) -> None:
        """End ``trial`` as its twin ended, without evaluating it again."""
        more = repeat_outcome(self._study, trial, trial_of(self._study, original), self._plan.objectives)
        self._observer.trial_repeated(trial.number, original)
        self._told(more)

    def _told(self, more: bool) -> None:
        self._exhausted = self._exhausted or not more
