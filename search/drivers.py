"""Several drivers on one study: who is alive, and whose trials nobody works on any more.

A driver is a process that asks and tells. It signs with its id, shows signs of life in the study's attribute
``driver/ID`` and marks the trials it works on. Clocks of the machines must agree much better than ``silence_seconds``.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from search.beating import Beating
from search.interrupted import close_interrupted, needs_continuation
from search.objectives import Objective
from search.patient_storage import PatientStorage
from search.processes import ProcessId, is_running, process_space, this_process

DRIVER = "driver"
"""The attribute of a trial that names its driver."""
_SIGNS = "driver/"
SILENCE_SECONDS = 120.0
SIGN_SECONDS = 15.0


@dataclass(frozen=True)
class DriverSign:
    """The last sign of life of a driver.

    Attributes:
        id: of the driver.
        process: which process it is.
        seen: unix seconds of the sign.
        left: it has ended in good order.
    """

    id: str
    process: ProcessId
    seen: float
    left: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, without the id."""
        return {**asdict(self.process), "seen": self.seen, "left": self.left}


def driver_signs(study: optuna.Study) -> list[DriverSign]:
    """Return the last sign of every driver that ever worked on ``study``."""
    return [
        DriverSign(
            id=key.removeprefix(_SIGNS),
            process=ProcessId(value["host"], value["space"], value["pid"], value["started"]),
            seen=value["seen"],
            left=value["left"],
        )
        for key, value in study.user_attrs.items()
        if key.startswith(_SIGNS)
    ]


def living_drivers(
    study: optuna.Study,
    *,
    now: float,
    silence_seconds: float = SILENCE_SECONDS,
    since: float = -math.inf,
    space: str | None = None,
    runs: Callable[[ProcessId], bool] = is_running,
) -> list[DriverSign]:
    """Return the drivers that are alive, the one that started first at the front.

    Alive is who has not left, was seen less than ``silence_seconds`` ago and, where its process can be looked up,
    still runs.

    Args:
        study: worked on.
        now: unix seconds.
        silence_seconds: without a sign; more than the database may be out of reach for.
        since: unix seconds before which silence does not count, as when nobody could give a sign.
        space: process numbers that can be looked up; None for this process's own.
        runs: looks one up.
    """
    here = process_space() if space is None else space
    return sorted(
        (
            sign
            for sign in driver_signs(study)
            if not sign.left
            and now - max(sign.seen, since) < silence_seconds
            and (sign.process.space != here or runs(sign.process))
        ),
        key=lambda sign: (sign.process.started, sign.id),
    )


def orphans(
    study: optuna.Study,
    living: Iterable[DriverSign],
    *,
    now: float,
    silence_seconds: float = SILENCE_SECONDS,
) -> list[FrozenTrial]:
    """Return the trials that none of the ``living`` drivers works on any more, oldest first.

    They are RUNNING, or have failed without a record and were not queued again. A trial without a mark, which is so
    between being asked for and being marked, is one after ``silence_seconds``.
    """
    alive = {sign.id for sign in living}

    def is_orphan(trial: FrozenTrial) -> bool:
        if DRIVER in trial.user_attrs:
            return trial.user_attrs[DRIVER] not in alive
        return trial.datetime_start is None or now - trial.datetime_start.timestamp() >= silence_seconds

    open_ones = [*study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)), *needs_continuation(study)]
    return sorted((trial for trial in open_ones if is_orphan(trial)), key=lambda trial: trial.number)


def busy_trials(study: optuna.Study, living: Iterable[DriverSign]) -> set[int]:
    """Return the numbers of the trials that the ``living`` drivers work on."""
    alive = {sign.id for sign in living}
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return {trial.number for trial in running if trial.user_attrs.get(DRIVER) in alive}


class Driver:
    """This process as a driver of ``study``: gives signs of life for the length of a ``with`` block.

    Args:
        study: worked on.
        sign_seconds: between two signs.
        silence_seconds: after which a driver without a sign counts as gone.
        say: takes a line about signs that could not be given.
        now: unix seconds.

    Attributes:
        id: of this driver.
    """

    def __init__(
        self,
        study: optuna.Study,
        *,
        sign_seconds: float = SIGN_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
        say: Callable[[str], None] = print,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._study, self._write = study, _hasty_writer(study)
        self._silence_seconds, self._now = silence_seconds, now
        self._process = this_process()
        self.id = f"{self._process.host}-{self._process.pid}-{uuid.uuid4().hex[:8]}"
        self._last_sign = self._steady_since = -math.inf
        self._beating = Beating(self._show, every_seconds=sign_seconds, say=say)

    def __enter__(self) -> Driver:
        self._sign(self._study.set_user_attr)
        self._beating.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beating.__exit__(kind, error, trace)
        try:
            self._sign(self._write, left=True)
        except Exception as problem:  # silence tells it too, later; what ends the block must not be hidden by this
            optuna.logging.get_logger(__name__).debug("no last sign of life: %s", problem)

    def _show(self) -> None:
        self._sign(self._write)

    def _sign(self, write: Callable[[str, Any], None], *, left: bool = False) -> None:
        now = self._now()
        write(f"{_SIGNS}{self.id}", DriverSign(self.id, self._process, now, left).to_json())
        if now - self._last_sign > self._silence_seconds / 2 and math.isfinite(self._last_sign):
            self._steady_since = now
        self._last_sign = now

    def mark(self, trial: Trial) -> None:
        """Sign ``trial`` as worked on by this driver."""
        trial.set_user_attr(DRIVER, self.id)

    def living(self) -> list[DriverSign]:
        """Return the drivers that are alive, this one included; silence before a gap in our own signs is forgiven.

        When the database was out of reach nobody could give a sign, and all deserve the time to give one.
        """
        return living_drivers(
            self._study, now=self._now(), silence_seconds=self._silence_seconds, since=self._steady_since
        )

    def finds_orphans(self) -> bool:
        """Say whether a trial was left open by a driver that is gone, or by one too young to have marked it."""
        return bool(orphans(self._study, self.living(), now=self._now(), silence_seconds=-math.inf))

    def close_orphans(
        self, objectives: Sequence[Objective], complete: Callable[[FrozenTrial], None] | None = None
    ) -> int:
        """Close the trials of drivers that are gone and queue them again; returns how many were queued.

        Done by the eldest driver only, since two that do it at once would queue a trial twice. Where it is alone,
        trials without a mark are nobody's, however young. ``complete`` draws what a running one has not drawn.
        """
        living = self.living()
        if not living or living[0].id != self.id:
            return 0
        silence_seconds = self._silence_seconds if len(living) > 1 else -math.inf
        found = orphans(self._study, living, now=self._now(), silence_seconds=silence_seconds)
        for trial in found:
            if complete is not None and not trial.state.is_finished():
                complete(trial)
        return close_interrupted(self._study, objectives, found) if found else 0


def _hasty_writer(study: optuna.Study) -> Callable[[str, Any], None]:
    """Return what sets an attribute of ``study`` without waiting: a sign of life that comes late is worth nothing."""
    storage = study._storage
    if not isinstance(storage, PatientStorage):
        return study.set_user_attr
    hasty = storage.hasty()
    return lambda key, value: hasty.set_study_user_attr(study._study_id, key, value)
