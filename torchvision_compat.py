"""The one shim for torchvision's start-up fault.

A CPU build of torch beside a torchvision wheel built for CUDA cannot load torchvision's compiled operators, and
``import torchvision`` then stops at ``operator torchvision::nms does not exist`` while it registers shape functions for
two detection operators. Nothing in this project detects boxes, so declaring the two schemas is enough for the pure
Python parts (datasets, transforms, utils) to import. torchmetrics imports torchvision, so it needs the same.

Call :func:`import_torchvision` before importing torchvision or torchmetrics anywhere in the project. This module stands
at the top level because ``gan`` and ``evaluation`` both need it and neither may import the other.
"""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

import torch

_NMS_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_MISSING_OPERATORS = ("nms", "qnms")


@functools.cache
def import_torchvision() -> ModuleType:
    """Import torchvision, declaring its two detection operators first if its compiled library does not load.

    Returns:
        The ``torchvision`` module.

    Raises:
        ImportError: torchvision is not installed.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    for name in _MISSING_OPERATORS:
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", _NMS_SCHEMA)
    return importlib.import_module("torchvision")
