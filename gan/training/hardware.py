"""What the training device can do."""

from __future__ import annotations

import torch


def resolve_device(name: str) -> torch.device:
    """Return the device called ``name``; ``auto`` is CUDA where there is one, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def multiplies_bf16(device: torch.device) -> bool:
    """Say whether ``device`` multiplies bfloat16 natively.

    A CPU without such instructions emulates them: ten times slower than float32 (measured on an AVX2 machine).
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
