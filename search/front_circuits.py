"""The headline scores of front members: those of the images that their planned circuits compute."""

from __future__ import annotations

from collections.abc import Callable

import optuna

from evaluation import EvaluationError, RealReference, TrainedClassifier
from gan.digest import json_digest
from search.circuit_forms import CircuitPlan, describe_plan, simulator_of
from search.headline import headline
from search.planned import PLAN_FOLDER, circuit_scores, plan_generator
from search.settings import SessionSettings
from search.study import add_late_findings, late_findings
from search.tracking import Tracker
from search.trial_rows import candidate_folders, front_rows
from search.weights import load_generator
from zk.errors import ZkError


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
    headline. Gives the plans made.
    """
    folders, late, plans = candidate_folders(study), late_findings(study), dict[int, CircuitPlan]()
    planning = settings.proving.planning
    wanted = {"circuit_planning": json_digest(f"{planning} {reference.samples} {settings.evaluation.seed}")[:16]}
    for row in front_rows(study):
        number = row["trial"]
        known = late.get(number, {"facts": {}})["facts"]
        if known.get("circuit_planning") == wanted["circuit_planning"]:
            continue
        spec, generator = load_generator(folders[number])
        metrics, facts = dict[str, float](), dict[str, str]()
        try:
            plan = plans[number] = plan_generator(spec, generator, folders[number] / PLAN_FOLDER, planning)
            metrics, facts = plan_findings(plan)
            if plan.best is not None:
                budget = settings.proving.budget
                circuit = simulator_of(plan, folders[number] / PLAN_FOLDER / "chosen", budget)
                metrics |= circuit_scores(
                    spec,
                    generator,
                    circuit,
                    reference=reference,
                    classifier=classifier,
                    judge=judge,
                    seed=settings.evaluation.seed,
                )
                say(
                    f"trial {number:3d}  circuit of {metrics['planned_rows']:,.0f} rows ({facts['plan']}): its images "
                    f"score {metrics['circuit_accuracy']:.1%} (float {row['accuracy']:.1%}), "
                    f"judge {metrics['circuit_judge_accuracy']:.1%}"
                )
        except (ZkError, EvaluationError) as error:
            facts["circuit_failure"] = str(error)
        if "circuit_failure" in facts:
            say(f"trial {number:3d}  no scores of its circuit's images: {facts['circuit_failure']}")
        elif "circuit_failure" in known:  # under other settings
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
