"""The precision study's part of the page, and what the audit did not pass in it."""

from __future__ import annotations

import pytest
from test_benchmark_report_rows import make_row, precision_rows, predicted_row
from test_benchmark_report_sections import cells

from zk.benchmark.report.data import Benchmark, precision_series
from zk.benchmark.report.sections_outlook import recommendations
from zk.benchmark.report.sections_overview import overall
from zk.benchmark.report.sections_precision import precision, scale_cost, seconds_margin
from zk.benchmark.report.text import EQUAL_MARGIN
from zk.benchmark.row import RowOutcome
from zk.benchmark.statistics import coefficient_of_variation


def test_precision_says_for_which_layers_it_is_free() -> None:
    text = "\n".join(precision(Benchmark((), precision=tuple(precision_rows()))))
    assert cells(text, "Dense", "ours", "4 to 14")[3:8] == ["3.50x", "3.50x", "3.50x", "0.500", "6"]
    assert "Ours: precision is free (within these margins) for 1 of 2 layers, not for Dense (rows 3.50x, " in text
    only = tuple(row for row in precision_rows() if row.experiment == "ReLU")
    text = "\n".join(precision(Benchmark((), precision=only)))
    assert "Ours: precision is free (within these margins) for 1 of 1 layer. The published claim carries over" in text


def test_seconds_count_as_greater_beyond_what_equal_circuits_scatter() -> None:
    scattered = [10.0, 12.0, 8.0, 9.0, 13.0, 11.0]
    rows = [
        make_row("ReLU", scale, category="precision", prove_seconds=seconds)
        for scale, seconds in zip(range(4, 10), scattered, strict=True)
    ]
    margin = seconds_margin(precision_series(rows))
    assert margin == pytest.approx(2 * coefficient_of_variation(scattered))  # type: ignore[operator]
    assert "| free |" in "\n".join(precision(Benchmark((), precision=tuple(rows))))
    slow = [*rows[:-1], make_row("ReLU", 9, category="precision", prove_seconds=50.0, logrows=21)]
    assert "not free: prove s 5.00x" in "\n".join(precision(Benchmark((), precision=tuple(slow))))
    assert seconds_margin(precision_series(rows[:1])) == EQUAL_MARGIN


def test_precision_draws_no_conclusion_from_predictions_or_errors_of_zero() -> None:
    rows = (
        make_row("ReLU", 4, category="precision", max_abs_error=0.0),
        predicted_row("ReLU", 14, category="precision"),
    )
    text = "\n".join(precision(Benchmark((), precision=rows)))
    assert cells(text, "ReLU", "stock", "4 to 14")[4:] == ["-", "-", "-", "-", "unknown"]
    assert "Stock: no layer was measured at both ends, so nothing follows." in text


def test_what_the_audit_did_not_pass_is_said_with_its_reason() -> None:
    loose = {"outcome": RowOutcome.VERIFIED_ONLY, "wiring": "unchecked", "wiring_reason": "shuffles; and more"}
    beside = (make_row("Pool", 4, category="precision", **loose), make_row("Pool", 4, "ours", category="precision"))
    both = Benchmark((make_row(), make_row(variant="ours")), precision=beside)
    overview = "\n".join(overall(both))
    assert "No proof of these rows that EZKL accepted failed the wiring audit; of the 2 proofs of the" in overview
    assert "1 stock row unchecked" in overview
    assert "Pool, stock: 1 proof accepted by EZKL and not counted, wiring unchecked (shuffles)." in "\n".join(
        precision(both)
    )
    assert "Stock: audit the wiring before trusting a proof; 1 of 2 accepted proofs" in "\n".join(recommendations(both))


def test_where_ours_is_the_dearer_is_said() -> None:
    rows = [
        make_row("ReLU", scale, variant, category="precision", seconds=seconds)
        for scale, variant, seconds in ((4, "stock", 8.0), (4, "ours", 2.0), (14, "stock", 8.0), (14, "ours", 16.0))
    ]
    text = "\n".join(precision(Benchmark((), precision=tuple(rows))))
    assert "0.500x to 4.00x, below 2x in 1 of 2 pairs and below 1x, where ours is the dearer, in 1." in text
    assert "| ReLU | 4.00x | 0.500x | 14 |" in text


def test_scales_that_lead_to_one_circuit_are_not_compared() -> None:
    same = {"activation_bits": 13, "rows": 5}
    rows = (
        make_row("MaxPool2d_k2", 10, "ours", seconds=3.0, **same),
        make_row("MaxPool2d_k2", 7, "ours", seconds=1.0, **same),
        make_row("ReLU", 10, "ours", seconds=4.0),
        make_row("ReLU", 7, "ours", seconds=2.0),
    )
    assert scale_cost(Benchmark(rows), "ours") == [2.0]
    text = "\n".join(precision(Benchmark(rows)))
    assert "left out, because both scales lead to one circuit: MaxPool2d_k2." in text
