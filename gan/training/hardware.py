"""What the training device can do."""

from __future__ import annotations

from pathlib import Path

import torch

from gan.errors import SpecError
from gan.training.recipe import TrainingRecipe


def resolve_device(name: str) -> torch.device:
    """Return the device called ``name``; ``auto`` is CUDA where there is one, else the CPU.

    Raises:
        SpecError: torch knows no such device, or this machine has none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SpecError(f"device must be auto, cpu or cuda (cuda:N for one of several); got {name!r}") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SpecError(f"device {name!r} needs a GPU that torch can use; it finds {torch.cuda.device_count()}")
    return device


def multiplies_bf16(device: torch.device) -> bool:
    """Say whether ``device`` gains by bfloat16: a GPU that multiplies it natively, or a CPU that does so fast enough.

    A CPU without such instructions emulates them, ten times slower than float32 (measured on an AVX2 machine). With
    those of AVX-512 it depends on the maker (``benchmarks/bfloat16.py``): on an Intel machine the conversions cost more
    than they save (0.69 to 0.89 of float32's images a second), an AMD one gains (1.22 to 1.44 times, but for small
    networks on two threads: 0.90).
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if torch.cpu._is_amx_tile_supported():
        return True
    return bool(torch.cpu._is_avx512_bf16_supported()) and "AuthenticAMD" in _processor()


def trains_in_bf16(recipe: TrainingRecipe, device: torch.device) -> bool:
    """Say whether steps of ``recipe`` are autocast to bfloat16 on ``device``; rounded activations need more bits."""
    exact = recipe.weight_form.activation_bits > 0
    return recipe.bf16 and not exact and multiplies_bf16(device)


def _processor() -> str:
    """What Linux says of the processors; elsewhere nothing."""
    try:
        return Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return ""
