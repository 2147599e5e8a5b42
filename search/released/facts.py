"""What may stand in a model's facts, so that whoever reads or prints them need not look again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

SCORES = {
    "accuracy": "accuracy",
    "real_accuracy": "classifier_accuracy",
    "judge_accuracy": "judge_accuracy",
    "real_judge_accuracy": "judge_real_accuracy",
    "inception_score": "inception_score",
    "real_inception_score": "real_inception_score",
    "diversity": "diversity",
    "real_diversity": "real_diversity",
    "cas": "cas",
    "real_cas": "real_cas",
    "frechet": "frechet_distance",
    "real_frechet": "real_frechet_distance",
    "judge_frechet": "judge_frechet_distance",
    "real_judge_frechet": "real_judge_frechet_distance",
    "samples": "samples",
}
"""Names of a row, and of the scores that they come from."""

PROOF = (
    "rows",
    "einsum_instances",
    "einsum_distinct",
    "logrows",
    "prove_seconds",
    "peak_rss_bytes",
    "proof_bytes",
    "bundle_bytes",
    "verify_seconds",
    "wiring",
)

BEGUN_FROM = "begun_from"
"""What the training before is called, where there was one."""

ROUNDED = "weights_rounded_to"
"""What the type is called that weights were rounded to after the training, where they were."""

HALF = "float16"
"""The one type that weights are rounded to."""

_NUMBERS_OF_SCORES = (*SCORES.values(), "refused_share")
_NUMBERS_OF_PROOF = (*(name for name in PROOF if name != "wiring"), "setup_seconds")
_MOST_TRAININGS = 16


def check_facts(facts: Mapping[str, Any]) -> None:
    """Refuse facts whose figures are no numbers, or whose trainings are no records.

    Args:
        facts: with ``scores``, ``proof`` and ``training``, each a mapping, which may be empty.

    Raises:
        KeyError: one of them is missing.
        TypeError: a value is of another kind.
        ValueError: a training began from too many others, one before the other.
    """
    _check_numbers("scores", facts["scores"], _NUMBERS_OF_SCORES)
    _check_numbers("proof", facts["proof"], _NUMBERS_OF_PROOF)
    training: Any = facts["training"]
    for _ in range(_MOST_TRAININGS):
        _check_mapping("training", training)
        for name in ("recipe", "budget"):
            _check_mapping(f"training.{name}", training.get(name) or {})
        budget = training.get("budget") or {}
        _check_numbers("training", training, ("seed",))
        _check_numbers("training.budget", budget, budget)
        if training.get(ROUNDED) not in (None, HALF):
            raise TypeError(f"training.{ROUNDED} must be {HALF!r} or null; got {training[ROUNDED]!r:.60}")
        if (training := training.get(BEGUN_FROM)) is None:
            return
    raise ValueError(f"training must have begun from at most {_MOST_TRAININGS} others")


def _check_mapping(where: str, found: object) -> None:
    if not isinstance(found, Mapping):
        raise TypeError(f"{where} must be a mapping; got {found!r:.60}")


def _check_numbers(where: str, found: Any, names: Iterable[str]) -> None:
    _check_mapping(where, found)
    for name in names:
        value = found.get(name)
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if value is not None and not number:
            raise TypeError(f"{where}.{name} must be a finite number or null; got {value!r:.60}")
