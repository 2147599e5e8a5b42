from collections.abc import Callable

import optuna
import pytest

from search.samplers import go_on, grid, nsga2, random, tpe

MakeStudy = Callable[..., optuna.Study]


@pytest.mark.parametrize("build", [random, nsga2, tpe])
def test_a_session_that_goes_on_draws_something_else(
    make_study: MakeStudy, build: Callable[..., optuna.samplers.BaseSampler]
) -> None:
    def first_draw(drivers: int = 1) -> float:
        study = make_study(sampler=build(seed=5))
        go_on(study, drivers=drivers)
        return study.ask().suggest_float("x", 0, 1)

    make_study().enqueue_trial({"y": 0.5})  # what is queued was not drawn
    first = first_draw()
    assert first == make_study(name="another", sampler=build(seed=5)).ask().suggest_float("x", 0, 1)
    assert len({first, first_draw(), first_draw(), first_draw(drivers=2)}) == 4


def test_a_grid_goes_on_where_it_was(make_study: MakeStudy) -> None:
    drawn = list[int]()
    for _ in range(4):
        study = make_study(sampler=grid(seed=0))
        go_on(study, drivers=1)
        trial = study.ask()
        drawn.append(trial.suggest_int("x", 1, 4))
        if len(drawn) < 4:  # the last one would stop Optuna's own loop, which is not the one that runs here
            study.tell(trial, [0.0, 0.0])
    assert sorted(drawn) == [1, 2, 3, 4]
