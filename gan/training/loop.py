"""The training loop: steps until the budget ends, checkpoints and curves on the way."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from gan.data import ImageDataset
from gan.errors import CheckpointError, DamagedCheckpointError, SpecError
from gan.guide import Guide
from gan.sampling import GeneratorSampler
from gan.spec import GeneratorSpec
from gan.training.budget import TrainingBudget
from gan.training.checkpoint import first_checkpoint, load_checkpoint, save_checkpoint
from gan.training.distillation import Teacher
from gan.training.hardware import trains_in_bf16
from gan.training.memory import keep_freed_memory
from gan.training.progressive import Growing, plain_generator
from gan.training.recipe import TrainingRecipe
from gan.training.restore import restore
from gan.training.result import TrainingHooks, TrainingOutcome, TrainingRecord, TrainingResult
from gan.training.start import Start
from gan.training.state import TrainingState, build_state
from gan.training.step import train_step
from gan.training.weight_forms import baked, prune

CHECKPOINT_NAME = "checkpoint.pt"


@dataclass(frozen=True, kw_only=True)
class TrainingIntervals:
    """How often training looks up from its work.

    Attributes:
        record_steps: steps between points of the curves.
        sample_steps: steps between sample grids; 0 for none.
        checkpoint_seconds: wall clock between checkpoints.
    """

    record_steps: int = 25
    sample_steps: int = 0
    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.record_steps < 1 or self.sample_steps < 0 or self.checkpoint_seconds < 0:
            raise SpecError(f"intervals must be positive (sample_steps may be 0 for none); got {self}")


def train_generator(
    spec: GeneratorSpec,
    recipe: TrainingRecipe,
    budget: TrainingBudget,
    dataset: ImageDataset,
    *,
    seed: int,
    device: torch.device,
    folder: Path | None = None,
    intervals: TrainingIntervals | None = None,
    hooks: TrainingHooks | None = None,
    teacher: Teacher | None = None,
    guide: Guide | None = None,
    start: Start | None = None,
    earlier: Sequence[Path] = (),
    until_images: int | None = None,
) -> TrainingResult:
    """Train the generator that ``spec`` describes until ``budget`` ends.

    ``teacher`` is for recipes that distil, ``guide`` and ``start`` for those that have one.

    With ``until_images`` training pauses at the first step that has shown so many real images, if the budget lasts that
    long. Every schedule follows the whole budget, so a training that pauses and goes on ends as one that never paused.

    With ``folder``, a checkpoint there is continued on the same random streams, and new ones are written to it, also
    when the run is interrupted. A non-finite loss ends the run with outcome ``diverged``. Where ``folder`` has none,
    the first of the checkpoints ``earlier`` that is of the same training is continued; a recipe whose schedule depends
    on the budget starts anew. The process keeps up to 1 GiB of freed memory from then on (:mod:`gan.training.memory`).

    Raises:
        SpecError: spec and dataset disagree on image size or classes, or the recipe asks for what they do not give.
        CheckpointError: ``folder`` holds a checkpoint of another run, or a damaged one; or the one of ``earlier`` has
            more steps than the budget allows.
    """
    keep_freed_memory()
    _check_fit(spec, dataset)
    if teacher is not None:
        _check_fit(teacher.spec, dataset)
    data = dataset.to(device)
    state = build_state(spec, recipe, data, seed=seed, device=device, teacher=teacher, guide=guide, start=start)
    step_limit = budget.step_limit(batch_size=recipe.batch_size, train_images=len(dataset.train))
    identity = {"spec": spec.digest, "recipe": recipe.digest, "dataset": dataset.digest, "seed": str(seed)}
    identity |= {} if teacher is None else {"teacher": teacher.digest}
    identity |= {} if guide is None else {"guide": guide.digest}
    path = None if folder is None else folder / CHECKPOINT_NAME
    if path is not None and path.exists():
        _take_up(state, load_checkpoint(path, identity, device=device), f"{path}", DamagedCheckpointError)
    elif not recipe.follows_the_budget and (found := first_checkpoint(earlier, identity, device=device)) is not None:
        _check_within(found, budget, step_limit)
        _take_up(state, found, "the checkpoint of an earlier training", CheckpointError)
    run = _Run(state, recipe, budget, intervals or TrainingIntervals(), hooks or TrainingHooks(), path, identity)
    return run.to_end(step_limit=step_limit, pause_step=_pause_step(until_images, recipe))


def _take_up(state: TrainingState, saved: dict[str, Any], what: str, refused: type[CheckpointError]) -> None:
    try:
        restore(state, saved)
    except ValueError as error:
        raise refused(f"{what} must hold the state of this training; {error}") from error


def _check_within(found: dict[str, Any], budget: TrainingBudget, step_limit: int | None) -> None:
    """Refuse to go on from a saved state that has spent more than the budget."""
    if found["step"] > (step_limit or found["step"]) or found["seconds"] > (budget.seconds or found["seconds"]):
        raise CheckpointError(
            f"a training of {found['step']} steps and {found['seconds']:.0f} s cannot go on within {budget}; "
            "give a larger budget"
        )


def _pause_step(until_images: int | None, recipe: TrainingRecipe) -> int | None:
    if until_images is None:
        return None
    if until_images < 1:
        raise SpecError(f"until_images must be positive; got {until_images}")
    return -(-until_images // recipe.batch_size)


def _check_fit(spec: GeneratorSpec, dataset: ImageDataset) -> None:
    for name, found in (("image_size", dataset.image_size), ("num_classes", dataset.num_classes)):
        if getattr(spec, name) != found:
            raise SpecError(
                f"the spec's {name} must be the dataset's; got {getattr(spec, name)} for {dataset.name} with {found}"
            )


class _Run:
    """One session of a training run."""

    def __init__(
        self,
        state: TrainingState,
        recipe: TrainingRecipe,
        budget: TrainingBudget,
        intervals: TrainingIntervals,
        hooks: TrainingHooks,
        path: Path | None,
        identity: dict[str, str],
    ) -> None:
        self._state, self._recipe, self._budget = state, recipe, budget
        self._intervals, self._hooks, self._path, self._identity = intervals, hooks, path, identity
        self._device = next(state.generator.parameters()).device
        # Reading a loss waits for a GPU, so there it is looked at less often.
        self._check_steps = 1 if self._device.type == "cpu" else intervals.record_steps
        self._first_step, self._first_seconds = state.step, state.seconds
        self._started = self._saved = time.monotonic()
        self._last_finite_step = state.step
        self._between_steps = True

    def to_end(self, *, step_limit: int | None, pause_step: int | None = None) -> TrainingResult:
        bf16 = trains_in_bf16(self._recipe, self._device)
        state = self._state
        try:
            while not self._finished(step_limit) and (pause_step is None or state.step < pause_step):
                self._between_steps = False
                self._keep_to_schedule(step_limit)
                d_loss, g_loss = train_step(state, self._recipe, bf16=bf16)
                self._between_steps = True
                state.seconds = self._first_seconds + time.monotonic() - self._started
                if state.step % self._check_steps and state.step != pause_step and not self._finished(step_limit):
                    continue
                losses = float(d_loss), float(g_loss)
                if not all(map(_is_finite, losses)):
                    return self._result(TrainingOutcome.DIVERGED, f"losses {losses} at step {state.step}")
                self._last_finite_step = state.step
                self._look_up(losses, step_limit)
        except KeyboardInterrupt:
            # Half a step would not resume on the same random streams; then the last checkpoint has to do.
            if self._between_steps and self._last_finite_step == state.step:
                self._save()
            raise
        self._save()
        ended = self._finished(step_limit)
        return self._result(
            TrainingOutcome.COMPLETED, "the budget ended" if ended else "paused before the budget ended"
        )

    def _keep_to_schedule(self, step_limit: int | None) -> None:
        """Set learning rates and resolution, and drop weights, as the spent share of the budget asks for."""
        state, form, recipe = self._state, self._recipe.weight_form, self._recipe
        share = self._share(step_limit)
        if recipe.decay_from < 1:
            factor = recipe.decay_at(share)
            _set_rate(state.generator_optimizer, factor * recipe.generator_learning_rate)
            _set_rate(state.discriminator_optimizer, factor * recipe.discriminator_learning_rate)
        if self._recipe.progressive is not None:
            for module in (state.generator, state.average):
                assert isinstance(module, Growing)
                module.resolution = self._recipe.progressive.at(share)
        wanted = form.sparsity_at(share)
        if wanted > state.sparsity:
            prune(plain_generator(state.generator), wanted)
            state.sparsity = wanted

    def _share(self, step_limit: int | None) -> float:
        """Share of the budget that is spent, by whichever limit is nearer."""
        shares = [0.0 if step_limit is None else self._state.step / step_limit]
        if self._budget.seconds is not None:
            shares.append(self._state.seconds / self._budget.seconds)
        return min(1.0, max(shares))

    def _finished(self, step_limit: int | None) -> bool:
        if step_limit is not None and self._state.step >= step_limit:
            return True
        return self._budget.seconds is not None and self._state.seconds >= self._budget.seconds

    def _look_up(self, losses: tuple[float, float], step_limit: int | None) -> None:
        state = self._state
        if state.step % self._intervals.record_steps == 0 or self._finished(step_limit):
            record = self._record(losses, step_limit)
            state.history.append({key: float(value) for key, value in asdict(record).items() if value is not None})
            self._hooks.on_record(record)
        if self._intervals.sample_steps and state.step % self._intervals.sample_steps == 0:
            self._hooks.on_samples(state.step, self._grid())
        if time.monotonic() - self._saved >= self._intervals.checkpoint_seconds:
            self._save()

    def _record(self, losses: tuple[float, float], step_limit: int | None) -> TrainingRecord:
        state = self._state
        session = max(state.seconds - self._first_seconds, 1e-9)
        steps_per_second = (state.step - self._first_step) / session
        remaining = []
        if step_limit is not None:
            remaining.append((step_limit - state.step) / steps_per_second)
        if self._budget.seconds is not None:
            remaining.append(max(self._budget.seconds - state.seconds, 0.0))
        return TrainingRecord(
            step=state.step,
            images=state.step * self._recipe.batch_size,
            seconds=state.seconds,
            discriminator_loss=losses[0],
            generator_loss=losses[1],
            images_per_second=steps_per_second * self._recipe.batch_size,
            eta_seconds=min(remaining) if remaining else None,
        )

    def _grid(self) -> torch.Tensor:
        """Eight images of each class from fixed latents, class by class."""
        state = self._state
        sample = GeneratorSampler(state.average, latent_dim=state.latent_dim, num_classes=state.num_classes, seed=0)
        indices = torch.arange(8 * state.num_classes)
        return sample(indices // 8, indices)

    def _save(self) -> None:
        if self._path is not None:
            save_checkpoint(self._path, self._identity, self._state.state_dict())
        self._saved = time.monotonic()

    def _result(self, outcome: TrainingOutcome, message: str) -> TrainingResult:
        state = self._state
        return TrainingResult(
            generator=baked(plain_generator(state.average)),
            outcome=outcome,
            steps=state.step,
            last_finite_step=self._last_finite_step,
            images=state.step * self._recipe.batch_size,
            seconds=state.seconds,
            history=tuple(state.history),
            resumed_from_step=self._first_step,
            message=message,
        )


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _is_finite(value: float) -> bool:
    return value - value == 0.0
