"""The whole application, as a user starts it."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient

from search.headline import HEADLINE_SCORES

# Raised inside mlflow's and alembic's own code, here where the record is read back.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
ROOT = Path(__file__).resolve().parents[2]


def start(folder: Path, *overrides: str, expect: int = 0) -> str:
    command = [sys.executable, "-m", "search", *overrides]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280)
    assert result.returncode == expect, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


SWEEP = (
    "dataset.image_size=8", "dataset.max_train=300", "dataset.max_test=100", "search_space=tiny", "study.name=sweep",
    "study.trials=2", "training.budget.seconds=null", "training.budget.steps=30", "training.recipe.batch_size=16",
    "training.recipe.discriminator_widths=[8,8]", "scores.samples=40", "scores.cas_images=60", "scores.cas_epochs=1",
    "classifier.recipe.epochs=2", "judge.recipe.epochs=2", "judge.spec.widths=[8,16]", "intervals.sample_steps=15",
    "engine.workers=1",
)  # fmt: skip


def test_a_tiny_sweep_ends_with_a_front_a_record_and_a_proof(tmp_path: Path) -> None:
    printed = start(tmp_path, *SWEEP)
    assert "one image proved and verified" in printed
    assert "wiring linked" in printed
    assert "browse the trials: make ui" in printed

    report = next(tmp_path.glob("mlruns/sessions/*/*/report.html"))
    page = report.read_text(encoding="utf-8")
    assert page.count("<img ") >= 2
    assert "<th>accuracy</th><th>judge_accuracy</th>" in page
    assert "<th>arithmetic</th><th>float_accuracy</th>" in page
    summary = json.loads((report.parent / "summary.json").read_text())
    scored = [row for row in summary["trials"] if row["state"] == "scored"]
    assert len(scored) == 2
    assert all(0 <= row["accuracy"] <= 1 and row["samples"] == 40 and row["arithmetic"] == "float" for row in scored)
    proved = [row for row in summary["front"] if row.get("proof.counts") == "true"]
    assert len(proved) == 1
    assert proved[0]["proof.wiring"] == "linked"
    assert proved[0]["proof.prove_peak_rss_bytes"] > 2**20
    for row in summary["front"]:
        assert row["circuit_samples"] == row["samples"]
        assert 0 <= row["circuit_accuracy"] <= 1
        assert 0 < row["circuit_mean_abs_error"] <= 0.02
        assert row["planned_rows"] <= row["rows"]
        assert row["circuit_refused_share"] == 0
        assert row["headline_arithmetic"] == "circuit"
        assert all(row[f"headline_{name}"] == row[f"circuit_{name}"] for name in HEADLINE_SCORES)
    shown = [row["headline_accuracy"] for row in summary["front"]]
    assert shown == sorted(shown, reverse=True)
    with (report.parent / "front.csv").open(newline="") as stream:
        assert [float(row["headline_accuracy"]) for row in csv.DictReader(stream)] == shown
    assert all("headline_accuracy" not in row for row in summary["trials"])

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    (experiment,) = (e for e in client.search_experiments() if e.name == "digits")
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = (run for run in runs if run.data.tags["role"] == "study")
    children = [run for run in runs if run.data.tags["role"] == "trial"]
    assert all(run.data.tags["mlflow.parentRunId"] == parent.info.run_id for run in children)
    assert {run.data.tags["proof.wiring"] for run in children} <= {"linked", "unchecked"}
    members = {str(row["trial"]): row["headline_accuracy"] for row in summary["front"]}
    tagged = [run for run in children if run.data.tags.get("headline.arithmetic") == "circuit"]
    assert {run.data.tags["trial"]: run.data.metrics["headline.accuracy"] for run in tagged} == members
    assert {item.path for item in client.list_artifacts(parent.info.run_id)} >= {"report.html", "front.csv", "plots"}
    assert {item.path for item in client.list_artifacts(children[0].info.run_id)} >= {"samples.png", "circuit"}

    again = start(tmp_path, *SWEEP)
    assert "counts already" in again
    study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{tmp_path}/mlruns/optuna.db")
    assert len(study.trials) == len(summary["trials"])

    refused = start(tmp_path, *SWEEP, "scores.samples=50", expect=1)
    assert "another configuration: samples was 40, is 50; its trials would not be comparable" in refused
    assert "Traceback" not in refused


def test_nothing_fits_is_said_and_names_the_cheapest(tmp_path: Path) -> None:
    printed = start(tmp_path, *SWEEP, "budgets.proving.memory_bytes=1000000", "study.candidates=3")
    assert "infeasible" in printed
    assert "Nothing was proved: no candidate fits" in printed
    assert "The cheapest is trial" in printed
    required = ("proving.required=true", "study.name=required", "budgets.proving.memory_bytes=1000000")
    assert "no proof counts" in start(tmp_path, *SWEEP, *required, "study.candidates=1", expect=1)


def test_a_dry_run_prints_the_configuration_and_does_nothing(tmp_path: Path) -> None:
    printed = start(tmp_path, "dry_run=true", "study.trials=77", "study.storage=postgresql://me:secret@host/db")
    assert "trials: 77" in printed
    assert printed.count("postgresql://me:***@host/db") == 2
    assert "secret" not in printed
    assert '"ezkl": "23' in printed
    assert not (tmp_path / "mlruns" / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("dataset=cifar10_parquet",), "dataset.root"),
        (("dataset=cifar10_parquet", "dataset.root=nowhere"), "nowhere"),
        (("study.trials=0",), "study.trials must be at least 1; got 0"),
        (("training.recipe.batch_size=1",), "batch_size must be at least 2"),
        (("limits.rows=0",), "rows must be positive or null"),
        (("scores.samples=5",), "scores.samples must be at least 20"),
        (("objectives.0.metric=acuracy",), "objectives must be of"),
    ],
)
def test_errors_are_one_line_without_a_traceback(tmp_path: Path, overrides: tuple[str, ...], message: str) -> None:
    printed = start(tmp_path, *overrides, expect=1)
    assert message in printed
    assert "Traceback" not in printed
