"""Early stopping by fronts: rungs, places, verdicts and promotions."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.dominance import Points, hypervolume, hypervolume_contributions, nondominated_ranks
from search.errors import ConfigError
from search.halving import Halving, Standing, promotable, standing, verdict

RULES = Halving()
PLENTY = settings(max_examples=60, deadline=None)
BOUND = [10.0, 10.0]
FRONT = [[1.0, 8.0], [4.0, 4.0], [8.0, 1.0]]
"""Contributions against BOUND: 3 x 2, 6 x 6 less what the others cover (4 x 2 twice, less 2 x 2), 2 x 3."""


@st.composite
def arrivals(draw: st.DrawFn, least: int = 1, most: int = 12) -> Points:
    """Few whole values, so that ties, duplicates and points at the reference (6) abound."""
    objectives = draw(st.integers(1, 3))
    row = st.lists(st.integers(0, 6), min_size=objectives, max_size=objectives)
    return np.array(draw(st.lists(row, min_size=least, max_size=most)), dtype=np.float64)


def six(points: Points) -> Points:
    return np.full(points.shape[1], 6.0)


def naive_order(points: Points, reference: Points) -> list[int]:
    """Sorted tuples of rank, lost volume and arrival; of equal points only the first counts in its front."""
    ranks, keys = nondominated_ranks(points), []
    for i, rank in enumerate(ranks):
        front = {tuple(p) for p, r in zip(points.tolist(), ranks, strict=True) if r == rank}
        rest = np.array(sorted(front - {tuple(points[i].tolist())})).reshape(-1, points.shape[1])
        lost = hypervolume(sorted(front), reference) - hypervolume(rest, reference)
        first = i == points.tolist().index(points[i].tolist())
        keys.append((rank, -lost if first else 0.0, i))
    return [i for _, _, i in sorted(keys)]


def run(points: Points, reference: Sequence[float] | Points, rules: Halving, *, resume: bool = True) -> set[int]:
    """Let trials arrive at one rung in order; return those that went on, at once or later."""
    going, stopped = set[int](), set[int]()
    for i in range(len(points)):
        (going if verdict(points[i], points[:i], reference, rules, images=1).goes_on else stopped).add(i)
        promoted = promotable(points[: i + 1], stopped, reference, rules) if resume else ()
        going |= set(promoted)
        stopped -= set(promoted)
    return going


def test_rungs_are_shares_of_the_budget() -> None:
    assert Halving(reduction=3, rungs=2).rung_images(96_000) == (10_667, 32_000)
    assert Halving(reduction=4, rungs=3).rung_images(64_000) == (1_000, 4_000, 16_000)
    assert Halving(reduction=3, rungs=3, least_images=10_667).rung_images(96_000) == (10_667, 32_000)
    assert Halving(reduction=3, rungs=2, least_images=96_000).rung_images(96_000) == ()
    assert Halving(reduction=3, rungs=5).rung_images(2) == (1,)
    assert Halving().rung_images(1) == ()


@PLENTY
@given(st.integers(1, 10**9), st.integers(2, 9), st.integers(1, 6), st.integers(1, 1000))
def test_rungs_ascend_below_the_budget(budget: int, reduction: int, rungs: int, least: int) -> None:
    found = Halving(reduction=reduction, rungs=rungs, least_images=least).rung_images(budget)
    assert list(found) == sorted(set(found))
    assert all(least <= images < budget for images in found)
    assert len(found) <= rungs
    for step, images in enumerate(reversed(found), start=1):
        assert (images - 1) * reduction**step < budget <= images * reduction**step


@pytest.mark.parametrize(
    ("field", "value", "least"),
    [("reduction", 1, 2), ("rungs", 0, 1), ("peers", 0, 1), ("least_images", 0, 1), ("reduction", 2.5, 2)],
)
def test_rules_are_checked(field: str, value: float, least: int) -> None:
    with pytest.raises(ConfigError, match=f"halving {field} must be a whole number of at least {least}; got {value}"):
        Halving(**{field: value})  # type: ignore[arg-type]


def test_a_budget_is_positive() -> None:
    with pytest.raises(ConfigError, match="budget_images must be positive; got 0"):
        RULES.rung_images(0)


@pytest.mark.parametrize(("count", "share"), [(1, 1), (4, 4), (5, 2), (6, 2), (7, 3), (9, 3), (10, 4)])
def test_the_share_that_goes_on(count: int, share: int) -> None:
    assert RULES.going_on(count) == share


def test_the_middle_of_a_front_stands_by_what_it_adds() -> None:
    ends, middle = [FRONT[0], FRONT[2]], FRONT[1]
    assert standing(middle, ends, BOUND) == Standing(position=0, count=3, rank=0, contribution=36 - (12 + 12 - 4))
    assert standing(FRONT[0], FRONT[1:], BOUND) == Standing(position=2, count=3, rank=0, contribution=6.0)
    assert standing([0.5, 8.0], FRONT[1:], BOUND) == Standing(position=1, count=3, rank=0, contribution=7.0)
    assert standing(FRONT[2], FRONT[:2], BOUND) == Standing(position=2, count=3, rank=0, contribution=6.0)


def test_the_front_decides_before_the_contribution() -> None:
    """[9.5, 0.5] adds 0.25 on front 0; [4.5, 4.5] would add 30 to front 1, but stands behind."""
    points = [*FRONT, [4.5, 4.5]]
    edge = standing([9.5, 0.5], points, BOUND)
    assert edge == Standing(position=3, count=5, rank=0, contribution=0.25)
    behind = standing([4.5, 4.5], [*FRONT, [9.5, 0.5]], BOUND)
    assert behind == Standing(position=4, count=5, rank=1, contribution=5.5 * 5.5)


def test_without_peers_a_trial_is_first() -> None:
    alone = Standing(position=0, count=1, rank=0, contribution=36.0)
    assert standing([4.0, 4.0], [], BOUND) == alone
    assert standing([4.0, 4.0], np.empty((0, 2)), BOUND) == alone


def test_equals_stand_by_arrival() -> None:
    assert standing([5.0], [[5.0], [5.0]], [10.0]) == Standing(position=2, count=3, rank=0, contribution=0.0)
    beyond = [[20.0, 1.0], [1.0, 20.0]]  # both on the front, neither better than the reference
    assert standing([15.0, 2.0], beyond, BOUND) == Standing(position=2, count=3, rank=0, contribution=0.0)


def test_a_twin_does_not_throw_the_best_back() -> None:
    """Left to differences of volumes, both would add nothing and stand behind the whole front."""
    points = np.array([FRONT[1], FRONT[0], FRONT[2], FRONT[1], [9.0, 9.0]])
    rules = Halving(reduction=5, peers=1)
    assert promotable(points, {0, 3}, BOUND, rules) == (0,)
    assert standing(FRONT[1], points[:3], BOUND) == Standing(position=3, count=4, rank=0, contribution=0.0)


@PLENTY
@given(arrivals())
def test_places_are_those_of_a_plain_sort(points: Points) -> None:
    order = naive_order(points, six(points))
    found = standing(points[-1], points[:-1], six(points))
    assert found.position == order.index(len(points) - 1)
    assert found.count == len(points)
    assert found.rank == nondominated_ranks(points)[-1]
    assert promotable(points, range(len(points)), six(points), Halving(peers=len(points))) == tuple(order)


@PLENTY
@given(arrivals(), st.integers(2, 5), st.integers(1, 6))
def test_a_verdict_is_a_promotion_on_arrival(points: Points, reduction: int, peers: int) -> None:
    rules, newest = Halving(reduction=reduction, peers=peers), len(points) - 1
    found = verdict(points[-1], points[:-1], six(points), rules, images=100)
    assert found.goes_on == (promotable(points, {newest}, six(points), rules) == (newest,))
    assert found.goes_on == (newest < peers or found.standing.position < math.ceil(len(points) / reduction))


@PLENTY
@given(arrivals(least=2), st.integers(2, 5))
def test_who_dominates_all_goes_on(points: Points, reduction: int) -> None:
    best = points.min(axis=0) - 1
    found = verdict(best, points, six(points), Halving(reduction=reduction, peers=1), images=1)
    assert (found.goes_on, found.standing.position, found.standing.rank) == (True, 0, 0)


@PLENTY
@given(arrivals(), st.lists(st.integers(-8, 8), min_size=3, max_size=3), st.permutations(range(3)))
def test_units_and_the_order_of_objectives_are_indifferent(
    points: Points, exponents: list[int], mix: list[int]
) -> None:
    columns = [column for column in mix if column < points.shape[1]]
    scale = 2.0 ** np.array(exponents[: points.shape[1]])
    everyone, rules = range(len(points)), Halving(peers=1)
    expected = promotable(points, everyone, six(points), rules)
    moved, bound = (points * scale)[:, columns], (six(points) * scale)[columns]
    assert promotable(moved, everyone, bound, rules) == expected


def test_few_peers_stop_nothing() -> None:
    worst, better = [9.0, 9.0], [[1.0, 1.0]] * 3
    found = verdict(worst, better, BOUND, RULES, images=10_667)
    assert found.goes_on
    assert found.reason == (
        "goes on at 10,667 training images: number 4 of 4 (front 2); none is stopped before 5 have come this far"
    )
    assert not verdict(worst, [*better, [1.0, 1.0]], BOUND, RULES, images=10_667).goes_on


def test_the_reason_has_the_figures() -> None:
    peers = [*FRONT, [5.0, 5.0], [9.0, 9.0], [9.5, 9.5]]
    found = verdict([6.0, 6.0], peers, BOUND, RULES, images=32_000)
    assert found.reason == "stops at 32,000 training images: number 5 of 7 (front 3); the best 3 go on"
    assert found.standing == Standing(position=4, count=7, rank=2, contribution=16.0)
    found = verdict([0.5, 0.5], peers, BOUND, Halving(reduction=9), images=32_000)
    assert found.reason == "goes on at 32,000 training images: number 1 of 7 (front 1); the best one goes on"


def test_stopped_trials_go_on_when_others_turn_out_worse() -> None:
    points = np.array([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0], [8.0]])
    rules, bound = Halving(reduction=3, peers=1), [10.0]
    stopped = {i for i in range(8) if not verdict(points[i], points[:i], bound, rules, images=1).goes_on}
    assert stopped == {1, 2, 3, 4, 5, 6, 7}  # each the worst so far
    assert promotable(points[:3], {1, 2}, bound, rules) == ()
    assert promotable(points[:4], {1, 2, 3}, bound, rules) == (1,)
    assert promotable(points[:6], {2, 3, 4, 5}, bound, rules) == ()
    assert promotable(points[:7], {1, 2, 3, 4, 5, 6}, bound, rules) == (1, 2)  # the best first
    assert promotable(points, [7, 2, 5], bound, rules) == (2,)
    assert promotable(points, (), bound, rules) == ()
    assert promotable(np.empty((0, 1)), (), bound, rules) == ()


@PLENTY
@given(arrivals(most=9), st.integers(2, 4))
def test_nobody_in_the_best_share_is_left_behind(points: Points, reduction: int) -> None:
    rules = Halving(reduction=reduction, peers=2)
    best = naive_order(points, six(points))[: rules.going_on(len(points))]
    assert set(best) <= run(points, six(points), rules)


def test_a_long_sequence_wastes_little() -> None:
    """Of N trials in random order, too many by the order of the square root of N go on: early ones, by luck."""
    points = np.random.default_rng(3).random((90, 2))
    going = run(points, [1.5, 1.5], RULES)
    best = set(promotable(points, range(90), [1.5, 1.5], RULES))
    assert len(best) == 30
    assert best <= going
    assert len(going) == pytest.approx(30 + math.sqrt(90), abs=math.sqrt(90))
    late = run(points, [1.5, 1.5], RULES, resume=False)
    assert late < going


def test_only_the_same_rung_counts() -> None:
    """Longer training is better throughout; among trials of another rung, a good short one would seem the worst."""
    early = np.array([[0.50], [0.60], [0.70], [0.80], [0.90]])
    rungs = {1_000: early, 9_000: early / 10}
    found = verdict([0.45], rungs[1_000], [1.0], RULES, images=1_000)
    assert (found.goes_on, found.standing.position, found.standing.count) == (True, 0, 6)
    mixed = verdict([0.45], np.vstack([rungs[1_000], rungs[9_000]]), [1.0], RULES, images=1_000)
    assert (mixed.goes_on, mixed.standing.position) == (False, 5)


def clusters(random: np.random.Generator) -> Points:
    """Twelve trials around six trade-offs of three objectives, as a sampler that exploits would draw them."""
    places = random.dirichlet(np.ones(3), 6)[random.integers(0, 6, 12)]
    return 1 - np.sqrt(places) + random.random((12, 1)) * 0.02 + random.normal(0, 0.01, (12, 3))


def by_elimination(points: Points, reference: Points) -> list[int]:
    """Each front from behind: take away what adds least to those left, as SMS-EMOA does."""
    ranks, order = nondominated_ranks(points), list[int]()
    for rank in np.unique(ranks):
        left, gone = np.flatnonzero(ranks == rank).tolist(), list[int]()
        while left:
            gone.append(left.pop(int(hypervolume_contributions(points[left], reference).argmin())))
        order += gone[::-1]
    return order


def test_how_much_of_the_front_the_best_third_keeps() -> None:
    """The figures of decision 017: shares of the hypervolume of all that the third that goes on still has."""
    random, reference, shares = np.random.default_rng(0), np.full(3, 1.5), []
    for _ in range(100):
        points = clusters(random)
        orders = (
            promotable(points, range(12), reference, Halving(peers=12)),
            np.argsort(nondominated_ranks(points), kind="stable").tolist(),
            by_elimination(points, reference),
        )
        whole = hypervolume(points, reference)
        shares.append([hypervolume(points[list(order[:4])], reference) / whole for order in orders])
    means, worst = np.mean(shares, axis=0), np.min(shares, axis=0)
    assert means == pytest.approx([0.951, 0.897, 0.977], abs=0.01)
    assert worst == pytest.approx([0.85, 0.69, 0.93], abs=0.02)


@pytest.mark.parametrize(
    ("values", "peers"), [([1.0], [[1.0, 2.0]]), ([[1.0, 2.0]], [[1.0, 2.0]]), ([1.0, 2.0], [1.0, 2.0]), (1.0, [[1.0]])]
)
def test_shapes_must_agree(values: object, peers: object) -> None:
    with pytest.raises(ConfigError, match=r"values must be \[M\] and peers \[N, M\]; got shapes"):
        standing(values, peers, BOUND)  # type: ignore[arg-type]


@pytest.mark.parametrize(("bad", "message"), [(math.nan, "must be numbers"), (-math.inf, "must be above -inf")])
def test_values_without_a_place_are_refused(bad: float, message: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: standing([bad, 1.0], FRONT, BOUND),
        lambda: verdict([1.0, 1.0], [*FRONT, [1.0, bad]], BOUND, RULES, images=1),
        lambda: promotable([*FRONT, [bad, 1.0]], {0}, BOUND, RULES),
    ]
    for call in calls:
        with pytest.raises(ConfigError, match=message):
            call()


def test_plus_infinity_stands_last_of_its_front() -> None:
    assert standing([math.inf, 0.0], FRONT, BOUND) == Standing(position=3, count=4, rank=0, contribution=0.0)
    assert standing([math.inf, math.inf], FRONT, BOUND) == Standing(position=3, count=4, rank=1, contribution=0.0)


def test_a_stopped_trial_is_one_of_those_at_the_rung() -> None:
    with pytest.raises(ConfigError, match=r"stopped trials must be among the 3 at the rung; got \[-1, 3\]"):
        promotable(FRONT, {3, 0, -1}, BOUND, RULES)


def test_one_reference_value_for_each_objective() -> None:
    with pytest.raises(ConfigError, match="the reference must be 2 finite values"):
        standing([1.0, 1.0], FRONT, [10.0])
