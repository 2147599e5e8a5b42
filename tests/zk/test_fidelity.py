"""Distances between float and circuit outputs, beside closed forms."""

import math

import pytest
import torch

from zk.errors import OptionError
from zk.fidelity import fidelity_report, label_agreement


def test_a_known_distance() -> None:
    exact = torch.tensor([[0.0, 1.0], [-1.0, 0.5]])
    circuit = exact + torch.tensor([[0.1, -0.1], [0.1, 0.3]])
    report = fidelity_report(exact, circuit)
    assert report.max_abs_error == pytest.approx(0.3, abs=1e-6)
    assert report.mean_abs_error == pytest.approx(0.15, abs=1e-6)
    assert report.psnr_db == pytest.approx(10 * math.log10(4.0 / 0.03), abs=1e-4)
    assert report.samples == 2


def test_psnr_follows_peak_and_error() -> None:
    exact, circuit = torch.zeros(3, 4), torch.full((3, 4), 0.01)
    base = fidelity_report(exact, circuit, peak=1.0).psnr_db
    assert base == pytest.approx(40.0, abs=1e-5)
    assert fidelity_report(exact, circuit, peak=10.0).psnr_db == pytest.approx(base + 20.0, abs=1e-5)
    assert fidelity_report(exact, 10 * circuit, peak=1.0).psnr_db == pytest.approx(base - 20.0, abs=1e-5)
    assert fidelity_report(exact, circuit) == fidelity_report(circuit, exact)


def test_equal_outputs_have_no_error() -> None:
    report = fidelity_report(torch.ones(2, 3), torch.ones(2, 3, dtype=torch.float64))
    assert (report.max_abs_error, report.mean_abs_error, report.psnr_db) == (0.0, 0.0, math.inf)


def test_means_are_taken_in_float64() -> None:
    exact = torch.zeros(1, 1 << 20)
    circuit = torch.full((1, 1 << 20), 0.1, dtype=torch.float32)
    assert fidelity_report(exact, circuit).mean_abs_error == pytest.approx(float(torch.tensor(0.1)), rel=1e-12)


@pytest.mark.parametrize(
    ("left", "right", "peak"),
    [
        (torch.zeros(2, 3), torch.zeros(3, 2), 2.0),
        (torch.zeros(0, 3), torch.zeros(0, 3), 2.0),
        (torch.zeros(()), torch.zeros(()), 2.0),
        (torch.tensor([math.nan]), torch.zeros(1), 2.0),
        (torch.zeros(1), torch.tensor([math.inf]), 2.0),
        (torch.zeros(1), torch.ones(1), 0.0),
        (torch.zeros(1), torch.ones(1), math.nan),
    ],
)
def test_nothing_to_compare_is_refused(left: torch.Tensor, right: torch.Tensor, peak: float) -> None:
    with pytest.raises(OptionError, match="must"):
        fidelity_report(left, right, peak=peak)


def test_label_agreement_is_a_share() -> None:
    labels = torch.tensor([0, 1, 2, 3])
    assert label_agreement(labels, labels) == 1.0
    assert label_agreement(labels, torch.tensor([0, 1, 0, 0])) == 0.5
    assert label_agreement(labels, labels + 1) == 0.0
    for bad in (torch.tensor([0, 1]), torch.zeros(4, 1), torch.zeros(0)):
        with pytest.raises(OptionError, match="two vectors"):
            label_agreement(labels if bad.numel() else bad, bad)
