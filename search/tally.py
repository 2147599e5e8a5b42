"""What has come of a study's trials so far: counts by how they ended, the front, the best of each objective. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from search.dominance import nondominated_ranks
from search.objectives import Objective, minimised
from search.record import TrialOutcome

_TRAINED = frozenset((str(TrialOutcome.SCORED), str(TrialOutcome.STOPPED)))


@dataclass(frozen=True)
class EndedTrial:
    """A trial that has ended.

    Attributes:
        number: of the trial.
        state: one word, see :func:`search.front.trial_state`.
        digest: of its candidate; empty if it never became one.
        family: of its generator; empty likewise.
        values: one for each objective, in its own direction; empty unless it was scored.
        here: whether this session ended it.
    """

    number: int
    state: str
    digest: str = ""
    family: str = ""
    values: tuple[float, ...] = ()
    here: bool = False


@dataclass(frozen=True)
class Tally:
    """Ended trials by number, and what follows from them; that is worked out once for each tally.

    Attributes:
        objectives: what is optimised, in order.
        trials: the ended trials.
    """

    objectives: tuple[Objective, ...]
    trials: Mapping[int, EndedTrial] = field(default_factory=dict)

    def with_trials(self, trials: Iterable[EndedTrial]) -> Tally:
        """Return this tally with ``trials`` too; one that this session ended stays as the session heard of it."""
        merged = dict(self.trials)
        for trial in trials:
            if trial.here or trial.number not in merged or not merged[trial.number].here:
                merged[trial.number] = trial
        return replace(self, trials=merged)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many trials ended in each state, the most frequent state first."""
        return dict(Counter(trial.state for trial in self.trials.values()).most_common())

    @cached_property
    def trained(self) -> int:
        """Candidates that were scored, or trained to a rung and stopped; a trial that takes another up adds none."""
        return len({trial.digest for trial in self.trials.values() if trial.state in _TRAINED})

    @cached_property
    def trained_here(self) -> int:
        """Those of them that this session trained."""
        return len({trial.digest for trial in self.trials.values() if trial.state in _TRAINED and trial.here})

    @cached_property
    def front(self) -> tuple[EndedTrial, ...]:
        """The scored trials that no other dominates, the best first objective first; of equals, the oldest."""
        scored = [trial for trial in self.trials.values() if self._comparable(trial)]
        if not scored:
            return ()
        points = [minimised(self.objectives, trial.values) for trial in scored]
        placed = zip(points, scored, nondominated_ranks(points), strict=True)
        members = sorted((point[0], trial.number, trial) for point, trial, rank in placed if rank == 0)
        return tuple(trial for _, _, trial in members)

    @cached_property
    def best(self) -> tuple[float, ...]:
        """The best value of each objective, in its own direction; empty without a scored trial."""
        columns = zip(*(trial.values for trial in self.front), strict=True)
        return tuple(
            max(column) if objective.direction == "maximize" else min(column)
            for objective, column in zip(self.objectives, columns, strict=False)
        )

    def _comparable(self, trial: EndedTrial) -> bool:
        values = trial.values
        return len(values) == len(self.objectives) and not any(math.isnan(value) for value in values)
