"""What the framework itself costs: seconds per trial beside a real record, and the next draw after 10,000 trials.

``python benchmarks/overhead.py docs/results/overhead.json [--trials 30] [--finished 10000]``: trials that take no time
go through the real engine, an SQLite storage and an SQLite MLflow store, with parameters, curves, tags and a file each;
what they take is overhead. Then a study is filled with finished trials and worked on a little more, with each sampler:
how long a draw takes, and all that happens from the start of one trial to that of the next, its record included.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from atomic_files import write_text
from gan.training import TrainingBudget, TrainingHooks, TrainingRecipe, TrainingRecord
from search.candidate import Candidate
from search.drivers import Driver
from search.endings import CANDIDATE, OUTCOME, RECORD
from search.engine import StudyPlan, run_study
from search.objectives import Objective
from search.observer import StudyObserver
from search.record import TrialOutcome, TrialRecord
from search.runner import SerialRunner
from search.samplers import nsga2, tpe
from search.samplers import random as random_sampler
from search.space import build_search_space
from search.study import open_study
from search.tracking import Tracker
from search.view import LineView

OBJECTIVES = (Objective("accuracy", "maximize", 0.0), Objective("rows", "minimize", 1e6))
CHOICES = {"latent_dim": range(1, 400), "width_0": range(4, 60), "width_1": range(4, 60)}
TRIAL_SECONDS, RECORDS = 60.0, 40
FILLED = "filled"


class Instant:
    """Scores at once from the spec, and tells as many points of curves as a minute of training does."""

    def __init__(self) -> None:
        self.began: list[float] = []

    def __call__(
        self, candidate: Candidate, folder: Path, hooks: TrainingHooks, until_images: int | None = None
    ) -> TrialRecord:
        """Write one file and tell ``RECORDS`` points."""
        self.began.append(time.perf_counter())
        for step in range(RECORDS):
            hooks.on_record(TrainingRecord(step, step * 32, step * 1.5, 0.5, 0.5, 200.0, 1.0))
        write_text(folder / "spec.json", candidate.spec.to_json())
        width = candidate.spec.widths[0]
        metrics = {"accuracy": 1 / candidate.spec.latent_dim, "rows": 10.0 * width, "macs": 1e6, "train_seconds": 60.0}
        return TrialRecord(candidate, TrialOutcome.SCORED, "", metrics, {"rows": -1.0}, folder, {"device": "cpu"})


def plan_of(folder: Path, trained: int) -> StudyPlan:
    """Return a plan over a few million candidates."""
    widths = {name: {"low": values[0], "high": values[-1]} for name, values in CHOICES.items()}
    space = build_search_space(
        families={"subpixel": {"stages": 2, "width_0": widths["width_0"], "width_1": widths["width_1"]}},
        shared={"latent_dim": widths["latent_dim"], "conditioning": "one_hot"},
    )
    return StudyPlan(
        space=space,
        recipe=TrainingRecipe(),
        budget=TrainingBudget(steps=1),
        objectives=OBJECTIVES,
        image_size=32,
        num_classes=10,
        trained=trained,
        candidates=10 * trained,
        seed=0,
        folder=folder,
    )


def study_of(folder: Path, name: str, sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    """Open the study ``name`` in the database of ``folder``."""
    return open_study(
        name=name, storage=f"sqlite:///{folder}/optuna.db", objectives=OBJECTIVES, sampler=sampler, signature="x"
    )


def asked(folder: Path, name: str, sampler: optuna.samplers.BaseSampler, times: int) -> list[float]:
    """Return the seconds that each of ``times`` draws takes; the drawn trials end as failed."""
    plan, found = plan_of(folder, 1), []
    study = study_of(folder, name, sampler)
    for _ in range(times):
        began = time.perf_counter()
        trial = study.ask()
        plan.draw(trial)
        found.append(time.perf_counter() - began)
        study.tell(trial, state=TrialState.FAIL)
    return found


def work(folder: Path, name: str, sampler: optuna.samplers.BaseSampler, trained: int) -> list[float]:
    """Go on with a study to ``trained`` trials; gives the seconds from the start of one trial to that of the next."""
    study = study_of(folder, name, sampler)
    uri = f"sqlite:///{folder}/mlflow.db"
    tracker = Tracker(uri=uri, experiment="overhead", artifacts=folder / "artifacts", study=name, uid=name)
    lines = LineView(lambda text: None)
    observer = StudyObserver(tracker, study_folder=folder, objectives=OBJECTIVES, tags={"commit": "x"}, view=lines)
    evaluate = Instant()
    with Driver(study, say=lines.say) as driver, closing(SerialRunner(evaluate)) as runner:
        run_study(study, plan_of(folder, trained), runner, observer, driver)
    return [later - earlier for earlier, later in itertools.pairwise(evaluate.began)]


def fill(folder: Path, name: str, count: int, rng: random.Random) -> None:
    """Add ``count`` scored trials to a study."""
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = study_of(folder, name, sampler)
    distributions: dict[str, BaseDistribution] = {
        "family": CategoricalDistribution(("subpixel",)),
        "subpixel.stages": CategoricalDistribution((2,)),
        "conditioning": CategoricalDistribution(("one_hot",)),
    }
    prefixed = {name: name if name == "latent_dim" else f"subpixel.{name}" for name in CHOICES}
    distributions |= {prefixed[name]: IntDistribution(values[0], values[-1]) for name, values in CHOICES.items()}
    trials = []
    for number in range(count):
        drawn = {prefixed[name]: rng.choice(values) for name, values in CHOICES.items()}
        metrics = {f"figure_{place}": rng.random() for place in range(40)}
        values = [rng.random(), 1e5 * rng.random()]
        record = {"outcome": "scored", "reason": "", "metrics": metrics | {"trial_seconds": 60.0}, "facts": {}}
        trials.append(
            create_trial(
                state=TrialState.COMPLETE,
                values=values,
                params={"family": "subpixel", "subpixel.stages": 2, "conditioning": "one_hot", **drawn},
                distributions=distributions,
                user_attrs={
                    CANDIDATE: f"{number:064d}",
                    OUTCOME: "scored",
                    RECORD: json.dumps(record | {"folder": "f", "spec": {}}),
                },
            )
        )
    study.add_trials(trials)


def main() -> int:
    """Measure and write; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--finished", type=int, default=10_000)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    result: dict[str, Any] = {"finished_trials": given.finished, "samplers": {}}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        spent = work(folder, "fresh", nsga2(seed=0), given.trials)[2:]
        result["seconds_per_trial"] = statistics.median(spent)
        result["overhead_fraction"] = result["seconds_per_trial"] / TRIAL_SECONDS
        print(
            f"a trial: {result['seconds_per_trial']:.3f} s, {result['overhead_fraction']:.2%} of {TRIAL_SECONDS:.0f} s"
        )
        fill(folder, FILLED, given.finished, random.Random(0))
        for name, sampler in (("nsga2", nsga2(seed=1)), ("tpe", tpe(seed=1)), ("random", random_sampler(seed=1))):
            own = folder / name
            own.mkdir()
            shutil.copy(folder / "optuna.db", own / "optuna.db")
            draws = asked(own, FILLED, sampler, 7)[1:]  # the first of them reads the whole study
            seconds = work(own, FILLED, sampler, given.finished + 6)
            result["samplers"][name] = {
                "ask_seconds": statistics.median(draws),
                "all_asks": draws,
                "next_trial_seconds": statistics.median(seconds),
                "all_trials": seconds,
            }
            print(
                f"{name}: after {given.finished:,} trials a draw takes {statistics.median(draws):.2f} s, "
                f"from trial to trial it is {statistics.median(seconds):.2f} s"
            )
    result["ask_seconds_at_10000"] = result["samplers"]["nsga2"]["ask_seconds"] if given.finished == 10_000 else None
    write_text(given.out, json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
