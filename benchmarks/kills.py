"""Kill drivers, workers and provers of a cheap study at random moments, and compare what comes out with a quiet run.

``python benchmarks/kills.py docs/results/kills.json [--kills 210] [--candidates 200]``: three studies over a grid of
candidates share the kills: one without rungs, one with, and one of two drivers at a time. A candidate's circuit is a
tiny one that EZKL lays out in a child process, the prover that is killed here, and its training a number of short steps
with a checkpoint after each; its scores follow from its spec alone, so a study without rungs must end with the very
trials of an undisturbed one. With rungs the order of arrival decides who stops, so what must hold there is checked
instead. A step that was begun twice is work that a kill has cost: at most one for each worker that died, alone or with
its driver. Minutes; the real engine, drivers, workers, children and storage, no networks and no record.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import optuna
import psutil
import torch
from optuna.trial import TrialState
from silent_observer import Silent

from atomic_files import write_text
from gan.training import TrainingBudget, TrainingHooks, TrainingRecipe, TrainingRecord
from search.candidate import Candidate
from search.drivers import Driver
from search.endings import CANDIDATE, REPEATS, RESUMES, trial_outcome
from search.engine import StudyPlan, run_study
from search.halving import Halving
from search.local_runner import LocalRunner
from search.objectives import Objective, minimised
from search.record import TrialOutcome, TrialRecord
from search.rungs import passed_rungs
from search.runner import SerialRunner
from search.samplers import grid
from search.space import build_search_space
from search.study import front_trials, open_study, scored_trials, trained_trials
from zk.export import export_onnx
from zk.stages import StageFailed, StageRunner
from zk.types import Budget, CircuitOptions

STEPS, STEP_IMAGES = 18, 10
OBJECTIVES = (Objective("accuracy", "maximize", 0.0), Objective("rows", "minimize", 1000.0))
PROVER = "zk.stage_main"
DRIVER_WORKER_PROVER = (1, 8, 8)
"""Weights of whom to kill: a driver takes seconds to begin, and one killed sooner than that never has workers."""
DRIVERS = {"plain": 1, "rungs": 1, "pair": 2}
WORKERS = 2
NETWORK = "network.onnx"
OPTIONS = CircuitOptions()
BUDGET = Budget(memory_bytes=2**32, wall_seconds=60.0)


@dataclass(frozen=True)
class Cheap:
    """Stands for a circuit, training and scoring; ``step_seconds`` is slept at each step, 0 leaves EZKL out, too."""

    step_seconds: float
    network: Path

    def __call__(
        self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
    ) -> TrialRecord:
        """Go on from the checkpoint, a step at a time."""
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint = folder / "checkpoint.json"
        done = json.loads(checkpoint.read_text()) if checkpoint.exists() else 0
        last = STEPS if until_images is None else -(-until_images // STEP_IMAGES)
        if self.step_seconds and not done:
            try:
                StageRunner(folder, OPTIONS, BUDGET).settings(self.network)
            except StageFailed as failure:
                return TrialRecord(candidate, TrialOutcome.INFEASIBLE, str(failure), {}, {"rows": 1.0}, folder)
        while done < last:
            done += 1
            with (folder / "steps.log").open("a", encoding="utf-8") as log:
                log.write(f"{done}\n")
            time.sleep(self.step_seconds)
            write_text(checkpoint, json.dumps(done))
            hooks.on_record(TrainingRecord(done, done * STEP_IMAGES, 0.0, 0.0, 0.0, 0.0, None))
        place = candidate.spec.latent_dim
        metrics = {"accuracy": (place * 37 % 101) / 101 * done / STEPS, "rows": float(place * 61 % 97)}
        metrics["train_images"] = float(done * STEP_IMAGES)
        return TrialRecord(candidate, TrialOutcome.SCORED, "", metrics, {"rows": -1.0}, folder)


def plan_of(folder: Path, candidates: int, *, rungs: bool) -> StudyPlan:
    """Return the plan of a study over ``candidates`` generators that differ in their latent size."""
    space = build_search_space(
        families={"subpixel": {"stages": 1, "width_0": 4}},
        shared={"latent_dim": {"low": 1, "high": candidates}, "conditioning": "one_hot"},
    )
    rules = Halving(reduction=3, rungs=2, peers=4)
    return StudyPlan(
        space=space,
        recipe=TrainingRecipe(),
        budget=TrainingBudget(steps=STEPS),
        objectives=OBJECTIVES,
        image_size=16,
        num_classes=2,
        trained=candidates,
        candidates=20 * candidates,
        seed=0,
        folder=folder,
        halving=rules,
        rungs=rules.rung_images(STEPS * STEP_IMAGES) if rungs else (),
    )


def study_of(folder: Path, name: str) -> optuna.Study:
    """Open the study ``name`` in the database of ``folder``."""
    return open_study(
        name=name,
        storage=f"sqlite:///{folder}/optuna.db",
        objectives=OBJECTIVES,
        sampler=grid(seed=0),
        signature="kills",
    )


def drive(folder: Path, name: str, plan: StudyPlan, step_seconds: float) -> None:
    """Work on the study until it is finished, with two workers."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    evaluate, study = Cheap(step_seconds, folder / NETWORK), study_of(folder, name)
    runner = LocalRunner(evaluate, workers=WORKERS, threads=1, attempts=10**6, say=lambda text: None)
    with Driver(study, say=lambda text: None) as driver, contextlib.closing(runner):
        run_study(study, plan, runner, Silent(), driver)


def victims(driver: int) -> dict[str, list[psutil.Process]]:
    """Return the driver, its workers and their provers, as they are now."""
    found: dict[str, list[psutil.Process]] = {"driver": [], "worker": [], "prover": []}
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(driver)
        found["driver"].append(process)
        for child in process.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if PROVER in " ".join(child.cmdline()):
                    found["prover"].append(child)
                elif "forkserver" in " ".join(child.cmdline()) and child.ppid() != driver:
                    found["worker"].append(child)
    return found


