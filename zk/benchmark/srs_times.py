"""How long each reference string took to make: kept beside the cache, since a cached one takes no time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from zk.errors import ArtifactError
from zk.stages import write_json
from zk.types import StageResult

NAME = "seconds.json"


def srs_seconds(folder: Path, logrows: int, stages: Sequence[StageResult]) -> float | None:
    """Seconds that the reference string of a height took, now or when it was made; None where nobody noted it.

    Args:
        folder: the cache.
        logrows: the height.
        stages: of this run; a stage "srs" that took time is noted.

    Raises:
        ArtifactError: the notes cannot be read.
    """
    path = folder / NAME
    try:
        known: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} must hold seconds by height; {error}; remove it") from error
    made = [stage.work_seconds for stage in stages if stage.stage == "srs" and stage.ok and stage.work_seconds > 0]
    if made:
        known[str(logrows)] = made[0]
        write_json(path, known)
    return known.get(str(logrows))
