"""Images a second of a training step in bfloat16 autocast beside float32, on this machine's processors.

    python benchmarks/bfloat16.py [--settings NAME ...] [--threads N ...] [--rounds 7] [--steps 10] [--root FOLDER]

Both precisions train states of their own and are measured in turn, round by round; the ratio is the median over the
rounds. ``gan.training.hardware.multiplies_bf16`` says what a training does by itself.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import torch

from gan.training.hardware import multiplies_bf16
from gan.training.memory import keep_freed_memory
from gan.training.state import build_state
from gan.training.step import train_step
from search.configured import configured
from search.guide import recipe_guide
from search.space import First

SETTINGS = {
    "make search": (),
    "tier1/exp_001": ("experiment=tier1/exp_001", "training=strong"),
    "tier3/exp_016": ("experiment=tier3/exp_016", "training=strong"),
    "record": ("experiment=record",),
}
_WARM_UP_STEPS = 4


def measure(overrides: tuple[str, ...], *, rounds: int, steps: int) -> dict[bool, list[float]]:
    """Return images a second in each round, by whether they were trained in bfloat16."""
    found = configured(list(overrides), Path("mlruns"))
    settings, dataset, device = found.settings, found.dataset, torch.device("cpu")
    recipe = settings.recipe
    spec = settings.space.suggest_spec(First(), num_classes=dataset.num_classes, image_size=dataset.image_size)
    guide = recipe_guide(recipe, dataset, device=device, cache=Path(".cache"))
    states = {bf16: build_state(spec, recipe, dataset, seed=0, device=device, guide=guide) for bf16 in (False, True)}
    rates: dict[bool, list[float]] = {bf16: [] for bf16 in states}
    for place in range(rounds + 1):
        for bf16, state in states.items():
            count, began = steps if place else _WARM_UP_STEPS, time.perf_counter()
            for _ in range(count):
                train_step(state, recipe, bf16=bf16)
            if place:
                rates[bf16].append(count * recipe.batch_size / (time.perf_counter() - began))
    return rates


def main() -> int:
    """Measure every setting at every number of threads; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, len(os.sched_getaffinity(0))}))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--root", help="folder of CIFAR-10's parquet files; without it only the digits are measured")
    given = parser.parse_args()
    keep_freed_memory()
    print(f"a training here takes {'bfloat16' if multiplies_bf16(torch.device('cpu')) else 'float32'} by itself")
    for setting in given.settings:
        overrides = SETTINGS[setting]
        if overrides and given.root is None:
            print(f"{setting}: left out; give --root")
            continue
        for threads in given.threads:
            torch.set_num_threads(threads)
            root = (f"dataset.root={given.root}",) if overrides else ()
            rates = measure((*overrides, *root), rounds=given.rounds, steps=given.steps)
            ratio = statistics.median(own / base for own, base in zip(rates[True], rates[False], strict=True))
            print(
                f"{setting}, {threads} {'thread' if threads == 1 else 'threads'}: float32 "
                f"{statistics.median(rates[False]):.0f} images/s, bfloat16 {statistics.median(rates[True]):.0f}, "
                f"ratio {ratio:.2f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
