"""The descriptions that MLflow shows on a run's page, in its Markdown. Pure.

Links and pictures are relative to the UI's own address, so they hold wherever it is served.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from search.headline import HEADLINE_SCORES

NOTE_LENGTH = 8000
"""Characters of the longest description that MLflow keeps."""
_MOST_MEMBERS = 15
_COMMAND_WIDTH = 76  # the UI does not break lines of code: longer ones push all else aside
_GAP = "\u00a0\u00a0"  # the UI gives the columns of a table no distance
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28,}\b")
_GIB = 2**30
_HEADINGS = dict(zip(HEADLINE_SCORES, ("accuracy", "judge", "IS", "diversity", "Frechet"), strict=True))
_OF_REAL = dict(
    zip(
        HEADLINE_SCORES,
        (
            "classifier_accuracy",
            "judge_real_accuracy",
            "real_inception_score",
            "real_diversity",
            "real_frechet_distance",
        ),
        strict=True,
    )
)
_FORMATS: dict[str, Callable[[float], str]] = {
    "accuracy": lambda value: f"{value:.1%}",
    "judge_accuracy": lambda value: f"{value:.1%}",
    "inception_score": lambda value: f"{value:.2f}",
    "diversity": lambda value: f"{value:.3f}",
    "frechet_distance": lambda value: f"{value:.1f}",
}


@dataclass(frozen=True)
class StudyNote:
    """What a study's description tells.

    Attributes:
        experiment_id: of MLflow.
        run: id of the study's run.
        trial_runs: ids of the front members' runs by trial number.
        counts: how many trials ended in each state.
        front: rows of the front with their headlines, best first.
        proof: the verdict on the proof.
        facts: what the scores were computed on, label to text.
        pictures: artifacts of the study's run to show.
        links: artifacts of it to point to, label to path.
        command: words that the study was run by, quoted for a shell.
        commit: of the code.
        session: artifact folder of the latest session's configuration and versions.
    """

    experiment_id: str
    run: str
    trial_runs: Mapping[int, str]
    counts: Mapping[str, int]
    front: Sequence[Mapping[str, Any]]
    proof: str
    facts: Mapping[str, str]
    pictures: Sequence[str]
    links: Mapping[str, str]
    command: Sequence[str]
    commit: str
    session: str


def study_note(note: StudyNote) -> str:
    """Return the description of a study: its front first, what it was scored on, how to go on and to reproduce it."""
    counted = ", ".join(f"{count} {state}" for state, count in note.counts.items())
    drawn = sum(note.counts.values())
    parts = [f"**{len(note.front)} on the front**, best first; {drawn} trials: {counted}. {escaped(note.proof)}"]
    if note.front:
        parts.append(_front_table(note))
        left_out = len(note.front) - _MOST_MEMBERS
        parts += [f"and {left_out} more in front.csv"] if left_out > 0 else []
    shown = [_picture(note.run, path) for path in note.pictures]
    if note.front and (best := note.trial_runs.get(note.front[0]["trial"])) is not None:
        shown.append(_picture(best, "samples.png"))
    parts += [" ".join(shown)] if shown else []
    links = (f"[{label}]({_page(note.experiment_id, note.run, path)})" for label, path in note.links.items())
    parts += [" · ".join(links)] if note.links else []
    facts = (f"- {label}: {escaped(_shortened(text))}" for label, text in note.facts.items())
    parts.append("What the scores were computed on:\n\n" + "\n".join(facts))
    parts.append(
        f"**Go on**, or add trials with a larger `study.trials`, in the folder that it was run in:\n\n"
        f"```sh\n{folded(note.command)}\n```"
    )
    parts.append(
        f"**Reproduce**: check out {_code(note.commit)}, install the versions of `{note.session}/provenance.json` "
        f"and run the same command in an empty folder; `{note.session}/config.yaml` is the whole configuration. "
        "Each trial has both among its own artifacts, with its weights and its circuit."
    )
    return "\n\n".join(parts)[:NOTE_LENGTH]


def trial_note(row: Mapping[str, Any], *, run: str, picture: bool) -> str:
    """Return the description of a trial: how it came out and why, and its scores.

    ``row`` is that of :func:`search.front.trial_row`; ``picture`` shows the samples filed with ``run``.
    """
    what = ", ".join(_word(row[name]) for name in ("family", "widths", "conditioning", "activation") if name in row)
    front = ", on the front" if row.get("front") else ""
    parts = [f"**{row['state']}{front}**" + (f": {what}" if what else "")]
    if reason := row.get("reason") or row.get("circuit_failure"):
        parts.append(escaped(str(reason)))
    if scores := _score_lines(row):
        headings = [_HEADINGS[name] for name in HEADLINE_SCORES]
        parts.append(markdown_table(["images of", *headings], [[name, *cells] for name, cells in scores.items()]))
    parts += [". ".join(sentences) + "."] if (sentences := [*_cost(row), *_training(row), *_proof(row)]) else []
    parts += [_picture(run, "samples.png")] if picture else []
    return "\n\n".join(parts)[:NOTE_LENGTH]


def folded(words: Sequence[str], width: int = _COMMAND_WIDTH) -> str:
    """Return a command on lines of at most ``width`` characters where its words allow, for a shell."""
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width - 2:
            lines.append("  " + word)
        else:
            lines[-1] += (" " if lines[-1] else "") + word
    return " \\\n".join(lines)


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, its first column to the left and all others to the right."""
    spaced = [[f"{cell}{_GAP}" for cell in line] for line in (headings, *rows)]
    lines = [spaced[0], [":---", *["---:"] * (len(headings) - 1)], *spaced[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(text: str) -> str:
    """Return ``text`` so that Markdown takes none of it for its own, on one line."""
    marked = "".join(f"\\{character}" if character in r"\`*_[]<>|#" else character for character in text)
    return " ".join(marked.split())


def _code(commit: str) -> str:
    head = commit.removesuffix("+changes")
    return f"commit `{head}`" + (" (the code had changes that are in no commit)" if head != commit else "")


def _shortened(text: str) -> str:
    return _DIGEST.sub(r"\1", text)


def _word(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _front_table(note: StudyNote) -> str:
    headings = ["trial", "family", *_HEADINGS.values(), "arithmetic", "rows", "proof"]
    rows = []
    for row in note.front[:_MOST_MEMBERS]:
        number, run = row["trial"], note.trial_runs.get(row["trial"])
        link = str(number) if run is None else f"[{number}]({_page(note.experiment_id, run)})"
        scores = [_figure(name, row.get(f"headline_{name}")) for name in HEADLINE_SCORES]
        size = row.get("planned_rows", row.get("rows"))
        proof = (
            str(row.get("proof.wiring", "-")) if row.get("proof.counts") == "true" else row.get("proof.outcome", "-")
        )
        sized = "-" if size is None else f"{size:,.0f}"
        rows.append(
            [link, str(row.get("family", "-")), *scores, str(row.get("headline_arithmetic", "-")), sized, proof]
        )
    return markdown_table(headings, rows)


def _score_lines(row: Mapping[str, Any]) -> dict[str, list[str]]:
    names = {
        "its circuit": {name: f"circuit_{name}" for name in HEADLINE_SCORES},
        "its float generator": {name: name for name in HEADLINE_SCORES},
        "the dataset": _OF_REAL,
    }
    if row.get("circuit_failure"):
        del names["its circuit"]
    found = {label: [_figure(name, row.get(key)) for name, key in keys.items()] for label, keys in names.items()}
    return {label: cells for label, cells in found.items() if set(cells) != {"-"}}


def _figure(name: str, value: float | None) -> str:
    return "-" if value is None else _FORMATS[name](value)


def _cost(row: Mapping[str, Any]) -> list[str]:
    if "rows" not in row:
        return []
    text = f"Circuit of {row['rows']:,.0f} rows"
    if "logrows" in row:
        text += f" (logrows {row['logrows']:.0f})"
    if "predicted_prove_seconds" in row:
        memory = row.get("predicted_peak_bytes", 0) / _GIB
        text += f", predicted to prove in {row['predicted_prove_seconds']:.0f} s with {memory:.1f} GiB"
    if "planned_rows" in row:
        text += f"; planned on the trained weights: {row['planned_rows']:,.0f} rows"
    return [text]


def _training(row: Mapping[str, Any]) -> list[str]:
    if "train_images" not in row:
        return []
    return [f"Trained on {row['train_images']:,.0f} images in {row.get('train_seconds', 0):.0f} s"]


def _proof(row: Mapping[str, Any]) -> list[str]:
    if "proof.outcome" not in row:
        return []
    text = f"Proof: {row['proof.outcome']}, wiring {row.get('proof.wiring', 'unchecked')}"
    if "proof.prove_seconds" in row:
        memory = row.get("proof.prove_peak_rss_bytes", 0) / _GIB
        text += f", proved in {row['proof.prove_seconds']:.1f} s with {memory:.2f} GiB"
    return [text]


def _picture(run: str, path: str) -> str:
    return f"![{path}](get-artifact?path={quote(path)}&run_uuid={run})"


def _page(experiment_id: str, run: str, artifact: str | None = None) -> str:
    return f"#/experiments/{experiment_id}/runs/{run}" + ("" if artifact is None else f"/artifacts/{quote(artifact)}")
