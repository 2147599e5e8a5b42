"""What a front member got once its search was over, made again: its circuit's scores and its proof."""

from __future__ import annotations

from search.circuit_forms import CircuitPlan
from search.finalists import srs_fact
from search.front_circuits import circuit_conditions, circuit_findings
from search.planned import CircuitPlanning
from search.proving import proof_conditions, proof_facts, proof_metrics, prove_trial
from search.reproduce.comparison import compare_figures, compare_words
from search.reproduce.figures import PROVED, circuit_score_part, proof_part, proof_words
from search.reproduce.work import Work
from search.session import Judges
from search.settings import SessionSettings

Planned = tuple[CircuitPlanning, CircuitPlan]


def circuit_scores_again(work: Work, judges: Judges) -> Planned | None:
    """Plan the circuit of the generator in the work's folder and score its images, if the record has such scores.

    Gives how it was planned, and the plan.
    """
    tags, metrics = work.trial.run.tags, work.trial.run.metrics
    recorded = circuit_score_part(metrics, same_samples=work.same_samples)
    wanted = tags.get("circuit_planning")
    if wanted is None or "circuit_accuracy" not in recorded or tags.get("circuit_failure"):
        reason = tags.get("circuit_failure") or "it was not on the front"
        work.account.state([f"the record has no scores of its circuit's images: {reason}"])
        return None
    samples = int(metrics["circuit_samples"])

    def matches(settings: SessionSettings) -> bool:
        evaluation = settings.evaluation
        found = circuit_conditions(settings.proving.planning, samples=samples, seed=evaluation.seed)
        return found["circuit_planning"] == wanted

    settings = work.matching_settings("planned circuits", matches)
    plan, found, facts = circuit_findings(
        work.folder, settings, classifier=judges.classifier, judge=judges.judge, reference=judges.reference
    )
    if failure := facts.get("circuit_failure"):
        work.account.state([f"the circuit's images could not be scored: {failure}"])
    work.account.compare(
        "scores of the circuit's images",
        compare_figures(
            "circuit scores",
            recorded,
            circuit_score_part(found, same_samples=work.same_samples),
            tolerance=work.tolerance,
        ),
    )
    return None if plan is None else (settings.proving.planning, plan)


def proof_again(work: Work, planned: Planned | None) -> None:
    """Prove the recorded image of the generator in the work's folder, if a proof is asked for.

    It has to count, whatever the record says of its own.
    """
    tags = work.trial.run.tags
    counted = tags.get("proof.counts") == "true"
    if not (counted if work.request.proof is None else work.request.proof):
        return
    conditions = {name: tags[name] for name in ("proof.label", "proof.seed", "proof.planning") if name in tags}
    if not counted:
        work.account.state(["the record has no proof that counts: the one asked for is compared with nothing"])
    elif not conditions:
        work.account.state(["the record does not say of which image its proof is: taken from the trial's session"])
    settings = work.matching_settings(
        "proved images", lambda found: conditions.items() <= proof_conditions(found.proving).items()
    )
    circuit = planned[1] if planned is not None and planned[0] == settings.proving.planning else None
    attempt = prove_trial(int(tags["trial"]), work.folder, settings.proving, circuit)
    failed = next((stage for stage in attempt.run.stages if not stage.ok), None)
    if failed is not None:
        work.account.state([f"the proof's stage {failed.stage} ended {failed.outcome}: {failed.message}"])
    string, recorded_string = srs_fact(settings.proving.srs_folder, attempt.run), tags.get("proof.srs_sha256")
    if counted and string.get("proof.srs_sha256") != recorded_string:
        work.account.state(["proof: another reference string than the recorded one; keys and proof differ by it"])
    figures = proof_part(proof_metrics(attempt.run, settings.proving.cost_model))
    recorded = proof_part(work.trial.run.metrics) if counted else {}
    words = compare_words("proof", PROVED, proof_words(proof_facts(attempt.run)))
    work.account.compare("proof", [*words, *compare_figures("proof", recorded, figures, tolerance=work.tolerance)])
