"""A cache in front of Optuna's database that does not read again what only this process changes.

Optuna keeps ended trials, and reads every other one anew at each look. The engine looks ten times for each trial, so
the seconds that a driver spends on one grew with the number in work. Here a trial that this process runs is read again
only after this process wrote to it. Others write to it in one case, when they take its driver for dead; so it is also
read again after a while, and a trial of another driver always.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage, _CachedStorage
from optuna.storages._cached_storage import _StudyInfo
from optuna.trial import FrozenTrial, TrialState

KNOWN_SECONDS = 15.0
"""How long a trial of this process is taken for what it was, much less than a driver's silence."""


class CachingStorage(_CachedStorage):
    """Optuna's own cache, with a memory of this process's trials.

    Args:
        backend: the database.
        known_seconds: after which this process's trials are read again, written to or not.
        clock: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        backend: RDBStorage,
        *,
        known_seconds: float = KNOWN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(backend)
        self._known_seconds, self._clock = known_seconds, clock
        self._ours: dict[int, float] = {}  # when a trial that we run was read; -inf after a write
        self._greatest: dict[int, int] = {}  # id up to which all of a study's trials were read

    def delete_study(self, study_id: int) -> None:
        """See Optuna's, as for every method below; a database may give the ids of what is gone to something else."""
        super().delete_study(study_id)
        with self._lock:
            self._greatest.pop(study_id, None)
            self._ours.clear()

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Make a trial, which is ours unless it is queued."""
        trial_id = super().create_new_trial(study_id, template_trial)
        if template_trial is None or template_trial.state is TrialState.RUNNING:
            self._written(trial_id, ours=True)
        return trial_id

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Set a parameter."""
        try:
            super().set_trial_param(trial_id, param_name, param_value_internal, distribution)
        finally:
            self._written(trial_id)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Set state and values; a queued trial that this sets to RUNNING is ours."""
        done = False
        try:
            done = super().set_trial_state_values(trial_id, state, values)
        finally:
            self._written(trial_id, ours=done and state is TrialState.RUNNING)
        return done

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Set an intermediate value."""
        try:
            super().set_trial_intermediate_value(trial_id, step, intermediate_value)
        finally:
            self._written(trial_id)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set an attribute."""
        try:
            super().set_trial_user_attr(trial_id, key, value)
        finally:
            self._written(trial_id)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set an attribute that is Optuna's own."""
        try:
            super().set_trial_system_attr(trial_id, key, value)
        finally:
            self._written(trial_id)

    def _written(self, trial_id: int, *, ours: bool = False) -> None:
        """Have a trial of ours read again; whether the write came through is not known if it failed."""
        with self._lock:
            if ours or trial_id in self._ours:
                self._ours[trial_id] = -math.inf

    def _read_trials_from_remote_storage(self, study_id: int) -> None:
        with self._lock:
            study = self._studies.setdefault(study_id, _StudyInfo())
            now = self._clock()
            known = {number for number, read in self._ours.items() if now - read < self._known_seconds}
            trials = self._backend._get_trials(
                study_id,
                states=None,
                included_trial_ids=study.unfinished_trial_ids - known,
                trial_id_greater_than=self._greatest.get(study_id, -1),
            )
            self._add_trials_to_cache(study_id, trials)
            for trial in trials:
                identity = trial._trial_id
                if trial.state.is_finished():
                    study.unfinished_trial_ids.discard(identity)
                    self._ours.pop(identity, None)
                else:
                    study.unfinished_trial_ids.add(identity)
                    if identity in self._ours:
                        self._ours[identity] = now
                self._greatest[study_id] = max(self._greatest.get(study_id, -1), identity)
