"""How much sooner this search has the front that plain Optuna ends with: hypervolume against wall clock.

    python benchmarks/search_speed.py [FOLDER] [--out docs/results/search-speed.json] [--seconds 900] [--seeds 0 1 2]
        [--overrides dataset=cifar10_parquet dataset.root=... ...]

Every method searches one space for so many seconds of wall clock, one candidate at a time on one thread, with the same
training, the same scoring networks and the same limits on circuits: the configuration's own, but that ``quick``
trainings end after the images that one core trains on in their time. ``ours`` measures a circuit before its generator
is trained, stops trials at rungs (``halving=fronts``), and trains nothing twice; ``gate`` is the same without rungs;
both draw with ``sampler=tpe``. ``nsga2``, ``tpe`` and ``random`` are Optuna's samplers with their defaults in Optuna's
own loop: every draw is trained to the end, then its circuit is measured and its excess over the limits told as
constraints. Only feasible candidates that were trained to the end count. Runs are done two at a time, seed by seed;
those whose file is in FOLDER already are not repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.trial import Trial
from silent_observer import Silent
from speed_figures import Curve, read_curve, speedup

from atomic_files import write_text
from gan.data import ImageDataset
from gan.errors import SpecError
from gan.training import TrainingHooks
from search.building import build
from search.candidate import Candidate
from search.configured import configured
from search.constraints import CircuitLimits, constraint_values
from search.engine import StudyPlan, run_study
from search.objective import Evaluator
from search.objectives import minimised, objective_values, references
from search.record import TrialOutcome, TrialRecord
from search.runner import Ended, Segment, SerialRunner
from search.session import candidate_evaluator, study_plan, train_judges
from search.settings import SessionSettings
from search.study import open_study

PLAIN: dict[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
}
OURS = ("ours", "gate")
OVERRIDES = (
    "search_space=cifar10",
    "training=quick",
    "training.budget.seconds=null",
    "training.budget.images=24000",
    "sampler=tpe",
    "halving=fronts",
)
UNLIMITED = CircuitLimits(einsum_operations=None)


@dataclass(frozen=True)
class Bench:
    """What every run is made with."""

    settings: SessionSettings
    dataset: ImageDataset
    evaluate: Evaluator
    sampler: optuna.samplers.BaseSampler
    folder: Path

    def plan(self, *, rungs: bool) -> StudyPlan:
        """Return the engine's plan; it ends with the time, not with a number of trials."""
        settings = self.settings if rungs else replace(self.settings, halving=None)
        plan = study_plan(settings, self.dataset)
        return replace(plan, trained=10**6, candidates=10**6, folder=self.folder / "candidates")


class Watched:
    """Evaluates, and notes what ended when; a runner's evaluator."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self._began = bench, time.monotonic()
        self.ended: list[dict[str, Any]] = []

    def __call__(
        self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
    ) -> TrialRecord:
        """Evaluate with the gate, up to a rung or to the end."""
        record = self._bench.evaluate(candidate, folder, hooks, until_images)
        self.note(record, until_images)
        return record

    def note(self, record: TrialRecord, until_images: int | None) -> None:
        """Keep how a piece of work ended, and of a feasible candidate trained to the end what is minimised."""
        objectives = self._bench.settings.objectives
        feasible = all(value <= 0 for value in record.constraints.values())
        final = until_images is None and record.outcome is TrialOutcome.SCORED and feasible
        self.ended.append(
            {
                "seconds": time.monotonic() - self._began,
                "feasible": feasible,
                "trained_images": record.metrics.get("train_images", 0.0),
                "values": minimised(objectives, objective_values(objectives, record.metrics)) if final else None,
            }
        )

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began


class Until:
    """A runner that takes on no more draws after a time; what is in work goes on to its end."""

    def __init__(self, watched: Watched, seconds: float) -> None:
        self._inner, self._watched, self._seconds = SerialRunner(watched), watched, seconds

    def has_room(self) -> bool:
        """Say whether there is time for another draw."""
        return self._watched.spent < self._seconds and self._inner.has_room()

    def submit(self, segment: Segment, hooks: TrainingHooks) -> None:
        """Pass on."""
        self._inner.submit(segment, hooks)

    def wait(self) -> list[Ended]:
        """Pass on."""
        return self._inner.wait()

    def close(self) -> None:
        """Pass on."""
        self._inner.close()


def search_ours(bench: Bench, seconds: float, *, rungs: bool) -> list[dict[str, Any]]:
    """Search with this project's engine."""
    watched = Watched(bench)
    study = open_study(
        name="ours",
        storage=f"sqlite:///{bench.folder}/optuna.db",
        objectives=bench.settings.objectives,
        sampler=bench.sampler,
        signature="search_speed",
    )
    run_study(study, bench.plan(rungs=rungs), Until(watched, seconds), Silent())
    return watched.ended


