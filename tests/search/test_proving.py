from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gan.generators import build_generator
from search import planned, proving
from search.candidate import Candidate
from search.engines import LocalEngine
from search.errors import ConfigError, LostWorkerError
from search.proof_text import proof_sentences
from search.proving import ProofAttempt, ProvingPlan, fits, proof_facts, proof_metrics, prove_front
from search.weights import save_generator
from zk.errors import ExportError
from zk.pipeline import Fidelity, ProofRun
from zk.types import Budget, CircuitOptions, Outcome, StageResult, Wiring

GOOD = ProofRun(
    stages=(StageResult("prove", Outcome.OK, 12.5, 3 * 2**30), StageResult("verify", Outcome.OK, 0.25, 2**20)),
    verified=True,
    inputs_match=True,
    tampered_rejected=True,
    tamper_reasons=("rejected",),
    wiring=Wiring.LINKED,
    proof_bytes=7488,
    logrows=15,
    fidelity=Fidelity((0.0,), 0.04, 0.01, 0.0),
)
KILLED = ProofRun(stages=(StageResult("setup", Outcome.OUT_OF_MEMORY, 3.0, 9 * 2**30, "over the budget"),))
PLAN = ProvingPlan(budget=Budget(1000, 60), options=CircuitOptions(), srs_folder=Path("srs"))


def front(*peaks: int) -> list[dict[str, Any]]:
    return [
        {
            "trial": n,
            "front": True,
            "predicted_peak_bytes": peak,
            "predicted_prove_seconds": 10.0,
            "rows": 5000 * peak,
            "logrows": 14,
        }
        for n, peak in enumerate(peaks)
    ]


def prove(
    rows: list[dict[str, Any]], plan: ProvingPlan, outcomes: list[ProofRun], patch: pytest.MonkeyPatch
) -> list[int]:
    left = iter(outcomes)
    patch.setattr(proving, "prove_trial", lambda number, folder, plan, circuit: ProofAttempt(number, next(left), None))
    folders = {row["trial"]: Path() for row in rows}
    return [attempt.trial for attempt in prove_front(rows, folders, plan, {}, engine=LocalEngine())]


def test_each_attempt_is_a_job_of_its_predicted_memory_and_may_lose_its_worker() -> None:
    asked, said = [], []

    class Losing:
        def job(self, function: object, number: int, *others: object, memory_bytes: int, say: object) -> ProofAttempt:
            asked.append((function, number, memory_bytes, say))
            if len(asked) == 1:
                raise LostWorkerError("its worker died, 3 times")
            return ProofAttempt(number, GOOD, None)

    rows = front(900, 100)
    rows[1]["planned_peak_bytes"] = 80.0
    first, second = prove_front(rows, {0: Path(), 1: Path()}, PLAN, {}, engine=Losing(), say=said.append)  # type: ignore[arg-type]
    assert asked == [(proving.prove_trial, 0, 900, said.append), (proving.prove_trial, 1, 80, said.append)]
    assert (first.trial, first.picture, first.run.counts_as_proved) == (0, None, False)
    assert [(stage.outcome, stage.message) for stage in first.run.stages] == [
        (Outcome.REFUSED, "its worker died, 3 times")
    ]
    assert proof_facts(first.run)["proof.outcome"] == "proof refused"
    assert second.run.counts_as_proved


def test_the_best_that_fits_is_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    assert prove(front(2000, 900, 100), PLAN, [GOOD], monkeypatch) == [1]


def test_the_next_is_tried_after_a_failure_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert prove(front(900, 800, 700), PLAN, [KILLED, GOOD], monkeypatch) == [0, 1]
    assert prove(front(900, 800, 700), PLAN, [KILLED, KILLED], monkeypatch) == [0, 1]
    assert prove(front(900), replace(PLAN, attempts=0), [], monkeypatch) == []


def test_a_proof_that_does_not_count_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    unlinked = replace(GOOD, wiring=Wiring.UNLINKED)
    assert prove(front(900, 800), PLAN, [unlinked, GOOD], monkeypatch) == [0, 1]


