"""Readers of what studies, benchmarks and sessions keep."""

from __future__ import annotations

import json
from pathlib import Path

from optuna.trial import TrialState, create_trial

from json_files import parse_json
from search.endings import RECORD
from search.reproduce.environment import environment_lines
from search.tiers.limits import read_filed_ladder
from search.trial_rows import trial_row
from zk.audit import _read_settings
from zk.audit_layout import UnknownLayout, read_layout
from zk.benchmark.report.data import read_rows
from zk.benchmark.row import LayerRow, RowOutcome

ROW = LayerRow(experiment="ReLU", category="activation", scale_bits=7, variant="ours", outcome=RowOutcome.REFUSED)
PRESENT = {"commit": "a", "packages": {"torch": "2"}, "machine": {"cores": 2, "memory_bytes": 10}}
COLUMNS, SELECTORS = 8, 12
"""Of a small key, that the settings are laid out beside."""


def kept_records() -> list[bytes]:
    """A trial's record."""
    facts = {"metrics": {"rows": 9.0, "accuracy": 0.5}, "facts": {"plan": "lowered"}, "spec": {"family": "mlp"}}
    return [json.dumps({"outcome": "scored", "reason": "", "folder": "a", **facts}).encode()]


def read_a_kept_record(data: bytes, _: Path) -> object:
    """Make a row of a trial with that record."""
    kept = {RECORD: data.decode("utf-8", "replace")}
    return trial_row(create_trial(state=TrialState.COMPLETE, value=1.0, user_attrs=kept), on_front=False)


def layer_rows() -> list[bytes]:
    """Rows of the layer benchmark."""
    return [json.dumps([ROW.to_json()]).encode()]


def read_layer_rows(data: bytes, folder: Path) -> object:
    """Read a study's rows."""
    (folder / "rows.json").write_bytes(data)
    return read_rows(folder / "rows.json")


def ladders() -> list[bytes]:
    """A ladder's rungs."""
    return [json.dumps({"rows": [ROW.to_json()], "measured_on": "a machine"}).encode()]


def read_a_ladder(data: bytes, folder: Path) -> object:
    """Read a filed ladder."""
    (folder / "ladder.json").write_bytes(data)
    return read_filed_ladder(folder / "ladder.json")


def environments() -> list[bytes]:
    """What a session was run under."""
    return [json.dumps(PRESENT).encode()]


def read_an_environment(data: bytes, _: Path) -> object:
    """Compare it with another."""
    found = parse_json(data)
    return environment_lines(found if isinstance(found, dict) else {}, PRESENT)


def read_audited_settings(data: bytes, folder: Path) -> object:
    """Lay a circuit out as its settings say, beside a small key."""
    path = folder / "input"
    path.write_bytes(data)
    settings, cost, _ = _read_settings(path)
    try:
        return read_layout(settings, cost, COLUMNS, SELECTORS)
    except UnknownLayout as found:
        return found
