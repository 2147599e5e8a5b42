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
    """One row for each experiment and regime, from the study ``ID-REGIME``, and one for each longer training behind it.

    The regime's own budget is the row that others are compared with, so that a longer training is no choice among
    results; where only longer ones are known, the longest stands first. Of several trials of a study, the one trained
    on the most images counts. Rows in ``filed`` stand in for studies without a scored trial.
    """
    known: dict[tuple[str, str], dict[str, TierRow]] = {}
    tiers = {experiment.id: experiment.tier for experiment in experiments}
    for row in filed:
        if row.scored:
            known.setdefault((row.id, row.regime), {})[row.study] = row
    for name, ended in trials.items():
        if (match := _NAME.fullmatch(name)) is None or match["id"] not in tiers or not ended:
            continue
        best = max(ended, key=lambda row: (row["state"] == "scored", row.get("train_images", 0)))
        own = known.setdefault((match["id"], match["regime"]), {})
        if best["state"] == "scored" or name not in own:
            own[name] = row_of_trial(match["id"], tiers[match["id"]], match["regime"], name, best)
    found = list[TierRow]()
    for id, tier in tiers.items():
        for regime in REGIMES:
            rows = sorted(
                known.get((id, regime), {}).values(),
                key=lambda row: (row.study != f"{id}-{regime}", -(row.images_trained or 0), row.study),
            )
            found += [row for row in rows if row.scored] or rows[:1] or [TierRow(id=id, tier=tier, regime=regime)]
    return tuple(found)
