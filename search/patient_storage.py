"""A storage of Optuna's that waits for its database.

Every operation is one transaction in ``RDBStorage``, so one that failed was carried out as a whole or not at all. Which
of the two, nobody knows when the answer to the commit was lost. What a repeat then does:

=============================  ========================================================================================
operation                      repeated after it had been carried out
=============================  ========================================================================================
every ``get_...``              harmless
set_study_user/system_attr     writes the same value again; harmless while each key has one writer
set_trial_user/system_attr     the same, in one statement
set_trial_intermediate_value   the same
set_trial_param                refused by the unique key and ignored there: the value stays
set_trial_state_values, ended  ``UpdateFinishedTrialError``; taken for success if the stored state and values are those
                               that were sent, else raised: somebody else ended the trial
set_trial_state_values         returns False, as if another driver had taken the queued trial: it stays RUNNING without
(RUNNING)                      a driver and is closed and queued again as an orphan (:mod:`search.drivers`)
create_new_trial               makes a second trial; the first stays RUNNING without a driver, an orphan with nothing to
                               continue; a queued one stays WAITING and repeats the other, which costs no training
create_new_study               ``DuplicatedStudyError``, as if another driver had made it; ``open_study`` loads it then
delete_study                   ``KeyError``: it is gone
=============================  ========================================================================================
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from search.passing import database_error_passes
from search.patience import PatientCaller


def storage_error_passes(error: BaseException) -> bool:
    """Say whether an operation of ``RDBStorage`` failed because its database was out of reach."""
    return database_error_passes(error, (StorageInternalError,))


class PatientStorage(BaseStorage):
    """Forwards every operation to ``backend`` through ``caller``; the module says what each repeat does.

    Args:
        backend: does the work.
        caller: calls it, again while its database is out of reach.
    """

    def __init__(self, backend: BaseStorage, caller: PatientCaller) -> None:
        self.backend = backend
        self._call = caller

    def hasty(self) -> PatientStorage:
        """Return the same storage without patience: every operation is tried once."""
        return PatientStorage(self.backend, self._call.hasty())

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """See :class:`optuna.storages.BaseStorage`, as for every method below."""
        return self._call(lambda: self.backend.create_new_study(directions, study_name))

    def delete_study(self, study_id: int) -> None:
        """Delete a study."""
        self._call(lambda: self.backend.delete_study(study_id))

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set an attribute of a study."""
        self._call(lambda: self.backend.set_study_user_attr(study_id, key, value))

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set an attribute of a study that is Optuna's own."""
        self._call(lambda: self.backend.set_study_system_attr(study_id, key, value))

    def get_study_id_from_name(self, study_name: str) -> int:
        """Return a study's id."""
        return self._call(lambda: self.backend.get_study_id_from_name(study_name))

    def get_study_name_from_id(self, study_id: int) -> str:
        """Return a study's name."""
        return self._call(lambda: self.backend.get_study_name_from_id(study_id))

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Return the directions of a study's objectives."""
        return self._call(lambda: self.backend.get_study_directions(study_id))

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Return a study's attributes."""
        return self._call(lambda: self.backend.get_study_user_attrs(study_id))

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Return a study's attributes that are Optuna's own."""
        return self._call(lambda: self.backend.get_study_system_attrs(study_id))

    def get_all_studies(self) -> list[FrozenStudy]:
        """Return every study."""
        return self._call(self.backend.get_all_studies)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Make a trial and return its id."""
        return self._call(lambda: self.backend.create_new_trial(study_id, template_trial))

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Set a parameter of a trial."""
        self._call(lambda: self.backend.set_trial_param(trial_id, param_name, param_value_internal, distribution))

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """Return a trial's id."""
        return self._call(lambda: self.backend.get_trial_id_from_study_id_trial_number(study_id, trial_number))

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Set state and values of a trial; a repeat that finds them stored is a success."""

        def send() -> bool:
            return self.backend.set_trial_state_values(trial_id, state, values)

        def send_again() -> bool:
            try:
                return send()
            except UpdateFinishedTrialError:
                stored = self.backend.get_trial(trial_id)
                sent = None if values is None else [float(value) for value in values]
                if (stored.state, stored.values) != (state, sent):
                    raise
                return True

        return self._call(send, again=send_again)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Set an intermediate value of a trial."""
        self._call(lambda: self.backend.set_trial_intermediate_value(trial_id, step, intermediate_value))

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set an attribute of a trial."""
        self._call(lambda: self.backend.set_trial_user_attr(trial_id, key, value))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set an attribute of a trial that is Optuna's own."""
        self._call(lambda: self.backend.set_trial_system_attr(trial_id, key, value))

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial."""
        return self._call(lambda: self.backend.get_trial(trial_id))

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return a study's trials."""
        return self._call(lambda: self.backend.get_all_trials(study_id, deepcopy, states))

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """Return the best trial of a study with one objective."""
        return self._call(lambda: self.backend.get_best_trial(study_id))

    def remove_session(self) -> None:
        """Close this thread's connection."""
        self.backend.remove_session()
