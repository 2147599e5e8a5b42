"""Compare training that sees a circuit's roundings with rounding after training, at 4 to 10 bits of activations.

    python benchmarks/rounding.py [FOLDER] [--out docs/results/rounding.json] [--overrides experiment=tier1/exp_001 ...]

One generator is trained in float and then rounded by checked circuits of every number of bits; the same generator is
trained once more for each, with the roundings of that circuit in its forward pass, for as many images. Both are scored
on what their circuits compute, and in the arithmetic that they were trained in, which should be the circuit's for the
second kind. Trainings are kept in FOLDER and go on there when interrupted; rows that are in the file already are not
measured again.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from atomic_files import write_text
from evaluation import evaluate_sampler
from gan.data import ImageDataset
from gan.generators import Generator
from gan.spec import GeneratorSpec
from gan.training import TrainingBudget, WeightForm, train_generator
from gan.training.weight_forms import apply_form
from search.circuit_forms import simulator_of
from search.configured import configured
from search.objective import sampler_for
from search.planned import CircuitPlanning, circuit_scores, plan_generator
from search.session import Judges, train_judges
from search.settings import SessionSettings
from search.space import First
from search.tiers.arithmetic import AFTER, DURING, read_roundings, rounding_section
from zk.benchmark.report.text import percent
from zk.checked.options import CheckedOptions
from zk.checked.plan import CheckedPlan
from zk.plan import PlanGoal

BITS = (4, 5, 6, 7, 8, 9, 10)


@dataclass(frozen=True)
class Bench:
    """What every row is made with."""

    settings: SessionSettings
    dataset: ImageDataset
    judges: Judges
    spec: GeneratorSpec
    images: int
    folder: Path

    def train(self, bits: int) -> Generator:
        """Train the generator; with bits, roundings of that many are in its forward pass."""
        recipe = replace(self.settings.recipe, weight_form=WeightForm(activation_bits=bits))
        result = train_generator(
            self.spec,
            recipe,
            TrainingBudget(images=self.images),
            self.dataset,
            seed=self.settings.seed,
            device=self.settings.device,
            folder=self.folder / f"trained-{bits}",
            intervals=self.settings.evaluation.intervals,
        )
        return result.generator

    def float_scores(self, generator: torch.nn.Module) -> dict[str, float]:
        """Score a generator in the arithmetic that it has."""
        scores = evaluate_sampler(
            sampler_for(self.spec, generator, seed=0),
            reference=self.judges.reference,
            classifier=self.judges.classifier,
            judge=self.judges.judge,
            samples=self.settings.evaluation.samples,
            seed=0,
        )
        return {"accuracy": scores.accuracy, "judge_accuracy": scores.judge_accuracy, "diversity": scores.diversity}

    def circuit_row(self, kind: str, bits: int, weights: Generator, beside: torch.nn.Module) -> dict[str, float | str]:
        """Score the circuit of ``weights`` at ``bits``; distances are from the images of ``beside``."""
        work = self.folder / f"{kind.split()[0]}-{bits}"
        planning = CircuitPlanning(
            goal=PlanGoal(memory_bytes=self.settings.proving.budget.memory_bytes, mean_abs_error=math.inf),
            options=CheckedOptions(private_inputs=("latent",)),
            budget=self.settings.evaluation.circuit_budget,
            bits=bits,
        )
        plan = plan_generator(self.spec, weights, work, planning)
        assert isinstance(plan, CheckedPlan)
        assert plan.best is not None, f"no circuit of {bits} bits is predicted within the budget of a proof"
        best, circuit = plan.best, simulator_of(plan, work, planning.budget)
        found = circuit_scores(
            self.spec,
            beside,  # type: ignore[arg-type]  # any module that gives images
            circuit,
            reference=self.judges.reference,
            classifier=self.judges.classifier,
            judge=self.judges.judge,
            seed=0,
        )
        own = self.float_scores(beside)
        return {
            "rounded": kind,
            "bits": best.options.activation_bits,
            "logrows": best.options.logrows,
            "rows": best.rows,
            "predicted_prove_seconds": best.predicted_prove_seconds,
            **{f"own_{name}": value for name, value in own.items()},
            **found,
        }


def main() -> None:
    """Measure every row that is not there yet and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("mlruns/studies/rounding"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/rounding.json"))
    parser.add_argument("--images", type=int, default=32_000, help="real images shown in each training")
    parser.add_argument("--bits", type=int, nargs="+", default=BITS)
    parser.add_argument("--overrides", nargs="*", default=[], help="of the search's configuration")
    given = parser.parse_args()
    bench = open_bench(given.folder, given.images, given.overrides)
    rows = [dict(row) for row in read_roundings(given.out)]
    known = {(row["rounded"], row["bits"]) for row in rows}
    plain = bench.train(0)
    for bits in given.bits:
        for kind in (AFTER, DURING):
            if (kind, bits) in known:
                continue
            if kind == AFTER:
                row = bench.circuit_row(kind, bits, plain, plain)
            else:
                trained = bench.train(bits)
                row = bench.circuit_row(kind, bits, trained, rounded(trained, bits))
            rows.append({"images_trained": bench.images, "classifier": bench.judges.classifier.digest, **row})
            write_text(given.out, json.dumps(rows, indent=1) + "\n")
            print(f"{kind:<14} {bits:>2} bits: circuit {percent(float(row['circuit_accuracy']))}", flush=True)
    print("\n".join(rounding_section(rows)))


def rounded(generator: Generator, bits: int) -> Generator:
    """The generator with the roundings that it was trained with, which training took away from its weights' form."""
    copied = copy.deepcopy(generator)
    apply_form(copied, WeightForm(activation_bits=bits))
    return copied.eval()


def open_bench(folder: Path, images: int, overrides: list[str]) -> Bench:
    """Compose the configuration and load data, classifier and judge."""
    found = configured(overrides, folder)
    settings, dataset = found.settings, found.dataset
    spec = settings.space.suggest_spec(First(), num_classes=dataset.num_classes, image_size=dataset.image_size)
    return Bench(settings, dataset, train_judges(settings, dataset), spec, images, folder)


if __name__ == "__main__":
    main()
