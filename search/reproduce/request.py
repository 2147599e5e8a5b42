"""What ``python -m search.reproduce`` was asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from search.errors import ConfigError
from search.options import Options, parse_options

PLACES = ("dataset.root", "training.teacher", "training.start", "cache_folder", "proving.srs_folder")
"""Configuration values that only say where something lies, and so may be others than the recorded ones."""
_OPTIONS = ("run", "study", "trial", "uri", "how", "proof", "samples", "tolerance", "out", *PLACES)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A trial to rebuild, and how.

    Attributes:
        run: MLflow id of the trial's run; None names it by ``study`` and ``trial``.
        study: name of its study.
        trial: its number there.
        uri: of the record; None for the one of ``conf/config.yaml``.
        retrain: train again rather than load the recorded weights.
        proof: make the proof again; None if the record has a proof that counts.
        samples: generated images per score; None for the recorded number.
        tolerance: see :func:`search.reproduce.comparison.compare_figures`; None for the default one.
        places: values for :data:`PLACES`.
        out: folder of what the reproduction writes; None for one named after the run.
    """

    run: str | None = None
    study: str | None = None
    trial: int | None = None
    uri: str | None = None
    retrain: bool = False
    proof: bool | None = None
    samples: int | None = None
    tolerance: float | None = None
    places: Mapping[str, str]
    out: Path | None = None


def read_request(arguments: Sequence[str]) -> Request:
    """Read ``key=value`` arguments.

    Raises:
        ConfigError: an unknown option, a value out of range, or no trial, or two.
    """
    options = parse_options(arguments, single=_OPTIONS)
    if options.words:
        raise ConfigError(f"options are key=value; got {options.words[0]!r}")
    run, study, trial = options.one("run"), options.one("study"), _trial(options)
    if (run is None) == (study is None) or (study is None) != (trial is None):
        raise ConfigError("a trial is named by run=ID, or by study=NAME and trial=N; give one of both")
    out = options.one("out")
    return Request(
        run=run,
        study=study,
        trial=trial,
        uri=options.one("uri"),
        retrain=_how(options),
        proof=options.flag("proof") if "proof" in options.values else None,
        samples=options.count("samples"),
        tolerance=tolerance_of(options),
        places={name: options.values[name][0] for name in PLACES if name in options.values},
        out=None if out is None else Path(out),
    )


def _trial(options: Options) -> int | None:
    text = options.one("trial")
    if text is not None and not (text.isascii() and text.isdecimal()):
        raise ConfigError(f"trial must be a trial's number, 0 or more; got {text!r}")
    return None if text is None else int(text)


def _how(options: Options) -> bool:
    how = options.one("how") or "load"
    if how not in ("load", "retrain"):
        raise ConfigError(f"how must be load or retrain; got {how!r}")
    return how == "retrain"


def tolerance_of(options: Options) -> float | None:
    """Return the option ``tolerance``; None if it was not given.

    Raises:
        ConfigError: it is no number of at least 0.
    """
    text = options.one("tolerance")
    try:
        value = None if text is None else float(text)
    except ValueError:
        value = math.nan
    if value is not None and not 0 <= value < math.inf:
        raise ConfigError(f"tolerance must be a number of at least 0; got {text!r}")
    return value
