"""Both columns of one tiny layer: what is known before, what is measured, what is not started."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from zk.benchmark.case import Case, Limits, Trained
from zk.benchmark.figures import stage_figures
from zk.benchmark.ours import BAND_ELEMENTS, draft_ours
from zk.benchmark.row import LayerRow, RowOutcome
from zk.benchmark.stock import draft_stock
from zk.errors import ArtifactError
from zk.types import Outcome, StageResult

LIMITS = Limits(4 * 2**30, 300.0, 2 * 2**30, 120.0, repeats=2)


def dense_case(scale_bits: int = 5) -> Case:
    torch.manual_seed(0)
    module = nn.Linear(8, 4).eval()
    inputs = torch.randn(3, 1, 8, generator=torch.Generator().manual_seed(1))
    labels = module(inputs[:, 0]).argmax(1)
    return Case("tiny", "core", scale_bits, module, inputs, Trained(0.9, inputs[:, 0], labels))


def test_ours_is_proved_measured_and_scored(tmp_path: Path) -> None:
    draft = draft_ours(dense_case(), tmp_path / "work", tmp_path / "srs", LIMITS, None)
    assert draft.row.outcome is RowOutcome.PREDICTED
    assert draft.prove is not None
    row = draft.prove()
    assert (row.outcome, row.wiring, row.message) == (RowOutcome.PROVED, "linked", "")
    assert row.activation_bits is not None
    assert row.activation_bits >= 5
    assert row.prove_repeats == 2
    assert row.prove_seconds_std is not None
    assert row.max_abs_error is not None
    assert 0 < row.max_abs_error < 0.1
    assert row.test_accuracy == 0.9
    assert (row.float_accuracy, row.accuracy_images) == (1.0, 3)
    assert row.circuit_accuracy in (2 / 3, 1.0)
    assert row.peak_rss_bytes == max(row.stage_peaks.values())
    assert row.public_value_bytes == 32 * (4 + 2)  # the output, one check, one range check
    assert row.srs_seconds is not None
    assert row.verify_seconds is not None
    assert row.bundle_verify_seconds is not None
    assert row.bundle_verify_seconds > row.verify_seconds
    assert row.bundle_bytes is not None
    assert row.bundle_bytes > row.proof_bytes
    assert LayerRow.from_json(row.to_json()) == row
    assert not (tmp_path / "work" / "proof").exists()


def test_pinned_keeps_the_scale(tmp_path: Path) -> None:
    pinned = Limits(4 * 2**30, 300.0, 2 * 2**30, 120.0, pinned=True)
    row = draft_ours(dense_case(4), tmp_path, tmp_path, pinned, None).row
    assert row.activation_bits == 4


def test_stock_above_the_memory_is_predicted_only(tmp_path: Path) -> None:
    limits = Limits(2**20, 60.0, 2 * 2**30, 120.0)
    draft = draft_stock(dense_case(), tmp_path, tmp_path, limits, None)
    assert draft.prove is None
    row = draft.row
    assert row.outcome is RowOutcome.PREDICTED
    assert "not started" in row.message
    assert not row.measured
    assert row.prove_seconds == row.predicted_prove_seconds
    assert row.rows is not None
    assert row.rows > 0
    assert row.accuracy_images == 3


@pytest.mark.slow
def test_stock_is_proved_and_its_private_values_are_counted(tmp_path: Path) -> None:
    draft = draft_stock(dense_case(), tmp_path / "work", tmp_path / "srs", LIMITS, None)
    assert draft.prove is not None
    row = draft.prove()
    assert (row.outcome, row.wiring) == (RowOutcome.PROVED, "linked")
    assert row.public_value_bytes == 32 * (8 + 4)
    assert row.circuit_accuracy is not None


def test_a_tall_convolution_is_proved_in_bands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zk.benchmark.ours.BAND_ELEMENTS", 64)
    assert BAND_ELEMENTS == 1 << 18
    torch.manual_seed(0)
    case = Case("conv", "core", 4, nn.Conv2d(1, 2, 3, padding=1).eval(), torch.randn(2, 1, 1, 12, 8))
    draft = draft_ours(case, tmp_path / "work", tmp_path / "srs", LIMITS, None)
    assert draft.row.parts == math.ceil(2 * 12 * 8 / 64)
    assert draft.row.message == ""
    assert draft.prove is not None
    row = draft.prove()
    assert (row.outcome, row.wiring) == (RowOutcome.PROVED, "linked")
    assert row.max_abs_error is not None
    assert 0 < row.max_abs_error < 2.0**-4


def stage(name: str, seconds: float, peak: int = 1) -> StageResult:
    return StageResult(name, Outcome.OK, seconds + 1.0, peak, work_seconds=seconds)


def test_parts_are_added_up_and_repeats_are_averaged() -> None:
    parts = [
        [
            stage("setup", 5, 70),
            stage("prove", 10, 90),
            stage("prove", 12, 95),
            stage("commit", 1),
            stage("witness", 2),
        ],
        [
            stage("setup", 6, 80),
            stage("prove", 20, 60),
            stage("prove", 26, 61),
            stage("commit", 3),
            stage("witness", 4),
        ],
    ]
    found = stage_figures(parts, [stage("verify", 0.5, 7)])
    assert found["setup_seconds"] == 11
    assert found["witness_seconds"] == 10
    assert found["prove_seconds"] == 11 + 23
    assert found["prove_repeats"] == 2
    assert math.isclose(found["prove_seconds_std"], math.sqrt(((30 - 34) ** 2 + (38 - 34) ** 2) / 1))
    assert found["peak_rss_bytes"] == 95
    assert found["stage_peaks"] == {"verify": 7, "setup": 80, "prove": 95, "commit": 1, "witness": 1}


def test_a_part_without_a_proof_gives_no_seconds() -> None:
    assert "prove_seconds" not in stage_figures([[stage("prove", 1)], [stage("setup", 1)]])


def test_a_row_must_be_whole() -> None:
    data = LayerRow("a", "core", 7, "ours", RowOutcome.PROVED).to_json()
    with pytest.raises(ArtifactError, match="colour"):
        LayerRow.from_json({**data, "colour": 1})
    with pytest.raises(ArtifactError, match="complete"):
        LayerRow.from_json({key: value for key, value in data.items() if key != "experiment"})
    with pytest.raises(ArtifactError, match="complete"):
        LayerRow.from_json({**data, "outcome": "fine"})
