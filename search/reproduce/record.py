"""A trial as MLflow holds it: what it was asked to be, what came out, and the files to rebuild it from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan.errors import SpecError
from gan.spec import GeneratorSpec
from json_files import parse_json
from search.candidate import CANDIDATE_NAME, Candidate
from search.errors import RecordError
from search.record import TrialOutcome
from search.tracked import RecordedRun, RunReader
from search.weights import SPEC_NAME, WEIGHTS_DIGEST, WEIGHTS_NAME, weights_sha256

CONFIG_NAME, PROVENANCE_NAME, COST_MODEL_NAME = "config.yaml", "provenance.json", "cost_model.json"


@dataclass(frozen=True)
class RecordedSession:
    """What one session of a study was run with.

    Attributes:
        config: resolved configuration, YAML.
        provenance: commit, packages, machine, command.
        cost_model: file of the cost model that it predicted with; None in records that lack it.
    """

    config: str
    provenance: dict[str, Any]
    cost_model: Path | None


@dataclass(frozen=True)
class RecordedTrial:
    """What the record holds of one trial.

    Attributes:
        run: tags, parameters and metrics.
        outcome: how the trial ended.
        session: the session that it ran in.
        spec: of the generator.
        candidate: spec, recipe, budget and seed; None in records that lack it.
        folder: holds the files that were read.
        has_weights: whether the weights are among them.
    """

    run: RecordedRun
    outcome: TrialOutcome
    session: RecordedSession
    spec: GeneratorSpec
    candidate: Candidate | None
    folder: Path
    has_weights: bool

    @property
    def name(self) -> str:
        """How it is spoken of."""
        return f"trial {self.run.tags.get('trial', '?')} of {self.run.tags.get('study', '?')}"


def read_trial(reader: RunReader, run_id: str, folder: Path, *, retrain: bool) -> RecordedTrial:
    """Read a trial and copy its files to ``folder``.

    Raises:
        RecordError: the run is no trial that was evaluated, lacks what loading or training again needs, or its files
            are not those that its digests were taken of.
    """
    run = reader.run(run_id)
    outcome = _outcome(run)
    if outcome is TrialOutcome.DIVERGED and not retrain:
        raise RecordError(f"run {run_id} must have weights to be loaded; its training diverged; give how=retrain")
    files = {
        name: reader.fetch(run_id, name, folder)
        for name in (CONFIG_NAME, PROVENANCE_NAME, COST_MODEL_NAME, CANDIDATE_NAME, SPEC_NAME, WEIGHTS_NAME)
    }
    missing = _missing({name for name, path in files.items() if path is not None}, outcome, retrain=retrain)
    if retrain and outcome is not TrialOutcome.INFEASIBLE and "train_steps" not in run.metrics:
        missing.append("the metric train_steps")
    if missing:
        raise RecordError(
            f"run {run_id} must have {', '.join(missing)} to be {'trained again' if retrain else 'rebuilt'}; it has "
            "none; it was filed by an older version, or its artifacts are gone"
        )
    candidate_file, spec_file = files[CANDIDATE_NAME], files[SPEC_NAME]
    candidate = None if candidate_file is None else Candidate.from_json(_text(candidate_file))
    specs = [] if candidate is None else [candidate.spec]
    specs += [] if spec_file is None else [_spec(spec_file)]
    for spec in specs:
        _check_digest(run, "spec_digest", spec.digest)
    if candidate is not None:
        _check_digest(run, "recipe_digest", candidate.recipe.digest)
    has_weights = files[WEIGHTS_NAME] is not None and files[SPEC_NAME] is not None
    return RecordedTrial(run, outcome, _session(files), specs[0], candidate, folder, has_weights)


def _outcome(run: RecordedRun) -> TrialOutcome:
    role, outcome = run.tags.get("role"), run.tags.get("outcome")
    if role != "trial":
        raise RecordError(f"run {run.run_id} must be a trial's; its role is {role}; give the id of one of its children")
    if outcome == "repeated":
        original = run.tags.get("repeats")
        raise RecordError(f"run {run.run_id} only repeats trial {original}; reproduce that one: trial={original}")
    if outcome not in {str(known) for known in TrialOutcome}:
        raise RecordError(f"run {run.run_id} must be of a trial that was evaluated; its outcome is {outcome}")
    return TrialOutcome(outcome)


def _missing(found: set[str], outcome: TrialOutcome, *, retrain: bool) -> list[str]:
    """Name what a reproduction cannot do without. A trial that was refused before training has only its candidate."""
    needed = [CONFIG_NAME, PROVENANCE_NAME]
    if retrain or outcome is TrialOutcome.INFEASIBLE:
        needed.append(CANDIDATE_NAME)
    else:
        needed += [SPEC_NAME, WEIGHTS_NAME]
    return [name for name in needed if name not in found]


def _spec(path: Path) -> GeneratorSpec:
    try:
        return GeneratorSpec.from_json(_text(path))
    except SpecError as error:
        raise RecordError(f"{SPEC_NAME} of the record must be a generator's spec: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path.name} of the record must be readable text; {error}") from error


def _check_digest(run: RecordedRun, name: str, found: str) -> None:
    """Compare with the recorded digest; records of before a digest was filed have none."""
    if (wanted := run.params.get(name)) not in (None, found):
        raise RecordError(f"{name} of run {run.run_id} must be the recorded {wanted}; its files give {found}")


def _session(files: dict[str, Path | None]) -> RecordedSession:
    config, provenance = files[CONFIG_NAME], files[PROVENANCE_NAME]
    assert config is not None
    assert provenance is not None
    try:
        facts = dict(parse_json(_text(provenance)))
    except (ValueError, TypeError) as error:
        raise RecordError(f"{PROVENANCE_NAME} of the record must be a JSON object; got {error}") from error
    return RecordedSession(_text(config), facts, files[COST_MODEL_NAME])


def other_sessions(reader: RunReader, trial: RecordedTrial) -> Iterator[RecordedSession]:
    """Yield the sessions of the trial's study, newest first: front members are scored and proved in the last one."""
    parent = trial.run.tags.get("mlflow.parentRunId")
    for place in sorted(reader.names(parent, "sessions"), reverse=True) if parent else []:
        names = (CONFIG_NAME, PROVENANCE_NAME, COST_MODEL_NAME)
        files = {name: reader.fetch(parent, f"{place}/{name}", trial.folder) for name in names} if parent else {}
        if files[CONFIG_NAME] is not None and files[PROVENANCE_NAME] is not None:
            yield _session(files)


def weights_words(trial: RecordedTrial) -> tuple[dict[str, str], dict[str, str]]:
    """Return the recorded and the present digest of the weights file; the former is missing in older records."""
    wanted = trial.run.tags.get(WEIGHTS_DIGEST)
    recorded = {} if wanted is None else {WEIGHTS_DIGEST: wanted}
    return recorded, {WEIGHTS_DIGEST: weights_sha256(trial.folder)}
