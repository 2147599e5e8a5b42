"""What trials scored at their rungs, kept with the trials."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from search.objectives import Objective, minimised
from search.record import TrialOutcome
from search.study import CANDIDATE, RECORD, trial_outcome

_RUNG = "rung/"


@dataclass(frozen=True)
class RungScore:
    """What a candidate scored at a rung.

    Attributes:
        number: of the trial that holds it.
        digest: of the candidate.
        values: one for each objective, minimised.
        stopped: whether its trial ended there.
    """

    number: int
    digest: str
    values: tuple[float, ...]
    stopped: bool


def references(objectives: Sequence[Objective]) -> np.ndarray:
    """Return the objectives' reference points, minimised; float64 [M]."""
    return np.array(minimised(objectives, [objective.reference for objective in objectives]))


def file_rung(trial: Trial, images: int, values: Sequence[float], metrics: Mapping[str, float]) -> None:
    """Keep what ``trial`` scored at the rung of ``images``; ``values`` are minimised."""
    trial.set_user_attr(f"{_RUNG}{images}", json.dumps({"values": list(values), "metrics": dict(metrics)}))


def copy_rungs(trial: Trial, earlier: FrozenTrial) -> None:
    """Take over what an earlier trial of the same candidate scored at its rungs."""
    for name, value in earlier.user_attrs.items():
        if name.startswith(_RUNG):
            trial.set_user_attr(name, value)


def passed_rungs(trial: FrozenTrial) -> dict[int, tuple[float, ...]]:
    """Return the values of ``trial`` at each rung that it was scored at, by training images."""
    found = {int(name.removeprefix(_RUNG)): json.loads(text) for name, text in trial.user_attrs.items()
             if name.startswith(_RUNG)}  # fmt: skip
    return {images: tuple(found[images]["values"]) for images in sorted(found)}


def scores_at(study: optuna.Study, images: int) -> list[RungScore]:
    """Return what every candidate scored at the rung of ``images``, by arrival; of its trials the last counts."""
    key, found = f"{_RUNG}{images}", dict[str, RungScore]()
    for trial in study.get_trials(deepcopy=False):
        if (text := trial.user_attrs.get(key)) is None:
            continue
        digest = str(trial.user_attrs[CANDIDATE])
        values = tuple(json.loads(text)["values"])
        found[digest] = RungScore(trial.number, digest, values, _stopped_at(trial, images))
    return list(found.values())


def _stopped_at(trial: FrozenTrial, images: int) -> bool:
    if trial.state is not TrialState.PRUNED or trial_outcome(trial) is not TrialOutcome.STOPPED:
        return False
    return max(passed_rungs(trial)) == images and RECORD in trial.user_attrs
