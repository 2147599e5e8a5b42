"""The MLflow record of a study: one parent run, one child per trial. The only file that imports mlflow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from PIL import Image

_BATCH = 500  # MLflow takes at most 1,000 metrics and 100 params per call
_PARAM_BATCH = 90
_PARAM_LENGTH = 500


class Tracker:
    """Writes one study to MLflow.

    Args:
        uri: tracking URI, ``sqlite:///path`` or a server.
        experiment: name of the MLflow experiment; one per dataset keeps comparable studies side by side.
        artifacts: folder for artifacts of a local store; a server decides for itself.
        study: name of the study.
        uid: what tells this study from any other of that name; the parent run of an earlier session is continued.
    """

    def __init__(self, *, uri: str, experiment: str, artifacts: Path, study: str, uid: str) -> None:
        if uri.startswith("sqlite:///"):
            Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        self._client = MlflowClient(tracking_uri=uri)
        self._study, self._uid = study, uid
        found = self._client.get_experiment_by_name(experiment)
        location = (artifacts / experiment).resolve().as_uri() if uri.startswith("sqlite:///") else None
        self.experiment_id: str = (
            found.experiment_id if found else self._client.create_experiment(experiment, artifact_location=location)
        )
        self.parent_id = self._parent()

    def _parent(self) -> str:
        kept = self._runs({"study_uid": self._uid, "role": "study"})
        if kept:
            self._client.update_run(kept[0], status="RUNNING")
            self._end_left_over()
            return kept[0]
        return self._create(self._study, {"study": self._study, "study_uid": self._uid, "role": "study"})

    def _end_left_over(self) -> None:
        """Close the runs of trials that a killed session left open."""
        for run in self._runs({"study_uid": self._uid, "role": "trial"}, " and attributes.status = 'RUNNING'"):
            self._client.set_terminated(run, "KILLED")

    def _runs(self, tags: Mapping[str, str], condition: str = "") -> list[str]:
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items()) + condition
        runs = self._client.search_runs(
            [self.experiment_id], filter_string=wanted, order_by=["attributes.start_time ASC"]
        )
        return [str(run.info.run_id) for run in runs]

    def _create(self, name: str, tags: Mapping[str, str]) -> str:
        return str(self._client.create_run(self.experiment_id, run_name=name, tags=dict(tags)).info.run_id)

    def start_trial(self, number: int, tags: Mapping[str, str]) -> str:
        """Open the child run of trial ``number`` and return its id."""
        identity = {"study": self._study, "study_uid": self._uid, "role": "trial", "trial": str(number)}
        return self._create(f"trial-{number:03d}", {**identity, "mlflow.parentRunId": self.parent_id, **tags})

    def trial_run(self, number: int) -> str:
        """Return the id of the child run of trial ``number``, opening one if an earlier session could not."""
        kept = self._runs({"study_uid": self._uid, "role": "trial", "trial": str(number)})
        return kept[-1] if kept else self.start_trial(number, {})

    def last_step(self, run: str, metric: str) -> int:
        """Return the largest step at which ``metric`` was logged, 0 for never."""
        return max((point.step for point in self._client.get_metric_history(run, metric)), default=0)

    def params(self, run: str, values: Mapping[str, Any]) -> None:
        """Log parameters; values are written as text of at most 500 characters."""
        rows = [Param(key, str(value)[:_PARAM_LENGTH]) for key, value in values.items()]
        for start in range(0, len(rows), _PARAM_BATCH):
            self._client.log_batch(run, params=rows[start : start + _PARAM_BATCH])

    def tags(self, run: str, values: Mapping[str, str]) -> None:
        """Set tags."""
        self._client.log_batch(run, tags=[RunTag(key, str(value)) for key, value in values.items()])

    def metrics(self, run: str, values: Mapping[str, float], *, step: int = 0) -> None:
        """Log one value per metric."""
        now = int(time.time() * 1000)
        self._log([Metric(key, float(value), now, step) for key, value in values.items()], run)

    def _log(self, rows: list[Metric], run: str) -> None:
        for start in range(0, len(rows), _BATCH):
            self._client.log_batch(run, metrics=rows[start : start + _BATCH])

    def artifact(self, run: str, path: Path, folder: str | None = None) -> None:
        """File ``path`` (a file or a folder) with ``run``; a missing one is no error."""
        if path.is_dir():
            self._client.log_artifacts(run, str(path), folder or path.name)
        elif path.exists():
            self._client.log_artifact(run, str(path), folder)

    def table(self, run: str, rows: list[dict[str, Any]], name: str) -> None:
        """Write ``rows`` as the MLflow table ``name``, replacing an earlier one of a resumed study."""
        # log_table appends to what is there, so a table of a resumed study would hold every front it ever had.
        frame = pd.DataFrame(rows)
        content = {"columns": list(frame.columns), "data": frame.astype(object).to_numpy().tolist()}
        self._client.log_dict(run, content, name)
        listed = f'[{{"path": "{name}", "type": "table"}}]'
        self._client.set_tag(run, "mlflow.loggedArtifacts", listed)

    def note(self, run: str, text: str) -> None:
        """Make ``text``, Markdown of at most 8,000 characters, the description on the run's page."""
        self._client.set_tag(run, "mlflow.note.content", text)

    def picture(self, run: str, path: Path, name: str) -> None:
        """Log the picture ``path`` for the chart that shows those of several runs; a missing one is no error."""
        if path.exists():
            with Image.open(path) as picture:
                self._client.log_image(run, picture, key=name, step=0, synchronous=True)  # the chart shows one step

    def offer_views(self, views: Mapping[str, str]) -> None:
        """Tag the experiment with those of ``views`` that it does not have, see :mod:`search.saved_views`."""
        known = self._client.get_experiment(self.experiment_id).tags
        for key, value in views.items():
            if key not in known:
                self._client.set_experiment_tag(self.experiment_id, key, value)

    def end(self, run: str, *, failed: bool = False) -> None:
        """Close ``run``."""
        self._client.set_terminated(run, "FAILED" if failed else "FINISHED")
