import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from search.errors import RecordError
from search.tracking import RunReader, Tracker


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


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_run_is_read_back(uri: str, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"there is no .*mlflow.db; give uri="):
        RunReader(uri)
    assert not (tmp_path / "store").exists()
    tracker = open_tracker(uri, tmp_path)
    early, late = tracker.start_trial(4, {}), tracker.start_trial(4, {"family": "mlp"})
    tracker.params(late, {"seed": 3})
    tracker.metrics(late, {"accuracy": 0.25})
    tracker.metrics(late, {"accuracy": 0.5}, step=1)
    tracker.text(late, "of a run", "notes.txt")
    (tmp_path / "spec.json").write_text("{}")
    tracker.artifact(late, tmp_path / "spec.json", "deep/er")

    reader = RunReader(uri)
    assert reader.trial_run("s", 4) == late != early
    found = reader.run(late)
    assert (found.run_id, found.tags["family"], found.params, found.metrics) == (
        late,
        "mlp",
        {"seed": "3"},
        {"accuracy": 0.5},
    )
    assert sorted(reader.names(late)) == ["deep", "notes.txt"]
    assert reader.names(late, "deep") == ["deep/er"]
    assert reader.names(early) == []
    path = reader.fetch(late, "deep/er/spec.json", tmp_path / "new" / "copy")
    assert path == tmp_path / "new" / "copy" / "deep" / "er" / "spec.json"
    assert path.read_text() == "{}"
    for absent in ("absent.txt", "deep/absent.txt", "absent/spec.json"):
        assert reader.fetch(late, absent, tmp_path / "new") is None
    with pytest.raises(RecordError, match="must have run absent"):
        reader.run("absent")
    with pytest.raises(RecordError, match="have a trial 5; found none"):
        reader.trial_run("s", 5)
    Tracker(uri=uri, experiment="cifar10", artifacts=tmp_path, study="s", uid="another").start_trial(4, {})
    with pytest.raises(RecordError, match=f"one study .* called s .*{late}.*as run="):
        reader.trial_run("s", 4)
