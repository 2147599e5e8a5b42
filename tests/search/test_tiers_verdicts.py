"""Each statement of the write-up: which figures confirm, correct or refute it, and which leave it open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search.tiers.deciders import CONFIRMED, CORRECTED, OPEN, REFUTED, Results
from search.tiers.published import published_experiments
from search.tiers.row import TierRow
from search.tiers.verdicts import STATEMENTS
from tests.search.test_tiers import row

GROWING = [row(f"exp_00{place}", 0.1 * place, ops_rule=place, macs=place) for place in range(1, 7)]

SHRINKING = [replace(known, accuracy=0.7 - (known.accuracy or 0)) for known in GROWING]


def verdict(text: str, *rows: TierRow) -> str:
    (statement,) = [statement for statement in STATEMENTS if statement.text == text]
    return statement.decide(Results(rows)).word


@pytest.mark.parametrize(
    ("text", "rows", "word"),
    [
        ("29.4 % is the ceiling below 100 operations", [], OPEN),
        ("29.4 % is the ceiling below 100 operations", [row("exp_016", 0.28)], CONFIRMED),
        ("29.4 % is the ceiling below 100 operations", [row("exp_016", 0.35)], REFUTED),
        ("29.4 % is the ceiling below 100 operations", [row("exp_016", 0.35, "published")], OPEN),
        ("skip connections cost operations without a gain", [row("writeup_012", 0.6)], OPEN),
        ("skip connections cost operations without a gain", [row("writeup_012", 0.7), row("exp_006", 0.5)], REFUTED),
        ("skip connections cost operations without a gain", [row("writeup_012", 0.58), row("exp_006", 0.5)], CORRECTED),
        ("skip connections cost operations without a gain", [row("writeup_012", 0.5), row("exp_006", 0.5)], CORRECTED),
        (
            "skip connections cost operations without a gain",
            [row("writeup_012", 0.5, ops_rule=20), row("exp_006", 0.5)],
            CONFIRMED,
        ),
        (
            "skip connections cost operations without a gain",
            [row("writeup_012", 0.6, images_trained=2000), row("exp_006", 0.5)],
            OPEN,
        ),
        (
            "skip connections cost operations without a gain",
            [row("writeup_012", 0.6, arithmetic="float"), row("exp_006", 0.5)],
            OPEN,
        ),
        ("no generator below 100 operations meets them all", [], OPEN),
        ("no generator below 100 operations meets them all", [row("exp_016", 0.9, inception_score=5.9)], OPEN),
        ("no generator below 100 operations meets them all", [row("exp_016", 0.9, inception_score=6.1)], REFUTED),
        (
            "no generator below 100 operations meets them all",
            [row("exp_016", 0.9, inception_score=6.1, ops_rule=100), row("exp_006", 0.5, inception_score=6.1)],
            OPEN,
        ),
        ("images get better with operations", [row("exp_016", 0.9)], OPEN),
        ("images get better with operations", GROWING, CONFIRMED),
        ("images get better with operations", SHRINKING, REFUTED),
        ("binary weights: severe loss of quality", [row("binary", 0.6)], OPEN),
        ("binary weights: severe loss of quality", [row("binary", 0.35), row("exp_006", 0.78)], CONFIRMED),
        ("binary weights: severe loss of quality", [row("binary", 0.7), row("exp_006", 0.78)], OPEN),
        ("binary weights: severe loss of quality", [row("binary", 0.77), row("exp_006", 0.78)], REFUTED),
        ("INT8 weights cost a little quality", [row("writeup_025", 0.66), row("writeup_016", 0.78)], CONFIRMED),
        ("INT8 weights cost a little quality", [row("writeup_025", 0.75), row("writeup_016", 0.78)], OPEN),
        ("INT8 weights cost a little quality", [row("writeup_025", 0.15), row("writeup_016", 0.78)], CORRECTED),
        ("INT8 weights cost a little quality", [row("writeup_025", 0.89), row("writeup_016", 0.78)], REFUTED),
        ("INT8 weights spare no operation", [row("writeup_025", 0.7), row("writeup_016", 0.78)], CONFIRMED),
        (
            "INT8 weights spare no operation",
            [row("writeup_025", 0.7, rows=20_000), row("writeup_016", 0.78)],
            CORRECTED,
        ),
        ("a student is too simple for its teacher", [row("distillation", 0.65), row("student", 0.5)], REFUTED),
        ("a student is too simple for its teacher", [row("distillation", 0.5), row("student", 0.5)], OPEN),
        ("a student is too simple for its teacher", [row("distillation", 0.4), row("student", 0.55)], CONFIRMED),
        (
            "a hybrid is the worst of both worlds",
            [row("writeup_027", 0.4), row("exp_026", 0.6), row("exp_006", 0.7)],
            CONFIRMED,
        ),
        (
            "a hybrid is the worst of both worlds",
            [row("writeup_027", 0.6), row("exp_026", 0.6), row("exp_006", 0.75)],
            OPEN,
        ),
        (
            "a hybrid is the worst of both worlds",
            [row("writeup_027", 0.6), row("exp_026", 0.4), row("exp_006", 0.75)],
            REFUTED,
        ),
        ("a hybrid is the worst of both worlds", [row("writeup_027", 0.4), row("exp_026", 0.6)], OPEN),
        (
            "depthwise separable: fewer parameters, worse images",
            [row("writeup_023", 0.6, parameters=10), row("plain_subpixel", 0.6)],
            OPEN,
        ),
        (
            "depthwise separable: fewer parameters, worse images",
            [row("writeup_023", 0.4), row("plain_subpixel", 0.6)],
            CORRECTED,
        ),
        (
            "four groups spare parameters and no operations",
            [row("writeup_024", 0.6, parameters=10), row("plain_subpixel", 0.6)],
            CONFIRMED,
        ),
        (
            "four groups spare parameters and no operations",
            [row("writeup_024", 0.6, parameters=10, rows=9, einsum_instances=9), row("plain_subpixel", 0.6)],
            REFUTED,
        ),
        ("batch normalisation is essential", [row("unnormalised", 0.3), row("exp_001", 0.5)], CONFIRMED),
        ("batch normalisation is essential", [row("unnormalised", 0.48), row("exp_001", 0.5)], REFUTED),
        (
            "batch normalisation is essential",
            [row("unnormalised", 0.3), row("exp_001", 0.5, classifier_accuracy=0.5)],
            OPEN,
        ),
        ("Linear layers alone have no spatial understanding", [row("exp_026", 0.2), row("exp_006", 0.8)], CONFIRMED),
        ("Linear layers alone have no spatial understanding", [row("exp_026", 0.5), row("exp_006", 0.8)], CORRECTED),
        ("Linear layers alone have no spatial understanding", [row("exp_026", 0.75), row("exp_006", 0.8)], REFUTED),
        ("they need huge networks", [row("exp_026", 0.5, parameters=9000), row("exp_006", 0.8)], CORRECTED),
        ("progressive training needs a fixed architecture", [row("progressive", 0.2)], CORRECTED),
        ("no room for deeper features", [row("exp_018", 0.5, ops_rule=26), row("exp_016", 0.8)], REFUTED),
        ("20 operations are the least that is viable", [row("exp_016", 0.8)], REFUTED),
        ("20 operations are the least that is viable", [row("exp_016", 0.3)], CONFIRMED),
        ("EZKL makes an einsum entry of each operation", [row("exp_016", 0.8)], REFUTED),
        ("EZKL makes an einsum entry of each operation", [row("exp_016", 0.8, einsum_instances=14)], CONFIRMED),
        (
            "plain convolutions with batch normalisation are the best architecture",
            [row("exp_016", 0.7), row("exp_019", 0.85)],
            REFUTED,
        ),
        (
            "plain convolutions with batch normalisation are the best architecture",
            [row("exp_016", 0.8), row("exp_019", 0.85)],
            OPEN,
        ),
        (
            "conditional GANs are not viable in zero knowledge",
            [row("exp_016", 0.8, predicted_peak_bytes=2**32)],
            REFUTED,
        ),
        (
            "conditional GANs are not viable in zero knowledge",
            [row("exp_016", 0.8, predicted_peak_bytes=2**35)],
            CONFIRMED,
        ),
        ("conditional images need about a thousand operations", [row("exp_016", 0.75)], REFUTED),
        ("conditional images need about a thousand operations", [row("exp_016", 0.65)], CONFIRMED),
        ("they generate the same blob regardless of the class", [row("exp_026", 0.3, "published")], REFUTED),
        (
            "they generate the same blob regardless of the class",
            [row("exp_026", 0.3, "published", diversity=0.01)],
            CORRECTED,
        ),
        ("they generate the same blob regardless of the class", [row("exp_026", 0.12, "published")], CORRECTED),
        (
            "they generate the same blob regardless of the class",
            [row("exp_026", 0.12, "published", diversity=0.01)],
            CONFIRMED,
        ),
        ("too simple to learn spatial structure", [row("exp_001", 0.6), row("exp_001", 0.1, "published")], REFUTED),
        ("too simple to learn spatial structure", [row("exp_001", 0.15), row("exp_001", 0.1, "published")], CONFIRMED),
        ("the declared numbers of operations", [row("exp_016", 0.5)], REFUTED),
        ("the declared numbers of operations", [row("exp_016", 0.5, ops_rule=72)], CONFIRMED),
    ],
)
def test_the_figures_decide(text: str, rows: list[TierRow], word: str) -> None:
    assert verdict(text, *rows) == word


def test_operations_that_follow_rows_are_a_bottleneck() -> None:
    ids = [experiment.id for experiment in published_experiments()][:6]
    text = "operations are the bottleneck of a circuit"
    sizes = [
        {"rows": 1000 * (place + 1), "einsum_instances": 30 + place, "predicted_prove_seconds": 1.0 + place}
        for place in range(len(ids))
    ]
    along = [row(id, 0.5, ops_rule=10 + place, **sizes[place]) for place, id in enumerate(ids)]
    assert verdict(text, *along) == CONFIRMED
    against = [row(id, 0.5, ops_rule=20 - place, **sizes[place]) for place, id in enumerate(ids)]
    assert verdict(text, *against) == CORRECTED  # einsum entries still follow
    none = [replace(found, einsum_instances=50 - (found.einsum_instances or 0)) for found in against]
    assert verdict(text, *none) == REFUTED


def test_a_circuit_counts_once_and_in_either_regime() -> None:
    rows = [row("exp_001", 0.5), row("exp_001", 0.3, "published"), row("exp_002", 0.4, "published"), row("mnist", 0.9)]
    assert [found.id for found in Results(rows).costed()] == ["exp_001"]
    other = row("exp_003", 0.4, "published", ops_rule=20)
    assert [found.id for found in Results([*rows, other]).costed()] == ["exp_001", "exp_003"]
