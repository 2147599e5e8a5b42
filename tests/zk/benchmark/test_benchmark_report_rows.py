"""Rows that the report's tests are made from, and how rows are loaded and joined."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from zk.benchmark.published import SCALES, published_experiments, published_figures
from zk.benchmark.report.data import Benchmark, families, load_benchmark, missing_rows, pair_rows, precision_series
from zk.benchmark.report.quantities import PEAK, PROVE, ROWS, ratio, reading
from zk.benchmark.row import LayerRow, RowOutcome
from zk.errors import ArtifactError

MACHINE = {
    "cpu": "Some Processor",
    "cores": 2,
    "memory_bytes": 24 * 2**30,
    "commit": "abc123",
    "command": "python -m search experiment=layers",
    "ours_total_seconds": 7200.0,
    "packages": {"ezkl": "23.0.5"},
}


OUTPUTS = {
    "MaxPool2d_k2": 32 * 32 * 32,
    "AvgPool2d_k2": 32 * 32 * 32,
    "Conv2d_k3_s1": 64 * 64 * 64,
    "Conv2d_k3_s2": 64 * 32 * 32,
    "Dense": 128,
    "Conv2d_Scaling_Small": 32 * 32 * 32,
    "Conv2d_Scaling_Large": 128 * 128 * 128,
    "Dense_Scaling_Small": 64,
    "Dense_Scaling_Large": 512,
    "CNN_ReLU": 10,
    "CNN_Poly": 10,
    "CNN_Mixed": 10,
    "CNN_Strided": 10,
}
"""Output elements of the published experiments, where they are not those of the input."""


def make_row(experiment: str = "ReLU", scale_bits: int = 10, variant: str = "stock", **fields: Any) -> LayerRow:
    """A proved row with every figure; ``fields`` replace."""
    seconds = float(fields.pop("seconds", 10.0))
    values: dict[str, Any] = {
        "category": "core",
        "outcome": RowOutcome.PROVED,
        "statement": f"statement of {variant}",
        "macs": 1000,
        "input_elements": 4096,
        "output_elements": 4096,
        "activation_bits": scale_bits,
        "logrows": 17,
        "inner_columns": 2,
        "columns": 10,
        "rows": 1000 * round(seconds),
        "setup_seconds": 2 * seconds,
        "witness_seconds": seconds / 10,
        "prove_seconds": seconds,
        "prove_seconds_std": seconds / 50,
        "prove_repeats": 3,
        "verify_seconds": seconds / 100,
        "total_seconds": 5 * seconds,
        "peak_rss_bytes": round(seconds * 2**28),
        "stage_peaks": {"setup": 1, "prove": round(seconds * 2**28)},
        "pk_bytes": round(seconds * 2**27),
        "vk_bytes": 1000,
        "proof_bytes": 5000,
        "public_value_bytes": 32 * 8192,
        "proof_file_bytes": 1_200_000,
        "max_abs_error": 2.0**-scale_bits,
        "mean_abs_error": 2.0 ** -(scale_bits + 1),
        "wiring": "linked",
    }
    return LayerRow(experiment=experiment, scale_bits=scale_bits, variant=variant, **(values | fields))


def predicted_row(experiment: str, scale_bits: int, variant: str = "stock", **fields: Any) -> LayerRow:
    """A row that was not started: 100 s and 50 GiB are predicted."""
    unmeasured = dict.fromkeys(("prove_seconds_std", "verify_seconds", "total_seconds", "max_abs_error"))
    values: dict[str, Any] = {
        **unmeasured,
        "seconds": 100.0,
        "outcome": RowOutcome.PREDICTED,
        "message": "needs 50.0 GiB",
        "peak_rss_bytes": 50 * 2**30,
        "stage_peaks": {},
        "prove_repeats": 0,
        "wiring": "unchecked",
    }
    return make_row(experiment, scale_bits, variant, **(values | fields))


def complete_rows() -> list[LayerRow]:
    """All 80 rows: ours everywhere, stock where the published benchmark has a proof, predicted elsewhere."""
    figures = published_figures()
    rows = []
    for place, experiment in enumerate(published_experiments()):
        for scale in SCALES:
            inputs = math.prod(experiment.input_shape)
            facts: dict[str, Any] = {
                "category": experiment.category,
                "input_elements": inputs,
                "output_elements": OUTPUTS.get(experiment.name, inputs),
                "public_value_bytes": 32 * (inputs + OUTPUTS.get(experiment.name, inputs)),
            }
            if experiment.category == "composite":
                facts |= {"float_accuracy": 0.7, "circuit_accuracy": 0.69, "accuracy_images": 1000}
            known = figures.get((experiment.name, scale))
            if known is None:
                rows.append(predicted_row(experiment.name, scale, **facts))
            else:
                seconds = 2 * known.prove_seconds
                rows.append(make_row(experiment.name, scale, **facts, seconds=seconds, rows=known.rows))
            rows.append(make_row(experiment.name, scale, "ours", **facts, seconds=1.0 + place))
    return rows


def scaling_rows() -> list[LayerRow]:
    """Dense layers whose seconds go as the square root of the MACs, convolutions that are linear in them."""
    rows = []
    for side in (64, 128, 256, 512):
        macs = side * side
        shape = {"category": "scaling", "macs": macs, "input_elements": side, "output_elements": side}
        rows.append(make_row(f"Dense_{side}", 7, "ours", **shape, seconds=float(side)))
        rows.append(make_row(f"Conv2d_{side}", 7, "ours", **shape, seconds=macs / 1000, rows=macs))
    return rows


def precision_rows() -> list[LayerRow]:
    """Two layers at every second scale from 4 to 14 bits: ReLU costs the same, Dense a second more for each bit."""
    rows = []
    for scale in range(4, 15, 2):
        for variant in ("stock", "ours"):
            rows.append(make_row("ReLU", scale, variant, category="precision", seconds=10.0))
            rows.append(make_row("Dense", scale, variant, category="precision", seconds=float(scale)))
    return rows


def future_rows() -> list[LayerRow]:
    """Batches of one and four images, and one row that failed."""
    return [
        make_row("CNN_Strided_batch1", 7, "ours", category="future", seconds=10.0),
        make_row("CNN_Strided_batch4", 7, "ours", category="future", seconds=20.0),
        make_row("CNN_ReLU_batch2", 7, "ours", category="future", outcome=RowOutcome.TIMED_OUT, message="3600 s"),
    ]


def complete_benchmark() -> Benchmark:
    """Everything at hand."""
    return Benchmark(
        tuple(complete_rows()), tuple(scaling_rows()), tuple(precision_rows()), tuple(future_rows()), MACHINE
    )


def write_folder(folder: Path, benchmark: Benchmark) -> Path:
    """Write what the report reads; parts that are empty are left out."""
    for name in ("rows", "scaling", "precision", "future"):
        rows: Sequence[LayerRow] = getattr(benchmark, name)
        if rows or name == "rows":
            (folder / f"{name}.json").write_text(json.dumps([row.to_json() for row in rows]))
    if benchmark.machine:
        (folder / "machine.json").write_text(json.dumps(dict(benchmark.machine)))
    return folder


def test_a_folder_gives_back_what_was_written(tmp_path: Path) -> None:
    assert load_benchmark(write_folder(tmp_path, complete_benchmark())) == complete_benchmark()


def test_only_the_rows_are_required(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("[]")
    assert load_benchmark(tmp_path) == Benchmark(())


def test_missing_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"rows\.json; it is missing"):
        load_benchmark(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rows.json", "{", "must be readable JSON"),
        ("rows.json", "{}", "must hold a list of rows"),
        ("rows.json", '[{"experiment": "ReLU"}]', "must be complete"),
        ("machine.json", "[]", "must hold an object"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / "rows.json").write_text("[]")
    (tmp_path / name).write_text(text)
    with pytest.raises(ArtifactError, match=message):
        load_benchmark(tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([make_row(), make_row()], "more than once"),
        ([make_row(variant="theirs")], "variant must be one of"),
        ([make_row(prove_seconds=float("nan"))], "prove_seconds of .* must be finite"),
    ],
)
def test_bad_rows_are_refused(tmp_path: Path, rows: list[LayerRow], message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        load_benchmark(write_folder(tmp_path, Benchmark(tuple(rows))))


def test_rows_are_joined_in_the_published_order() -> None:
    rows = [make_row("Dense", 7), make_row("Own", 7), make_row("ReLU", 7), make_row("ReLU", 10, "ours")]
    pairs = pair_rows(rows)
    assert [(pair.experiment, pair.scale_bits) for pair in pairs] == [
        ("ReLU", 10),
        ("ReLU", 7),
        ("Dense", 7),
        ("Own", 7),
    ]
    assert pairs[0].stock is None
    assert pairs[0].ours == rows[3]
    assert pairs[1].published == published_figures()["ReLU", 7]
    assert pairs[3].published is None


def test_a_complete_benchmark_misses_nothing() -> None:
    rows = complete_rows()
    assert missing_rows(rows) == []
    assert missing_rows(rows[1:]) == ["ReLU at scale 10, stock"]


def test_predictions_are_told_from_measurements() -> None:
    row = predicted_row("ReLU", 10)
    found = [reading(row, quantity) for quantity in (PROVE, PEAK, ROWS)]
    assert [entry and (entry.value, entry.predicted) for entry in found] == [
        (100.0, True),
        (50 * 2**30, True),
        (100_000, False),
    ]
    guessed = predicted_row("ReLU", 10, prove_seconds=None, predicted_prove_seconds=42.0)
    assert (entry := reading(guessed, PROVE)) is not None
    assert (entry.value, entry.predicted) == (42.0, True)


@pytest.mark.parametrize("outcome", [RowOutcome.REFUSED, RowOutcome.OUT_OF_MEMORY, RowOutcome.TIMED_OUT])
def test_a_row_that_broke_off_has_no_reading(outcome: RowOutcome) -> None:
    assert reading(make_row(outcome=outcome), PEAK) is None


def test_a_ratio_needs_our_proof_and_carries_the_prediction() -> None:
    def between(stock: LayerRow, ours: LayerRow) -> tuple[float, bool] | None:
        found = ratio(pair_rows([stock, ours])[0], PROVE)
        return found and (found.value, found.predicted)

    ours = make_row(variant="ours", seconds=4.0)
    assert between(make_row(), ours) == (2.5, False)
    assert between(make_row(outcome=RowOutcome.VERIFIED_ONLY), ours) == (2.5, False)
    assert between(predicted_row("ReLU", 10), ours) == (25.0, True)
    assert between(make_row(), make_row(variant="ours", outcome=RowOutcome.VERIFIED_ONLY)) is None
    assert between(make_row(), predicted_row("ReLU", 10, "ours")) is None
    assert between(make_row(outcome=RowOutcome.OUT_OF_MEMORY), ours) is None


def test_studies_are_grouped() -> None:
    scaling = families(reversed(scaling_rows()))
    assert list(scaling) == [("Conv2d", "ours", 7), ("Dense", "ours", 7)]
    assert [row.macs for row in scaling["Dense", "ours", 7]] == [64**2, 128**2, 256**2, 512**2]
    series = precision_series(reversed(precision_rows()))
    assert list(series) == [("Dense", "stock"), ("Dense", "ours"), ("ReLU", "stock"), ("ReLU", "ours")]
    assert [row.scale_bits for row in series["ReLU", "ours"]] == [4, 6, 8, 10, 12, 14]
