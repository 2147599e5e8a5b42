"""The layer benchmark, as a user starts it: measured, filed, resumed, and put on a page."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from zk.benchmark.__main__ import main as benchmark_main

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    "experiment=layer_benchmark", "dataset=digits", "dataset.image_size=8", "dataset.max_train=300",
    "dataset.max_test=60", "benchmark.scored_images=20", "benchmark.composite_inputs=8", "benchmark.scales=[6]",
    "benchmark.layers=[CNN_Strided,Dense_Scaling_Small]", "benchmark.repeats=2",
)  # fmt: skip


def start(folder: Path, *overrides: str, expect: int = 0) -> str:
    command = [sys.executable, "-m", "search", *SMALL, *overrides]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280)
    assert result.returncode == expect, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


def test_it_is_measured_filed_resumed_and_put_on_a_page(tmp_path: Path) -> None:
    printed = start(tmp_path, "benchmark.variants=[ours]", "benchmark.layers=[CNN_Strided]")
    assert "0 cells have a row; 1 to measure" in printed
    assert "ours: 1 rows: 1 proved" in printed
    # too little memory for any proof: the other column is laid out, predicted, and not started
    printed = start(tmp_path, "benchmark.memory_bytes=100000000", "benchmark.layers=[CNN_Strided]")
    assert "1 cells have a row; 1 to measure" in printed
    assert "stock: 1 rows: 1 predicted" in printed

    folder = tmp_path / "mlruns/studies/layer-benchmark"
    stock, ours = json.loads((folder / "rows.json").read_text())
    assert (stock["outcome"], stock["peak_rss_bytes"]) == ("predicted", stock["predicted_peak_bytes"])
    assert stock["test_accuracy"] == ours["test_accuracy"]
    assert (ours["wiring"], ours["prove_repeats"]) == ("linked", 2)
    assert abs(ours["circuit_accuracy"] - ours["float_accuracy"]) <= 0.2
    assert ours["accuracy_images"] == 20
    assert not (folder / "scratch").exists() or not any((folder / "scratch").iterdir())

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("layer-benchmark")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], filter_string="tags.role = 'trial'")
    by_variant = {run.data.params["variant"]: run for run in runs}
    assert by_variant["ours"].data.metrics["prove_seconds"] == pytest.approx(ours["prove_seconds"])
    assert by_variant["ours"].data.tags["proof.wiring"] == "linked"
    assert "prove_seconds" not in by_variant["stock"].data.metrics
    assert by_variant["stock"].data.metrics["predicted.prove_seconds"] == pytest.approx(stock["prove_seconds"])
    (parent,) = client.search_runs([experiment.experiment_id], filter_string="tags.role = 'study'")
    assert {item.path for item in client.list_artifacts(parent.info.run_id)} >= {"rows.json", "machine.json"}

    assert benchmark_main(["report", str(folder), "--out", str(tmp_path / "page")]) == 0
    page = (tmp_path / "page.md").read_text()
    assert "CNN_Strided" in page
    assert [row["variant"] for row in json.loads((tmp_path / "page.json").read_text())] == ["stock", "ours"]


def test_filters_and_grids_name_what_there_is(tmp_path: Path) -> None:
    assert "benchmark.layers must be of ReLU" in start(tmp_path, "benchmark.layers=[Relu]", expect=1)
