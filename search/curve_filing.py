"""A training's curves, filed a few points at a time."""

from __future__ import annotations

import time
from dataclasses import asdict

from gan.training import TrainingRecord
from search.tracking import Tracker

CURVES = frozenset(("discriminator_loss", "generator_loss", "images_per_second"))
FILE_SECONDS = 5.0


class CurveFiling:
    """Files the curves of one trial with its run: every write costs a commit, so points wait for one another.

    A point waits for at most ``every_seconds`` of training. What was not filed when a driver dies is filed by nobody;
    that is no more than its trainings lose.
    """

    def __init__(self, tracker: Tracker, run: str, *, every_seconds: float = FILE_SECONDS) -> None:
        self._tracker, self._run, self._every_seconds = tracker, run, every_seconds
        self._points: list[tuple[int, int, dict[str, float]]] = []
        self._first_seconds = 0.0

    def add(self, record: TrainingRecord) -> None:
        """Keep the point of ``record``, and file all if the first has waited long enough."""
        if not self._points:
            self._first_seconds = record.seconds
        values = {f"training/{name}": value for name, value in asdict(record).items() if name in CURVES}
        self._points.append((record.step, int(time.time() * 1000), values))
        if record.seconds - self._first_seconds >= self._every_seconds:
            self.file()

    def file(self) -> None:
        """File what waits."""
        points, self._points = self._points, []
        if points:
            self._tracker.points(self._run, points)
