"""Adversarial losses on logits, all to be minimised."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from gan.errors import SpecError

ADVERSARIAL_LOSSES = ("bce", "hinge")


def discriminator_loss(kind: str, real: Tensor, fake: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Return the discriminator's scalar loss from realness logits of real and generated images, [N] each.

    ``bce``: the mean of both cross-entropies, real targets lowered to ``1 - label_smoothing`` (Goodfellow et al. 2014;
    one-sided smoothing of Salimans et al. 2016). ``hinge``: Lim and Ye 2017, equation 9, which has no smoothing.
    """
    if kind == "bce":
        target = real.new_full((), 1.0 - label_smoothing).expand_as(real)
        real_term = F.binary_cross_entropy_with_logits(real, target)
        return (real_term + F.softplus(fake).mean()) / 2
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    raise SpecError(f"adversarial loss must be one of {', '.join(ADVERSARIAL_LOSSES)}; got {kind!r}")


def generator_loss(kind: str, fake: Tensor) -> Tensor:
    """Return the generator's scalar loss from realness logits [N] of its images (``bce``: the non-saturating form)."""
    if kind == "bce":
        return F.softplus(-fake).mean()
    if kind == "hinge":
        return -fake.mean()
    raise SpecError(f"adversarial loss must be one of {', '.join(ADVERSARIAL_LOSSES)}; got {kind!r}")


def mode_seeking_loss(latent: Tensor, images: Tensor) -> Tensor:
    """Return the inverse of how far images of equal classes are apart, relative to their latents, as a scalar.

    The second half of ``latent`` [N, d] and ``images`` [N, C, H, W] must be of the classes of the first, in order; an
    odd image at the end is left out. Source: Mao et al. 2019, equations 4 and 5, with mean absolute distances.
    """
    half = len(images) // 2
    between_images = (images[:half].float() - images[half : 2 * half].float()).abs().mean()
    between_latents = (latent[:half] - latent[half : 2 * half]).abs().mean()
    return between_latents / (between_images + 1e-5)
