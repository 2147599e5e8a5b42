"""Sections of the tiers' page that come from benchmarks, and its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from search.errors import SearchError
from search.layers.ladder import CATEGORY
from search.tiers.alternatives import UNCONDITIONAL, alternatives_section
from search.tiers.arithmetic import (
    AFTER,
    DURING,
    read_roundings,
    read_weight_forms,
    rounding_section,
    weight_forms_section,
)
from search.tiers.collect import tier_rows
from search.tiers.deciders import CONFIRMED, CORRECTED, REFUTED, Results
from search.tiers.limits import COMPILED_RUNG, compiled_section
from search.tiers.page import Evidence, page, write_page
from search.tiers.published import PublishedExperiment, published_experiments
from search.tiers.row import REGIMES, TierRow
from tests.search.test_tiers import row
from zk.benchmark.row import LayerRow, RowOutcome


def rounding(kind: str, bits: int, accuracy: float) -> dict[str, Any]:
    return {
        "rounded": kind, "bits": bits, "own_accuracy": accuracy, "circuit_accuracy": accuracy, "rows": 10,
        "circuit_judge_accuracy": 0.4, "circuit_diversity": 0.3, "circuit_label_agreement": 0.9,
        "circuit_mean_abs_error": 0.01, "predicted_prove_seconds": 2.0, "images_trained": 100,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("during", "verdict"),
    [
        (0.6, "Rounding in training is better at 4 bits, by more than 4.50 points"),
        (0.2, "Rounding in training is worse at 4 bits, by more than 4.50 points"),
        (0.42, "Rounding in training changes no accuracy by more than 4.50 points"),
    ],
)
def test_roundings_in_training_are_set_beside_those_after_it(during: float, verdict: str) -> None:
    rows = [rounding(AFTER, 4, 0.4), rounding(DURING, 4, during), rounding(AFTER, 8, 0.7), rounding(DURING, 8, 0.72)]
    text = "\n".join(rounding_section(rows))
    assert verdict in text
    assert text.index("| 4 | after training |") < text.index("| 4 | in training |") < text.index("| 8 | after")


def test_roundings_of_one_kind_decide_nothing() -> None:
    assert "No number of bits was measured in both ways." in rounding_section([rounding(AFTER, 4, 0.4)])


def weights(name: str, direct: float, checked: float) -> dict[str, Any]:
    return {
        "layer": "a layer", "weights": name, "direct_rows": direct, "direct_predicted_prove_seconds": 5.0,
        "checked_rows": checked, "checked_predicted_prove_seconds": 1.0,
    }  # fmt: skip


def test_integer_weights_are_set_beside_float_ones() -> None:
    text = "\n".join(weight_forms_section([weights("float", 400, 100), weights("ternary", 300, 100)]))
    assert "Beside float, in direct and in checked form: 0.750x and 1.00x (ternary)." in text


def test_a_section_without_rows_names_its_command() -> None:
    assert rounding_section([])[0] == "Not measured yet: `python benchmarks/rounding.py`."
    assert weight_forms_section([])[0] == "Not measured yet: `python benchmarks/weight_forms.py`."
    assert compiled_section(())[0] == "Not measured yet: `python -m search experiment=compile_ladder`."


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('[{"bits": 4}]')
    with pytest.raises(SearchError, match=r"written by benchmarks/rounding\.py"):
        read_roundings(path)
    with pytest.raises(SearchError, match=r"written by benchmarks/weight_forms\.py"):
        read_weight_forms(path)


@pytest.mark.parametrize(
    ("without", "word"), [((10, 50_000), CORRECTED), ((14, 60_000), REFUTED), ((-5, 60_000), CONFIRMED)]
)
def test_the_cost_of_a_class_is_that_of_the_same_network_without_it(without: tuple[int, int], word: str) -> None:
    base = {
        "macs": 5, "parameters": 7, "predicted_prove_seconds": 9.0, "predicted_peak_bytes": 2**30, "name": "network",
    }  # fmt: skip
    ops, size = without
    rows = [
        base | {"kind": "generator", "ops_rule": 15, "einsum_instances": 30.0, "rows": 60_000},
        base | {"kind": UNCONDITIONAL, "ops_rule": ops, "einsum_instances": 15.0 + ops, "rows": size},
    ]
    (line,) = [line for line in alternatives_section(rows, Results([])) if line.startswith("| a class costs")]
    assert f"| {word} |" in line


def rung(variant: str, outcome: str, **values: Any) -> LayerRow:
    return LayerRow(COMPILED_RUNG, CATEGORY, 7, variant, RowOutcome(outcome), rows=1000, logrows=17, **values)


def test_the_compiled_model_stands_beside_its_rung() -> None:
    text = "\n".join(compiled_section((rung("ours", "proved", proof_bytes=5), rung("stock", "predicted"))))
    assert "| published | compiled | 127,800,000 constraints | 17 | 180 | 34,000,000 |" in text
    assert "| exp_006, ours | proved | 1,000 | 17 | - | 5 |" in text
    assert "975 columns" in text


def _others(scored: list[TierRow]) -> list[tuple[PublishedExperiment, str]]:
    known = {(row.id, row.regime) for row in scored}
    pairs = [(experiment, regime) for experiment in published_experiments() for regime in REGIMES]
    return [(experiment, regime) for experiment, regime in pairs if (experiment.id, regime) not in known]


def test_pictures_follow_what_was_measured(tmp_path: Path) -> None:
    stem = tmp_path / "tiers"
    scored = [row("exp_016", 0.8), row("exp_001", 0.3, "published")]
    missing = [TierRow(id=known.id, tier=known.tier, regime=regime) for known, regime in _others(scored)]
    evidence = Evidence(rows=[*scored, *missing], ladder=(rung("ours", "proved"), rung("stock", "predicted")))
    paths = write_page(evidence, stem)
    assert [path.name for path in paths] == ["tiers.md", "tiers.json", "tiers-accuracy.png", "tiers-ladder.png"]
    assert "(tiers-accuracy.png)" in paths[0].read_text()
    written = write_page(Evidence(rows=[TierRow(id=r.id, tier=r.tier, regime=r.regime) for r in evidence.rows]), stem)
    assert [path.name for path in written] == ["tiers.md", "tiers.json"]
    assert not paths[2].exists()
    assert "tiers-accuracy.png" not in page(Evidence(rows=evidence.rows))


def test_rows_by_other_weights_of_one_classifier_stand_apart() -> None:
    """A digest names the training: where machines round otherwise, it gives other weights and other figures."""
    here = {"classifier_digest": "c" * 64, "classifier_accuracy": 0.8501, "real_inception_score": 6.3}
    there = {**here, "classifier_accuracy": 0.85, "real_inception_score": 6.35}
    first, second, third = row("exp_001", 0.7, **here), row("exp_002", 0.7, **there), row("exp_003", 0.7, **here)
    mixed = page(Evidence(rows=tier_rows(published_experiments(), {}, (first, second, third))))
    assert "- 1 row scored by the classifier cccccccccccc, weights 1 of 2 " in mixed
    assert "- 2 rows scored by the classifier cccccccccccc, weights 2 of 2 " in mixed
    one = page(Evidence(rows=tier_rows(published_experiments(), {}, (first, third))))
    assert "- 2 rows scored by the classifier cccccccccccc (" in one
