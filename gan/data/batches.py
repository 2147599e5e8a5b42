"""Batches drawn from tensors in memory: no loader processes, exact resume."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from gan.data.pixels import to_signed_unit
from gan.data.types import Split
from gan.errors import DataError


@final
class BatchSource:
    """An endless stream of shuffled images with labels.

    Every epoch visits each image once, in an order drawn from this object's own CPU generator; a batch may reach over
    an epoch's end. One coin per image is drawn with the order, also where flips are off, so the stream of
    (image, mirrored) pairs depends on the seed only: not on batch size, device or ``horizontal_flip``.

    Args:
        split: the images; batches are made on its device.
        seed: seed of the stream.
        horizontal_flip: mirror each drawn image with probability 1/2.

    Raises:
        DataError: the split is empty.

    """

    def __init__(self, split: Split, *, seed: int, horizontal_flip: bool = False) -> None:
        if len(split) == 0:
            raise DataError("a split must hold at least one image to draw batches from; found none")
        self._split = split
        self._horizontal_flip = horizontal_flip
        self._generator = torch.Generator().manual_seed(seed)
        self._epoch = 0
        self._start_epoch()

    @property
    def epoch(self) -> int:
        """Number of epochs begun before the current one."""
        return self._epoch

    def next(self, batch_size: int) -> tuple[Tensor, Tensor]:
        """Draw the next batch.

        Args:
            batch_size: number B of images, at least 1; may exceed the split's size.

        Returns:
            Images float32 ``[B, 3, H, W]`` in [-1, 1] and labels int64 ``[B]``, on the split's device.

        Raises:
            DataError: ``batch_size`` is below 1.

        """
        if batch_size < 1:
            raise DataError(f"batch_size must be at least 1; found {batch_size}")
        rows, mirrored = self._draw(batch_size)
        images = self._split.images.index_select(0, rows)
        if self._horizontal_flip:
            images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
        return to_signed_unit(images), self._split.labels.index_select(0, rows)

    def state_dict(self) -> dict[str, Any]:
        """Return the place in the stream: generator state at the epoch's start, epoch, position and split size."""
        return {
            "generator": self._epoch_generator_state.clone(),
            "epoch": self._epoch,
            "position": self._position,
            "size": len(self._split),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue the stream exactly where :meth:`state_dict` was taken, whatever seed this object began with.

        Raises:
            DataError: the state was taken over a split of another size, or is no state of a batch source.

        """
        keys = {"generator", "epoch", "position", "size"}
        if set(state) != keys:
            raise DataError(f"a batch source's state must have the keys {sorted(keys)}; found {sorted(state)}")
        size, position = int(state["size"]), int(state["position"])
        if size != len(self._split) or not 0 <= position <= size:
            raise DataError(
                "a batch source's state must come from a split of the same size; "
                f"found position {position} of {size} for a split of {len(self._split)}; resume with the same data"
            )
        self._generator.set_state(state["generator"].cpu())
        self._epoch = int(state["epoch"])
        self._start_epoch()
        self._position = position

    def _start_epoch(self) -> None:
        """Draw the order and the coins of an epoch, remembering the generator's state before."""
        self._epoch_generator_state = self._generator.get_state()
        size = len(self._split)
        order = torch.randperm(size, generator=self._generator)
        coins = torch.randint(2, (size,), generator=self._generator, dtype=torch.uint8)
        self._order = order.to(self._split.device)
        self._coins = coins.to(self._split.device).bool()
        self._position = 0

    def _draw(self, count: int) -> tuple[Tensor, Tensor]:
        """Take the next ``count`` rows and coins, starting new epochs as needed."""
        rows: list[Tensor] = []
        coins: list[Tensor] = []
        while count > 0:
            if self._position == len(self._split):
                self._epoch += 1
                self._start_epoch()
            end = min(self._position + count, len(self._split))
            rows.append(self._order[self._position : end])
            coins.append(self._coins[self._position : end])
            count -= end - self._position
            self._position = end
        return torch.cat(rows), torch.cat(coins)
