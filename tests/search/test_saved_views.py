import json
from typing import Any

import pytest

from search.saved_views import saved_views


def views() -> dict[str, dict[str, Any]]:
    return {key: json.loads(value) for key, value in saved_views("samples/float", now_milliseconds=17).items()}


def test_the_views_are_named_and_dated_as_the_ui_wants() -> None:
    assert {key: view["name"] for key, view in views().items()} == {
        "mlflow.sharedViewState.trials": "Trials",
        "mlflow.sharedViewState.studies": "Studies",
    }
    assert all((view["createdAt"], view["updatedAt"]) == (17, 17) for view in views().values())


@pytest.mark.parametrize(("name", "role"), [("trials", "trial"), ("studies", "study")])
def test_a_view_filters_sorts_and_shows_columns_wide_enough(name: str, role: str) -> None:
    state = json.loads(views()[f"mlflow.sharedViewState.{name}"]["state"])
    assert state["searchFilter"] == f"tags.role = '{role}'"
    assert state["orderByKey"] in state["selectedColumns"]
    assert state["columnOrder"] == state["selectedColumns"]
    for column in state["selectedColumns"]:
        kind, _, metric = column.rstrip("`").partition(".`")
        assert kind in ("metrics", "params", "tags")
        assert state["columnWidths"][column] >= 7 * len(metric)
    assert "metrics.`headline.accuracy`" in state["selectedColumns"] or role == "study"


def test_the_trials_view_shows_their_pictures_without_parameters() -> None:
    state = json.loads(views()["mlflow.sharedViewState.trials"]["state"])
    ((chart,), (section,)) = state["compareRunCharts"], state["compareRunSections"]
    assert chart["imageKeys"] == ["samples/float"]
    assert chart["showRunParams"] is False
    assert chart["metricSectionId"] == section["uuid"]


def test_tags_stay_within_what_mlflow_keeps() -> None:
    assert all(len(value) <= 5000 for value in saved_views("samples/float", now_milliseconds=17).values())
