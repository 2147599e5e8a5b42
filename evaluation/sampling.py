"""Drawing images: balanced labels, 8-bit rounding, and a sampler's images collected in batches."""

from __future__ import annotations

import torch
from torch import Tensor

from evaluation.errors import SamplerError, SpecError
from evaluation.types import Sampler

RANGE_TOLERANCE = 0.05
"""How far outside [-1, 1] a value may lie before it is an error; inside the tolerance it is clamped.

Fixed-point arithmetic overshoots the bounds of its output activation by a rounding step or two.
"""


def balanced_labels(samples: int, num_classes: int) -> Tensor:
    """Labels of ``samples`` images, int64 [samples]: sample ``i`` has label ``i % num_classes``."""
    if num_classes < 2:
        raise SpecError(f"num_classes must be at least 2; got {num_classes}")
    if samples < 1:
        raise SpecError(f"samples must be positive; got {samples}")
    return torch.arange(samples, dtype=torch.int64) % num_classes


def balanced_indices(labels: Tensor, num_classes: int, samples: int, seed: int) -> Tensor:
    """Choose real images with the same class counts as :func:`balanced_labels`, as far as there are enough.

    Args:
        labels: int64 [N], the labels of all images to choose from.
        num_classes: number of classes C.
        samples: how many to choose; a class with too few images gives all it has.
        seed: decides which images of a class are chosen. A larger ``samples`` keeps those of a smaller one.

    Returns:
        int64 [M] indices into ``labels`` with M <= ``samples``, grouped by class.
    """
    wanted = torch.bincount(balanced_labels(samples, num_classes), minlength=num_classes)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    shuffled = labels.cpu()[order]
    chosen = [order[shuffled == c][: int(wanted[c])] for c in range(num_classes)]
    return torch.cat(chosen)


def quantize(images: Tensor) -> Tensor:
    """Round images float [N, 3, H, W] in [-1, 1] to uint8, the nearest of 256 levels; outside values are clamped."""
    return ((images.float() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)


def dequantize(images: Tensor) -> Tensor:
    """Map uint8 [N, 3, H, W] to float32 in [-1, 1]: ``x / 127.5 - 1``."""
    return images.float() / 127.5 - 1.0


def collect_images(sample: Sampler, *, labels: Tensor, batch_size: int) -> Tensor:
    """Call the sampler in batches and round its images to 8 bits.

    Every score is computed on 8-bit images, because real images are 8-bit: so both sides are treated alike, and the
    last bits of a float, which depend on the batch size, do not reach a score.

    Args:
        sample: see :data:`evaluation.types.Sampler`.
        labels: int64 [n], the label of each sample index.
        batch_size: images per call; changes speed and memory only.

    Returns:
        uint8 [n, 3, H, W] on the CPU.

    Raises:
        SamplerError: a batch has a wrong shape or type, holds NaN or infinity, or lies outside [-1, 1].
    """
    if batch_size < 1:
        raise SpecError(f"batch_size must be positive; got {batch_size}")
    indices = torch.arange(len(labels), dtype=torch.int64)
    batches = []
    for chunk in torch.split(indices, batch_size):
        with torch.no_grad():
            images = sample(labels[chunk], chunk)
        _check_batch(images, len(chunk), first=int(chunk[0]))
        batches.append(quantize(images).cpu())
    return torch.cat(batches)


def _check_batch(images: Tensor, count: int, *, first: int) -> None:
    if images.ndim != 4 or images.shape[0] != count or images.shape[1] != 3 or not images.is_floating_point():
        raise SamplerError(
            f"a sampler must return float images [{count}, 3, H, W]; got {images.dtype} {list(images.shape)}; "
            "return one image for each label"
        )
    if not torch.isfinite(images).all():
        raise SamplerError(
            f"sampled images must be finite; got NaN or infinity in samples {first} to {first + count - 1}; "
            "a diverged generator cannot be scored"
        )
    largest = float(images.abs().max())
    if largest > 1.0 + RANGE_TOLERANCE:
        raise SamplerError(f"sampled images must lie in [-1, 1]; got magnitude {largest:.4g}; end the network in tanh")
