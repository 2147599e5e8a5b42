"""Fronts and hypervolumes against naive counting, closed forms, and at their edges."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.dominance import Points, hypervolume, hypervolume_contributions, nondominated_ranks
from search.errors import ConfigError

SIDE = 4  # points have whole coordinates from 0 to SIDE + 1; the reference is SIDE in each objective
INF = math.inf
PLENTY = settings(max_examples=60, deadline=None)


@st.composite
def whole_points(draw: st.DrawFn, least: int = 0, most: int = 6) -> Points:
    objectives = draw(st.integers(1, 4))
    row = st.lists(st.integers(0, SIDE + 1), min_size=objectives, max_size=objectives)
    rows = draw(st.lists(row, min_size=least, max_size=most))
    return np.array(rows, dtype=np.float64).reshape(len(rows), objectives)


def reference_of(points: Points) -> Points:
    return np.full(points.shape[1], float(SIDE))


def dominates(a: Points, b: Points) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def naive_ranks(points: Points) -> list[int]:
    ranks, left = [0] * len(points), set(range(len(points)))
    for rank in range(len(points)):
        front = {i for i in left if not any(dominates(points[j], points[i]) for j in left)}
        for i in front:
            ranks[i] = rank
        left -= front
    return ranks


def counted(points: Points) -> float:
    """Unit cells below the reference that some point covers."""
    cells = itertools.product(range(SIDE), repeat=points.shape[1])
    return float(sum(any(all(x <= c for x, c in zip(p, cell, strict=True)) for p in points) for cell in cells))


def by_inclusion_exclusion(points: Points, reference: Points) -> float:
    total = 0.0
    for size in range(1, len(points) + 1):
        for chosen in itertools.combinations(points, size):
            total -= (-1) ** size * float(np.prod(np.maximum(reference - np.max(chosen, axis=0), 0.0)))
    return total


@PLENTY
@given(whole_points(most=9))
def test_ranks_are_those_of_the_double_loop(points: Points) -> None:
    ranks = nondominated_ranks(points)
    assert ranks.dtype == np.int64
    assert ranks.tolist() == naive_ranks(points)


@PLENTY
@given(whole_points(most=9))
def test_every_later_front_is_dominated_by_the_one_before(points: Points) -> None:
    ranks = nondominated_ranks(points)
    for i, rank in enumerate(ranks):
        above = [j for j in range(len(points)) if dominates(points[j], points[i])]
        assert rank == max((ranks[j] + 1 for j in above), default=0)


@PLENTY
@given(whole_points(most=9))
def test_infinities_rank_like_other_values(points: Points) -> None:
    """Given as they are, they crash moocore 0.3.2 from three objectives on."""
    extreme = np.where(points == 0, -INF, np.where(points > SIDE, INF, points))
    assert nondominated_ranks(extreme).tolist() == naive_ranks(points)


@PLENTY
@given(whole_points())
def test_hypervolume_is_the_number_of_covered_cells(points: Points) -> None:
    assert hypervolume(points, reference_of(points)) == counted(points)


@PLENTY
@given(whole_points())
def test_contributions_are_differences_of_counts(points: Points) -> None:
    whole = counted(points)
    lost = [whole - counted(np.delete(points, i, axis=0)) for i in range(len(points))]
    assert hypervolume_contributions(points, reference_of(points)).tolist() == lost


@PLENTY
@given(st.integers(1, 5), st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_real_values_agree_with_inclusion_and_exclusion(objectives: int, count: int, seed: int) -> None:
    points, reference = np.random.default_rng(seed).random((count, objectives)), np.full(objectives, 0.9)
    whole = by_inclusion_exclusion(points, reference)
    assert hypervolume(points, reference) == pytest.approx(whole, abs=1e-12)
    lost = [whole - by_inclusion_exclusion(np.delete(points, i, axis=0), reference) for i in range(count)]
    assert hypervolume_contributions(points, reference) == pytest.approx(np.array(lost), abs=1e-12)


@PLENTY
@given(whole_points(least=1), st.integers(0, 2))
def test_a_dominated_point_changes_no_hypervolume(points: Points, step: int) -> None:
    more = np.vstack([points, points[0] + step])
    assert hypervolume(more, reference_of(points)) == hypervolume(points, reference_of(points))
    assert hypervolume_contributions(more, reference_of(points))[-1] == 0.0


@PLENTY
@given(whole_points(), st.randoms(use_true_random=False))
def test_the_order_of_points_and_objectives_is_indifferent(points: Points, random: object) -> None:
    columns, rows = list(range(points.shape[1])), list(range(len(points)))
    random.shuffle(columns)  # type: ignore[attr-defined]
    random.shuffle(rows)  # type: ignore[attr-defined]
    reference = np.arange(points.shape[1]) + 3.0
    shuffled, moved = points[rows][:, columns], reference[columns]
    assert hypervolume(shuffled, moved) == hypervolume(points, reference)
    assert nondominated_ranks(shuffled).tolist() == nondominated_ranks(points)[rows].tolist()
    expected = hypervolume_contributions(points, reference)[rows].tolist()
    assert hypervolume_contributions(shuffled, moved).tolist() == expected


@PLENTY
@given(whole_points(), st.integers(-50, 50))
def test_moving_everything_changes_nothing(points: Points, shift: int) -> None:
    reference = reference_of(points)
    assert hypervolume(points + shift, reference + shift) == hypervolume(points, reference)
    expected = hypervolume_contributions(points, reference).tolist()
    assert hypervolume_contributions(points + shift, reference + shift).tolist() == expected
    assert nondominated_ranks(points + shift).tolist() == nondominated_ranks(points).tolist()


@PLENTY
@given(whole_points(), st.integers(-60, 60))
def test_units_scale_volumes_and_lose_none(points: Points, exponent: int) -> None:
    """Powers of two are exact; a threshold on volumes, as moocore has one, would show."""
    scale, reference = 2.0**exponent, reference_of(points)
    volume = scale ** points.shape[1]
    assert hypervolume(points * scale, reference * scale) == hypervolume(points, reference) * volume
    expected = (hypervolume_contributions(points, reference) * volume).tolist()
    assert hypervolume_contributions(points * scale, reference * scale).tolist() == expected


def test_one_objective() -> None:
    points = [[3.0], [1.0], [3.0], [7.0], [2.0]]
    assert nondominated_ranks(points).tolist() == [2, 0, 2, 3, 1]
    assert hypervolume(points, [5.0]) == 4.0
    assert hypervolume_contributions(points, [5.0]).tolist() == [0.0, 1.0, 0.0, 0.0, 0.0]


def test_a_staircase_of_two_objectives() -> None:
    points, n = [[float(i), float(9 - i)] for i in range(10)], 10
    assert nondominated_ranks(points).tolist() == [0] * n
    assert hypervolume(points, [n, n]) == n * (n + 1) / 2
    assert hypervolume_contributions(points, [n, n]).tolist() == [1.0] * n


def test_three_slabs() -> None:
    """Three slabs of a cube of side 2: two share a bar of 1 x 1 x 2, all three the unit cube."""
    points = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    assert hypervolume(points, [2.0, 2.0, 2.0]) == 3 * 4 - 3 * 2 + 1
    assert hypervolume_contributions(points, [2.0, 2.0, 2.0]).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("objectives", [1, 2, 3, 5])
def test_no_points(objectives: int) -> None:
    none, reference = np.empty((0, objectives)), np.ones(objectives)
    assert nondominated_ranks(none).tolist() == []
    assert nondominated_ranks(none).dtype == np.int64
    assert hypervolume(none, reference) == 0.0
    assert hypervolume_contributions(none, reference).tolist() == []


@pytest.mark.parametrize("objectives", [1, 2, 3, 5])
def test_one_point_and_equal_points(objectives: int) -> None:
    one, reference = np.zeros((1, objectives)), np.full(objectives, 2.0)
    assert nondominated_ranks(one).tolist() == [0]
    assert hypervolume(one, reference) == 2.0**objectives
    assert hypervolume_contributions(one, reference).tolist() == [2.0**objectives]
    same = np.array([[0.0], [-0.0], [0.0]]).repeat(objectives, axis=1)
    assert nondominated_ranks(same).tolist() == [0, 0, 0]
    assert hypervolume(same, reference) == 2.0**objectives
    assert hypervolume_contributions(same, reference).tolist() == [0.0, 0.0, 0.0]


def test_an_equal_point_takes_the_contribution_exactly() -> None:
    """Thirds do not add up in floats; a difference of volumes would leave a rest."""
    points = np.array([[1 / 3, 0.1, 0.7], [0.1, 1 / 3, 0.3], [0.7, 0.7, 0.1], [1 / 3, 0.1, 0.7], [1 / 3, 0.4, 0.3]])
    found = hypervolume_contributions(points, np.full(3, 0.9))
    assert (found[[0, 3, 4]] == 0.0).all()
    assert (found[[1, 2]] > 0.0).all()


def test_what_is_not_better_than_the_reference_adds_nothing() -> None:
    points = [[0.0, 1.0], [1.0, -100.0], [0.5, 0.5], [INF, -5.0]]
    assert hypervolume(points, [1.0, 1.0]) == 0.25
    assert hypervolume_contributions(points, [1.0, 1.0]).tolist() == [0.0, 0.0, 0.25, 0.0]


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_infinities_are_ranked(objectives: int) -> None:
    pairs = [(INF, INF), (0.0, 0.0), (-INF, INF), (INF, INF), (-INF, 0.0), (1.0, -INF)]
    points = [[first, *[rest] * (objectives - 1)] for first, rest in pairs]
    assert nondominated_ranks(points).tolist() == [2, 1, 1, 2, 0, 0]


@pytest.mark.parametrize("measure", [hypervolume, hypervolume_contributions])
def test_an_objective_without_bound_has_no_volume(measure: Callable[..., object]) -> None:
    with pytest.raises(ConfigError, match=r"must be above -inf to span a volume; point 1 is \[-inf, 0.0\]"):
        measure([[0.0, 0.0], [-INF, 0.0]], [1.0, 1.0])
    with pytest.raises(ConfigError, match="must fit a float; give the objectives in larger units"):
        measure([[-1e200, -1e200]], [0.0, 0.0])
    with pytest.raises(ConfigError, match="must fit a float"):
        measure([[-1.7e308, 0.0]], [1e308, 1.0])


@pytest.mark.parametrize("measure", [hypervolume, hypervolume_contributions])
@pytest.mark.parametrize("reference", [[1.0], [1.0, 1.0, 1.0], 1.0, [1.0, INF], [math.nan, 1.0]])
def test_a_reference_is_one_finite_value_for_each_objective(measure: Callable[..., object], reference: object) -> None:
    with pytest.raises(ConfigError, match="the reference must be 2 finite values"):
        measure([[0.0, 0.0]], reference)


@pytest.mark.parametrize("points", [[], [1.0, 2.0], np.empty((3, 0)), np.zeros((2, 2, 2))])
def test_points_are_a_table(points: object) -> None:
    with pytest.raises(ConfigError, match=r"points must be \[N, M\] with at least one objective; got shape"):
        nondominated_ranks(points)  # type: ignore[arg-type]


def test_nan_is_refused() -> None:
    points = [[0.0, 0.0], [0.0, math.nan]]
    for call in (
        lambda: nondominated_ranks(points),
        lambda: hypervolume(points, [1.0, 1.0]),
        lambda: hypervolume_contributions(points, [1.0, 1.0]),
    ):
        with pytest.raises(ConfigError, match=r"must be numbers; point 1 is \[0.0, nan\]"):
            call()


def test_arguments_are_left_alone() -> None:
    points, reference = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]), np.array([3.0, 3.0])
    kept, bound = points.copy(), reference.copy()
    hypervolume_contributions(points, reference)
    nondominated_ranks(points)
    assert (points == kept).all()
    assert (reference == bound).all()
