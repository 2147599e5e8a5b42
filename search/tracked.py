"""Runs of the MLflow record, read back."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.environment_variables import MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from search.errors import RecordError
from search.names import checked_name
from search.sqlite_files import first_rows
from search.urls import safe_url

_SQLITE = "sqlite:///"
_RUN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class RecordedRun:
    """What MLflow holds of one run; parameters are texts of at most 500 characters, metrics the last values."""

    run_id: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]


class RunReader:
    """Reads runs of the record at ``uri`` and writes nothing there.

    Raises:
        RecordError: a local store is not there or not MLflow's, or the address is none.
    """

    def __init__(self, uri: str) -> None:
        if uri.startswith(_SQLITE):
            _check_file(Path(uri.removeprefix(_SQLITE)))
        MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)  # two bars for every small file
        self._shown = safe_url(uri)
        with self._asked("be reachable"):
            self._client = MlflowClient(tracking_uri=uri)

    def run(self, run_id: str) -> RecordedRun:
        """Return the run ``run_id``.

        Raises:
            RecordError: there is none, or the answer is of another one.
        """
        with self._asked(f"have run {run_id}"):
            found = self._client.get_run(run_id)
        if (answered := str(found.info.run_id)) != run_id or not _RUN.fullmatch(answered):  # it names a folder next
            raise RecordError(f"the record at {self._shown} must answer with run {run_id}; got {answered[:60]!r}")
        data = found.data
        return RecordedRun(answered, dict(data.tags), dict(data.params), dict(data.metrics))

    def trial_run(self, study: str, number: int) -> str:
        """Return the id of the run of trial ``number`` of ``study``, the latest where a session left an unended one.

        Raises:
            RecordError: there is none, or several studies of that name have one.
        """
        name = checked_name(study, "study")  # a quote in it would end the filter's text
        wanted = f"tags.`study` = '{name}' and tags.`role` = 'trial' and tags.`trial` = '{number}'"
        with self._asked("be searchable"):
            experiments = [experiment.experiment_id for experiment in self._client.search_experiments()]
            runs = self._client.search_runs(experiments, filter_string=wanted, order_by=["attributes.start_time ASC"])
        studies = {run.data.tags.get("study_uid", "") for run in runs}
        if len(studies) != 1:
            ids = ", ".join(str(run.info.run_id) for run in runs) or "none"
            raise RecordError(
                f"one study at {self._shown} must be called {study} and have a trial {number}; found {ids}; "
                "give the id of the trial's run as run="
            )
        return str(runs[-1].info.run_id)

    def names(self, run_id: str, folder: str | None = None) -> list[str]:
        """Return the paths of the artifacts of a run, or of those directly in ``folder``."""
        with self._asked(f"list the artifacts of run {run_id}"):
            return [str(item.path) for item in self._client.list_artifacts(run_id, folder)]

    def fetch(self, run_id: str, name: str, folder: Path) -> Path | None:
        """Copy the artifact ``name`` (a path) of a run to that path below ``folder``; None if the run has none.

        Raises:
            RecordError: it is listed and cannot be read.
        """
        parent = name.rpartition("/")[0]
        if name not in self.names(run_id, parent or None):
            return None
        target = (folder / parent).resolve()
        target.mkdir(parents=True, exist_ok=True)
        try:
            return Path(self._client.download_artifacts(run_id, name, str(target)))
        except (MlflowException, OSError) as error:
            raise RecordError(f"artifact {name} of run {run_id} must be readable; got {error}") from error

    @contextmanager
    def _asked(self, wanted: str) -> Iterator[None]:
        """Map what MLflow and its database raise; passwords in the address are not shown."""
        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            said = safe_url(str(error)).partition("\n")[0]
            raise RecordError(f"the record at {self._shown} must {wanted}; it says: {said}") from error


def _check_file(path: Path) -> None:
    """Refuse a file that is no store of MLflow, whose client would make its tables in it."""
    if not path.is_file():
        raise RecordError(f"the record must be a file; there is no {path}; give uri= of where the study was tracked")
    try:
        version, _ = first_rows(path, ("alembic_version", "runs"))
    except sqlite3.Error as error:
        raise RecordError(f"{path} must be a store of MLflow; got: {error}; give uri= of the study's") from error
    if version is None:  # MLflow would write its own there
        raise RecordError(f"{path} must be a store of MLflow; it does not say of which version it is")
