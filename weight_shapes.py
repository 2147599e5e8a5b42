"""The weights that a network has beside those that are there, without making it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn


def differing_shapes(
    build: Callable[[], nn.Module], weights: Mapping[str, Tensor]
) -> dict[str, tuple[torch.Size | None, torch.Size | None]]:
    """Give the shapes that the network has, and those of ``weights``, by name, sorted, where they differ.

    A few bytes may describe a network of any size: on the meta device it takes no memory.

    Args:
        build: makes the network, with torch's default device.
        weights: what is to become its state.

    Returns:
        None stands for what is absent.
    """
    with torch.device("meta"):
        wanted = {name: value.shape for name, value in build().state_dict().items()}
    found = {name: value.shape for name, value in weights.items()}
    names = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    return {name: (wanted.get(name), found.get(name)) for name in names}
