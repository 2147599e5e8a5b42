"""A tiny study, rebuilt from its record. EZKL is replaced; the last test is the whole of it, with a proof."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hydra import initialize_config_dir
from mlflow import MlflowClient
from safetensors.torch import load_file, save_file
from torch import Tensor

from gan.generators import build_generator
from gan.spec import GeneratorSpec
from gan.training import TrainingBudget, TrainingOutcome, TrainingResult
from search import circuit_cache, front_circuits
from search.candidate import Candidate
from search.circuit import CIRCUIT_METRICS, CircuitFigures
from search.guide import GUIDES
from search.proving import ProofAttempt, ProvingPlan
from search.reproduce import late, rebuild
from search.reproduce import run as reproduce_run
from search.reproduce.__main__ import main
from search.run import run
from search.several import composed
from search.weights import WEIGHTS_NAME, load_generator
from tests.search.test_run import SWEEP
from tests.test_config import CONF
from zk.pipeline import ProofRun
from zk.types import Outcome, StageResult, Wiring

# Raised inside mlflow's and alembic's own code.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
ROOT = Path(__file__).resolve().parents[2]
PLANNED = {"planned_rows": 9.0, "planned_logrows": 8.0, "planned_peak_bytes": 1.0, "planned_prove_seconds": 0.5}

GUIDED = (
    "++training.recipe.selected_share=0.9",
    "++training.recipe.guide={_target_: gan.guide.GuideSpec, widths: [2, 2, 2], epochs: 1}",
    "++training.recipe.energy={_target_: gan.guide.EnergySettings, real_images: 8}",
)
"""A guide is a part of what must be found again."""


def measured(spec: GeneratorSpec, *_: Any, **__: Any) -> CircuitFigures:
    """Figures as if of a circuit; those of one family do not compile."""
    compiled = spec.family == "subpixel"
    return CircuitFigures(
        {name: 1.0 + spec.widths[0] for name in CIRCUIT_METRICS}, compiled, "" if compiled else "refused"
    )


class RoundedCircuit:
    """Stands for a circuit: the float generator of the folder, rounded."""

    def __init__(self, plan: Any, folder: Path, budget: Any) -> None:
        self._generator = load_generator(folder.parents[1])[1]

    def run(self, inputs: list[Tensor]) -> SimpleNamespace:
        with torch.inference_mode():
            images = self._generator(*inputs)
        return SimpleNamespace(
            in_range=torch.ones(len(images), dtype=torch.bool), outputs=(torch.round(images * 64) / 64,)
        )


@pytest.fixture(scope="module", autouse=True)
def _without_ezkl() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(circuit_cache, "measure_spec", measured)
        patch.setattr(rebuild, "measure_spec", measured)
        patch.setattr(front_circuits, "plan_generator", lambda *_: SimpleNamespace(best=object()))
        patch.setattr(front_circuits, "plan_findings", lambda _: (dict(PLANNED), {"plan": "stub"}))
        patch.setattr(front_circuits, "simulator_of", RoundedCircuit)
        yield


class Store:
    """The record of a study of one scored trial, whose circuit was scored by a second session."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.uri = folder, f"sqlite:///{folder}/mlflow.db"
        self.run_session("first")
        self.run_session("second", "proving.plan_samples=8")
        self.client = MlflowClient(tracking_uri=self.uri)
        experiments = [experiment.experiment_id for experiment in self.client.search_experiments()]
        runs = self.client.search_runs(experiments)
        self.ids = {run.data.tags.get("outcome", run.data.tags["role"]): run.info.run_id for run in runs}
        self.trial = self.client.get_run(self.ids["scored"])

    def run_session(self, name: str, *overrides: str) -> None:
        places = {
            "study.storage": f"sqlite:///{self.folder}/optuna.db", "study.folder": f"{self.folder}/candidates",
            "tracking.uri": self.uri, "tracking.artifacts": f"{self.folder}/artifacts",
            "proving.srs_folder": f"{self.folder}/srs", "cache_folder": f"{self.folder}/cache",
        }  # fmt: skip
        given = [*SWEEP, *GUIDED, "study.trials=1", "scores.cas_images=0", "proving.attempts=0", *overrides]
        with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
            run(composed([*given, *(f"{key}={value}" for key, value in places.items())], self.folder / "s" / name))

    def artifact(self, name: str) -> Path:
        uri = str(self.trial.info.artifact_uri)
        return Path(uri.removeprefix("file://")) / name

    @contextmanager
    def changed(self, name: str, change: Callable[[Path], object]) -> Iterator[None]:
        """Let ``change`` work on an artifact of the scored trial, and put it back afterwards."""
        path = self.artifact(name)
        before = path.read_bytes()
        change(path)
        try:
            yield
        finally:
            path.write_bytes(before)

    @contextmanager
    def tagged(self, name: str, value: str) -> Iterator[None]:
        """Give the scored trial's run another tag, or none if ``value`` is empty."""
        run_id, before = self.ids["scored"], self.trial.data.tags[name]
        if value:
            self.client.set_tag(run_id, name, value)
        else:
            self.client.delete_tag(run_id, name)
        try:
            yield
        finally:
            self.client.set_tag(run_id, name, before)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


