"""The headline scores of front members: those of the images that their planned circuits compute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna

from evaluation import EvaluationError, RealReference, TrainedClassifier
from gan.digest import json_digest
from search.circuit_forms import CircuitPlan, describe_plan, simulator_of
from search.headline import headline
from search.planned import PLAN_FOLDER, CircuitPlanning, circuit_scores, plan_generator
from search.provenance import commit
from search.settings import SessionSettings
from search.study import add_late_findings, late_findings
from search.tracking import Tracker
from search.trial_rows import candidate_folders, front_rows
from search.weights import load_generator
from zk.errors import ZkError

_COMMIT = "circuit_commit"


def score_circuits(
    study: optuna.Study,
    settings: SessionSettings,
    *,
    classifier: TrainedClassifier,
    judge: TrainedClassifier,
    reference: RealReference,
    tracker: Tracker,
    say: Callable[[str], None] = print,
) -> dict[int, CircuitPlan]:
    """Plan the circuit of each front member on its trained weights and score the images that the circuit computes.

    These are a front member's headline scores. A member that has them under the same settings is left alone; one
    without a layout, or with an operator that is not simulated, keeps the reason as a fact, and its float scores as
    headline, and is tried again by another commit. Gives the plans made.
    """
    folders, late, plans = candidate_folders(study), late_findings(study), dict[int, CircuitPlan]()
    wanted = circuit_conditions(settings.proving.planning, samples=reference.samples, seed=settings.evaluation.seed)
    wanted[_COMMIT] = commit()
    for row in front_rows(study):
        number = row["trial"]
        known = late.get(number, {"facts": {}})["facts"]
        same = known.get("circuit_planning") == wanted["circuit_planning"]
        if same and (not known.get("circuit_failure") or known.get(_COMMIT) == wanted[_COMMIT]):
            continue  # other code may find what this one did not
        plan, metrics, facts = circuit_findings(
            folders[number], settings, classifier=classifier, judge=judge, reference=reference
        )
        if plan is not None:
            plans[number] = plan
        if "circuit_accuracy" in metrics:
            say(
                f"trial {number:3d}  circuit of {metrics['planned_rows']:,.0f} rows ({facts['plan']}): its images "
                f"score {metrics['circuit_accuracy']:.1%} (float {row['accuracy']:.1%}), "
                f"judge {metrics['circuit_judge_accuracy']:.1%}"
            )
        if "circuit_failure" in facts:
            say(f"trial {number:3d}  no scores of its circuit's images: {facts['circuit_failure']}")
        elif "circuit_failure" in known:  # under other settings, or by other code
            facts["circuit_failure"] = ""
        facts |= wanted
        add_late_findings(study, number, metrics=metrics, facts=facts)
        run = tracker.trial_run(number)
        tracker.metrics(run, metrics)
        tracker.tags(run, facts)
        if (table := folders[number] / PLAN_FOLDER / "plan.txt").exists():
            tracker.artifact(run, table, "circuit")
    file_headlines(study, tracker)
    return plans


def circuit_conditions(planning: CircuitPlanning, *, samples: int, seed: int) -> dict[str, str]:
    """Return what circuit scores depend on beside the generator, as one digest under its tag's name."""
    return {"circuit_planning": json_digest(f"{planning} {samples} {seed}")[:16]}


def circuit_findings(
    folder: Path,
    settings: SessionSettings,
    *,
    classifier: TrainedClassifier,
    judge: TrainedClassifier,
    reference: RealReference,
) -> tuple[CircuitPlan | None, dict[str, float], dict[str, str]]:
    """Plan the circuit of the generator in ``folder`` and score its images.

    Returns:
        The plan if there is one, figures and facts; the fact ``circuit_failure`` says why scores are missing.
    """
    spec, generator = load_generator(folder)
    plan, metrics, facts = None, dict[str, float](), dict[str, str]()
    try:
        plan = plan_generator(spec, generator, folder / PLAN_FOLDER, settings.proving.planning)
        metrics, facts = plan_findings(plan)
        if plan.best is not None:
            circuit = simulator_of(plan, folder / PLAN_FOLDER / "chosen", settings.proving.budget)
            metrics |= circuit_scores(
                spec,
                generator,
                circuit,
                reference=reference,
                classifier=classifier,
                judge=judge,
                seed=settings.evaluation.seed,
            )
    except (ZkError, EvaluationError) as error:
        facts["circuit_failure"] = str(error)
    return plan, metrics, facts


def file_headlines(study: optuna.Study, tracker: Tracker) -> None:
    """File each front member's headline scores and their arithmetic with its run, to sort and filter by."""
    for row in front_rows(study):
        found, run = headline(row), tracker.trial_run(row["trial"])
        tracker.metrics(run, {f"headline.{name}": value for name, value in found.scores.items()})
        tracker.tags(run, {"headline.arithmetic": found.arithmetic})


def plan_findings(plan: CircuitPlan) -> tuple[dict[str, float], dict[str, str]]:
    """Return what a plan chose, as figures and facts; without a choice, why each candidate failed."""
    if plan.best is None:
        return {}, {"circuit_failure": f"no layout fulfils the goal: {plan.reasons}"}
    metrics, words = describe_plan(plan)
    return metrics, {"plan": words}
