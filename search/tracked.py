"""Runs of the MLflow record, read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.environment_variables import MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
from mlflow.exceptions import MlflowException

from search.errors import RecordError


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
        RecordError: a local store is not there.
    """

    def __init__(self, uri: str) -> None:
        path = Path(uri.removeprefix("sqlite:///"))
        if uri.startswith("sqlite:///") and not path.is_file():  # MLflow would make an empty one
            raise RecordError(
                f"the record must be a file; there is no {path}; give uri= of where the study was tracked"
            )
        MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)  # two bars for every small file
        self._client, self._uri = MlflowClient(tracking_uri=uri), uri

    def run(self, run_id: str) -> RecordedRun:
        """Return the run ``run_id``.

        Raises:
            RecordError: there is none.
        """
        try:
            found = self._client.get_run(run_id)
        except MlflowException as error:
            raise RecordError(f"the record at {self._uri} must have run {run_id}; it says: {error}") from error
        data = found.data
        return RecordedRun(str(found.info.run_id), dict(data.tags), dict(data.params), dict(data.metrics))

    def trial_run(self, study: str, number: int) -> str:
        """Return the id of the run of trial ``number`` of ``study``, the latest where a session left an unended one.

        Raises:
            RecordError: there is none, or several studies of that name have one.
        """
        wanted = f"tags.`study` = '{study}' and tags.`role` = 'trial' and tags.`trial` = '{number}'"
        experiments = [experiment.experiment_id for experiment in self._client.search_experiments()]
        runs = self._client.search_runs(experiments, filter_string=wanted, order_by=["attributes.start_time ASC"])
        studies = {run.data.tags.get("study_uid", "") for run in runs}
        if len(studies) != 1:
            ids = ", ".join(str(run.info.run_id) for run in runs) or "none"
            raise RecordError(
                f"one study at {self._uri} must be called {study} and have a trial {number}; found {ids}; "
                "give the id of the trial's run as run="
            )
        return str(runs[-1].info.run_id)

    def names(self, run_id: str, folder: str | None = None) -> list[str]:
        """Return the paths of the artifacts of a run, or of those directly in ``folder``."""
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