def disturb(
    folder: Path, name: str, plan: StudyPlan, *, kills: int, rng: random.Random, seconds: float
) -> Counter[str]:
    """Drive the study to its end, with ``kills`` kills on the way; gives how many of each kind there were."""
    context, done = multiprocessing.get_context("spawn"), Counter[str]()

    def started() -> SpawnProcess:
        process = context.Process(target=drive, args=(folder, name, plan, seconds))
        process.start()
        return process

    drivers = [started() for _ in range(DRIVERS[name])]
    while drivers:
        time.sleep(rng.uniform(0.05, 1.5))
        if strange := [driver.exitcode for driver in drivers if driver.exitcode not in (None, 0, -signal.SIGKILL)]:
            raise SystemExit(f"a driver that nobody killed ended with status {strange[0]}; its error is above")
        drivers = [driver if driver.is_alive() else started() for driver in drivers if driver.exitcode != 0]
        kind = rng.choices(("driver", "worker", "prover"), DRIVER_WORKER_PROVER)[0]
        found = [one for driver in drivers for one in victims(driver.pid or 0)[kind]]
        if found and done.total() < kills:
            with contextlib.suppress(psutil.Error):
                os.kill(rng.choice(found).pid, signal.SIGKILL)
                done[kind] += 1
    return done


def figures(study: optuna.Study, folder: Path, candidates: int) -> dict[str, Any]:
    """Return what must be zero, and what was lost."""
    told = [trial for trial in study.trials if REPEATS not in trial.user_attrs and trial.state is not TrialState.FAIL]
    ends = Counter((trial.user_attrs.get(CANDIDATE), trial.user_attrs.get(RESUMES)) for trial in told)
    steps = {path.parent.name: path.read_text().split() for path in folder.glob("*/steps.log")}
    points = {trial.number: minimised(OBJECTIVES, trial.values) for trial in scored_trials(study)}
    front = {
        number
        for number, mine in points.items()
        if not any(other != mine and all(a <= b for a, b in zip(other, mine, strict=True)) for other in points.values())
    }
    return {
        "lost_trials": candidates - len(trained_trials(study)),
        "double_counted": sum(count - 1 for count in ends.values()),
        "stuck_running": sum(trial.state is TrialState.RUNNING for trial in study.trials),
        "wrong_front": sorted(front ^ {trial.number for trial in front_trials(study)}),
        "repeated_steps": sum(len(done) - len(set(done)) for done in steps.values()),
        "steps": sum(len(set(done)) for done in steps.values()),
    }


def compare_at_rungs(study: optuna.Study) -> int:
    """Return how many trials break what holds with rungs: a scored one passed all, a stopped one has a last rung."""
    wrong = 0
    for trial in trained_trials(study):
        passed = passed_rungs(trial)
        wrong += len(passed) != 2 if trial_outcome(trial) is TrialOutcome.SCORED else not passed
    return wrong


def main() -> int:
    """Run the studies and write the figures; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kills", type=int, default=210)
    parser.add_argument("--candidates", type=int, default=200, help="of each study")
    parser.add_argument("--step-seconds", type=float, default=0.08)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        folder, rng = Path(place), random.Random(given.seed)
        quiet = plan_of(folder / "quiet", given.candidates, rungs=False)
        layer = torch.nn.Linear(2, 2)
        export_onnx(layer, (torch.zeros(1, 2),), folder / NETWORK, ("x",), ("y",))
        run_study(study_of(folder, "quiet"), quiet, SerialRunner(Cheap(0.0, folder / NETWORK)), Silent())
        expected = {t.user_attrs[CANDIDATE]: tuple(t.values) for t in scored_trials(study_of(folder, "quiet"))}
        for name in DRIVERS:
            plan = plan_of(folder / name, given.candidates, rungs=name == "rungs")
            started = time.monotonic()
            done = disturb(folder, name, plan, kills=given.kills // len(DRIVERS), rng=rng, seconds=given.step_seconds)
            study = study_of(folder, name)
            found = figures(study, folder / name, given.candidates)
            scores = {t.user_attrs[CANDIDATE]: tuple(t.values) for t in scored_trials(study)}
            found["wrong_values"] = sum(expected.get(digest) != values for digest, values in scores.items())
            if name != "rungs":
                found["equals_undisturbed"] = scores == expected
            else:
                found["broken_rungs"] = compare_at_rungs(study)
                found["stopped"] = given.candidates - len(scores)
            result[name] = {"injected": dict(done), "seconds": time.monotonic() - started, **found}
            print(json.dumps({name: result[name]}))
    kept = ("lost_trials", "double_counted", "stuck_running", "repeated_steps")
    result["kills"] = {
        "injected": sum(sum(result[name]["injected"].values()) for name in DRIVERS),
        **{key: sum(result[name][key] for name in DRIVERS) for key in kept},
    }
    write_text(given.out, json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["kills"]))
    return int(any(broken(result[name]) for name in DRIVERS))


def broken(found: Mapping[str, Any]) -> bool:
    """Say whether anything that must hold after kills does not."""
    killed = found["injected"]
    lost_at_most = killed.get("worker", 0) + WORKERS * killed.get("driver", 0)
    return (
        any(found[key] for key in ("lost_trials", "double_counted", "stuck_running", "wrong_front", "wrong_values"))
        or found["repeated_steps"] > lost_at_most
        or not found.get("equals_undisturbed", True)
        or bool(found.get("broken_rungs"))
    )


if __name__ == "__main__":
    sys.exit(main())
