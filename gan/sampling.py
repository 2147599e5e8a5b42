"""Samples whose latent depends on (seed, sample index) alone, so that no batch size changes them."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


def latents_for(sample_indices: Tensor, *, latent_dim: int, seed: int) -> Tensor:
    """Return standard normal latents [n, latent_dim] for ``sample_indices`` [n] (non-negative).

    Each row has a counter-based stream of its own, keyed by (seed, index): Salmon et al. 2011, Philox4x64.
    """
    rows = [
        np.random.Generator(np.random.Philox(key=[seed % 2**64, int(index)])).standard_normal(latent_dim, np.float32)
        for index in sample_indices.tolist()
    ]
    return torch.from_numpy(np.stack(rows)) if rows else torch.empty(0, latent_dim)


def one_hot_rows(labels: Tensor, num_classes: int) -> Tensor:
    """Return float32 one-hot rows [n, num_classes] of ``labels`` [n]."""
    return F.one_hot(labels, num_classes).to(torch.float32)


class GeneratorSampler:
    """``(labels [n], sample_indices [n]) -> images [n, C, H, W] in [-1, 1]`` from one generator and one seed."""

    def __init__(self, generator: nn.Module, *, latent_dim: int, num_classes: int, seed: int) -> None:
        self._generator = generator.eval()
        self._latent_dim = latent_dim
        self._num_classes = num_classes
        self._seed = seed

    @torch.inference_mode()
    def __call__(self, labels: Tensor, sample_indices: Tensor) -> Tensor:
        """Generate image i from the latent of ``sample_indices[i]`` and the class ``labels[i]``, on the CPU."""
        device = next(self._generator.parameters()).device
        latent = latents_for(sample_indices, latent_dim=self._latent_dim, seed=self._seed)
        one_hot = one_hot_rows(labels.cpu(), self._num_classes)
        images: Tensor = self._generator(latent.to(device), one_hot.to(device))
        return images.float().cpu()
