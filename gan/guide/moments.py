"""Bring means and covariances of generated images' features near the real ones'."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

RATE = 0.02
"""Share of a batch in the running moments of generated images, if nothing else is asked for."""
_BETWEEN = 0.64
"""Batches between two decompositions, in time constants of the running moments, 1 / rate.

They cost more than all else here, and moments that run slowly need them less often.
"""
_LEAST_SHARE = 0.04
"""Of the real covariance, added to both: no direction is spread by more than about five times at once."""
_NOTHING = 1e-5
"""Of the greatest variance: directions in which real features vary less are left as they are."""


class MomentMatching(nn.Module):
    """The way from the normal distributions of generated features to those of real ones, as a loss.

    Every class has a mean of its own, and all share the covariance within classes. The Frechet distance of two normal
    distributions (Dowson and Landau 1982) is ``|m_g - m_r|^2 + tr(C_g + C_r - 2 (C_r^(1/2) C_g C_r^(1/2))^(1/2))``;
    an image moves it by ``2 (m_g - m_r) + 2 (1 - T)(x - m_g)``, where ``T`` is the linear map that transports the one
    distribution to the other, a share of ``C_r`` being added to both covariances first. ``m_g`` and ``C_g`` are running
    moments, since a batch has too few images; so that they keep up, no image is pushed harder than by a gradient of
    length 1. They are saved with a training.
    """

    means: Tensor
    covariance: Tensor
    transport: Tensor
    steps: Tensor

    def __init__(self, real: Sequence[Tensor], *, rate: float = RATE) -> None:
        """Start from the moments of ``real``, the features [N, d] of each class.

        ``rate``, in (0, 1], is the share of a batch in the running moments. In batches of 64, the covariance is
        known about as well as from 6,000 images at 0.02, few for a thousand features, and from 26,000 at 0.005; the
        mean of one of ten classes as from a tenth of these.
        """
        super().__init__()
        self._rate, self._every = rate, max(1, round(_BETWEEN / rate))
        self._means = torch.stack([rows.mean(dim=0) for rows in real])
        width = self._means.shape[1]
        covariance = self._means.new_zeros(width, width, dtype=torch.float64)
        for rows, mean in zip(real, self._means, strict=True):  # in float64 one class at a time
            centred = (rows - mean).double()
            covariance += centred.T @ centred / len(rows)  # classes count alike, as they do among generated images
        covariance /= len(real)
        values, vectors = torch.linalg.eigh(covariance)
        wanted = (1 + _LEAST_SHARE) * values.clamp_min(0)
        self._root = ((vectors * wanted.sqrt()) @ vectors.T).float()
        self._least = _LEAST_SHARE * covariance.float()
        self.register_buffer("means", self._means.clone())
        self.register_buffer("covariance", covariance.float())
        self.register_buffer("transport", torch.eye(len(covariance), device=covariance.device))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Give a scalar whose gradient is the mean push of ``features`` [N, d] of classes ``labels`` [N]."""
        push = self._push(features.detach(), labels)
        return (push * features).sum(dim=1).mean()

    def _push(self, features: Tensor, labels: Tensor) -> Tensor:
        """Count a batch in, and give the gradient [N, d] that each of its rows gets."""
        for label in torch.unique(labels).tolist():
            rows = features[labels == label]
            share = len(rows) * len(self.means) / len(features)  # 1 where classes are drawn equally often
            self.means[label].lerp_(rows.mean(dim=0), 1 - (1 - self._rate) ** share)
        centred = features - self.means[labels]
        self.covariance.lerp_(centred.T @ centred / len(features), self._rate)
        if int(self.steps) % self._every == 0:
            self.transport.copy_(_transport(self.covariance + self._least, self._root))
        self.steps += 1
        push = 2 * (self.means - self._means)[labels] + 2 * (centred - centred @ self.transport)
        lengths: Tensor = torch.linalg.vector_norm(push, dim=1, keepdim=True)
        return push / lengths.clamp_min(1)


def _transport(covariance: Tensor, root: Tensor) -> Tensor:
    """Give the linear map [d, d] by which a centred normal distribution becomes another, whose covariance is root^2.

    Where that one does not vary, it is the identity.
    """
    wide = root.double()  # its product with the covariance spans the squares of what the features span
    values, vectors = torch.linalg.eigh(wide @ covariance.double() @ wide)
    least = _NOTHING**2 * float(values.max())
    inverse = (vectors * torch.where(values > least, values.clamp_min(least).rsqrt(), 0)) @ vectors.T
    still = vectors[:, values <= least]
    found: Tensor = wide @ inverse @ wide + still @ still.T
    return found.float()
