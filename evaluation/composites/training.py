"""Training one composite network on one labelled set of images."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from evaluation.classifier.augment import alternating_mirror, crop_batch, draw_plan, reflect_pad
from evaluation.classifier.recipe import learning_rate_at
from evaluation.classifier.training import PROGRESS_SECONDS, ProgressFunction, TrainingProgress, resolve_precision
from evaluation.composites.folding import with_batchnorm, without_batchnorm
from evaluation.composites.recipe import CompositeRecipe
from evaluation.composites.spec import CompositeSpec, build_composite
from evaluation.errors import ClassifierTrainingError, SpecError
from evaluation.sampling import dequantize


def train_composite(
    *,
    spec: CompositeSpec,
    recipe: CompositeRecipe,
    images: Tensor,
    labels: Tensor,
    horizontal_flip: bool,
    seed: int,
    device: torch.device | str = "cpu",
    progress: ProgressFunction | None = None,
) -> nn.Sequential:
    """Train a composite network; BatchNorm helps on the way and is folded away at the end.

    Args:
        spec: the network.
        recipe: how to train it.
        images: uint8 [N, 3, S, S] of the spec's size.
        labels: int64 [N] in [0, C).
        horizontal_flip: whether mirroring keeps the class.
        seed: initial weights, order and augmentation. The same seed gives the same weights on the same machine.
        device: where to train and where the module ends up.
        progress: called about once a second and after the last step.

    Returns:
        The layers of ``build_composite(spec, seed)`` in float32, trained, in eval mode.

    Raises:
        SpecError: images or labels that do not fit the spec, or a shift as large as the image.
        ClassifierTrainingError: the loss is no longer finite.
    """
    _check_training_set(spec, recipe, images, labels)
    with _limited_threads(recipe.cpu_threads):
        run = _Run(spec, recipe, images, labels, horizontal_flip, seed, torch.device(device))
        run.train(progress)
        return without_batchnorm(run.module.to(memory_format=torch.contiguous_format))  # type: ignore[call-overload]


@contextlib.contextmanager
def _limited_threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Run:
    """The state of one training: network, optimiser, padded images and random stream."""

    def __init__(
        self,
        spec: CompositeSpec,
        recipe: CompositeRecipe,
        images: Tensor,
        labels: Tensor,
        horizontal_flip: bool,
        seed: int,
        device: torch.device,
    ) -> None:
        self.spec, self.recipe, self.device = spec, recipe, device
        self.schedule = recipe.schedule
        self.half = resolve_precision(self.schedule, device) == "bfloat16"
        self.generator = torch.Generator().manual_seed(seed)
        self.module = with_batchnorm(build_composite(spec, seed)).to(device).train()
        self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = _build_optimizer(self.module, recipe)
        self.padded = reflect_pad(images.to(device), recipe.shift_pixels)
        self.labels = labels.to(device)
        self.flips = horizontal_flip and recipe.flip
        self.mirror = torch.zeros(len(images), dtype=torch.bool)
        if self.flips:
            self.mirror = torch.rand(len(images), generator=self.generator) < 0.5
        self.batch_size = min(recipe.batch_size, len(images))
        self.epoch_steps = len(images) // self.batch_size
        self.total_steps = recipe.epochs * self.epoch_steps

    def train(self, progress: ProgressFunction | None) -> None:
        started = reported = time.perf_counter()
        offsets = 2 * self.recipe.shift_pixels + 1
        for epoch in range(self.recipe.epochs):
            mirror = alternating_mirror(self.mirror, epoch) if self.flips else self.mirror
            plan = draw_plan(count=len(mirror), offsets=offsets, mirror=mirror, generator=self.generator)
            plan = plan.to(self.device)
            for position in range(self.epoch_steps):
                start = position * self.batch_size
                stop = start + self.batch_size
                batch = crop_batch(self.padded, plan, start, stop, self.spec.image_size)
                step = epoch * self.epoch_steps + position
                loss = self.step(batch, self.labels[plan.order[start:stop]], step)
                now = time.perf_counter()
                due = progress is not None and (now - reported >= PROGRESS_SECONDS or step == self.total_steps - 1)
                if due or position == self.epoch_steps - 1:
                    value = self.checked_loss(loss, step)
                if progress is not None and due:
                    progress(self.describe(epoch, step, value, now - started))
                    reported = now

    def step(self, batch: Tensor, labels: Tensor, step: int) -> Tensor:
        rate = learning_rate_at(self.schedule, step, self.total_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        inputs = dequantize(batch).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16) if self.half else contextlib.nullcontext():
            logits = self.module(inputs)
        loss = nn.functional.cross_entropy(logits.float(), labels, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.recipe.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.module.parameters(), self.recipe.gradient_clip)
        self.optimizer.step()
        return loss.detach()

    def checked_loss(self, loss: Tensor, step: int) -> float:
        value = float(loss)
        if not math.isfinite(value):
            raise ClassifierTrainingError(
                f"a composite network's loss must stay finite; got {value} at step {step} of {self.total_steps}; "
                f"lower max_learning_rate ({self.recipe.max_learning_rate}) or gradient_clip "
                f"({self.recipe.gradient_clip})"
            )
        return value

    def describe(self, epoch: int, step: int, loss: float, elapsed: float) -> TrainingProgress:
        done = step + 1
        return TrainingProgress(
            epoch=epoch + 1,
            epochs=self.recipe.epochs,
            step=done,
            total_steps=self.total_steps,
            loss=loss,
            images_per_second=done * self.batch_size / max(elapsed, 1e-9),
            elapsed_seconds=elapsed,
            eta_seconds=elapsed / done * (self.total_steps - done),
        )


def _build_optimizer(module: nn.Sequential, recipe: CompositeRecipe) -> torch.optim.SGD:
    """SGD over three groups: the linear layer's weights, the convolutions' weights, and all vectors."""
    head = module[-1].weight
    kernels = [value for value in module.parameters() if value.ndim > 1 and value is not head]
    vectors = [value for value in module.parameters() if value.ndim <= 1]
    decay = recipe.weight_decay
    groups = [
        {"params": kernels, "weight_decay": decay, "factor": 1.0},
        {"params": [head], "weight_decay": decay / recipe.head_factor, "factor": recipe.head_factor},
        {"params": vectors, "weight_decay": 0.0, "factor": 1.0},
    ]
    return torch.optim.SGD(groups, lr=recipe.max_learning_rate, momentum=recipe.momentum, nesterov=True)


def _check_training_set(spec: CompositeSpec, recipe: CompositeRecipe, images: Tensor, labels: Tensor) -> None:
    expected = (3, spec.image_size, spec.image_size)
    if images.dtype != torch.uint8 or tuple(images.shape[1:]) != expected:
        raise SpecError(f"training images must be uint8 [N, {expected}]; got {images.dtype} {list(images.shape)}")
    if len(images) < 2 or labels.shape != images.shape[:1]:
        raise SpecError(f"training needs two or more images with one label each; got {len(images)}, {len(labels)}")
    if int(labels.min()) < 0 or int(labels.max()) >= spec.num_classes:
        raise SpecError(
            f"labels must lie in [0, {spec.num_classes}); got {int(labels.min())} to {int(labels.max())}; "
            "set num_classes to the data set's"
        )
    if recipe.shift_pixels >= spec.image_size:
        raise SpecError(f"shift_pixels must be below image_size {spec.image_size}; got {recipe.shift_pixels}")