Start = Callable[..., tuple[int, str, dict[str, Any]]]


@pytest.fixture
def start(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Start:
    def reproduce(*options: str, outcome: str = "scored") -> tuple[int, str, dict[str, Any]]:
        """Give exit status, what was printed, and the report if there is one."""
        given = dict(option.split("=", 1) for option in options)
        named = {} if "study" in given else {"run": store.ids[outcome]}
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        # said here, because a record may not choose folders of the machine that reads it
        places = {"cache_folder": f"{store.folder}/cache", "proving.srs_folder": f"{store.folder}/srs"}
        values = {**places, **named, "uri": store.uri, "out": str(out), **given}
        status = main([f"{name}={value}" for name, value in values.items()])
        printed = capsys.readouterr()
        report = out / "reproduction.json"
        return status, printed.out + printed.err, json.loads(report.read_text()) if report.exists() else {}

    return reproduce


def by_name(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in report["comparisons"]}


def test_the_recorded_weights_give_the_recorded_figures(store: Store, start: Start) -> None:
    number = store.trial.data.tags["trial"]
    status, printed, report = start("study=sweep", f"trial={number}")
    assert status == 0, printed
    found = by_name(report)
    groups = {item["group"] for item in report["comparisons"]}
    assert groups == {"circuit", "weights", "scores", "circuit scores", "trial"}
    metrics = store.trial.data.metrics
    for name in ("accuracy", "diversity", "frechet_distance", "judge_accuracy", "rows", "circuit_diversity"):
        assert (found[name]["recorded"], found[name]["difference"]) == (metrics[name], 0.0)
    assert metrics["circuit_diversity"] != metrics["diversity"]
    assert report["reproduced"] is True
    assert report["run"] == store.ids["scored"]
    assert not any(item["name"].startswith("proof.") for item in report["comparisons"])
    lines = printed.splitlines()
    assert lines[1].startswith("same commit ")
    assert lines[2:4] == ["same package versions", "same machine"]
    assert lines[4].endswith("as recorded")
    assert "ZK classifier: the recorded weights" in printed
    assert "no session of the record" not in printed  # the second one's plan was found
    assert lines[-1].startswith("reproduced: all ")
    assert lines[-1] == report["sentence"]


def test_training_again_repeats_itself_bit_for_bit(store: Store, start: Start) -> None:
    threads = torch.get_num_threads()
    # A guide's weights depend on the threads of the session that trained it, which a trial's record does not tell.
    shutil.copytree(store.folder / "cache" / GUIDES, store.folder / "elsewhere" / GUIDES)
    status, printed, report = start("how=retrain", f"cache_folder={store.folder}/elsewhere")
    assert status == 0, printed
    assert torch.get_num_threads() == threads
    assert "weights: the recorded ones, bit for bit" in printed
    assert "ZK classifier: the recorded weights" in printed  # trained anew
    assert by_name(report)["train_steps"]["reproduced"] == 30
    assert {item["group"] for item in report["comparisons"]} >= {"training", "scores", "circuit scores"}
    assert "weights_sha256" not in by_name(report)


def test_changed_weights_are_found_out(store: Store, start: Start) -> None:
    def scale(path: Path) -> None:
        save_file(
            {name: value * 1.5 if value.is_floating_point() else value for name, value in load_file(path).items()}, path
        )

    with store.changed(WEIGHTS_NAME, scale):
        status, printed, report = start()
        assert status == 1
        found = by_name(report)
        assert found["weights_sha256"]["verdict"] == found["diversity"]["verdict"] == "outside"
        assert printed.splitlines()[-1].startswith("NOT reproduced: ")
        with store.tagged("weights_sha256", ""):  # as in an older record
            status, _, report = start()
        assert (status, report["reproduced"]) == (1, False)
        assert by_name(report)["weights_sha256"]["verdict"] == "not recorded"
        status, printed, _ = start("how=retrain", "tolerance=0.01")
        assert status == 0
        assert "from the recorded ones" in printed


def test_other_data_are_refused(store: Store, start: Start) -> None:
    with store.tagged("dataset_digest", "0" * 64):
        status, printed, report = start()
    assert (status, report) == (2, {})
    assert "must have the recorded digest 0000" in printed
    assert "dataset.root must be in the recorded configuration" in start("dataset.root=/data")[1]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("config.yaml", "load"),
        ("provenance.json", "load"),
        (WEIGHTS_NAME, "load"),
        ("spec.json", "load"),
        ("candidate.json", "retrain"),
    ],
)
def test_what_the_record_lacks_is_named(store: Store, start: Start, name: str, how: str) -> None:
    with store.changed(name, Path.unlink):
        status, printed, _ = start(f"how={how}")
        assert status == 2
        assert f"must have {name} to be" in printed
        assert "older version" in printed
        assert "Traceback" not in printed


