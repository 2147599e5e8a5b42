"""One optimiser step of discriminator and generator."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan.augment import augment
from gan.discriminators import DiscriminatorOutput
from gan.losses import discriminator_loss, generator_loss, mode_seeking_loss
from gan.sampling import one_hot_rows
from gan.training.distillation import Adaptors, feature_maps, published_divergence
from gan.training.ema import update_average
from gan.training.progressive import Growing
from gan.training.recipe import TrainingRecipe
from gan.training.state import Discriminator, TrainingState
from gan.training.variational import Encoder, divergence, drawn_latent, reconstruction


def train_step(state: TrainingState, recipe: TrainingRecipe, *, bf16: bool) -> tuple[Tensor, Tensor]:
    """Advance ``state`` by one step and return (discriminator loss, generator loss) as detached scalars.

    One generated batch serves both updates: the generator does not change between them, so one forward pass is enough.
    An autoencoder without a discriminator has a discriminator loss of 0, and so has a generator that still waits for
    its discriminator (:attr:`TrainingRecipe.head_start`).
    """
    real, labels = state.batches.next(recipe.batch_size)
    device = real.device
    if recipe.channels_last:
        real = real.contiguous(memory_format=torch.channels_last)
    if isinstance(state.generator, Growing):
        real = state.generator.resolution.match(real)
    d_loss = torch.zeros((), device=device)
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        own_loss = _autoencoding(state, recipe, real, labels) if isinstance(state.companion, Encoder) else None
    if recipe.method != "vae":
        fake_labels = drawn_labels(state, len(real), paired=recipe.mode_seeking_weight > 0).to(device)
        latent = torch.randn(len(real), state.latent_dim, generator=state.rng).to(device)
        one_hot = one_hot_rows(fake_labels, state.num_classes)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            fake, maps = _generated(state, latent, one_hot)
            d_loss = _discriminator_objective(state, recipe, real, labels, fake.detach(), fake_labels)
        judges = [judge for judge, _ in state.judges]
        _descend(state.discriminator_optimizer, d_loss, judges, recipe.gradient_clip)
        if state.step < recipe.head_start:
            state.step += 1
            return d_loss.detach(), torch.zeros((), device=device)
        for judge in judges:
            judge.requires_grad_(False)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            g_loss = _generator_objective(state, recipe, fake, fake_labels)
            if recipe.mode_seeking_weight:
                g_loss = g_loss + recipe.mode_seeking_weight * mode_seeking_loss(latent, fake)
            if recipe.energy is not None:
                assert state.energy is not None
                g_loss = g_loss + recipe.energy.weight * state.energy(fake, fake_labels, state.rng)
            if recipe.distillation is not None:
                g_loss = g_loss + _distilled(state, recipe, fake, fake_labels, latent, maps)
        own_loss = g_loss if own_loss is None else own_loss + g_loss
    assert own_loss is not None
    trained = [module for module in (state.generator, state.companion) if module is not None]
    _descend(state.generator_optimizer, own_loss, trained, recipe.gradient_clip)
    for judge, _ in state.judges:
        judge.requires_grad_(True)
    update_average(state.average, state.generator, decay=recipe.ema_decay, step=state.step)
    state.step += 1
    return d_loss.detach(), own_loss.detach()


def drawn_labels(state: TrainingState, count: int, *, paired: bool) -> Tensor:
    """Classes of a generated batch; paired, the second half has those of the first."""
    if not paired:
        return torch.randint(state.num_classes, (count,), generator=state.rng)
    half = torch.randint(state.num_classes, (count // 2,), generator=state.rng)
    rest = torch.randint(state.num_classes, (count % 2,), generator=state.rng)
    return torch.cat([half, half, rest])


def _generated(state: TrainingState, latent: Tensor, one_hot: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
    """Images, and the feature maps by size where a distillation compares them."""
    if isinstance(state.companion, Adaptors):
        assert not isinstance(state.generator, Growing)
        return feature_maps(state.generator, latent, one_hot)
    return state.generator(latent, one_hot), {}


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor, modules: Iterable[nn.Module], clip: float) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if clip:
        for module in modules:
            nn.utils.clip_grad_norm_(module.parameters(), clip)
    optimizer.step()


def _seen(images: Tensor, smaller: int) -> Tensor:
    return images if smaller == 1 else F.avg_pool2d(images, smaller)


def _discriminator_objective(
    state: TrainingState, recipe: TrainingRecipe, real: Tensor, labels: Tensor, fake: Tensor, fake_labels: Tensor
) -> Tensor:
    images = augment(torch.cat([real, fake.to(real.dtype)]), recipe.augmentation, state.rng)
    losses = [_judged(judge, recipe, _seen(images, size), labels, fake_labels) for judge, size in state.judges]
    return losses[0] if len(losses) == 1 else torch.stack(losses).mean()


def _judged(
    judge: Discriminator, recipe: TrainingRecipe, images: Tensor, labels: Tensor, fake_labels: Tensor
) -> Tensor:
    """One discriminator's loss on real images, then generated ones."""
    count = len(labels)
    if recipe.discriminator == "published":  # its BatchNorm must not see real and generated images as one batch
        judged_real: DiscriminatorOutput = judge(images[:count], labels)
        judged_fake: DiscriminatorOutput = judge(images[count:], fake_labels)
        realness = torch.cat([judged_real.realness, judged_fake.realness])
        class_logits = judged_real.class_logits
    else:
        judged: DiscriminatorOutput = judge(images, torch.cat([labels, fake_labels]))
        realness, class_logits = judged.realness, judged.class_logits
        class_logits = None if class_logits is None else class_logits[:count]
    realness = realness.float()
    loss = discriminator_loss(recipe.loss, realness[:count], realness[count:], label_smoothing=recipe.label_smoothing)
    if class_logits is not None:
        loss = loss + recipe.auxiliary_weight * F.cross_entropy(class_logits.float(), labels)
    return loss


