"""Which of a trial's recorded figures are reproduced, by the part that makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from evaluation import Scores
from search.circuit import CIRCUIT_METRICS

_SCORES = frozenset(field.name for field in fields(Scores) if field.type in ("float", "int"))
_PER_CLASS = "per_class_accuracy_"
_COUNTS = frozenset(("samples", "real_samples", "real_train_samples", "circuit_samples"))
_PLANNED = frozenset(("planned_rows", "planned_logrows", "planned_peak_bytes", "planned_prove_seconds"))
_TRAINING = frozenset(("train_steps", "train_images", "last_finite_step"))
_PROOF = frozenset(
    f"proof.{name}"
    for name in ("rows", "logrows", "proof_bytes", "public_value_bytes", "vk_bytes", "pk_bytes", "mean_abs_error",
                 "max_abs_error")
)  # fmt: skip
_PROOF_WORDS = ("proof.outcome", "proof.wiring", "proof.verified", "proof.tampered_rejected", "proof.counts")
PROVED = dict(zip(_PROOF_WORDS, ("ok", "linked", "true", "true", "true"), strict=True))
"""The verdicts of a proof that counts."""


def circuit_part(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the figures of the untrained circuit and its constraints; measured seconds repeat themselves nowhere."""
    wanted = CIRCUIT_METRICS - {"circuit_seconds"}
    return {name: value for name, value in metrics.items() if name in wanted or name.startswith("constraint.")}


def training_part(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return how far training went."""
    return {name: value for name, value in metrics.items() if name in _TRAINING}


def score_part(metrics: Mapping[str, float], *, same_samples: bool) -> dict[str, float]:
    """Return the scores of float images; without the counts of images unless those are to be the ``same_samples``."""
    found = {name: value for name, value in metrics.items() if name in _SCORES or name.startswith(_PER_CLASS)}
    return found if same_samples else _without_counts(found)


def circuit_score_part(metrics: Mapping[str, float], *, same_samples: bool) -> dict[str, float]:
    """Return the scores of the circuit's images, and what its plan came to."""
    found = {
        name: value
        for name, value in metrics.items()
        if name in _PLANNED or (name.startswith("circuit_") and name != "circuit_seconds")
    }
    return found if same_samples else _without_counts(found)


def proof_part(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return a proof's figures but for times, memory and predictions, and the size of a file of JSON numbers."""
    return {name: value for name, value in metrics.items() if name in _PROOF}


def proof_words(facts: Mapping[str, str]) -> dict[str, str]:
    """Return a proof's verdicts."""
    return {name: facts[name] for name in _PROOF_WORDS if name in facts}


def _without_counts(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name not in _COUNTS}