def test_a_refusal_leaves_no_earlier_verdict(store: Store, start: Start, tmp_path: Path) -> None:
    out = tmp_path / "kept"
    assert start(f"out={out}")[0] == 0
    with store.changed(WEIGHTS_NAME, Path.unlink):
        status, _, report = start(f"out={out}")
        assert (status, report) == (2, {})
        status, printed, _ = start(f"out={out}", "how=retrain")
        assert status == 0
        assert "weights: " not in printed  # those that an earlier reproduction left are not the record's
    with store.changed("cost_model.json", Path.unlink), store.changed("candidate.json", Path.unlink):
        status, printed, _ = start(f"out={out}")
        assert status == 0
        assert "the record has no cost model" in printed


def test_a_changed_spec_or_recipe_is_refused(store: Store, start: Start) -> None:
    def change(part: str, field: str, value: Any) -> Callable[[Path], object]:
        def write(path: Path) -> None:
            content = json.loads(path.read_text())
            (content[part] if part else content)[field] = value
            path.write_text(json.dumps(content))

        return write

    with store.changed("spec.json", change("", "activation", "tanh")):
        assert "spec_digest of run" in start()[1]
    with store.changed("candidate.json", change("recipe", "ema_decay", 0.5)):
        status, printed, _ = start("how=retrain")
        assert (status, "recipe_digest of run" in printed) == (2, True)
    with store.changed("candidate.json", lambda path: path.write_text("{}")):
        assert "a candidate must be a JSON object" in start()[1]


