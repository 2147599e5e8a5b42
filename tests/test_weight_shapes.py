"""Shapes are compared before a network is made."""

import torch
from torch import nn

from weight_shapes import differing_shapes


def test_a_networks_own_weights_do_not_differ() -> None:
    assert differing_shapes(lambda: nn.Linear(3, 2), nn.Linear(3, 2).state_dict()) == {}


def test_what_differs_is_named_with_both_shapes() -> None:
    weights = {"weight": torch.zeros(2, 4), "other": torch.zeros(1)}
    assert list(differing_shapes(lambda: nn.Linear(3, 2), weights).items()) == [
        ("bias", (torch.Size([2]), None)),
        ("other", (None, torch.Size([1]))),
        ("weight", (torch.Size([2, 3]), torch.Size([2, 4]))),
    ]


def test_a_network_of_any_size_takes_no_memory() -> None:
    found = differing_shapes(lambda: nn.Linear(10**9, 10**6), {"bias": torch.zeros(1)})
    assert found["weight"] == (torch.Size([10**6, 10**9]), None)
