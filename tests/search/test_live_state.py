import pytest

from gan.training import TrainingRecord
from search.live_state import LiveState, TrialInWork
from search.objectives import Objective
from search.tally import EndedTrial, Tally

OBJECTIVES = (Objective("accuracy", "maximize", 0.0),)


def record(images: int, seconds: float = 1.0, eta: float | None = 10.0) -> TrainingRecord:
    return TrainingRecord(images // 10, images, seconds, 0.7, 0.8, 100.0, eta)


def study(wanted: int = 10, *earlier: EndedTrial) -> LiveState:
    return LiveState("s", wanted, 60, 1000.0, Tally(OBJECTIVES)).known(earlier)


def scored(number: int, digest: str = "") -> EndedTrial:
    return EndedTrial(number, "scored", digest or f"digest {number}", "mlp", (0.5,))


def trial(number: int, images: int | None = 1000, seconds: float | None = None) -> TrialInWork:
    return TrialInWork(number, "mlp", images, seconds)


@pytest.mark.parametrize(
    ("images", "seconds", "share"),
    [(1000, None, 0.4), (None, 20.0, 0.25), (1000, 20.0, 0.4), (4000, 20.0, 0.25), (300, None, 1.0), (None, None, 0.0)],
)
def test_the_share_of_a_budget_is_that_of_the_nearer_limit(
    images: int | None, seconds: float | None, share: float
) -> None:
    assert trial(0, images, seconds).share == 0
    assert trial(0, images, seconds).recorded(record(400, 5.0), 0.0).share == pytest.approx(share)


def test_a_trial_is_at_its_circuit_then_trained_then_scored() -> None:
    began = trial(0)
    assert [began.stage, began.recorded(record(999), 0).stage, began.recorded(record(1000), 0).stage] == [
        "circuit",
        "training",
        "scoring",
    ]


def test_the_time_left_of_a_training_goes_down_between_its_records_and_not_below_zero() -> None:
    heard = trial(0).recorded(record(100, eta=30.0), 500.0)
    assert [heard.seconds_left(now) for now in (500.0, 512.5, 530.0, 999.0)] == [30.0, 17.5, 0.0, 0.0]
    assert trial(0).seconds_left(500.0) is None
    assert trial(0).recorded(record(100, eta=None), 500.0).seconds_left(501.0) is None


def test_the_pace_counts_what_this_session_did() -> None:
    state = study(7, scored(0)).opened(trial(1)).over(scored(1)).over(scored(2))
    state = state.opened(trial(3)).recorded(3, record(100, eta=9.0), 1050.0).recorded(3, record(500, eta=9.0), 1090.0)
    # Of 7, 3 are trained and half of a fourth; in 120 s this session did 2 and the share from 0.1 to 0.5 of it.
    assert state.tally.trained == 3
    assert state.seconds_left(1120.0) == pytest.approx(3.5 * 120 / 2.4)
    assert state.trained_per_hour(1120.0) == pytest.approx(2 * 3600 / 120)


def test_earlier_sessions_leave_less_to_do_and_say_nothing_about_the_pace() -> None:
    state = study(10, *(scored(number) for number in range(6)), EndedTrial(6, "infeasible", "x"))
    assert (state.tally.trained, state.tally.trained_here, len(state.tally.trials)) == (6, 0, 7)
    assert (state.seconds_left(1100.0), state.trained_per_hour(1100.0)) == (None, None)
    state = state.over(scored(7))
    assert state.seconds_left(1100.0) == pytest.approx(3 * 100)


def test_a_checkpoint_s_share_is_not_this_session_s_work() -> None:
    state = study(2).opened(trial(0)).recorded(0, record(800, eta=2.0), 1010.0)
    assert state.seconds_left(1010.0) is None
    assert state.recorded(0, record(900, eta=1.0), 1020.0).seconds_left(1020.0) == pytest.approx(1.1 * 20 / 0.1)


def test_candidates_that_cost_no_training_take_their_part_of_the_time() -> None:
    state = study(3).over(EndedTrial(0, "infeasible", "a")).over(scored(1)).over(EndedTrial(2, "repeated"))
    assert state.seconds_left(1030.0) == pytest.approx(2 * 30)


def test_at_least_the_longest_training_is_left() -> None:
    state = study(3).over(scored(0)).over(scored(1)).opened(trial(2)).recorded(2, record(990, eta=77.0), 1002.0)
    assert state.seconds_left(1002.0) == 77.0


def test_a_study_with_enough_candidates_has_only_its_open_trainings_left() -> None:
    done = study(1, scored(0))
    assert done.seconds_left(1001.0) == 0.0
    assert done.opened(trial(1)).recorded(1, record(10, eta=5.0), 1001.0).seconds_left(1002.0) == 4.0


def test_no_time_has_passed() -> None:
    state = study(3).over(scored(0))
    assert (state.elapsed(1000.0), state.seconds_left(1000.0), state.trained_per_hour(1000.0)) == (0.0, None, None)
    assert state.elapsed(999.0) == 0.0


def test_open_trials_are_in_order_and_leave_when_they_end() -> None:
    state = study().opened(trial(5)).opened(trial(3)).opened(trial(5, 10))
    assert [(one.number, one.budget_images) for one in state.in_work] == [(3, 1000), (5, 10)]
    assert [one.number for one in state.over(scored(3)).in_work] == [5]
    assert state.recorded(99, record(1), 1001.0) == state
    assert state.over(scored(9)).in_work == state.in_work


def test_a_trial_that_others_ended_is_not_this_session_s() -> None:
    state = study(5).over(scored(0)).known([scored(0), scored(1)])
    assert (state.tally.trained, state.tally.trained_here) == (2, 1)


def test_the_clock_stops_when_the_session_ends() -> None:
    closed = study().over(scored(0)).closed(1036.0, "trials ended")
    assert closed.elapsed(9999.0) == 36.0
    assert closed.trained_per_hour(9999.0) == pytest.approx(100.0)
