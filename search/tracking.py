"""The MLflow record of a study: one parent run, one child per trial. Only this and its client import mlflow."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from PIL import Image

from search.claims import locked
from search.names import checked_name
from search.patience import Patience
from search.tracking_client import PatientClient

_BATCH = 500  # MLflow takes at most 1,000 metrics and 100 params per call
_PARAM_BATCH = 90
_PARAM_LENGTH = 500


class Tracker:
    """Writes one study to MLflow, and waits for it while it is out of reach.

    A tracking server that stays out of reach ends the session with ``StorageUnreachable``: the study's own record is
    Optuna's and is written first, and the next session files what is missing (:mod:`search.filing`).

    Args:
        uri: tracking URI, ``sqlite:///path`` or a server.
        experiment: name of the MLflow experiment; one per dataset keeps comparable studies side by side.
        artifacts: folder for artifacts of a local store; a server decides for itself.
        study: name of the study.
        uid: what tells this study from any other of that name; the parent run of an earlier session is continued.
        busy: numbers of the trials that other drivers work on now; any other run that is open was left by a killed one.
        patience: with a tracking server that is out of reach; None for the usual one.
        say: takes a line when waiting begins and one when it has ended.

    Raises:
        ConfigError: the store is local, and the experiment's name cannot be that of a folder below ``artifacts``.
        StorageUnreachable: the server or database stayed out of reach; likewise every method.
    """

    def __init__(
        self,
        *,
        uri: str,
        experiment: str,
        artifacts: Path,
        study: str,
        uid: str,
        busy: Collection[int] = (),
        patience: Patience | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self._study, self._uid = study, uid
        location = None
        if uri.startswith("sqlite:///"):
            for part in experiment.split("/"):  # a group of datasets, as group/name, may name folders in folders
                checked_name(part, "each part of tracking.experiment")
            location = (artifacts / experiment).resolve().as_uri()
            file = Path(uri.removeprefix("sqlite:///"))
            opening: AbstractContextManager[None] = locked(
                file.with_name(f"{file.name}.opening")
            )  # two that make the tables spoil each other's work
        else:
            opening = nullcontext()
        with opening:
            self._client = PatientClient(uri, patience=patience or Patience(), say=say)
        self.experiment_id = self._experiment(experiment, location)
        self.parent_id = self._parent(busy)

    def _experiment(self, name: str, location: str | None) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name, artifact_location=location))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id)

    def _parent(self, busy: Collection[int]) -> str:
        identity = {"study_uid": self._uid, "role": "study"}
        kept = self._runs(identity)
        if kept:
            self._client.update_run(kept[0], status="RUNNING")
            self._end_left_over(busy)
            return kept[0]
        made = self._create(self._study, identity, {"study": self._study})
        first = self._runs(identity)[0]
        if first != made:  # another driver made one at the same time
            self._client.delete_run(made)
        return first

    def _end_left_over(self, busy: Collection[int]) -> None:
        """Close the runs of trials that a killed session left open."""
        identity = {"study_uid": self._uid, "role": "trial"}
        for run in self._found(identity, " and attributes.status = 'RUNNING'"):
            if int(run.data.tags["trial"]) not in busy:
                self._client.set_terminated(run.info.run_id, "KILLED")

    def filed_trials(self) -> set[int]:
        """Return the numbers of the trials whose runs were ended after all had been filed."""
        ended = " and attributes.status != 'RUNNING' and attributes.status != 'KILLED'"
        runs = self._found({"study_uid": self._uid, "role": "trial"}, ended)
        return {int(run.data.tags["trial"]) for run in runs}

    def _runs(self, tags: Mapping[str, str]) -> list[str]:
        return [str(run.info.run_id) for run in self._found(tags)]

    def _found(self, tags: Mapping[str, str], condition: str = "") -> list[Run]:
        """Return the runs with ``tags``, oldest first."""
        runs, token = [], None
        while True:
            page = self._client.search_runs(
                [self.experiment_id],
                filter_string=_filter(tags) + condition,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            runs += page
            if not (token := page.token):
                return runs

    def _create(self, name: str, identity: Mapping[str, str], tags: Mapping[str, str]) -> str:
        """Make a run; one that was made although the answer was lost is found by ``identity``."""
        client = self._client.bare

        def create() -> Run:
            return client.create_run(self.experiment_id, run_name=name, tags={**identity, **tags})

        def create_unless_made() -> Run:
            made = client.search_runs([self.experiment_id], filter_string=_filter(identity))
            return made[0] if made else create()

        return str(self._client.patiently(create, again=create_unless_made).info.run_id)

    def start_trial(self, number: int, tags: Mapping[str, str]) -> str:
        """Open the child run of trial ``number`` and return its id."""
        identity = {"study_uid": self._uid, "role": "trial", "trial": str(number)}
        family = {"study": self._study, "mlflow.parentRunId": self.parent_id}
        return self._create(f"trial-{number:03d}", identity, {**family, **tags})

    def trial_run(self, number: int, tags: Mapping[str, str] | None = None) -> str:
        """Return the id of the child run of trial ``number``; one that never was is opened with ``tags``."""
        kept = self._runs({"study_uid": self._uid, "role": "trial", "trial": str(number)})
        return kept[-1] if kept else self.start_trial(number, tags or {})

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
        self.points(run, [(step, int(time.time() * 1000), values)])

    def points(self, run: str, points: Iterable[tuple[int, int, Mapping[str, float]]]) -> None:
        """Log points of curves: step, milliseconds since the epoch, and one value per metric."""
        rows = [
            Metric(key, float(value), milliseconds, step)
            for step, milliseconds, values in points
            for key, value in values.items()
        ]
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


def _filter(tags: Mapping[str, str]) -> str:
    return " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
