"""Reading runs back from MLflow."""

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from search.errors import ConfigError, RecordError
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


@pytest.mark.parametrize("content", ["nothing", "text", "other tables", "no version"])
def test_a_file_that_is_no_record_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "some.db"
    if content in ("nothing", "text"):
        path.write_text("" if content == "nothing" else "a diary")
    else:
        with closing(sqlite3.connect(path)) as made:
            made.execute("CREATE TABLE diary (text)")
            if content == "no version":
                made.execute("CREATE TABLE runs (x)")
                made.execute("CREATE TABLE alembic_version (x)")
            made.commit()
    before = path.read_bytes()
    with pytest.raises(RecordError, match=r"some\.db must be a (readable SQLite file|store of MLflow)"):
        RunReader(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_server_that_answers_with_another_run_names_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = RunReader("http://me:hunter2@127.0.0.1:9")
    for answered in ("/somewhere/else", "b" * 32):
        found = SimpleNamespace(
            info=SimpleNamespace(run_id=answered), data=SimpleNamespace(tags={}, params={}, metrics={})
        )
        monkeypatch.setattr(reader._client, "get_run", lambda run_id, found=found: found)
        with pytest.raises(RecordError, match="must answer with run a{32}; got") as caught:
            reader.run("a" * 32)
        assert "hunter2" not in str(caught.value)


def test_passwords_in_the_records_address_are_not_shown() -> None:
    with pytest.raises(RecordError) as caught:
        RunReader("postgres://me:hunter2@host/db")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match="study must begin with"):
        RunReader("http://127.0.0.1:9").trial_run("a'b", 0)
