"""Rebuilding one trial from its record: the shell that reads, works, says and files."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

from atomic_files import write_text
from gan.data import ImageDataset
from gan.generators import Generator
from gan.training import TrainingOutcome, trains_in_bf16
from search.errors import ConfigError
from search.guide import recipe_guide
from search.objective import training_metrics
from search.provenance import commit, machine, package_versions
from search.record import TrialOutcome
from search.reproduce.account import Account
from search.reproduce.comparison import EXACT, compare_figures, compare_words
from search.reproduce.environment import environment_lines
from search.reproduce.figures import circuit_part, score_part, training_part
from search.reproduce.late import circuit_scores_again, proof_again
from search.reproduce.rebuild import (
    check_dataset,
    circuit_figures,
    guide_lines,
    judge_lines,
    load_trained,
    repeated_budget,
    score_again,
    torch_threads,
    train_again,
    weights_distance,
)
from search.reproduce.record import RecordedTrial, read_trial, weights_words
from search.reproduce.report import Reproduction, report_json, verdict_sentence
from search.reproduce.request import Request
from search.reproduce.settings import build_dataset, default_uri
from search.reproduce.work import Work
from search.session import train_judges
from search.settings import SessionSettings
from search.tracked import RunReader
from search.weights import load_generator, save_generator

DEFAULT_FOLDER = Path("mlruns/reproductions")
RECORD_FOLDER, REPORT_NAME = "record", "reproduction.json"


def reproduce(request: Request, say: Callable[[str], None] = print) -> Reproduction:
    """Rebuild the trial that ``request`` names, say how near it comes, and file ``reproduction.json``.

    Raises:
        SearchError, gan.errors.GanError, evaluation.EvaluationError, zk.errors.ZkError: it cannot be tried.
    """
    started = time.monotonic()
    reader = RunReader(request.uri or default_uri())
    run_id = request.run or reader.trial_run(str(request.study), int(request.trial or 0))
    run_id = reader.run(run_id).run_id  # whatever was typed names no folder before it is known to be a run
    folder = request.out or DEFAULT_FOLDER / run_id
    (folder / REPORT_NAME).unlink(missing_ok=True)  # an earlier verdict must not pass for this one's
    trial = read_trial(reader, run_id, folder / RECORD_FOLDER, retrain=request.retrain)
    tolerance = EXACT if request.tolerance is None else request.tolerance
    work = Work(request=request, trial=trial, reader=reader, folder=folder, account=Account(say), tolerance=tolerance)
    if not work.same_samples and request.tolerance is None:
        raise ConfigError(
            f"samples={request.samples} instead of the recorded {trial.run.metrics.get('samples', 0):.0f} changes "
            "every score by chance; say how much as tolerance="
        )
    say(f"{trial.name}, run {run_id}: {trial.outcome}")
    with torch_threads(_recorded_threads(trial)):
        work.account.state(_environment(trial))
        rebuild(work)
    account = work.account
    found = Reproduction(
        run=run_id,
        trial=trial.name,
        retrained=request.retrain,
        tolerance=tolerance,
        statements=tuple(account.statements),
        comparisons=tuple(account.comparisons),
        seconds=time.monotonic() - started,
    )
    write_text(folder / REPORT_NAME, report_json(found))
    say(f"report: {folder / REPORT_NAME}")
    say(verdict_sentence(found))
    return found


def _recorded_threads(trial: RecordedTrial) -> int | None:
    text = trial.run.tags.get("threads", "")
    return int(text) if text.isascii() and text.isdecimal() and 1 <= len(text) <= 4 and int(text) > 0 else None


def _environment(trial: RecordedTrial) -> list[str]:
    present = {"commit": commit(), "packages": package_versions(), "machine": machine()}
    lines, threads = environment_lines(trial.session.provenance, present), torch.get_num_threads()
    known = "as recorded" if _recorded_threads(trial) is not None else "the record does not say how many it had"
    return [*lines, f"{threads} thread{'s' * (threads != 1)}, {known}"]


def rebuild(work: Work) -> None:
    """Make every part of the trial again and compare it with the record.

    Raises:
        RecordError: the data are others than the recorded.
    """
    trial, account = work.trial, work.account
    settings = work.settings_of(trial.session)
    if (recorded := trial.run.tags.get("device", settings.device.type)) != settings.device.type:
        account.state([f"device: recorded {recorded}, this is {settings.device.type}"])
    if trial.candidate is not None and (precision := trial.run.tags.get("precision")) is not None:
        here = "bfloat16" if trains_in_bf16(trial.candidate.recipe, settings.device) else "float32"
        if precision != here:
            account.state([f"precision: recorded {precision}, a training here takes {here}"])
    if trial.session.cost_model is None:
        account.state(["the record has no cost model: predictions are this machine's"])
    dataset = build_dataset(trial.session, work.request.places)
    check_dataset(trial, dataset)
    figures, refusal = circuit_figures(trial.spec, settings, work.folder)
    account.compare(
        "circuit before training",
        compare_figures("circuit", circuit_part(trial.run.metrics), figures, tolerance=work.tolerance),
    )
    outcome = str(TrialOutcome.INFEASIBLE)
    if refusal:
        account.state([f"its circuit is refused: {refusal}"])
    elif trial.outcome is TrialOutcome.INFEASIBLE:
        outcome = "accepted"
    else:
        outcome = str(_trained_parts(work, settings, dataset))
    account.compare("the trial", compare_words("trial", {"outcome": str(trial.outcome)}, {"outcome": outcome}))


def _trained_parts(work: Work, settings: SessionSettings, dataset: ImageDataset) -> TrialOutcome:
    """Load or train the generator, score it, and make again what it got on the front; gives how its trial ends."""
    trial, account = work.trial, work.account
    judges = train_judges(settings, dataset, say=account.say)
    account.state(judge_lines(trial, judges))
    generator = _retrained(work, settings, dataset) if work.request.retrain else _loaded(work, settings)
    if generator is None:
        return TrialOutcome.DIVERGED
    save_generator(work.folder, trial.spec, generator)
    scores, refusal = score_again(trial.spec, generator, settings, judges)
    found, recorded = (score_part(part, same_samples=work.same_samples) for part in (scores, trial.run.metrics))
    account.compare("scores of float images", compare_figures("scores", recorded, found, tolerance=work.tolerance))
    if refusal:
        account.state([f"its images cannot be scored: {refusal}"])
        return TrialOutcome.UNSCORED
    if "cas" in trial.run.metrics:
        account.state(["not repeated: cas, for which a classifier is trained on generated images"])
    if trial.outcome is TrialOutcome.STOPPED:
        account.state(["that its peers stopped it is taken from the record: a comparison has no other trials here"])
        return TrialOutcome.STOPPED
    planned = circuit_scores_again(work, judges)
    proof_again(work, planned)
    return TrialOutcome.SCORED


def _loaded(work: Work, settings: SessionSettings) -> Generator:
    trial = work.trial
    recipe = settings.recipe if trial.candidate is None else trial.candidate.recipe
    work.account.compare("weights", compare_words("weights", *weights_words(trial)))
    return load_trained(trial.folder, settings, channels_last=recipe.channels_last)


def _retrained(work: Work, settings: SessionSettings, dataset: ImageDataset) -> Generator | None:
    """Train again; None if it diverged. Says how far the weights are from the recorded ones, where there are any."""
    trial, account = work.trial, work.account
    assert trial.candidate is not None
    recorded = training_part(trial.run.metrics)
    budget, said = repeated_budget(trial.candidate, int(recorded["train_steps"]))
    account.state(said)
    rung = int(recorded["train_images"]) if trial.outcome is TrialOutcome.STOPPED else None
    guide = recipe_guide(
        trial.candidate.recipe, dataset, device=settings.device, cache=settings.cache_folder, say=account.say
    )
    account.state(guide_lines(trial, guide))
    result = train_again(trial.candidate, budget, settings, dataset, label=trial.name, until_images=rung, guide=guide)
    found = training_part(training_metrics(result))
    account.compare("training", compare_figures("training", recorded, found, tolerance=work.tolerance))
    if result.outcome is TrainingOutcome.DIVERGED:
        account.state([f"training diverged: {result.message}"])
        return None
    if trial.has_weights:
        distance = weights_distance(result.generator, load_generator(trial.folder)[1])
        same = "the recorded ones, bit for bit" if distance == 0 else f"up to {distance:.2g} from the recorded ones"
        account.state([f"weights: {same}"])
    return result.generator