def search_plain(bench: Bench, seconds: float, sampler: optuna.samplers.BaseSampler) -> list[dict[str, Any]]:
    """Search with Optuna's loop: train everything, measure the circuit, tell objectives and constraints."""
    watched, settings = Watched(bench), bench.settings
    plan = bench.plan(rungs=False)
    # Without limits nothing is rejected before training; the order of measuring and training costs the same.
    evaluate = replace(bench.evaluate, settings=replace(settings.evaluation, limits=UNLIMITED))

    def objective(trial: Trial) -> list[float]:
        try:
            candidate = plan.draw(trial)
        except SpecError as error:
            raise optuna.TrialPruned(str(error)) from error
        record = evaluate(candidate, bench.folder / f"trial-{trial.number}", TrainingHooks())
        compiled = record.outcome is not TrialOutcome.INFEASIBLE
        limits = constraint_values(record.metrics, settings.evaluation.limits, compiled=compiled)
        for name, value in limits.items():
            trial.set_constraint(name, value)
        watched.note(replace(record, constraints=limits), None)
        if record.outcome is not TrialOutcome.SCORED:
            raise optuna.TrialPruned(record.reason)
        return objective_values(settings.objectives, record.metrics)

    directions = [optuna.study.StudyDirection[one.direction.upper()] for one in settings.objectives]
    study = optuna.create_study(
        storage=f"sqlite:///{bench.folder}/optuna.db", sampler=sampler, directions=directions, study_name="plain"
    )
    study.optimize(objective, timeout=seconds)
    return watched.ended


def run_one(method: str, seed: int, seconds: float, folder: Path, overrides: Sequence[str]) -> None:
    """Carry out one run in this process and write its file."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    work = folder / f"{method}-{seed}"
    found = configured([*OVERRIDES, *overrides], work)
    settings, dataset = found.settings, found.dataset
    judges = train_judges(settings, dataset)
    evaluator = candidate_evaluator(settings, dataset, judges)
    evaluator = replace(evaluator, circuits=work / "circuits")  # of this run's own: nothing is known before it
    work.mkdir(parents=True, exist_ok=True)
    bench = Bench(settings, dataset, evaluator, build(found.config.sampler, seed=seed), work)
    if method in PLAIN:
        ended = search_plain(bench, seconds, PLAIN[method](seed))
    else:
        ended = search_ours(bench, seconds, rungs=method == "ours")
    facts = {
        "method": method,
        "seed": seed,
        "seconds": seconds,
        "dataset": dataset.name,
        "classifier_digest": judges.classifier.digest,
        "classifier_accuracy": judges.classifier.report.accuracy,
        "samples": settings.evaluation.samples,
        "references": [float(value) for value in references(settings.objectives)],
        "overrides": [*OVERRIDES, *overrides],
    }
    write_text(folder / f"{method}-{seed}.json", json.dumps(facts | {"ended": ended}, indent=1))


def table(curves: Sequence[Curve], out: Path) -> None:
    """Print and write what the runs come to."""
    by_method: dict[str, list[Curve]] = {}
    for curve in curves:
        by_method.setdefault(curve.method, []).append(curve)
    summary: dict[str, dict[str, list[Any]]] = {
        method: {
            "hypervolume": [one.volume for one in own],
            "trained_to_the_end": [len(one.seconds) for one in own],
            "draws": [one.draws for one in own],
            "feasible": [one.feasible for one in own],
        }
        for method, own in by_method.items()
    }
    for method, own in summary.items():
        volumes = ", ".join(f"{volume:.3f}" for volume in own["hypervolume"])
        print(
            f"{method:7s} hypervolume {volumes}; counted {own['trained_to_the_end']} of {own['draws']} pieces of work"
        )
    ratios: dict[str, dict[str, Any]] = {}
    for fast in [one for one in OURS if one in by_method]:
        ratios[fast] = {slow: speedup(by_method[fast], by_method[slow]) for slow in PLAIN if slow in by_method}
        for slow, found in ratios[fast].items():
            print(f"{fast} beside {slow}: {json.dumps(found)}")
    points = [
        {"method": one.method, "seed": one.seed, "seconds": one.seconds.tolist(), "hypervolume": one.volumes.tolist()}
        for one in curves
    ]
    result = {"seconds": curves[0].limit_seconds, "methods": summary, "speedup": ratios, "curves": points}
    write_text(out, json.dumps(result, indent=1) + "\n")


def main() -> int:
    """Carry out what is missing, then make the table; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("mlruns/search-speed"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/search-speed.json"))
    parser.add_argument("--seconds", type=float, default=900.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=[*OURS, *PLAIN], choices=[*OURS, *PLAIN])
    parser.add_argument("--overrides", nargs="*", default=[], help="of the search's configuration")
    parser.add_argument("--one", nargs=2, metavar=("METHOD", "SEED"), help="carry out one run in this process")
    given = parser.parse_args()
    folder: Path = given.folder
    if given.one:
        with redirect_stdout(sys.stderr):
            run_one(given.one[0], int(given.one[1]), given.seconds, folder, given.overrides)
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    runs = [(method, seed) for seed in given.seeds for method in given.methods]
    missing = [(method, seed) for method, seed in runs if not (folder / f"{method}-{seed}.json").exists()]

    def carry_out(run: tuple[str, int]) -> None:
        method, seed = run
        command = [sys.executable, __file__, str(folder), "--one", method, str(seed), "--seconds", str(given.seconds)]
        with (folder / f"{method}-{seed}.log").open("w", encoding="utf-8") as log:
            subprocess.run(
                [*command, "--overrides", *given.overrides],
                check=True,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        print(f"{method} {seed}: done", flush=True)

    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(carry_out, missing))
    table([read_curve(folder / f"{method}-{seed}.json") for method, seed in runs], given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
