"""Training a guide, and remembering on the way how easily it learnt each image."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from gan.data import ImageDataset, Split, to_signed_unit
from gan.digest import json_digest, tensors_digest
from gan.errors import SpecError, TrainingError
from gan.guide.network import GuideNetwork, build_guide_network
from gan.guide.poses import posed
from gan.guide.spec import STRIDE, GuideSpec

SKIPPED_SHARE = 0.15
"""Share of the epochs at the beginning whose margins say more of the weights' start than of the images."""
_ROWS = 500


@dataclass(frozen=True, eq=False)
class Guide:
    """A trained guide.

    Attributes:
        network: in evaluation mode, without gradients of its own.
        margins: float32 [N], one for each training image: the logit of its label less the greatest other one, averaged
            over the epochs. Low ones are ambiguous or mislabelled (Pleiss et al. 2020, "area under the margin").
        accuracy: on the test split, in [0, 1].
        train_seconds: wall clock of its training.
        others: guides that see the distance beside it, and may have a say in which images are learnt from; they have no
            others of their own.
    """

    network: GuideNetwork
    margins: Tensor
    accuracy: float
    train_seconds: float
    others: tuple[Guide, ...] = ()

    @property
    def networks(self) -> tuple[GuideNetwork, ...]:
        """The networks of all, its own first."""
        return (self.network, *(other.network for other in self.others))

    @property
    def common_margins(self) -> Tensor:
        """The mean of all its guides' margins, float32 [N]: what one of them misjudges the others may not."""
        return torch.stack([self.margins, *(other.margins for other in self.others)]).mean(dim=0)

    @cached_property
    def digest(self) -> str:
        """sha256 of weights and margins, and of the others': the same spec trains others on another machine."""
        own = tensors_digest({**self.network.state_dict(), "margins": self.margins})
        return json_digest([own, *(other.digest for other in self.others)]) if self.others else own


def train_guide(
    spec: GuideSpec,
    dataset: ImageDataset,
    *,
    device: torch.device,
    progress: Callable[[int, float], None] | None = None,
) -> Guide:
    """Train on the training split; ``progress`` is told the finished epochs and the mean loss of the last.

    Nesterov momentum goes from 0.95 to 0.85 and back while the rate rises and falls (one cycle, Smith 2018).

    Raises:
        SpecError: the images' side is no multiple of 8.
        TrainingError: the loss is not finite.
    """
    if dataset.image_size % STRIDE:
        raise SpecError(f"a guide needs images whose side is a multiple of {STRIDE}; got {dataset.image_size}")
    data, started = dataset.to(device), time.monotonic()
    network = build_guide_network(spec, dataset, device=device)
    steps = spec.epochs * -(-len(data.train) // spec.batch_size)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=spec.learning_rate, momentum=0.9, nesterov=True, weight_decay=spec.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, spec.learning_rate, total_steps=steps, pct_start=0.2, anneal_strategy="linear"
    )
    rng = torch.Generator().manual_seed(spec.seed)
    margins, counted = torch.zeros(len(data.train), device=device), 0
    for epoch in range(spec.epochs):
        found, loss = _epoch(network, optimizer, schedule, spec, data.train, rng, flip=dataset.horizontal_flip)
        if loss - loss != 0.0:
            raise TrainingError(f"the guide's loss became {loss} in epoch {epoch + 1}; lower its learning_rate")
        if epoch >= SKIPPED_SHARE * spec.epochs or epoch == spec.epochs - 1:
            margins, counted = margins + found, counted + 1
        if progress is not None:
            progress(epoch + 1, loss)
    network.eval().requires_grad_(False)
    seconds = time.monotonic() - started
    return Guide(network, (margins / counted).cpu(), guide_accuracy(network, data.test), seconds)


def _epoch(
    network: GuideNetwork,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    spec: GuideSpec,
    split: Split,
    rng: torch.Generator,
    *,
    flip: bool,
) -> tuple[Tensor, float]:
    """One pass over the images; gives each one's margin and the mean loss."""
    margins, total, order = torch.zeros(len(split), device=split.device), 0.0, torch.randperm(len(split), generator=rng)
    for rows in torch.split(order.to(split.device), spec.batch_size):
        labels = split.labels[rows]
        images = posed(to_signed_unit(split.images[rows]), rng, shift=spec.shift, flip=flip)
        logits = network(images.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits, labels, label_smoothing=spec.label_smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        margins[rows] = label_margins(logits.detach(), labels)
        total += float(loss.detach()) * len(rows)
    return margins, total / len(split)


def label_margins(logits: Tensor, labels: Tensor) -> Tensor:
    """Give the logit of each label less the greatest other one, [N], from ``logits`` [N, K], K at least 2."""
    own = logits.gather(1, labels[:, None])
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return own[:, 0] - others.amax(dim=1)


@torch.no_grad()
def guide_logits(network: GuideNetwork, images: Tensor) -> Tensor:
    """Give the logits [N, K] of ``images`` uint8 [N, C, S, S] on the network's device."""
    return torch.cat([network(to_signed_unit(part)) for part in torch.split(images, _ROWS)])


def guide_accuracy(network: GuideNetwork, split: Split) -> float:
    """Give the share of a split's images whose label has the greatest logit, in [0, 1]."""
    right = guide_logits(network, split.images).argmax(dim=1) == split.labels
    return int(right.sum()) / len(split)
