import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan.data.splits import stratified_split, stratified_subset

LABELS = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)[torch.randperm(100, generator=torch.Generator().manual_seed(0))]


def test_split_keeps_class_proportions():
    train, test = stratified_split(LABELS, test_fraction=0.3, seed=0)
    assert LABELS[test].bincount().tolist() == [15, 9, 6]
    assert LABELS[train].bincount().tolist() == [35, 21, 14]


def test_split_is_seeded():
    first, again, other = (stratified_split(LABELS, test_fraction=0.3, seed=seed)[1] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("size", "minimum", "expected"), [(4, 2, 2), (10, 1, 1), (3, 2, 1), (2, 1, 1), (1, 1, 0), (1, 2, 0)]
)
def test_split_serves_the_minimum_where_it_can(size, minimum, expected):
    labels = torch.zeros(size, dtype=torch.int64)
    train, test = stratified_split(labels, test_fraction=0.01, seed=0, min_per_class=minimum)
    assert len(test) == expected
    assert len(train) == size - expected


def test_split_leaves_train_its_minimum():
    train, test = stratified_split(torch.zeros(10, dtype=torch.int64), test_fraction=0.99, seed=0, min_per_class=3)
    assert (len(train), len(test)) == (3, 7)


@settings(max_examples=50, deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), max_size=60),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 3),
    minimum=st.integers(1, 3),
)
def test_split_is_a_partition(labels, fraction, seed, minimum):
    tensor = torch.tensor(labels, dtype=torch.int64)
    train, test = stratified_split(tensor, test_fraction=fraction, seed=seed, min_per_class=minimum)
    assert sorted(train.tolist() + test.tolist()) == list(range(len(labels)))
    assert train.tolist() == sorted(train.tolist())
    assert test.tolist() == sorted(test.tolist())


@settings(max_examples=50, deadline=None)
@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=60), count=st.integers(1, 70), seed=st.integers(0, 3))
def test_subset_has_the_asked_size_and_near_proportions(labels, count, seed):
    tensor = torch.tensor(labels, dtype=torch.int64)
    rows = stratified_subset(tensor, count=count, seed=seed)
    assert len(rows) == len(set(rows.tolist())) == min(count, len(labels))
    assert rows.tolist() == sorted(rows.tolist())
    share = min(count, len(labels)) / len(labels)
    for label in set(labels):
        assert abs(int((tensor[rows] == label).sum()) - share * labels.count(label)) < 1


def test_subset_of_all_rows_and_seeds():
    assert stratified_subset(LABELS, count=None, seed=0).tolist() == list(range(100))
    assert stratified_subset(LABELS, count=100, seed=0).tolist() == list(range(100))
    assert stratified_subset(torch.empty(0, dtype=torch.int64), count=5, seed=0).tolist() == []
    first, again, other = (stratified_subset(LABELS, count=30, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert LABELS[first].bincount().tolist() == [15, 9, 6]
