"""Two or more studies side by side: hypervolume, coverage, and how soon one is as good as another."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from search.errors import ConfigError
from search.front_measures import (
    Points,
    common_reference,
    coverage,
    front_of,
    running_hypervolume,
    seconds_to_reach,
)

JUDGED = {
    "classifier_digest": "classifier",
    "judge_digest": "judge",
    "samples": "number of samples",
}
"""What makes scores comparable, by the name of a trial's figure or fact. A classifier's digest tells its data, too."""


@dataclass(frozen=True)
class StudyFigures:
    """What is read of one study.

    Attributes:
        name: of the study.
        objectives: direction and metric of each, ``maximize accuracy``.
        states: number of trials by state.
        trial_seconds: wall clock of its trials, added up; None if some trial has none.
        train_images: images its generators were trained on, added up.
        values: float64 [N, M], objectives of the scored, feasible trials in the order in which they ended.
        seconds: float64 [N], trial seconds that the study had spent when each of them ended; None if not known.
        references: the objectives' reference points that the study keeps; None if it keeps none.
        signature: digest of what makes its trials comparable; None if it keeps none.
        judged: what scores were computed with, by the names of trials' figures and facts, where all trials agree.
    """

    name: str
    objectives: tuple[str, ...]
    states: Mapping[str, int]
    trial_seconds: float | None
    train_images: float
    values: Points
    seconds: Points | None
    references: tuple[float, ...] | None = None
    signature: str | None = None
    judged: Mapping[str, object] | None = None


@dataclass(frozen=True)
class StudyResult:
    """What one study reached, against the reference point that all share.

    Attributes:
        figures: what was read.
        front_size: trials that no other one of the study dominates; equal ones all count.
        hypervolume: of its front, in the product of the objectives' units.
        own_seconds: trial seconds until it had that hypervolume; None if not known.
        best: best value of each objective, each perhaps of another trial; empty without scored trials.
    """

    figures: StudyFigures
    front_size: int
    hypervolume: float
    own_seconds: float | None
    best: tuple[float, ...]


@dataclass(frozen=True)
class Pair:
    """Study ``first`` beside study ``second``.

    Attributes:
        first, second: names.
        hypervolume_ratio: of the first to the second; None if the second has none.
        first_covers, second_covers: share of the other's front that this one's covers, see :func:`coverage`.
        first_seconds, second_seconds: trial seconds until this one has the other's final hypervolume: inf for never,
            None if not known.
    """

    first: str
    second: str
    hypervolume_ratio: float | None
    first_covers: float | None
    second_covers: float | None
    first_seconds: float | None
    second_seconds: float | None


@dataclass(frozen=True)
class Comparison:
    """Studies of the same objectives, side by side.

    Attributes:
        objectives: direction and metric of each.
        reference: reference value of each objective, in its unit.
        reference_source: where that comes from, for a person.
        studies: in the order given.
        pairs: each two of them, in that order.
        warnings: why they may not be comparable; empty if their signatures are equal.
    """

    objectives: tuple[str, ...]
    reference: tuple[float, ...]
    reference_source: str
    studies: tuple[StudyResult, ...]
    pairs: tuple[Pair, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Measured:
    """A result with its front [K, M] and its running hypervolume [N], minimised."""

    result: StudyResult
    front: Points
    history: Points


def compare_studies(studies: Sequence[StudyFigures]) -> Comparison:
    """Compare ``studies`` against one reference point.

    Raises:
        ConfigError: they have other objectives, or there is neither a reference point nor a scored trial.
    """
    objectives = studies[0].objectives
    signs = np.array([-1.0 if label.startswith("maximize ") else 1.0 for label in objectives])
    points, references = list[Points](), list[Points | None]()
    for one in studies:
        order = _order(studies[0], one)
        points.append(one.values[:, order] * signs)
        references.append(None if one.references is None else np.array(one.references)[order] * signs)
    reference, source = common_reference(points, references, [one.name for one in studies])
    measured = [_measure(one, own, reference, signs) for one, own in zip(studies, points, strict=True)]
    return Comparison(
        objectives=objectives,
        reference=tuple(map(float, reference * signs)),
        reference_source=source,
        studies=tuple(one.result for one in measured),
        pairs=tuple(_pair(a, b) for a, b in itertools.combinations(measured, 2)),
        warnings=tuple(text for a, b in itertools.combinations(studies, 2) if (text := comparability(a, b))),
    )


def _measure(figures: StudyFigures, points: Points, reference: Points, signs: Points) -> _Measured:
    history, front = running_hypervolume(points, reference), front_of(points)
    final = float(history[-1]) if len(history) else 0.0
    best = points.min(axis=0) * signs if len(points) else np.empty(0)
    seconds = seconds_to_reach(history, figures.seconds, final)
    return _Measured(StudyResult(figures, len(front), final, seconds, tuple(map(float, best))), front, history)


def _order(first: StudyFigures, other: StudyFigures) -> list[int]:
    """Places of ``first``'s objectives among ``other``'s."""
    if sorted(first.objectives) != sorted(other.objectives):
        only = [
            f"only {one.name} has {', '.join(label for label in one.objectives if label not in beside.objectives)}"
            for one, beside in ((first, other), (other, first))
            if set(one.objectives) - set(beside.objectives)
        ]
        raise ConfigError(f"studies must have the same objectives; {'; '.join(only)}")
    return [other.objectives.index(label) for label in first.objectives]


def comparability(first: StudyFigures, second: StudyFigures) -> str:
    """Return why two studies may not be comparable; nothing if their signatures are equal."""
    without = [one.name for one in (first, second) if one.signature is None]
    if without:
        kept = f"no signature is kept by {' and '.join(without)}"
        return f"{kept}: whether {first.name} and {second.name} are comparable is not known"
    if first.signature == second.signature:
        return ""
    mine, others = first.judged or {}, second.judged or {}
    both = [name for name in JUDGED if name in mine and name in others]
    differing = [JUDGED[name] for name in both if mine[name] != others[name]]
    start = f"{first.name} and {second.name}"
    if differing:
        return f"{start} are not comparable: their scores are by another {', another '.join(differing)}"
    if len(both) < len(JUDGED):
        return f"{start} may not be comparable: their signatures differ (data, classifier, samples, space or training)"
    return (
        f"{start} have other signatures: their trials name the same classifier, judge and number of samples, so the "
        "search space, the training, the circuit, its limits or the seed of the samples differ"
    )


def _pair(a: _Measured, b: _Measured) -> Pair:
    first, second = a.result, b.result
    return Pair(
        first=first.figures.name,
        second=second.figures.name,
        hypervolume_ratio=first.hypervolume / second.hypervolume if second.hypervolume > 0 else None,
        first_covers=coverage(a.front, b.front),
        second_covers=coverage(b.front, a.front),
        first_seconds=seconds_to_reach(a.history, first.figures.seconds, second.hypervolume),
        second_seconds=seconds_to_reach(b.history, second.figures.seconds, first.hypervolume),
    )
