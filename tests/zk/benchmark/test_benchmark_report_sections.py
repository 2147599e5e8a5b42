"""The sentences and tables of the page: their numbers, and what they say when data are missing or turn."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import pytest
from test_benchmark_report_rows import (
    complete_benchmark,
    complete_rows,
    future_rows,
    make_row,
    predicted_row,
    scaling_rows,
)

from zk.benchmark.published import published_figures
from zk.benchmark.report.data import Benchmark
from zk.benchmark.report.page import SECTIONS
from zk.benchmark.report.sections_groups import categories, composites, ranking, tiers
from zk.benchmark.report.sections_memory import hardware, small_savings
from zk.benchmark.report.sections_outlook import batch_of, future_work, provenance, recommendations
from zk.benchmark.report.sections_overview import overall, statements
from zk.benchmark.report.sections_proofs import proof_sizes, variability, verification
from zk.benchmark.report.sections_results import beside_published, every_row
from zk.benchmark.report.sections_scaling import scaling
from zk.benchmark.report.text import number, percent, times
from zk.benchmark.row import LayerRow, RowOutcome

Section = Callable[[Benchmark], list[str]]


def text_of(section: Section, *rows: LayerRow) -> str:
    return "\n".join(section(Benchmark(rows)))


def cells(text: str, *starts: str) -> list[str]:
    """Cells of the one table line that begins with these."""
    found = [
        entry for line in text.splitlines() if (entry := line.strip("| ").split(" | "))[: len(starts)] == list(starts)
    ]
    assert len(found) == 1, (starts, text)
    return found[0]


def test_what_is_compared_says_which_side_is_hidden() -> None:
    text = text_of(statements, make_row(), make_row(variant="ours"))
    assert "Stock hides the weights and publishes the input; ours hides the input and publishes the weights." in text
    assert "- stock, 1 row: statement of stock" in text
    assert "20 networks of the published benchmark at 2 scales (10 bits and 7 bits)" in text


def test_overall_counts_a_complete_benchmark() -> None:
    text = text_of(overall, *complete_rows())
    assert cells(text, "proved") == ["proved", "26", "40"]
    assert cells(text, "predicted") == ["predicted", "14", "0"]
    assert "Ours: 40 of 40 rows proved and wired (100 %); 20 of 20 experiments" in text
    assert "No row of either column ran out of memory; 14 stock rows and no ours rows were not started" in text
    assert "not there" not in text


def test_mean_ratios_keep_measured_and_predicted_apart() -> None:
    rows = [
        make_row("ReLU", 10, seconds=8.0),
        make_row("ReLU", 10, "ours", seconds=4.0),
        make_row("ReLU", 7, seconds=8.0, outcome=RowOutcome.VERIFIED_ONLY, message="unlinked"),
        make_row("ReLU", 7, "ours", seconds=1.0),
        predicted_row("Dense", 7),
        make_row("Dense", 7, "ours", seconds=10.0),
    ]
    text = text_of(overall, *rows)
    # sqrt(8/4 * 8/1) = 4 over the measured; 100/10 over the predicted.
    assert cells(text, "prove s") == ["prove s", "2", "4.00x", "2.00x to 8.00x", "1", "*10.0x*", "*10.0x to 10.0x*"]
    assert cells(text, "rows")[4:] == ["0", "-", "-"]
    assert "Accepted by EZKL, yet not counted: 1 row of stock and no rows of ours." in text
    assert "74 rows of the benchmark are not there" in text
    assert "- ReLU at scale 7, stock: verified_only (unlinked)" in text


def test_time_of_ours_adds_up() -> None:
    rows = (make_row(variant="ours", seconds=360.0), make_row("Dense", variant="ours", seconds=360.0))
    text = "\n".join(overall(Benchmark(rows, machine={"ours_total_seconds": 3600.0})))
    assert "its 2 rows with a time add up to 3,600 s (1.00 hours)." in text  # five times the proving, each
    other = "\n".join(overall(Benchmark(rows, machine={"ours_total_seconds": 7200.0})))
    assert "recorded for the column are 7,200 s (2.00 hours)." in other


def test_what_was_foreseen_is_compared_with_what_came() -> None:
    rows = [
        make_row("ReLU", 10, seconds=8.0, predicted_prove_seconds=4.0),
        make_row("ReLU", 7, seconds=8.0, predicted_prove_seconds=16.0),
        predicted_row("Dense", 7),  # nothing to compare
    ]
    text = text_of(overall, *rows)
    said = "Stock, measured over predicted where both are known, geometric mean: prove s 1.00x (0.500x to 2.00x)"
    assert said in text
    assert "Ours, measured over predicted" not in text


def test_out_of_memory_is_said() -> None:
    text = text_of(overall, make_row(outcome=RowOutcome.OUT_OF_MEMORY, message="prove: killed"))
    assert "Out of memory: 1 row of stock and no rows of ours, and every row was started." in text
    assert "- ReLU at scale 10, stock: out_of_memory (prove: killed)" in text
    assert "Ours: 0 of no rows" in text


def test_all_predicted_stock_gives_no_measured_ratio() -> None:
    rows = [predicted_row("ReLU", 10), make_row("ReLU", 10, "ours", seconds=4.0)]
    text = text_of(overall, *rows)
    assert cells(text, "prove s") == ["prove s", "0", "-", "-", "1", "*25.0x*", "*25.0x to 25.0x*"]
    line = cells(text_of(every_row, *rows), "ReLU", "10")
    assert line[7] == "*100* / 4.00 ± 0.0800"
    assert line[9] == "*50.0* / 1.00"
    assert line[-2:] == ["*25.0x*", "*50.0x*"]
    assert "Published / stock" not in text_of(beside_published, *rows)


def test_a_failing_row_has_no_figures_and_no_ratio() -> None:
    rows = [make_row("ReLU", 10), make_row("ReLU", 10, "ours", outcome=RowOutcome.REFUSED, message="no layout")]
    line = cells(text_of(every_row, *rows), "ReLU", "10")
    assert line[2:4] == ["10 / 10", "proved / refused"]
    assert line[7] == "10.0 ± 0.200 / -"
    assert line[-2:] == ["-", "-"]
    assert "- ReLU at scale 10, ours: refused (no layout)" in text_of(overall, *rows)


def test_beside_the_published_figures() -> None:
    figures = published_figures()["ReLU", 10]
    rows = [make_row("ReLU", 10, rows=figures.rows, seconds=10.0), make_row("ReLU", 10, "ours", seconds=2.0)]
    text = text_of(beside_published, *rows)
    line = cells(text, "ReLU", "10")
    assert line[2:4] == ["96,256", "yes"]
    assert line[7:9] == [times(figures.prove_seconds / 2.0), times(figures.setup_seconds / 4.0)]
    assert "exactly the published rows in 1 of 1 experiment." in text
    assert f"prove s: geometric mean {times(figures.prove_seconds / 10.0)} over 1 experiment with equal rows" in text
    other = text_of(beside_published, make_row("ReLU", 10, rows=5))
    assert cells(other, "ReLU", "10")[3] == "no: 5"
    assert "in 0 of 1 experiment; not in ReLU at scale 10." in other


def test_first_proofs_are_counted() -> None:
    text = text_of(beside_published, *complete_rows())
    assert "It has figures for 26 of 40 experiments." in text
    assert "Of the 14 experiments that the published benchmark has no proof of, stock has no proofs" in text
    assert "ours has 14 proofs: Conv2d_k3_s1 at 10 and 7 bits (failed: out of memory above 125 GB)" in text


def test_categories_against_the_published_table() -> None:
    line = cells(text_of(categories, *complete_rows()), "core", "published")
    assert line[2:6] == ["16", "62.8", "1.28", "261"]
    assert line[9] == "825,680"


def test_tiers_mark_predictions() -> None:
    rows = [make_row("ReLU", 10, seconds=9.9), predicted_row("Dense", 7), make_row("Dense", 7, "ours", seconds=10.0)]
    text = text_of(tiers, *rows)
    assert cells(text, "under 10 s", "stock")[2:] == ["1", "0", "ReLU (10)"]
    assert cells(text, "100 s and more", "stock")[2:] == ["0", "*1*", "Dense (*7*)"]
    assert cells(text, "10 to 100 s", "ours")[2:] == ["1", "0", "Dense (7)"]
    assert "Without a proving time, measured or predicted: 0 of 2 stock, 1 of 2 ours" in text


def test_ranking_orders_by_the_mean_over_the_scales() -> None:
    rows = [make_row("ReLU", scale, "ours", seconds=float(scale)) for scale in (10, 7)]
    rows += [make_row("Dense", scale, "ours", seconds=3.0) for scale in (10, 7)]
    text = text_of(ranking, *rows)
    assert "Of ours Dense is first and ReLU last." in text
    assert cells(text, "ReLU")[1:3] == ["8.50", "2"]


def test_composites_compare_the_accuracies() -> None:
    text = text_of(composites, *complete_rows())
    error = 100 * math.sqrt(0.69 * 0.31 / 1000)
    assert "by at most 1.00 percentage points (CNN_ReLU at scale 10, stock): 10 images of the same 1,000" in text
    assert f"one standard error of either share is {number(error)} points." in text
    assert "No row has both accuracies." in text_of(composites, make_row("CNN_Poly", category="composite"))


def test_scaling_finds_the_exponents() -> None:
    text = "\n".join(scaling(Benchmark((), scaling=tuple(scaling_rows()))))
    assert cells(text, "Dense", "ours", "7", "prove s", "MACs")[5:] == ["0.50", "0.00", "1.000", "4"]
    assert cells(text, "Dense", "ours", "7", "prove s", "elements")[5] == "1.00"
    assert cells(text, "Conv2d", "ours", "7", "rows", "MACs")[5] == "1.00"
    assert "Dense, ours, scale 7: proving time against MACs is sub-linear (exponent 0.50 ± 0.00, 4 points)" in text
    assert "Conv2d, ours, scale 7: proving time against MACs is not told apart from linear" in text
    assert "an exponent of 0.70 between two points" in text  # log(16.761 / 1.091) / log(272,896 / 5,440)


def test_scaling_needs_more_than_two_sizes() -> None:
    rows = tuple(row for row in scaling_rows() if row.experiment in ("Dense_64", "Dense_128"))
    text = "\n".join(scaling(Benchmark((), scaling=rows)))
    assert "exponent 0.50 between two sizes, which is no test of a law" in text
    assert "There are no rows of a scaling study." in "\n".join(scaling(Benchmark(())))


def test_verification_against_proving() -> None:
    text = text_of(verification, make_row(verify_seconds=0.5), make_row("Dense", verify_seconds=0.05))
    assert "Stock: proving takes 63.2x the time of verifying (geometric mean over 2 experiments; 20.0x to 200x); at least 100x in 1." in text  # fmt: skip # noqa: E501


def test_the_published_files_are_their_public_values() -> None:
    text = text_of(proof_sizes, *complete_rows())
    assert "The 6 largest published proof sizes are 24.0 to 38.1 MiB of EZKL's JSON file." in text
    assert "153 bytes for each element of input and output (R² 1.0000)" in text
    assert "public values are larger than the proof in 26 of 26 experiments" in text
    assert "too few rows" in text_of(proof_sizes, make_row())


def test_variability_tells_repeats_from_experiments() -> None:
    rows = [make_row("ReLU", seconds=1.0), make_row("Dense", seconds=3.0, prove_seconds_std=0.3)]
    text = text_of(variability, *rows)
    spread = math.sqrt(2.0) / 2.0  # of 1 and 3
    assert cells(text, "stock", "core")[2:] == ["2", "6.00 %", "10.0 %", "2", percent(spread)]
    assert "at most 10.0 % (Dense at scale 10)." in text


def test_hardware_counts_what_fits() -> None:
    rows = [make_row("ReLU", seconds=20.0), predicted_row("Dense", 7), make_row("Dense", 7, "ours", seconds=4.0)]
    text = text_of(hardware, *rows)
    assert cells(text, "stock", "2") == ["stock", "2", "0", "1", "1", "1"]  # 5 GiB; 50 GiB predicted
    assert "Stock: the greatest of 2 known peaks is *50.0 GiB*, predicted; more than 24 GiB are needed" in text
    assert "Ours: the greatest of 1 known peak is 1.00 GiB; a machine with 4 GiB holds them all" in text


def test_small_savings_are_explained() -> None:
    rows = [
        make_row("ReLU", seconds=3.0, rows=3000, logrows=16, columns=10),
        make_row("ReLU", variant="ours", seconds=2.0, rows=2000, logrows=16, columns=8, activation_bits=12),
        make_row("Dense", seconds=30.0),
        make_row("Dense", variant="ours", seconds=10.0),
    ]
    text = text_of(small_savings, *rows)
    assert "less than 2.00x the proving time of ours in 1 of 2 experiments with a ratio, 0 of them below 1x" in text
    line = cells(text, "ReLU", "10")
    assert line[2] == "1.50x"
    for said in (
        "both circuits are 2^16 high",
        "ours has 8 permutation columns to stock's 10",
        "stock has only 1.50x the rows",
        "ours proves within 2.00x of its fastest experiment (2.00 s)",
        "ours works at 12 bits, stock at 10",
    ):
        assert said in line[-1]
    assert "Dense" not in text


def test_small_savings_say_that_there_are_none() -> None:
    text = text_of(small_savings, make_row(seconds=30.0), make_row(variant="ours"))
    assert "in 0 of 1 experiment with a ratio" in text
    assert text_of(small_savings, make_row()).startswith("No experiment has a ratio")


def test_future_work_counts_seconds_per_image() -> None:
    text = "\n".join(future_work(Benchmark((), future=tuple(future_rows()))))
    assert cells(text, "CNN_Strided", "4")[9] == "5.00"
    assert "seconds an image by images in one proof: 10.0 s at 1 and 5.00 s at 4; least at 4 (0.500x of 1)." in text
    assert "2 of 3 rows proved and wired." in text
    assert "Started and not proved: CNN_ReLU_batch2 at scale 7, ours: timed_out (3600 s)" in text


def test_a_batch_that_does_not_pay_is_said() -> None:
    rows = (make_row("A_batch1", seconds=1.0), make_row("A_batch2", seconds=3.0))
    assert "1.00 s at 1 and 1.50 s at 2; a larger batch does not pay." in "\n".join(
        future_work(Benchmark((), future=rows))
    )


def test_one_image_is_taken_from_the_study_of_batches_alone() -> None:
    rows = (make_row("CNN_ReLU", 7, "ours", category="composite", seconds=9.0),)
    future = (
        make_row("CNN_ReLU_batch1", 7, "ours", seconds=8.0),
        make_row("CNN_ReLU_batch2", 7, "ours", seconds=10.0),
    )
    text = "\n".join(future_work(Benchmark(rows, future=future)))
    assert "8.00 s at 1 and 5.00 s at 2" in text
    assert "2 of 2 rows proved and wired." in text


def test_what_a_reader_must_know_of_the_columns_is_counted() -> None:
    rows = (
        make_row("ReLU", 10, parameters=0),
        make_row("Dense", 10, parameters=5),
        make_row("ReLU", 7, "ours", activation_bits=9),
        make_row("Conv2d_Scaling_Large", 7, "ours", parts=8),
        predicted_row(
            "MaxPool2d_k2", 7, message="predicted memory 92.3 GiB above 18.0: not started; not calibrated: x"
        ),
    )
    text = text_of(statements, *rows)
    assert "1 of 2 measured stock rows are of layers without parameters (ReLU)" in text
    assert "(1 of 2 rows); the bits used stand beside it" in text
    assert "Conv2d_Scaling_Large at scale 7 (8)" in text
    more = text_of(overall, *rows)
    assert "above the limit of 18.0 GiB" in more
    assert (
        "Sized without calibration, which itself ran into its limit of memory or time: MaxPool2d_k2 at scale 7." in more
    )


def test_proving_is_set_against_the_whole_verification() -> None:
    rows = (
        make_row("ReLU", 10, "ours", prove_seconds=8.0, bundle_verify_seconds=2.0),
        make_row("Dense", 10, "ours", prove_seconds=1.0, bundle_verify_seconds=2.0),
    )
    assert "Proving takes 1.41x its time, and less than it for Dense at scale 10 (0.500x)." in text_of(
        verification, *rows
    )


@pytest.mark.parametrize(
    ("name", "batch"),
    [("CNN_ReLU_batch16", ("CNN_ReLU", 16)), ("X_images2", ("X", 2)), ("Conv2d_k3_s1", ("Conv2d_k3_s1", 1))],
)
def test_batches_are_read_off_names(name: str, batch: tuple[str, int]) -> None:
    assert batch_of(make_row(name)) == batch


def test_recommendations_follow_the_data() -> None:
    rows = [make_row("ReLU", variant="ours", seconds=4.0), make_row("SiLU", variant="ours", seconds=2.0)]
    text = text_of(recommendations, *rows)
    assert "Ours, activation: SiLU is the cheapest proved; relative to its proving time: ReLU 2.00x." in text
    turned = [dataclasses.replace(row, prove_seconds=6.0 - (row.prove_seconds or 0)) for row in rows]
    assert "Ours, activation: ReLU is the cheapest proved" in text_of(recommendations, *turned)
    even = [dataclasses.replace(row, prove_seconds=2.0) for row in rows]
    assert "choose by accuracy; ReLU and SiLU prove within 5.00 % of each other." in text_of(recommendations, *even)


def test_scale_advice_turns_with_its_cost() -> None:
    def advice(fine: float) -> str:
        rows = (make_row("ReLU", 10, "ours", seconds=fine), make_row("ReLU", 7, "ours", seconds=2.0))
        return text_of(recommendations, *rows)

    assert "take 10 bits rather than 7; the finer takes 1.00x" in advice(2.0)
    assert "choose 10 bits only where needed; the finer takes 2.00x" in advice(4.0)


def test_provenance_shows_what_was_recorded() -> None:
    text = "\n".join(provenance(complete_benchmark()))
    assert "- memory: 24.0 GiB" in text
    assert "python -m search experiment=layers" in text
    assert cells(text, "ezkl") == ["ezkl", "23.0.5"]
    assert "- commit: not recorded" in "\n".join(provenance(Benchmark((), machine={"cores": 2})))


@pytest.mark.parametrize("section", [section for _, section, _ in SECTIONS])
def test_every_section_bears_missing_data(section: Section) -> None:
    broken = (make_row(outcome=RowOutcome.TIMED_OUT), make_row(variant="ours", outcome=RowOutcome.OUT_OF_MEMORY))
    bare = LayerRow("Dense", "core", 7, "ours", RowOutcome.PROVED)
    for rows in ((), (make_row(),), (make_row(variant="ours"),), (predicted_row("ReLU", 7),), broken, (bare,)):
        found = section(Benchmark(rows, rows, rows, rows))
        assert found
        assert found[-1] == ""
        assert not any("None" in line or "nan" in line.split() for line in found)
