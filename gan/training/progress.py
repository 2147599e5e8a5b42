"""Live training progress: a line that rewrites itself on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from typing import TextIO

from gan.training.result import TrainingRecord


class ConsoleProgress:
    """Prints the latest record over the one before, when ``stream`` is a terminal."""

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self._label = label
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()

    def __call__(self, record: TrainingRecord) -> None:
        """Show ``record``."""
        if not self._live:
            return
        eta = "?" if record.eta_seconds is None else f"{record.eta_seconds:.0f} s"
        self._stream.write(
            f"\r\x1b[K{self._label} step {record.step}  {record.images_per_second:.0f} images/s  "
            f"D {record.discriminator_loss:.3f}  G {record.generator_loss:.3f}  ETA {eta}"
        )
        self._stream.flush()

    def close(self) -> None:
        """End the line."""
        if self._live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
