"""A saved state taken up again: compared, before it is used, with the state that it is to become."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from gan.training.state import OPTIMIZERS, TrainingState

_STEPS, _MOMENTS = "step", ("exp_avg", "exp_avg_sq")
"""What Adam keeps for each parameter."""


def restore(state: TrainingState, saved: Mapping[str, Any]) -> None:
    """Restore ``saved``, of a checkpoint, in ``state``, which was built as the run of that checkpoint builds it.

    torch's optimisers take whatever they are given, and the fused ones then write as much as a *parameter* has, so that
    a checkpoint with shorter moments would have them write into other memory. Their settings are the recipe's, and not
    the file's.

    Raises:
        ValueError: something in it is not of the kind, shape or range that ``state`` has; ``state`` is then half
            restored, and of no use.
    """
    try:
        step, seconds, sparsity = saved["step"], saved["seconds"], saved.get("sparsity", 0.0)
        if type(step) is not int or step < 0:
            raise ValueError(f"step must be an integer of at least 0; got {step!r:.40}")
        if not _is_number(seconds) or seconds < 0 or not _is_number(sparsity) or not 0 <= sparsity < 1:
            raise ValueError(f"seconds and sparsity must be numbers in range; got {seconds!r:.40}, {sparsity!r:.40}")
        for record in saved["history"]:
            if not isinstance(record, dict) or not all(isinstance(value, int | float) for value in record.values()):
                raise ValueError("history must be of numbers by name")
        optimizers = {name: _fitting(getattr(state, name), saved[name]) for name in OPTIMIZERS}
        state.load_state_dict({**saved, **optimizers})
    except torch.OutOfMemoryError:  # says nothing about the file
        raise
    except (KeyError, TypeError, AttributeError, RuntimeError, IndexError, OverflowError) as error:
        if "allocate memory" in str(error):  # the processor's allocator has no error class of its own
            raise
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _fitting(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the saved state of ``optimizer`` with its own settings, each value laid out as its parameter is."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    fitting: dict[int, dict[str, torch.Tensor]] = {}
    for place, values in saved["state"].items():
        if type(place) is not int or not 0 <= place < len(parameters) or set(values) != set(_MOMENTS) | {_STEPS}:
            raise ValueError(f"an optimiser must have {_STEPS} and moments of its parameters; got {place!r:.40}")
        parameter, steps = parameters[place], values[_STEPS]
        if steps.shape != () or steps.dtype != torch.float32 or not bool(steps >= 0):
            raise ValueError(f"an optimiser's {_STEPS} must be one number of at least 0")
        fitting[place] = {_STEPS: steps.clone()}
        for name in _MOMENTS:
            found = values[name]
            if (found.shape, found.dtype) != (parameter.shape, parameter.dtype):
                raise ValueError(
                    f"{name} must be {parameter.dtype} {list(parameter.shape)}; got {found.dtype} {list(found.shape)}"
                )
            fitting[place][name] = torch.empty_like(parameter).copy_(found)
    return {"state": fitting, "param_groups": optimizer.state_dict()["param_groups"]}
