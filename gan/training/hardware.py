"""What the training device can do."""

from __future__ import annotations

import torch

from gan.errors import SpecError


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
    """Say whether ``device`` gains by bfloat16: a GPU that multiplies it natively, or a CPU with tiles for it.

    A CPU without such instructions emulates them, ten times slower than float32 (measured on an AVX2 machine); with
    AVX-512's alone the conversions cost more than they save (0.69 to 0.89 of float32's images a second, measured).
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_amx_tile_supported())
