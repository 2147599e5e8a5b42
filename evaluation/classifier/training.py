"""Training one network on one labelled set of images."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evaluation.classifier.architectures import build_classifier
from evaluation.classifier.augment import alternating_mirror, crop_batch, draw_plan, reflect_pad
from evaluation.classifier.judge import build_judge
from evaluation.classifier.network import FeatureClassifier
from evaluation.classifier.recipe import ClassifierRecipe, check_recipe_fits, learning_rate_at
from evaluation.classifier.spec import JudgeSpec, NetworkSpec
from evaluation.classifier.whitening import PATCH_IMAGES, whiten_convolution
from evaluation.errors import ClassifierTrainingError, SpecError

PROGRESS_SECONDS = 1.0
"""Shortest time between two calls of the progress function: reading the loss makes a GPU wait."""


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training stands. ``loss`` is that of the last step; ``eta_seconds`` is the time left at this pace."""

    epoch: int
    epochs: int
    step: int
    total_steps: int
    loss: float
    images_per_second: float
    elapsed_seconds: float
    eta_seconds: float


ProgressFunction = Callable[[TrainingProgress], None]


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """A trained network in eval mode on its device, with the time it took, its last loss and the number format."""

    module: FeatureClassifier
    train_seconds: float
    final_loss: float
    precision: str


