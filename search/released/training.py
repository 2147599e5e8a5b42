"""How a trial was trained, as the facts of a model tell it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gan.training import CHECKPOINT_NAME, checkpoint_identity
from search.candidate import CANDIDATE_NAME, Candidate
from search.errors import ConfigError
from search.guide import GUIDE_WEIGHTS
from search.released.facts import BEGUN_FROM
from search.released.model import FACTS_NAME, read_released
from search.teacher import load_start


def training_facts(folder: Path, earlier: Sequence[Path] = ()) -> dict[str, Any]:
    """Give recipe, budget and seed of the candidate in ``folder``, and those of what its training began from.

    Args:
        folder: of a trial.
        earlier: folders of the generators that trainings began from, the last one first: trials', or at the end a
            model's, which tells of those before it.

    Raises:
        ConfigError: one of ``earlier`` is missing, superfluous, or another generator's folder.
    """
    found, start = _own_facts(folder)
    if not start and not earlier:
        return found
    if not start or not earlier:
        raise ConfigError(
            "earlier=FOLDER must be given where training.start was, once for each training, and only there; the one in "
            f"{folder} began from {f'the generator {start[:12]}' if start else 'random weights'}"
        )
    before, *others = earlier
    if (digest := load_start(before).digest) != start:
        raise ConfigError(f"earlier={before} must hold the generator {start[:12]}; it holds {digest[:12]}")
    if not (before / FACTS_NAME).is_file():
        return {**found, BEGUN_FROM: training_facts(before, others)}
    if others:
        raise ConfigError(f"{before} is a model, which tells of its trainings; earlier={others[0]} is superfluous")
    return {**found, BEGUN_FROM: dict(read_released(before.name, before.parent).training)}


def _own_facts(folder: Path) -> tuple[dict[str, Any], str]:
    """Recipe, budget, seed and guide, and the digest of what training began from."""
    try:
        candidate = Candidate.from_json((folder / CANDIDATE_NAME).read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{folder} must be the folder of a trial with its {CANDIDATE_NAME}; {error}") from error
    found: dict[str, Any] = {
        "recipe": candidate.recipe.form,
        "budget": asdict(candidate.budget),
        "seed": candidate.seed,
    }
    if (checkpoint := folder / CHECKPOINT_NAME).exists() and "guide" in (made_by := checkpoint_identity(checkpoint)):
        found[GUIDE_WEIGHTS] = made_by["guide"]
    return found, candidate.recipe.start
