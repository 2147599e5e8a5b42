"""What every part of a reproduction shares."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from search.reproduce.account import Account
from search.reproduce.rebuild import available_device
from search.reproduce.record import RecordedSession, RecordedTrial, other_sessions
from search.reproduce.request import Request
from search.reproduce.settings import build_session, first_matching
from search.settings import SessionSettings
from search.tracked import RunReader


@dataclass(frozen=True, kw_only=True)
class Work:
    """One trial being rebuilt.

    Attributes:
        request: what was asked for.
        trial: what is recorded.
        reader: of the record.
        folder: receives the rebuilt generator, its circuit and its proof.
        account: of what was found.
        tolerance: that figures are compared with.
    """

    request: Request
    trial: RecordedTrial
    reader: RunReader
    folder: Path
    account: Account
    tolerance: float

    @property
    def same_samples(self) -> bool:
        """Whether as many images are scored as were recorded."""
        recorded = self.trial.run.metrics.get("samples")
        return self.request.samples is None or self.request.samples == recorded

    def settings_of(self, session: RecordedSession) -> SessionSettings:
        """Build what ``session`` was run with, on the recorded device and with the samples asked for."""
        device = available_device(self.trial.run.tags.get("device"))
        settings = build_session(session, self.request.places, device=device, retrain=self.request.retrain)
        if self.request.samples is None:
            return settings
        evaluation = dataclasses.replace(settings.evaluation, samples=self.request.samples)
        return dataclasses.replace(settings, evaluation=evaluation)

    def matching_settings(self, what: str, matches: Callable[[SessionSettings], bool]) -> SessionSettings:
        """Return the settings of the session that did ``what``: the trial's own if it ``matches``, or a later one.

        Where none matches, the trial's own are taken, and that is stated.
        """
        sessions = itertools.chain([self.trial.session], other_sessions(self.reader, self.trial))
        if (found := first_matching(sessions, self.settings_of, matches)) is not None:
            return found
        self.account.state([f"no session of the record {what} as the trial's tags say; the trial's own settings do"])
        return self.settings_of(self.trial.session)
