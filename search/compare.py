"""``python -m search.compare``: two or more stored studies by what their trials reached, and how soon."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from atomic_files import write_text
from search.command import run_command
from search.comparison import JUDGED, StudyFigures, compare_studies
from search.comparison_text import as_markdown, as_values, notes, tables
from search.endings import REPEATS, RESUMES, ended_as_recorded, stored_record, trial_outcome
from search.errors import ConfigError
from search.options import Options, parse_options
from search.record import TrialOutcome
from search.stored import DEFAULT_STORAGE, count_states, load_stored
from search.study import ended_trials, objective_labels, stored_references, stored_signature
from search.tables import as_json, checked_ending, print_table

HELP = f"""\
Compares stored studies of the same objectives by hypervolume, coverage and time.

  python -m search.compare A B [C ...]

Options
  storage=URL      database of the studies; default {DEFAULT_STORAGE}
  storage.B=URL    database of study B alone
  out=FILE         write the comparison, too: .json or .md

Examples
  python -m search.compare digits-random digits-nsga2
  python -m search.compare random tpe nsga2 out=samplers.md
  python -m search.compare here there storage.there=sqlite:///other/optuna.db out=both.json

hypervolume    volume between a study's front and one reference point, which all share: the objectives' own, as the
               studies keep them; for older studies the worst value of each objective among all scored trials. Larger is
               better, and ratios depend on the reference point.
coverage       share of the other's front at which this front has a member that is nowhere worse (equal counts).
seconds        of trials, added up in the order in which they ended: with several workers not the clock on the wall.
               "never": this study does not reach the other's hypervolume. Draws that repeat or are illegal take none.
               Time of trials that were interrupted is not known and not counted.
best           of each objective by itself, each perhaps of another trial.

Studies with different signatures (other data, classifier, samples, space or training) are compared with a warning.
"""
ENDINGS = (".json", ".md")


def read_figures(study: optuna.Study) -> StudyFigures:
    """Read what a comparison needs from ``study``."""
    trials = [trial for trial in ended_trials(study) if REPEATS not in trial.user_attrs and ended_as_recorded(trial)]
    trials.sort(key=lambda trial: (_ended(trial), trial.number))
    records = [stored_record(trial) or {} for trial in trials]
    metrics = [record["metrics"] for record in records]
    scored = [place for place, trial in enumerate(trials) if _counts(trial)]
    timed = all("trial_seconds" in each for each in metrics)
    spent = np.cumsum([each.get("trial_seconds", 0.0) for each in metrics], dtype=np.float64)
    values = np.array([trials[place].values for place in scored], dtype=np.float64)
    references = stored_references(study)
    return StudyFigures(
        name=study.study_name,
        objectives=tuple(objective_labels(study)),
        states=count_states(study),
        trial_seconds=(float(spent[-1]) if len(spent) else 0.0) if timed else None,
        train_images=_train_images(trials, metrics),
        values=values.reshape(len(scored), len(study.directions)),
        seconds=spent[scored] if timed else None,
        references=None if references is None else tuple(references),
        signature=stored_signature(study),
        judged=_judged([records[place] for place in scored]),
    )


def _train_images(trials: Sequence[FrozenTrial], metrics: Sequence[dict[str, float]]) -> float:
    """Add up real images shown; a trial that took up a stopped one began with what that one was shown."""
    shown = {trial.number: each.get("train_images", 0.0) for trial, each in zip(trials, metrics, strict=True)}
    before = {trial.number: shown.get(trial.user_attrs.get(RESUMES, -1), 0.0) for trial in trials}
    return float(sum(max(images - before[number], 0.0) for number, images in shown.items()))


def _ended(trial: FrozenTrial) -> float:
    return trial.datetime_complete.timestamp() if trial.datetime_complete is not None else 0.0


def _counts(trial: FrozenTrial) -> bool:
    """Whether Optuna would let it on a front."""
    scored = trial.state == optuna.trial.TrialState.COMPLETE and trial_outcome(trial) in (None, TrialOutcome.SCORED)
    return scored and all(value <= 0 for value in trial.constraints.values())


def _judged(records: Sequence[dict[str, Any]]) -> dict[str, object]:
    """What all ``records`` were scored with."""
    found = dict[str, object]()
    for name in JUDGED:
        values = [{**record["metrics"], **record["facts"]}.get(name) for record in records]
        if values and values[0] is not None and all(value == values[0] for value in values):
            found[name] = values[0]
    return found


def run(arguments: Sequence[str]) -> None:
    """Do what ``arguments`` ask for.

    Raises:
        SearchError: it cannot be done.
    """
    options = parse_options(arguments, single=("storage", "out"), prefixes=("storage.",))
    names = options.words
    if len(names) < 2 or len(set(names)) < len(names):
        found = " ".join(names) or "none"
        raise ConfigError(f"two or more studies of different names must be given; got {found} (--help gives examples)")
    out = None if (text := options.one("out")) is None else Path(text)
    ending = None if out is None else checked_ending(out, ENDINGS)  # before any work
    storages = _storages(options)
    comparison = compare_studies([read_figures(load_stored(name, storages[name])) for name in names])
    for table in tables(comparison):
        print_table(table)
    print("\n".join(notes(comparison)))
    if out is not None:
        write_text(out, as_json(as_values(comparison)) if ending == ".json" else as_markdown(comparison))
        print(f"written: {out}")


def _storages(options: Options) -> dict[str, str]:
    """Storage of each study, by name."""
    common = options.one("storage") or DEFAULT_STORAGE
    own = {key.removeprefix("storage."): key for key in options.values if key.startswith("storage.")}
    if strange := [key for name, key in own.items() if name not in options.words]:
        raise ConfigError(f"{', '.join(strange)} must name one of the studies: {', '.join(options.words)}")
    return {name: options.one(f"storage.{name}") or common for name in options.words}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    return run_command(run, arguments, help_text=HELP)


if __name__ == "__main__":
    sys.exit(main())
