import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.objectives import Objective
from search.tally import EndedTrial, Tally

OBJECTIVES = (Objective("accuracy", "maximize", 0.0), Objective("rows", "minimize", 100.0))


def scored(number: int, *values: float, digest: str = "", here: bool = False) -> EndedTrial:
    return EndedTrial(number, "scored", digest or f"digest {number}", "mlp", values, here)


def tally(*trials: EndedTrial) -> Tally:
    return Tally(OBJECTIVES).with_trials(trials)


def numbers(found: Tally) -> list[int]:
    return [trial.number for trial in found.front]


def test_nothing_yet() -> None:
    assert (tally().counts, tally().trained, tally().trained_here, tally().front, tally().best) == ({}, 0, 0, (), ())


def test_counts_name_every_state_the_most_frequent_first() -> None:
    found = tally(EndedTrial(0, "illegal"), scored(1, 0.5, 1), EndedTrial(2, "infeasible", "a"),
                  EndedTrial(3, "infeasible", "b"))  # fmt: skip
    assert list(found.counts.items())[0] == ("infeasible", 2)
    assert found.counts == {"infeasible": 2, "illegal": 1, "scored": 1}


def test_a_stopped_trial_and_the_one_that_takes_it_up_are_one_trained_candidate() -> None:
    found = tally(
        EndedTrial(0, "stopped", "a"),
        EndedTrial(1, "stopped", "b", here=True),
        scored(2, 0.5, 1, digest="a", here=True),
        EndedTrial(3, "repeated"),
        EndedTrial(4, "diverged", "c"),
        EndedTrial(5, "infeasible", "d"),
    )
    assert (found.trained, found.trained_here) == (2, 2)
    assert numbers(found) == [2]


def test_the_front_is_in_the_order_of_the_first_objective_and_of_equals_the_oldest_leads() -> None:
    found = tally(scored(4, 0.9, 50), scored(1, 0.5, 10), scored(2, 0.4, 20), scored(0, 0.9, 50), scored(3, 0.7, 30))
    assert numbers(found) == [0, 4, 3, 1]
    assert found.best == (0.9, 10)


def test_what_was_not_scored_is_on_no_front() -> None:
    found = tally(
        scored(0, 0.5, 10), EndedTrial(1, "infeasible", "a", "mlp"), scored(2, 0.9), scored(3, math.nan, 1), scored(4)
    )
    assert numbers(found) == [0]


def test_an_infinite_value_is_compared_like_any_other() -> None:
    assert numbers(tally(scored(0, 0.5, 10), scored(1, 0.6, math.inf), scored(2, 0.4, math.inf))) == [1, 0]


def test_what_this_session_ended_stays_as_it_was_heard() -> None:
    mine, stored = scored(0, 0.5, 10, here=True), replace(scored(0, 0.5, 10), state="interrupted")
    assert tally(mine).with_trials([stored]).trials == {0: mine}
    assert tally(stored).with_trials([mine]).trials == {0: mine}


VALUES = st.tuples(st.integers(0, 4), st.integers(0, 4))


@given(st.lists(VALUES, max_size=12))
def test_the_front_is_what_nothing_dominates(values: list[tuple[int, int]]) -> None:
    def dominates(one: tuple[int, int], other: tuple[int, int]) -> bool:
        return one != other and one[0] >= other[0] and one[1] <= other[1]

    found = tally(*(scored(number, *map(float, pair)) for number, pair in enumerate(values)))
    wanted = {n for n, pair in enumerate(values) if not any(dominates(other, pair) for other in values)}
    assert set(numbers(found)) == wanted
    if values:
        assert found.best == (max(a for a, _ in values), min(b for _, b in values))


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_one_objective_has_one_best(direction: str) -> None:
    found = Tally((Objective("x", direction, 0.0),)).with_trials([scored(0, 1.0), scored(1, 3.0), scored(2, 2.0)])
    assert numbers(found) == ([1] if direction == "maximize" else [0])
    assert found.best == ((3.0,) if direction == "maximize" else (1.0,))
