"""Reading runs back from MLflow."""

from pathlib import Path

import pytest

from search.errors import RecordError
from search.tracked import RunReader
from search.tracking import Tracker


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # raised inside mlflow's and alembic's own migrations
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_run_is_read_back(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/store/mlflow.db"
    with pytest.raises(RecordError, match=r"there is no .*mlflow.db; give uri="):
        RunReader(uri)
    assert not (tmp_path / "store").exists()
    tracker = Tracker(uri=uri, experiment="digits", artifacts=tmp_path / "artifacts", study="s", uid="one")
    early, late = tracker.start_trial(4, {}), tracker.start_trial(4, {"family": "mlp"})
    tracker.params(late, {"seed": 3})
    tracker.metrics(late, {"accuracy": 0.25})
    tracker.metrics(late, {"accuracy": 0.5}, step=1)
    (tmp_path / "notes.txt").write_text("of a run")
    tracker.artifact(late, tmp_path / "notes.txt")
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
