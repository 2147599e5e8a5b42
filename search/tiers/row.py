"""One experiment under one training regime, as the page and its JSON show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from search.errors import SearchError
from zk.json_fields import check_fields

REGIMES = ("published", "strong")
SCORED, NOT_RUN = "scored", "not run"


@dataclass(frozen=True, kw_only=True)
class TierRow:
    """What one experiment gave under one regime; None where it was not measured.

    Attributes:
        id: of :class:`search.tiers.published.PublishedExperiment`.
        tier: of the same.
        regime: one of :data:`REGIMES`.
        outcome: a trial's state (``scored``, ``diverged`` ...), or ``not run``.
        reason: why it was not scored, or not in circuit arithmetic.
        study: that it is from.
        ops_rule: operations by the published rule.
        einsum_instances: einsum entries of its circuit's settings.
        einsum_operations: the same, equal ones once.
        macs: multiply-accumulates of one image.
        rows: of its checked circuit.
        logrows: of the same.
        parameters: of the generator.
        predicted_prove_seconds: of one image on this kind of machine, by the cost model.
        predicted_peak_bytes: likewise, for admission.
        accuracy: share of the images that the ZK classifier takes for the class asked for.
        inception_score: by the ZK classifier.
        diversity: within classes.
        judge_accuracy: as accuracy, by the held-out judge.
        arithmetic: ``circuit`` or ``float``, of these four.
        float_accuracy: accuracy of the float generator.
        samples: generated images that the scores are of.
        seed: of their latents.
        classifier_digest: of the classifier.
        classifier_accuracy: on real test images.
        real_inception_score: of as many real images.
        real_diversity: likewise.
        images_trained: real images shown in training.
        train_seconds: wall clock, on whatever machine it was.
        filed: whether its study is not here: the row was filed by an earlier report.
    """

    id: str
    tier: int
    regime: str
    outcome: str = NOT_RUN
    reason: str = ""
    study: str = ""
    ops_rule: int | None = None
    einsum_instances: int | None = None
    einsum_operations: int | None = None
    macs: int | None = None
    rows: int | None = None
    logrows: int | None = None
    parameters: int | None = None
    predicted_prove_seconds: float | None = None
    predicted_peak_bytes: int | None = None
    accuracy: float | None = None
    inception_score: float | None = None
    diversity: float | None = None
    judge_accuracy: float | None = None
    arithmetic: str = ""
    float_accuracy: float | None = None
    samples: int | None = None
    seed: int | None = None
    classifier_digest: str = ""
    classifier_accuracy: float | None = None
    real_inception_score: float | None = None
    real_diversity: float | None = None
    images_trained: int | None = None
    train_seconds: float | None = None
    filed: bool = False

    @property
    def scored(self) -> bool:
        """Whether its images were scored."""
        return self.outcome == SCORED

    def to_json(self) -> dict[str, Any]:
        """Every field by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TierRow:
        """Rebuild a row from :meth:`to_json`, as one that was filed.

        Raises:
            SearchError: a field is unknown or missing, or a value is of another kind.
        """
        if unknown := set(data) - {field.name for field in fields(cls)}:
            raise SearchError(f"a row of the tiers has no {', '.join(sorted(unknown))}; make the page with --fresh")
        try:
            check_fields(cls, data)
            return cls(**{**data, "filed": True})
        except TypeError as error:
            raise SearchError(f"a row of the tiers must be complete; {error}; make the page with --fresh") from error


_WHOLE = {
    "ops_rule": "published_operations",
    "einsum_instances": "einsum_instances",
    "einsum_operations": "einsum_operations",
    "macs": "macs",
    "rows": "rows",
    "logrows": "logrows",
    "parameters": "parameters",
    "predicted_peak_bytes": "predicted_peak_bytes",
    "samples": "samples",
    "seed": "seed",
    "images_trained": "train_images",
}
_REAL = {
    "predicted_prove_seconds": "predicted_prove_seconds",
    "accuracy": "headline_accuracy",
    "inception_score": "headline_inception_score",
    "diversity": "headline_diversity",
    "judge_accuracy": "headline_judge_accuracy",
    "float_accuracy": "accuracy",
    "classifier_accuracy": "classifier_accuracy",
    "real_inception_score": "real_inception_score",
    "real_diversity": "real_diversity",
    "train_seconds": "train_seconds",
}
_TEXT = {"reason": "reason", "arithmetic": "headline_arithmetic", "classifier_digest": "classifier_digest"}


def firsts(rows: Iterable[TierRow]) -> dict[tuple[str, str], TierRow]:
    """Return the first row of each experiment and regime; those behind it are longer trainings."""
    found: dict[tuple[str, str], TierRow] = {}
    for row in rows:
        found.setdefault((row.id, row.regime), row)
    return found


def row_of_trial(id: str, tier: int, regime: str, study: str, trial: Mapping[str, Any]) -> TierRow:
    """Make a row of a trial's flat record (:func:`search.trial_rows.front_rows`)."""
    found: dict[str, Any] = {name: int(trial[key]) for name, key in _WHOLE.items() if key in trial}
    found |= {name: float(trial[key]) for name, key in _REAL.items() if key in trial}
    found |= {name: str(trial[key]) for name, key in _TEXT.items() if key in trial}
    found["reason"] = found.get("reason") or str(trial.get("float_reason", ""))
    return TierRow(id=id, tier=tier, regime=regime, outcome=str(trial["state"]), study=study, **found)
