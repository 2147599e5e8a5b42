"""Which errors a user can mend: these end a command in one line, all others are defects."""

from __future__ import annotations

from collections.abc import Callable

from hydra.errors import InstantiationException
from omegaconf.errors import OmegaConfBaseException

from evaluation import EvaluationError
from gan.errors import GanError
from search.errors import SearchError
from search.urls import safe_url
from zk.errors import ZkError

KNOWN_ERRORS = (SearchError, GanError, EvaluationError, ZkError, OmegaConfBaseException)


def problem_in(work: Callable[[], object]) -> str | None:
    """Do ``work``; gives the message of an error that its user can mend, and None where there is none."""
    try:
        work()
    except (*KNOWN_ERRORS, OSError) as error:
        return safe_url(str(error))
    except InstantiationException as error:  # Hydra wraps what a builder raises
        if error.__cause__ is not None and not isinstance(error.__cause__, KNOWN_ERRORS):
            raise
        return safe_url(str(error.__cause__ or error))
    return None
