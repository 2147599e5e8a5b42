"""A tiny model with its options, and a helper that edits settings."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from zk.circuit_cost import load_settings
from zk.stages import write_json
from zk.types import CircuitOptions

TINY = CircuitOptions(
    input_scale_bits=5,
    param_scale_bits=5,
    decomp_base=128,
    lookup_range=(-100, 100),
    min_logrows=9,
    max_logrows=12,
)


class TinyGenerator(nn.Module):
    """Latent [1, 4] and class [1, 2] to an image [1, 1, 4, 4]."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 16)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, latent: torch.Tensor, one_hot: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.first(torch.cat([latent, one_hot], 1))).view(1, 4, 2, 2)
        return torch.tanh(F.pixel_shuffle(self.conv(x), 2))


def edit_settings(path: Path, section: str, **changes: object) -> None:
    """Change values in one section of a settings file ("" is the top)."""
    settings = load_settings(path)
    (settings[section] if section else settings).update(changes)
    write_json(path, settings)
