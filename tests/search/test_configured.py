"""A session's settings and data, outside a Hydra application."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.errors import HydraException, InstantiationException

from search.configured import configured
from search.errors import ConfigError


def test_settings_and_data_are_those_of_the_overrides(tmp_path: Path) -> None:
    found = configured(["dataset=digits", "study.seed=7", "search_space=tiny"], tmp_path)
    assert found.dataset.num_classes == 10
    assert (found.settings.seed, found.config.study.seed) == (7, 7)


@pytest.mark.parametrize(
    ("override", "error"),
    [
        ("study.sead=7", HydraException),
        ("training.budget.seconds=-1", InstantiationException),
        ("dataset._target_=os.system", ConfigError),
    ],
)
def test_what_the_command_refuses_is_refused(override: str, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error):
        configured(["dataset=digits", override], tmp_path)
