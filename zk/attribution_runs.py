"""Dry layouts of many small variants of a model, in one child process where possible."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zk.child import run_in_child
from zk.circuit_cost import load_settings
from zk.errors import BackendError
from zk.types import Budget, CircuitOptions, Outcome

DRAFT_LOGROWS = 17
"""Height of the dry layouts where none is asked for; the number of rows does not depend on it."""

LAYOUT_TARGET = "zk.attribution_runs:lay_out"


@dataclass(frozen=True)
class Layout:
    """One dry layout to run.

    Attributes:
        onnx: the model.
        settings: receives ezkl's settings.
        options: layout of the circuit.

    """

    onnx: Path
    settings: Path
    options: CircuitOptions

    def to_json(self) -> dict[str, Any]:
        """Give the layout as plain JSON values for the child."""
        height = self.options.logrows or DRAFT_LOGROWS
        files = {"onnx": str(self.onnx), "settings": str(self.settings)}
        return {**files, "options": self.options.to_json(), "logrows": height}


def lay_out(*, layouts: list[dict[str, Any]]) -> dict[str, str]:
    """Run dry layouts one after the other; gives ezkl's message for each settings file that it refused to write."""
    from zk import backend  # here, so that only the child loads ezkl

    refused: dict[str, str] = {}
    for layout in layouts:
        part = f"{layout['settings']}.part"  # renamed when whole: the process may die at any time
        try:
            backend.gen_settings(**{**layout, "settings": part})
        except BackendError as error:
            refused[layout["settings"]] = str(error)
        else:
            os.replace(part, layout["settings"])
    return refused


def run_layouts(
    layouts: Mapping[str, Layout], *, budget: Budget, log_path: Path, needed: Sequence[str]
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Run named dry layouts in one child; where it dies, those that are missing get a child each.

    Args:
        layouts: what to run, by name.
        budget: limits of each child.
        log_path: receives what the children print.
        needed: names without which the rest is of no use.

    Returns:
        The settings by name, and the reasons for those that are missing.

    Raises:
        BackendError: a needed layout failed, or time ran out.

    """
    reasons = _run_child(list(layouts.values()), budget, log_path)
    absent = [name for name, layout in layouts.items() if not layout.settings.exists()]
    crashed = [name for name in absent if str(layouts[name].settings) not in reasons]
    for name in sorted(crashed, key=lambda name: name not in needed):  # the needed ones first
        reasons |= _run_child([layouts[name]], budget, log_path.with_name(f"{log_path.stem}-{name}.log"))
        if name in needed and not layouts[name].settings.exists():
            break
    found = {name: load_settings(layout.settings) for name, layout in layouts.items() if layout.settings.exists()}
    missing = {name: reasons.get(str(layouts[name].settings), "not run") for name in layouts if name not in found}
    for name in needed:
        if name in missing:
            raise BackendError(missing[name])
    return found, missing


def _run_child(layouts: Sequence[Layout], budget: Budget, log_path: Path) -> dict[str, str]:
    """Give the reason for each settings file that was refused; a child that died alone with its layout is a reason."""
    kwargs = {"layouts": [layout.to_json() for layout in layouts]}
    run = run_in_child("attribution", LAYOUT_TARGET, kwargs, budget=budget, log_path=log_path)
    if run.result.outcome is Outcome.TIMED_OUT:
        raise BackendError(
            f"{len(layouts)} dry layouts must end within {budget.wall_seconds:g} s; they did not; allow more time"
        )
    if run.result.ok:
        return {str(path): str(reason) for path, reason in run.value.items()}
    if len(layouts) > 1:
        return {}
    return {str(layouts[0].settings): f"dry layout: {run.result.outcome}: {run.result.message}"}