def _generator_objective(state: TrainingState, recipe: TrainingRecipe, fake: Tensor, fake_labels: Tensor) -> Tensor:
    images = augment(fake, recipe.augmentation, state.rng)
    losses = []
    for judge, size in state.judges:
        judged: DiscriminatorOutput = judge(_seen(images, size), fake_labels)
        loss = generator_loss(recipe.loss, judged.realness.float())
        if judged.class_logits is not None:
            loss = loss + recipe.auxiliary_weight * F.cross_entropy(judged.class_logits.float(), fake_labels)
        losses.append(loss)
    return losses[0] if len(losses) == 1 else torch.stack(losses).mean()


def _autoencoding(state: TrainingState, recipe: TrainingRecipe, real: Tensor, labels: Tensor) -> Tensor:
    """The weighted lower bound of the images' likelihood, negated."""
    assert isinstance(state.companion, Encoder)
    one_hot = one_hot_rows(labels, state.num_classes)
    mean, log_variance = (part.float() for part in state.companion(real, one_hot))
    noise = torch.randn(len(real), state.latent_dim, generator=state.rng).to(real.device)
    images = state.generator(drawn_latent(mean, log_variance, noise), one_hot)
    distance = reconstruction(images, real)
    return recipe.reconstruction_weight * distance + recipe.kl_weight * divergence(mean, log_variance)


def _distilled(
    state: TrainingState,
    recipe: TrainingRecipe,
    fake: Tensor,
    fake_labels: Tensor,
    latent: Tensor,
    maps: dict[int, Tensor],
) -> Tensor:
    """What the student's images and feature maps are away from the teacher's, weighted."""
    teacher, weights = state.teacher, recipe.distillation
    assert teacher is not None
    assert weights is not None
    one_hot = one_hot_rows(fake_labels, state.num_classes)
    with torch.no_grad():
        wanted, teacher_maps = feature_maps(teacher.generator, teacher.latents(latent), one_hot)
    loss = weights.output_weight * (fake.float() - wanted.float()).abs().mean()
    if weights.kl_weight:
        loss = loss + weights.kl_weight * published_divergence(fake, wanted, weights.temperature)
    if weights.judge_weight:
        judge = state.discriminator
        distance = judge.features_of(fake, fake_labels).float() - judge.features_of(wanted, fake_labels).float()
        loss = loss + weights.judge_weight * distance.abs().mean()
    if isinstance(state.companion, Adaptors):
        loss = loss + weights.feature_weight * state.companion(maps, teacher_maps)
    return loss
