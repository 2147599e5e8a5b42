import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from PIL import Image

from search.errors import ConfigError
from search.tracking import Tracker


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store/mlflow.db"


def open_tracker(uri: str, tmp_path: Path, study: str = "s") -> Tracker:
    return Tracker(uri=uri, experiment="digits", artifacts=tmp_path / "artifacts", study=study, uid=f"uid-{study}")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # raised inside mlflow's and alembic's own migrations
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_study_is_one_parent_with_children_and_survives_a_restart(uri: str, tmp_path: Path) -> None:
    tracker = open_tracker(uri, tmp_path)
    run = tracker.start_trial(4, {"family": "mlp"})
    tracker.params(run, {f"p{index}": "x" * 1000 for index in range(120)})
    tracker.metrics(run, {"accuracy": 0.5, "rows": 7})
    tracker.metrics(run, {"training/loss": 2.0}, step=25)
    tracker.metrics(run, {"training/loss": 1.0}, step=50)
    tracker.tags(run, {"proof.wiring": "unchecked"})
    (tmp_path / "spec.json").write_text("{}")
    tracker.artifact(run, tmp_path / "spec.json")
    tracker.artifact(run, tmp_path / "never-written.png")
    tracker.table(tracker.parent_id, [{"trial": 1}], "front.json")
    tracker.table(tracker.parent_id, [{"trial": 2, "accuracy": 0.5}], "front.json")
    tracker.note(run, "**scored**\n\n| a |")
    Image.new("RGB", (4, 4)).save(tmp_path / "samples.png")
    tracker.picture(tracker.parent_id, tmp_path / "samples.png", "samples/float")
    tracker.picture(tracker.parent_id, tmp_path / "never-drawn.png", "samples/float")
    tracker.offer_views({"mlflow.sharedViewState.trials": "first"})
    tracker.offer_views({"mlflow.sharedViewState.trials": "second", "mlflow.sharedViewState.studies": "new"})
    tracker.end(run)
    left_over = tracker.start_trial(5, {})

    again = open_tracker(uri, tmp_path)
    assert again.parent_id == tracker.parent_id
    assert again.trial_run(4) == run
    assert again.last_step(run, "training/loss") == 50
    assert again.last_step(run, "never") == 0
    assert open_tracker(uri, tmp_path, study="other").parent_id != tracker.parent_id

    client = MlflowClient(tracking_uri=uri)
    assert client.get_run(left_over).info.status == "KILLED"
    found = client.get_run(run)
    assert found.data.tags["mlflow.parentRunId"] == tracker.parent_id
    assert (found.data.tags["family"], found.data.tags["trial"], found.data.tags["study"]) == ("mlp", "4", "s")
    assert found.data.metrics == {"accuracy": 0.5, "rows": 7.0, "training/loss": 1.0}
    assert len(found.data.params) == 120
    assert {len(value) for value in found.data.params.values()} == {500}
    assert found.info.status == "FINISHED"
    assert [point.step for point in client.get_metric_history(run, "training/loss")] == [25, 50]
    assert [item.path for item in client.list_artifacts(run)] == ["spec.json"]
    table = Path(client.download_artifacts(tracker.parent_id, "front.json", str(tmp_path)))
    assert json.loads(table.read_text()) == {"columns": ["trial", "accuracy"], "data": [[2, 0.5]]}
    assert found.data.tags["mlflow.note.content"] == "**scored**\n\n| a |"
    pictures = [item.path for item in client.list_artifacts(tracker.parent_id, "images")]
    assert sorted(Path(path).suffix for path in pictures) == [".png", ".webp"]
    assert all("samples~float+step+0" in path for path in pictures)
    tags = client.get_experiment(tracker.experiment_id).tags
    assert {name: tags[f"mlflow.sharedViewState.{name}"] for name in ("trials", "studies")} == {
        "trials": "first",  # somebody may have changed it
        "studies": "new",
    }


@pytest.mark.parametrize("name", ["../../outside", "a/../../b", "/tmp/x", ".ssh", "", "a//b"])
def test_no_name_of_an_experiment_leads_out_of_the_folder_of_artifacts(name: str, uri: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tracking\.experiment must begin with"):
        Tracker(uri=uri, experiment=name, artifacts=tmp_path / "artifacts", study="s", uid="u")
    assert list(tmp_path.iterdir()) == []