def test_fitting_needs_memory_and_time() -> None:
    (row,) = front(1000)
    assert fits(row, Budget(1000, 10))
    assert not fits(row, Budget(999, 10))
    assert not fits(row, Budget(1000, 9.9))


def test_a_planned_circuit_is_what_must_fit() -> None:
    (row,) = front(1000)
    assert fits(row | {"planned_peak_bytes": 10.0, "planned_prove_seconds": 1.0}, Budget(10, 1))
    assert not fits(row | {"planned_peak_bytes": 1001.0, "planned_prove_seconds": 1.0}, Budget(1000, 10))


def test_figures_and_verdicts_of_a_proof() -> None:
    metrics, facts = proof_metrics(GOOD), proof_facts(GOOD)
    assert metrics["proof.prove_seconds"] == 12.5
    assert metrics["proof.prove_peak_rss_bytes"] == 3 * 2**30
    assert metrics["proof.proof_bytes"] == 7488
    assert metrics["proof.mean_abs_error"] == 0.01
    assert facts["proof.counts"] == "true"
    assert facts["proof.outcome"] == "ok"
    failed = proof_facts(KILLED)
    assert (failed["proof.counts"], failed["proof.outcome"], failed["proof.wiring"]) == (
        "false",
        "setup out_of_memory",
        "unchecked",
    )


@pytest.mark.parametrize("change", [{"verified": False}, {"tampered_rejected": False}, {"wiring": Wiring.UNCHECKED}])
def test_nothing_counts_without_every_verdict(change: dict[str, Any]) -> None:
    run = replace(GOOD, **change)
    assert proof_facts(run)["proof.counts"] == "false"
    assert proof_sentences([ProofAttempt(3, run, None)], front(1), PLAN)[0].startswith("Nothing counts as proved")


def test_sentences() -> None:
    assert proof_sentences([], [], PLAN) == ["Nothing was proved: no candidate has a circuit."]
    nothing = proof_sentences([], front(5000, 3000), PLAN)
    assert nothing[0].startswith("Nothing was proved: no front member fits")
    assert nothing[1].startswith("The cheapest is trial 1: 15,000,000 rows at logrows 14")
    infeasible = proof_sentences([], [{**row, "front": False} for row in front(5000, 3000)], PLAN)
    assert infeasible[0].startswith("Nothing was proved: no candidate fits")
    assert infeasible[1].startswith("The cheapest is trial 1")
    switched_off = replace(PLAN, attempts=0)
    assert proof_sentences([], front(900), switched_off) == ["Nothing was proved: proving.attempts is 0."]
    good = proof_sentences([ProofAttempt(2, GOOD, None)], front(1), PLAN)
    assert good[0] == (
        "Trial 2: one image proved and verified at logrows 15; wiring linked; "
        "1 tampered copies of the public values rejected."
    )
    assert "Trial 2: prove ok, 12.5 s, peak 3.00 GiB" in good
    killed = proof_sentences([ProofAttempt(1, KILLED, None)], front(1), PLAN)
    assert "Trial 1: setup out_of_memory, 3.0 s, peak 9.00 GiB: over the budget" in killed


def test_what_cannot_be_exported_is_an_outcome(
    tiny_candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ExportError("no such operator")

    save_generator(tmp_path, tiny_candidate.spec, build_generator(tiny_candidate.spec))
    monkeypatch.setattr(planned, "export_generator", refuse)
    attempt = proving.prove_trial(7, tmp_path, PLAN)
    assert (attempt.trial, attempt.picture, attempt.run.counts_as_proved) == (7, None, False)
    assert proof_facts(attempt.run)["proof.outcome"] == "proof refused"
    assert "no such operator" in " ".join(proof_sentences([attempt], front(1), PLAN))


def test_malformed_plan() -> None:
    with pytest.raises(ConfigError, match="must not be negative"):
        replace(PLAN, attempts=-1)