def test_differences_are_stated_and_not_refused(store: Store, start: Start) -> None:
    def older(path: Path) -> None:
        content = json.loads(path.read_text())
        content["commit"], content["packages"]["torch"], content["machine"]["processor"] = "0ld", "1.0", "abacus"
        path.write_text(json.dumps(content))

    with store.changed("provenance.json", older), store.tagged("judge_weights", "f" * 64):
        status, printed, report = start()
    assert status == 0
    for line in (
        "recorded commit 0ld, this is ",
        "torch: recorded 1.0, this is ",
        "processor: recorded abacus, this is ",
    ):
        assert any(said.startswith(line) for said in report["statements"])
        assert line in printed
    assert "judge: recorded weights ffffffffffff, these are" in printed
    with store.tagged("threads", ""), store.tagged("circuit_planning", "of another study"):
        status, printed, _ = start()
    assert status == 0
    assert "the record does not say how many it had" in printed
    assert "no session of the record planned circuits as the trial's tags say" in printed


def test_another_number_of_samples_needs_a_tolerance(start: Start) -> None:
    status, printed, report = start("samples=60")
    assert (status, report) == (2, {})
    assert "instead of the recorded 40 changes every score by chance" in printed
    status, _, report = start("samples=60", "tolerance=1000")
    assert status == 0
    assert by_name(report)["diversity"]["difference"] != 0
    assert "samples" not in by_name(report)
    status, _, report = start("samples=60", "tolerance=1e-9")
    assert status == 1