def build_network(spec: NetworkSpec, seed: int) -> FeatureClassifier:
    """Build the untrained network of either kind of spec from ``seed``; global random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build_judge(spec) if isinstance(spec, JudgeSpec) else build_classifier(spec)


def resolve_precision(recipe: ClassifierRecipe, device: torch.device) -> str:
    """``bfloat16`` or ``float32``: what ``auto`` means on this device.

    A CPU without bfloat16 instructions runs the autocast path about ten times slower than float32, so ``auto`` asks.
    """
    if recipe.precision != "auto":
        return recipe.precision
    if device.type == "cuda":
        supported = bool(torch.cuda.is_bf16_supported(including_emulation=False))
    else:
        supported = device.type == "cpu" and _cpu_computes_in_bfloat16()
    return "bfloat16" if supported else "float32"


def _cpu_computes_in_bfloat16() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def train_classifier(
    *,
    spec: NetworkSpec,
    recipe: ClassifierRecipe,
    images: Tensor,
    labels: Tensor,
    horizontal_flip: bool,
    seed: int,
    device: torch.device | str = "cpu",
    progress: ProgressFunction | None = None,
) -> TrainingResult:
    """Train a classifier or a judge.

    Args:
        spec: the network.
        recipe: how to train it.
        images: uint8 [N, 3, S, S] with S = ``spec.image_size``, N >= 2.
        labels: int64 [N] in [0, ``spec.num_classes``).
        horizontal_flip: whether mirroring keeps the class; ``recipe.flip`` has no effect where it is False.
        seed: initial weights, order and augmentation.
        device: where to train; the images are moved there whole.
        progress: called about once a second and after the last step.

    Raises:
        SpecError: the images, the labels or the recipe do not fit the spec.
        ClassifierTrainingError: the loss stopped being finite.
    """
    check_recipe_fits(recipe, spec)
    _check_training_set(spec, images, labels)
    device = torch.device(device)
    with _limited_threads(recipe.cpu_threads):
        run = _Run(spec, recipe, images, labels, horizontal_flip, seed, device)
        started = time.perf_counter()
        final_loss = run.train(progress, started)
    return TrainingResult(run.finished_module(), time.perf_counter() - started, final_loss, run.precision)


@contextlib.contextmanager
def _limited_threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Run:
    """The state of one training: network, average, optimiser, padded images and random stream."""

    def __init__(
        self,
        spec: NetworkSpec,
        recipe: ClassifierRecipe,
        images: Tensor,
        labels: Tensor,
        horizontal_flip: bool,
        seed: int,
        device: torch.device,
    ) -> None:
        self.spec, self.recipe, self.device = spec, recipe, device
        self.precision = resolve_precision(recipe, device)
        self.memory_format = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.module = build_network(spec, seed)
        if spec.whitened_stem:
            _whiten_stem(self.module, images[:PATCH_IMAGES])
        self.module.to(device)
        self.module.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        self.module.train()
        self.average = [value.clone() for value in _float_state(self.module)] if recipe.ema_decay else []
        self.optimizer = _build_optimizer(self.module, recipe)
        self.padded = reflect_pad(images.to(device), recipe.shift_pixels)
        self.labels = labels.to(device)
        self.generator = torch.Generator().manual_seed(seed)
        self.mirror = torch.zeros(len(images), dtype=torch.bool)
        self.flips = horizontal_flip and recipe.flip
        if self.flips:
            self.mirror = torch.rand(len(images), generator=self.generator) < 0.5
        self.batch_size = min(recipe.batch_size, len(images))
        self.epoch_steps = len(images) // self.batch_size
        self.total_steps = recipe.epochs * self.epoch_steps

    def train(self, progress: ProgressFunction | None, started: float) -> float:
        reported, loss = started, math.nan
        for epoch in range(self.recipe.epochs):
            low = epoch < self.recipe.low_resolution_epochs
            size = self.recipe.low_resolution if low and self.recipe.low_resolution else self.spec.image_size
            mirror = alternating_mirror(self.mirror, epoch) if self.flips else self.mirror
            offsets = self.padded.shape[-1] - size + 1
            plan = draw_plan(count=len(mirror), offsets=offsets, mirror=mirror, generator=self.generator)
            plan = plan.to(self.device)
            for position in range(self.epoch_steps):
                start = position * self.batch_size
                stop = start + self.batch_size
                batch = crop_batch(self.padded, plan, start, stop, size)
                step = epoch * self.epoch_steps + position
                loss_tensor = self.step(batch, self.labels[plan.order[start:stop]], step)
                now = time.perf_counter()
                last = position == self.epoch_steps - 1
                if last or (progress is not None and now - reported >= PROGRESS_SECONDS):
                    loss = self.checked_loss(loss_tensor, step)
                if progress is not None and (step == self.total_steps - 1 or now - reported >= PROGRESS_SECONDS):
                    progress(self.describe(epoch, step, loss, now - started))
                    reported = now
        return loss

    def step(self, batch: Tensor, labels: Tensor, step: int) -> Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(self.recipe, step, self.total_steps)
        inputs = (batch.float() / 127.5 - 1.0).contiguous(memory_format=self.memory_format)
        half = self.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16) if half else contextlib.nullcontext():
            logits = self.module(inputs)
        loss = nn.functional.cross_entropy(logits.float(), labels, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if self.recipe.ema_decay:
            # The average of the first steps would hold on to the initial weights; a decay that grows with the step
            # is the usual cure.
            decay = min(self.recipe.ema_decay, (1 + step) / (10 + step))
            torch._foreach_lerp_(self.average, _float_state(self.module), 1 - decay)
        return loss.detach()

    def checked_loss(self, loss: Tensor, step: int) -> float:
        value = float(loss)
        if not math.isfinite(value):
            raise ClassifierTrainingError(
                f"a classifier's loss must stay finite; got {value} at step {step} of {self.total_steps}; "
                f"lower max_learning_rate ({self.recipe.max_learning_rate})"
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

    def finished_module(self) -> FeatureClassifier:
        if self.average:
            with torch.no_grad():
                for value, average in zip(_float_state(self.module), self.average, strict=True):
                    value.copy_(average)
        self.module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        return self.module.eval()


def _build_optimizer(module: nn.Module, recipe: ClassifierRecipe) -> torch.optim.SGD:
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    weights = [parameter for parameter in trained if parameter.ndim > 1]
    vectors = [parameter for parameter in trained if parameter.ndim <= 1]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=recipe.max_learning_rate, momentum=recipe.momentum, nesterov=True)


def _whiten_stem(module: FeatureClassifier, images: Tensor) -> None:
    inputs = images.cpu().float() / 127.5 - 1.0
    for layer in module.body.children():
        if isinstance(layer, nn.Conv2d):
            whiten_convolution(layer, inputs)
            return
        inputs = layer(inputs)


def _float_state(module: nn.Module) -> list[Tensor]:
    """Weights and running statistics, without the integer step counters of BatchNorm."""
    return [value.detach() for value in module.state_dict().values() if value.is_floating_point()]


def _check_training_set(spec: NetworkSpec, images: Tensor, labels: Tensor) -> None:
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
