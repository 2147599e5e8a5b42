"""Images a second of this project's training beside a straightforward PyTorch loop, and what each trick gives.

    python benchmarks/training_throughput.py [--out docs/results/training-throughput.json] [--rounds 5] [--steps 20]
        [--settings NAME ...] [--root FOLDER_WITH_THE_PARQUET_FILES]

The straightforward loop has the same generator, discriminator, losses, augmentation and averaged weights: a DataLoader
over single images through torchvision's transforms, a new generated batch for each of the two updates, separate passes
of real and generated images, the default Adam, gradients of the discriminator's weights in the generator's update
although nobody reads them. The tricks are then switched on one after another, then the project's own ``train_step`` is
run, and run in a process that keeps freed memory, as trainings do. Each variant has a process of its own; all are
measured in turn, round by round, so that a noisy machine disturbs all alike. Figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from atomic_files import write_text
from gan.augment import augment
from gan.data import BatchSource, ImageDataset, Split
from gan.losses import discriminator_loss, generator_loss
from gan.sampling import one_hot_rows
from gan.spec import GeneratorSpec
from gan.training import TrainingRecipe
from gan.training.ema import update_average
from gan.training.memory import keep_freed_memory
from gan.training.state import TrainingState, build_state
from gan.training.step import train_step
from search.configured import configured
from search.space import First
from torchvision_compat import import_torchvision

SETTINGS = {
    "make search": (),
    "tier1/exp_001": ("experiment=tier1/exp_001", "training=strong"),
    "tier3/exp_016": ("experiment=tier3/exp_016", "training=strong"),
}


@dataclass(frozen=True)
class Tricks:
    """What a loop does beyond the straightforward; all off is that."""

    batches_in_memory: bool = False
    channels_last: bool = False
    fused_adam: bool = False
    frozen_discriminator: bool = False
    one_generated_batch: bool = False
    one_discriminator_pass: bool = False
    fused_average: bool = False


ORDER = tuple(Tricks.__dataclass_fields__)
FIRST, FREED = "straightforward", "+ freed memory kept"


class Pictures(Dataset[tuple[Tensor, int]]):
    """Single images of a split, as torchvision's own datasets give them."""

    def __init__(self, split: Split, *, flip: bool) -> None:
        self._images = split.images.permute(0, 2, 3, 1).contiguous().numpy()
        self._labels = split.labels.tolist()
        import_torchvision()
        from torchvision import transforms  # only importable after that

        flips = [transforms.RandomHorizontalFlip()] if flip else []
        self._transform = transforms.Compose(
            [transforms.ToPILImage(), *flips, transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
        )

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        return self._transform(self._images[place]), self._labels[place]


def endless(loader: DataLoader[tuple[Tensor, int]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Go through ``loader`` again and again."""
    while True:
        yield from loader


@torch.no_grad()
def average_one_by_one(average: nn.Module, module: nn.Module, decay: float) -> None:
    """Move every weight of ``average`` towards that of ``module``."""
    for own, other in zip(average.parameters(), module.parameters(), strict=True):
        own.mul_(decay).add_(other, alpha=1 - decay)
    for kept, buffer in zip(average.buffers(), module.buffers(), strict=True):
        kept.copy_(buffer)


class Loop:
    """A training loop with some of the tricks."""

    def __init__(self, spec: GeneratorSpec, recipe: TrainingRecipe, dataset: ImageDataset, tricks: Tricks) -> None:
        recipe = replace(recipe, channels_last=tricks.channels_last)
        self._recipe, self._tricks, self._spec = recipe, tricks, spec
        self._state: TrainingState = build_state(spec, recipe, dataset, seed=0, device=torch.device("cpu"))
        state = self._state
        if tricks.fused_adam:
            self._g_optimizer, self._d_optimizer = state.generator_optimizer, state.discriminator_optimizer
        else:
            self._g_optimizer = self._adam(state.generator, recipe.generator_learning_rate)
            self._d_optimizer = self._adam(state.discriminator, recipe.discriminator_learning_rate)
        if tricks.batches_in_memory:
            source = BatchSource(dataset.train, seed=0, horizontal_flip=dataset.horizontal_flip)
            self._next: Callable[[], tuple[Tensor, Tensor]] = lambda: source.next(recipe.batch_size)
        else:
            pictures = Pictures(dataset.train, flip=dataset.horizontal_flip)
            stream = endless(DataLoader(pictures, batch_size=recipe.batch_size, shuffle=True, drop_last=True))
            self._next = lambda: next(stream)

    def _adam(self, module: nn.Module, rate: float) -> torch.optim.Optimizer:
        return torch.optim.Adam(module.parameters(), lr=rate, betas=self._recipe.adam_betas)

    def step(self) -> None:
        """Update discriminator, generator and averaged weights once."""
        state, recipe, tricks = self._state, self._recipe, self._tricks
        judge = state.discriminator
        real, labels = self._next()
        if tricks.channels_last:
            real = real.contiguous(memory_format=torch.channels_last)
        fake, fake_labels = self._generated(len(real))
        shown = augment(torch.cat([real, fake.detach()]), recipe.augmentation, state.rng)
        if tricks.one_discriminator_pass:
            both = judge(shown, torch.cat([labels, fake_labels]))
            on_real, on_fake = both.realness[: len(real)], both.realness[len(real) :]
            logits = None if both.class_logits is None else both.class_logits[: len(real)]
        else:
            of_real, of_fake = judge(shown[: len(real)], labels), judge(shown[len(real) :], fake_labels)
            on_real, on_fake, logits = of_real.realness, of_fake.realness, of_real.class_logits
        loss = discriminator_loss(recipe.loss, on_real, on_fake, label_smoothing=recipe.label_smoothing)
        if logits is not None:
            loss = loss + recipe.auxiliary_weight * F.cross_entropy(logits, labels)
        self._descend(self._d_optimizer, loss)
        if not tricks.one_generated_batch:
            fake, fake_labels = self._generated(len(real))
        judge.requires_grad_(not tricks.frozen_discriminator)
        judged = judge(augment(fake, recipe.augmentation, state.rng), fake_labels)
        loss = generator_loss(recipe.loss, judged.realness)
        if judged.class_logits is not None:
            loss = loss + recipe.auxiliary_weight * F.cross_entropy(judged.class_logits, fake_labels)
        self._descend(self._g_optimizer, loss)
        judge.requires_grad_(True)
        assert isinstance(state.average, nn.Module)
        if tricks.fused_average:
            update_average(state.average, state.generator, decay=recipe.ema_decay, step=state.step)
        else:
            average_one_by_one(state.average, state.generator, recipe.ema_decay)
        state.step += 1

    def _generated(self, count: int) -> tuple[Tensor, Tensor]:
        labels = torch.randint(self._spec.num_classes, (count,), generator=self._state.rng)
        latent = torch.randn(count, self._spec.latent_dim, generator=self._state.rng)
        return self._state.generator(latent, one_hot_rows(labels, self._spec.num_classes)), labels

    def _descend(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


class Own:
    """The project's own step."""

    def __init__(self, spec: GeneratorSpec, recipe: TrainingRecipe, dataset: ImageDataset) -> None:
        self._recipe = recipe
        self._state = build_state(spec, recipe, dataset, seed=0, device=torch.device("cpu"))

    def step(self) -> None:
        """Take one step in float32."""
        train_step(self._state, self._recipe, bf16=False)


def variants() -> dict[str, Tricks | None]:
    """Return the variants by name, in the order in which tricks are added; None is the project's own step."""
    tricks = Tricks()
    found: dict[str, Tricks | None] = {FIRST: tricks}
    for name in ORDER:
        tricks = replace(tricks, **{name: True})
        found[f"+ {name.replace('_', ' ')}"] = tricks
    return found | {"train_step": None, FREED: None}


def serve(pipe: Connection, overrides: Sequence[str], name: str, threads: int) -> None:
    """Run as many steps as the other end asks for, and answer with the batch size; a process for each variant."""
    torch.set_num_threads(threads)
    if name == FREED:
        keep_freed_memory()
    found = configured(overrides, Path("mlruns"))
    settings, dataset = found.settings, found.dataset
    spec = settings.space.suggest_spec(First(), num_classes=dataset.num_classes, image_size=dataset.image_size)
    tricks = variants()[name]
    made = Own(spec, settings.recipe, dataset) if tricks is None else Loop(spec, settings.recipe, dataset, tricks)
    with suppress(EOFError):
        while True:
            for _ in range(pipe.recv()):
                made.step()
            pipe.send(settings.recipe.batch_size)


def timed(pipes: Sequence[Connection], steps: int) -> float:
    """Have all run ``steps`` steps at once; gives their images a second together."""
    began = time.perf_counter()
    for pipe in pipes:
        pipe.send(steps)
    images = sum(steps * pipe.recv() for pipe in pipes)
    return float(images / (time.perf_counter() - began))


def measure(overrides: Sequence[str], *, threads: int, rounds: int, steps: int) -> dict[str, list[float]]:
    """Return images a second of each variant in each round, after some steps that do not count."""
    context, pipes, processes = multiprocessing.get_context("spawn"), dict[str, list[Connection]](), []
    crews = {name: [(name, threads)] for name in variants()}
    if threads > 1:
        crews[f"{threads} trainings, a thread each"] = [(FREED, 1)] * threads
    for crew, members in crews.items():
        pipes[crew] = []
        for name, count in members:
            here, there = context.Pipe()
            process = context.Process(target=serve, args=(there, overrides, name, count), daemon=True)
            process.start()
            there.close()
            pipes[crew].append(here)
            processes.append(process)
        timed(pipes[crew], 3)
    found: dict[str, list[float]] = {crew: [] for crew in crews}
    for _ in range(rounds):
        for crew, own in pipes.items():
            found[crew].append(timed(own, steps))
    for own in pipes.values():
        for pipe in own:
            pipe.close()
    for process in processes:
        process.join()
    return found


def report(rates: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Print a table and return its rows: ratios to the first variant and to the one before, round by round."""
    names, rows = list(rates), list[dict[str, Any]]()
    first = rates[names[0]]
    for place, name in enumerate(names):
        before = rates[names[max(0, place - 1)]]
        row = {
            "variant": name,
            "images_per_second": statistics.median(rates[name]),
            "ratio": statistics.median(own / base for own, base in zip(rates[name], first, strict=True)),
            "gain": statistics.median(own / base for own, base in zip(rates[name], before, strict=True)),
        }
        rate, ratio, gain = row["images_per_second"], row["ratio"], row["gain"]
        print(f"{name:28s} {rate:7.1f} images/s  {ratio:5.2f}x  (this one {gain:.2f}x)")
        rows.append(row)
    return rows


def main() -> int:
    """Measure every setting at one thread and at all; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/results/training-throughput.json"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, len(os.sched_getaffinity(0))}))
    parser.add_argument("--root", help="folder of CIFAR-10's parquet files; without it only the digits are measured")
    given = parser.parse_args()
    result: list[dict[str, Any]] = []
    for setting in given.settings:
        root = [f"dataset.root={given.root}"] if SETTINGS[setting] else []
        if root and given.root is None:
            print(f"{setting}: left out; give --root")
            continue
        for threads in given.threads:
            print(f"{setting}, {threads} {'thread' if threads == 1 else 'threads'}")
            overrides = [*SETTINGS[setting], *root]
            rows = report(measure(overrides, threads=threads, rounds=given.rounds, steps=given.steps))
            result.append({"setting": setting, "threads": threads, "variants": rows})
    write_text(given.out, json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
