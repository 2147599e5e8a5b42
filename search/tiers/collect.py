"""The studies of the published experiments, read back as rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna

from search.tiers.published import PublishedExperiment
from search.tiers.row import REGIMES, TierRow, row_of_trial
from search.trial_rows import rows_with_headlines

_NAME = re.compile(rf"(?P<id>[a-z0-9_]+)-(?P<regime>{'|'.join(REGIMES)})(-.+)?")


def read_trials(storage: str) -> dict[str, list[dict[str, Any]]]:
    """Read the ended trials of every study named ``ID-REGIME`` or ``ID-REGIME-MORE``, front members with headlines."""
    found = {}
    for name in optuna.get_all_study_names(storage):
        if _NAME.fullmatch(name):
            study = optuna.load_study(study_name=name, storage=storage)
            found[name] = rows_with_headlines(study)
    return found


def tier_rows(
    experiments: Iterable[PublishedExperiment],
    trials: Mapping[str, Sequence[Mapping[str, Any]]],
    filed: Iterable[TierRow] = (),
) -> tuple[TierRow, ...]:
    """One row for each experiment and regime; of several trials, the one that was trained on the most images.

    The most images and not the best score, so that a longer training is no choice among results. Where no trial was
    scored, the row in ``filed`` that was stands in.
    """
    earlier = {(row.id, row.regime): row for row in filed if row.scored}
    known: dict[tuple[str, str], list[tuple[str, Mapping[str, Any]]]] = {}
    for name, rows in trials.items():
        if (match := _NAME.fullmatch(name)) is not None:
            known.setdefault((match["id"], match["regime"]), []).extend((name, row) for row in rows)
    found = list[TierRow]()
    for experiment in experiments:
        for regime in REGIMES:
            ended = known.get((experiment.id, regime), [])
            if (kept := earlier.get((experiment.id, regime))) and not any(row["state"] == "scored" for _, row in ended):
                found.append(kept)
                continue
            if not ended:
                found.append(TierRow(id=experiment.id, tier=experiment.tier, regime=regime))
                continue
            study, trial = max(ended, key=lambda pair: (pair[1]["state"] == "scored", pair[1].get("train_images", 0)))
            found.append(row_of_trial(experiment.id, experiment.tier, regime, study, trial))
    return tuple(found)