def test_a_refused_circuit_is_refused_again(store: Store, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    status, printed, report = start(outcome="infeasible")
    assert status == 0
    assert "its circuit is refused: compiled" in printed
    assert by_name(report)["outcome"]["reproduced"] == "infeasible"
    assert {item["group"] for item in report["comparisons"]} == {"circuit", "trial"}
    accepted = CircuitFigures(
        measured(GeneratorSpec.from_json(store.artifact("spec.json").read_text())).metrics, True, ""
    )
    monkeypatch.setattr(rebuild, "measure_spec", lambda *_, **__: accepted)
    status, _, report = start(outcome="infeasible")
    assert (status, by_name(report)["outcome"]["reproduced"]) == (1, "accepted")


def test_runs_that_are_no_trials_and_records_that_are_not_there(store: Store, start: Start, tmp_path: Path) -> None:
    for options, message in (
        (("run=none",), "must have run none"),
        ((f"run={store.ids['study']}",), "its role is study; give the id of one of its children"),
        (("study=sweep", "trial=99"), "have a trial 99; found none"),
        ((f"uri=sqlite:///{tmp_path}/absent.db",), "absent.db; give uri="),
    ):
        status, printed, _ = start(*options)
        assert status == 2
        assert message in printed
        assert "Traceback" not in printed
    assert not (tmp_path / "absent.db").exists()
    for outcome, message in (
        ("diverged", "its training diverged; give how=retrain"),
        ("repeated", "only repeats trial"),
        ("illegal", "its outcome is illegal"),
    ):
        with store.tagged("outcome", outcome):
            assert message in start()[1]


def test_a_training_that_diverged_diverges_again(store: Store, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = int(store.trial.data.metrics["train_steps"])

    def diverging(candidate: Candidate, budget: TrainingBudget, *_: Any, **__: Any) -> TrainingResult:
        generator = build_generator(candidate.spec)
        return TrainingResult(
            generator, TrainingOutcome.DIVERGED, steps, steps, steps * 16, 1.0, (), 0, "a loss of nan"
        )

    monkeypatch.setattr(reproduce_run, "train_again", diverging)
    with store.tagged("outcome", "diverged"):
        status, printed, report = start("how=retrain")
    assert status == 0, printed
    assert "training diverged: a loss of nan" in printed
    assert {item["group"] for item in report["comparisons"]} == {"circuit", "training", "trial"}
    assert start("how=retrain")[0] == 1  # what was scored does not diverge


def test_a_trial_stopped_at_a_rung_is_trained_to_that_rung(
    store: Store, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, asked = int(store.trial.data.metrics["train_images"]), list[int | None]()
    train_again = reproduce_run.train_again

    def watched(*given: Any, until_images: int | None = None, **more: Any) -> TrainingResult:
        asked.append(until_images)
        return train_again(*given, until_images=until_images, **more)

    monkeypatch.setattr(reproduce_run, "train_again", watched)
    with store.tagged("outcome", "stopped"):
        status, printed, report = start("how=retrain")
    assert status == 0, printed
    assert asked == [images]
    assert by_name(report)["outcome"]["verdict"] == "within"
    assert {item["group"] for item in report["comparisons"]} == {"circuit", "training", "scores", "trial"}
    assert "that its peers stopped it is taken from the record" in printed
    assert "guide: the recorded weights" in printed


class Prover:
    """Stands for a proof, and remembers what it was asked for."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring, self.asked = wiring, list[tuple[int, ProvingPlan, Any]]()

    def __call__(self, number: int, folder: Path, plan: ProvingPlan, circuit: Any = None) -> ProofAttempt:
        assert (folder / WEIGHTS_NAME).exists()
        self.asked.append((number, plan, circuit))
        stages = (StageResult("prove", Outcome.OK, 1.0, 0),)
        checks = {"verified": True, "inputs_match": True, "tampered_rejected": True, "wiring": self.wiring}
        return ProofAttempt(number, ProofRun(stages=stages, proof_bytes=70, vk_bytes=80, **checks), None)


PROOF_TAGS = {"proof.counts": "true", "proof.label": "3", "proof.seed": "7"}


def test_a_recorded_proof_is_made_again_and_has_to_count(
    store: Store, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    prover = Prover(Wiring.LINKED)
    monkeypatch.setattr(late, "prove_trial", prover)
    status, printed, report = start("proof=true")
    assert status == 0, printed
    assert "the record has no proof that counts" in printed
    assert printed.splitlines()[-1].endswith("and its proof counts again")
    run_id = store.ids["scored"]
    for name, value in PROOF_TAGS.items():
        store.client.set_tag(run_id, name, value)
    store.client.log_metric(run_id, "proof.vk_bytes", 80)
    try:
        status, printed, report = start()
        assert status == 0, printed
        number, plan, circuit = prover.asked[-1]
        assert (str(number), plan.label, plan.seed) == (store.trial.data.tags["trial"], 3, 7)
        assert plan.plan_samples == 32  # of the first session, which fits the tags as well
        assert circuit is None  # planned by the second one
        assert by_name(report)["proof.vk_bytes"]["verdict"] == "within"
        assert by_name(report)["proof.proof_bytes"]["verdict"] == "not recorded"
        asked = len(prover.asked)
        assert start("proof=false")[0] == 0
        assert len(prover.asked) == asked
        store.client.set_tag(run_id, "proof.label", "4")
        assert "no session of the record proved images as the trial's tags say" in start()[1]
        monkeypatch.setattr(late, "prove_trial", Prover(Wiring.UNLINKED))
        status, printed, report = start()
        assert status == 1
        assert "proof.wiring is unlinked (recorded linked); proof.counts is false (recorded true)" in printed
    finally:
        for name in PROOF_TAGS:
            store.client.delete_tag(run_id, name)


@pytest.mark.slow
def test_the_whole_of_it_with_a_proof(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def command(*arguments: str) -> str:
        given = [sys.executable, "-m", *arguments]
        done = subprocess.run(given, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    command("search", *SWEEP, "scores.cas_images=0")
    (proved,) = (tmp_path / "mlruns" / "studies" / "sweep").glob("*/proof/proof.json")
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (run,) = client.search_runs(experiments, filter_string="tags.`proof.counts` = 'true'")
    for how in ("load", "retrain"):
        printed = command("search.reproduce", f"run={run.info.run_id}", f"how={how}")
        assert "no session of the record" not in printed
        assert printed.splitlines()[-1].endswith("within 1e-06 and its proof counts again")
        report = json.loads((tmp_path / "mlruns" / "reproductions" / run.info.run_id / "reproduction.json").read_text())
        found = by_name(report)
        assert found["proof.rows"]["reproduced"] == run.data.metrics["proof.rows"]
        assert found["proof.wiring"]["reproduced"] == "linked"
    assert proved.exists()
