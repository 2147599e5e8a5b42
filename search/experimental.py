"""Parts of Optuna that it marks as experimental, used knowingly."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from optuna.exceptions import ExperimentalWarning


@contextmanager
def experimental_allowed() -> Iterator[None]:
    """Silence Optuna's warning about experimental parts within this block only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
