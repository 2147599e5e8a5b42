"""One optimiser step of discriminator and generator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gan.augment import augment
from gan.discriminators import DiscriminatorOutput
from gan.losses import discriminator_loss, generator_loss
from gan.sampling import one_hot_rows
from gan.training.ema import update_average
from gan.training.recipe import TrainingRecipe
from gan.training.state import TrainingState


def train_step(state: TrainingState, recipe: TrainingRecipe, *, bf16: bool) -> tuple[Tensor, Tensor]:
    """Advance ``state`` by one step and return (discriminator loss, generator loss) as detached scalars.

    One generated batch serves both updates: the generator does not change between them, so one forward pass is enough.
    """
    real, labels = state.batches.next(recipe.batch_size)
    device = real.device
    if recipe.channels_last:
        real = real.contiguous(memory_format=torch.channels_last)
    fake_labels = torch.randint(state.num_classes, (len(real),), generator=state.rng).to(device)
    latent = torch.randn(len(real), state.latent_dim, generator=state.rng).to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        fake = state.generator(latent, one_hot_rows(fake_labels, state.num_classes))
        d_loss = _discriminator_objective(state, recipe, real, labels, fake.detach(), fake_labels)
    _descend(state.discriminator_optimizer, d_loss)
    state.discriminator.requires_grad_(False)
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        g_loss = _generator_objective(state, recipe, fake, fake_labels)
    _descend(state.generator_optimizer, g_loss)
    state.discriminator.requires_grad_(True)
    update_average(state.average, state.generator, decay=recipe.ema_decay, step=state.step)
    state.step += 1
    return d_loss.detach(), g_loss.detach()


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _discriminator_objective(
    state: TrainingState, recipe: TrainingRecipe, real: Tensor, labels: Tensor, fake: Tensor, fake_labels: Tensor
) -> Tensor:
    images = augment(torch.cat([real, fake.to(real.dtype)]), recipe.augmentation, state.rng)
    count = len(real)
    if recipe.discriminator == "published":  # its BatchNorm must not see real and generated images as one batch
        judged_real: DiscriminatorOutput = state.discriminator(images[:count], labels)
        judged_fake: DiscriminatorOutput = state.discriminator(images[count:], fake_labels)
        realness = torch.cat([judged_real.realness, judged_fake.realness])
        class_logits = judged_real.class_logits
    else:
        judged: DiscriminatorOutput = state.discriminator(images, torch.cat([labels, fake_labels]))
        realness, class_logits = judged.realness, judged.class_logits
        class_logits = None if class_logits is None else class_logits[:count]
    realness = realness.float()
    loss = discriminator_loss(recipe.loss, realness[:count], realness[count:], label_smoothing=recipe.label_smoothing)
    if class_logits is not None:
        loss = loss + recipe.auxiliary_weight * F.cross_entropy(class_logits.float(), labels)
    return loss


def _generator_objective(state: TrainingState, recipe: TrainingRecipe, fake: Tensor, fake_labels: Tensor) -> Tensor:
    judged: DiscriminatorOutput = state.discriminator(augment(fake, recipe.augmentation, state.rng), fake_labels)
    loss = generator_loss(recipe.loss, judged.realness.float())
    if judged.class_logits is not None:
        loss = loss + recipe.auxiliary_weight * F.cross_entropy(judged.class_logits.float(), fake_labels)
    return loss
