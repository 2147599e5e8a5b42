from __future__ import annotations

import pytest
import torch

from gan.guide.moments import MomentMatching

REAL = torch.randn(2, 400, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).float()
STRETCH = torch.tensor([2.0, 1.0, 0.5])
MEANS = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])


def real() -> list[torch.Tensor]:
    """Features of two classes with means of their own and the same covariance, diag(4, 1, 1/4)."""
    return [(rows - rows.mean(dim=0)) * STRETCH + mean for rows, mean in zip(REAL, MEANS, strict=True)]


def descended(moments: MomentMatching, start: torch.Tensor, labels: torch.Tensor, steps: int) -> torch.Tensor:
    found = start.clone().requires_grad_(True)
    for _ in range(steps):
        (gradient,) = torch.autograd.grad(moments(found, labels), found)
        with torch.no_grad():
            found -= 0.003 * len(found) * gradient
    return found.detach()


def test_descending_brings_means_and_covariances_to_the_real_ones() -> None:
    labels = torch.arange(200) % 2
    start = 0.3 * torch.randn(200, 3, generator=torch.Generator().manual_seed(1))
    found = descended(MomentMatching(real()), start, labels, 3000)
    for label in (0, 1):
        assert torch.allclose(found[labels == label].mean(dim=0), MEANS[label], atol=0.1)
    centred = found - torch.stack([found[labels == label].mean(dim=0) for label in (0, 1)])[labels]
    assert torch.allclose((centred.T @ centred / 200).diag().sqrt(), STRETCH, rtol=0.15)


def test_features_that_are_the_real_ones_stay() -> None:
    moments, labels = MomentMatching(real()), torch.arange(2).repeat_interleave(400)
    features = torch.cat(real()).requires_grad_(True)
    for _ in range(3):
        (gradient,) = torch.autograd.grad(moments(features, labels), features)
    assert float(gradient.abs().max()) * len(features) < 0.01


def test_no_image_is_pushed_harder_than_by_one() -> None:
    moments, features = MomentMatching(real()), (100 * torch.ones(4, 3)).requires_grad_(True)
    (gradient,) = torch.autograd.grad(moments(features, torch.tensor([0, 0, 1, 1])), features)
    assert torch.allclose(gradient.norm(dim=1), torch.full((4,), 1 / 4))


def test_a_class_whose_mean_is_off_is_pushed_back() -> None:
    moments = MomentMatching(real())
    features = (torch.cat(real()) + torch.tensor([0.0, 0.01, 0.0])).requires_grad_(True)
    labels = torch.arange(2).repeat_interleave(400)
    for _ in range(400):  # until the running means are there
        (gradient,) = torch.autograd.grad(moments(features, labels), features)
    pushed = gradient.mean(dim=0) * len(features)
    assert torch.allclose(pushed, torch.tensor([0.0, 0.02, 0.0]), atol=2e-3)


def test_directions_without_variance_are_left_alone() -> None:
    flat = [torch.cat([rows[:, :2], torch.zeros(400, 1)], dim=1) for rows in real()]
    moments = MomentMatching(flat)
    features = torch.cat(flat).requires_grad_(True)
    (gradient,) = torch.autograd.grad(moments(features, torch.arange(2).repeat_interleave(400)), features)
    assert bool(gradient.isfinite().all())
    assert float(moments.transport[2, 2]) == pytest.approx(1.0)


@pytest.mark.parametrize("share", [1e-2, 1e-3, 1e-4])
def test_directions_that_vary_little_are_matched_too(share: float) -> None:
    """A direction with a small share of the greatest variance is to be stretched by as much as it lacks."""
    scale = torch.tensor([1.0, 1.0, share**0.5 * 4])  # the first direction has variance 4, the last one 1/4
    lacking = torch.tensor([1.0, 1.0, 0.5])
    moments = MomentMatching([rows * scale for rows in real()], rate=1.0)
    moments(torch.cat(real()) * scale * lacking, torch.arange(2).repeat_interleave(400))
    assert moments.transport.diag() == pytest.approx([1.0, 1.0, (1.04 / 0.29) ** 0.5], rel=0.05)


@pytest.mark.parametrize("rate", [0.5, 0.02, 0.005])
def test_the_rate_is_that_of_the_running_moments(rate: float) -> None:
    moments, before = MomentMatching(real(), rate=rate), MomentMatching(real()).covariance
    features, labels = 2 * torch.cat(real()), torch.arange(2).repeat_interleave(400)
    moments(features, labels)
    assert torch.allclose(moments.means, (1 + rate) * MEANS, atol=1e-5)
    centred = features - moments.means[labels]
    assert torch.allclose(moments.covariance, (1 - rate) * before + rate * centred.T @ centred / 800, atol=1e-4)


@pytest.mark.parametrize(("rate", "batches"), [(0.5, 1), (0.02, 32), (0.005, 128)])
def test_slower_moments_are_decomposed_less_often(rate: float, batches: int) -> None:
    moments, labels = MomentMatching(real(), rate=rate), torch.arange(2).repeat_interleave(400)
    found = []
    for _ in range(batches + 1):
        moments(2 * torch.cat(real()), labels)
        found.append(moments.transport.clone())
    assert all(torch.equal(transport, found[0]) for transport in found[:batches])
    assert not torch.equal(found[batches], found[0])


def test_all_that_runs_is_saved() -> None:
    assert set(MomentMatching(real()).state_dict()) == {"means", "covariance", "transport", "steps"}
