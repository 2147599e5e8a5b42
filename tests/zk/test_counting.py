"""Counts with closed forms."""

import pytest
import torch
from torch import nn

from zk.counting import multiply_accumulates, published_operations


def test_published_rule() -> None:
    module = nn.Sequential(
        nn.Embedding(3, 4), nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Sequential(nn.Conv2d(1, 1, 3)), nn.Tanh()
    )
    assert published_operations(module) == 1 + 1 + 1 + 2
    assert published_operations(nn.ConvTranspose2d(2, 3, 4)) == 2
    assert published_operations(nn.ReLU()) == 0


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (nn.Linear(5, 7), (2, 5), 2 * 35),
        (nn.Conv2d(3, 8, 3, padding=1), (1, 3, 6, 6), 36 * 8 * 27),
        (nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2), (1, 4, 6, 6), 9 * 8 * 18),
        (nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1), (1, 4, 5, 5), 25 * 4 * 6 * 16),
        (nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1, groups=2), (1, 4, 5, 5), 25 * 4 * 3 * 16),
        (nn.ReLU(), (1, 4), 0),
    ],
)
def test_multiply_accumulates(module: nn.Module, shape: tuple[int, ...], expected: int) -> None:
    assert multiply_accumulates(module, (torch.zeros(shape),)) == expected


def test_counting_leaves_the_module_as_it_was() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).train()
    before = module[1].running_mean.clone()
    multiply_accumulates(module, (torch.ones(4, 2),))
    assert module.training
    assert torch.equal(module[1].running_mean, before)
    assert not module[0]._forward_hooks
