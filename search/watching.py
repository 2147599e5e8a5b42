"""Which view a session gets, and what it is told of a study's earlier trials."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import optuna
from optuna.trial import FrozenTrial

from search.endings import stored_record
from search.engine import StudyPlan
from search.live import LiveView
from search.live_state import LiveState
from search.record import TrialOutcome
from search.study import ended_trials
from search.tally import EndedTrial, Tally
from search.trial_rows import trial_state
from search.view import LineView, View, wants_live


def open_view(
    view: str, study: optuna.Study, plan: StudyPlan, *, train_images: int, say: Callable[[str], None] = print
) -> View:
    """Return the view of a session that works on ``plan``, see :func:`search.view.wants_live`.

    Args:
        view: one of :data:`search.view.VIEWS`.
        study: what the session goes on with.
        plan: its plan.
        train_images: of the dataset.
        say: takes the lines where the view is not live.
    """
    if not wants_live(view, sys.stdout, os.environ):
        return LineView(say)
    known = known_trials(study)
    state = LiveState(
        study.study_name, plan.trained, plan.candidates, time.monotonic(), Tally(tuple(plan.objectives))
    ).known(known)
    return LiveView(state, train_images=train_images, known=lambda: known_trials(study))


def known_trials(study: optuna.Study) -> list[EndedTrial]:
    """Return the trials of ``study`` that have ended, whoever ended them, oldest first."""
    return [_known(trial) for trial in ended_trials(study)]


def _known(trial: FrozenTrial) -> EndedTrial:
    state, record = trial_state(trial), stored_record(trial) or {"candidate_digest": "", "spec": {}}
    values = tuple(trial.values or ()) if state == TrialOutcome.SCORED else ()
    return EndedTrial(trial.number, state, record["candidate_digest"], record["spec"].get("family", ""), values)
