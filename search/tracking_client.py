"""MLflow's client, waiting for a tracking server or database that is out of reach.

Repeats are harmless for nearly all that :class:`search.tracking.Tracker` writes: tags, parameters and artifacts are set
to the same values again, a metric is known by run, name, step, time and value, a run that has ended ends again. Only
what makes runs and experiments looks for what was made first.

A server is asked by MLflow's own HTTP client, which repeats by itself for minutes
(``MLFLOW_HTTP_REQUEST_MAX_RETRIES``, ``MLFLOW_HTTP_REQUEST_TIMEOUT``) before the patience here begins.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from sqlalchemy.exc import SQLAlchemyError

from search.passing import causes, database_error_passes
from search.patience import Patience, PatientCaller
from search.urls import safe_url

_PASSING_CODES = ("TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED")
_CONNECTING = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.RetryError,
    requests.exceptions.ChunkedEncodingError,
)


def tracking_error_passes(error: BaseException) -> bool:
    """Say whether MLflow failed because its server or database was out of reach or overloaded.

    Where a database's error lies beneath, that decides: MLflow calls any operational error temporary.
    """
    if not isinstance(error, (MlflowException, SQLAlchemyError, requests.exceptions.RequestException)):
        return False
    links = list(causes(error))
    if any(isinstance(link, SQLAlchemyError) for link in links):
        return database_error_passes(error, (MlflowException,))
    if any(isinstance(link, _CONNECTING) for link in links):
        return True
    if isinstance(error, requests.exceptions.HTTPError):
        status = None if error.response is None else error.response.status_code
        return status is not None and (status >= 500 or status == 429)
    if isinstance(error, RestException) and error.get_http_status_code() >= 500:
        return True
    return getattr(error, "error_code", None) in _PASSING_CODES


class PatientClient:
    """``MlflowClient`` with every method patient.

    Args:
        uri: tracking URI.
        patience: how long to wait.
        say: takes a line when waiting begins and one when it has ended.
        sleep: waits for some seconds.
        clock: seconds of a clock that never goes back.

    Attributes:
        bare: the client itself, for what is to be called through ``patiently`` as a whole.
        patiently: calls for this client.

    Raises:
        StorageUnreachable: the server stayed out of reach; likewise every method.
    """

    def __init__(
        self,
        uri: str,
        *,
        patience: Patience,
        say: Callable[[str], None] = print,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.patiently = PatientCaller(
            f"tracking {safe_url(uri)}",
            patience=patience,
            is_passing=tracking_error_passes,
            say=say,
            sleep=sleep,
            clock=clock,
        )
        self.bare: Any = self.patiently(lambda: MlflowClient(tracking_uri=uri))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.bare, name)

        @functools.wraps(method)
        def patient(*arguments: Any, **named: Any) -> Any:
            return self.patiently(lambda: method(*arguments, **named))

        return patient
