"""The report of a study: one HTML page that needs no other file."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from search.headline import column_heading, headline_notes

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; font-size: 13px; }
td, th { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: right; }
th { background: #f5f5f5; } td:first-child, th:first-child { text-align: left; }
.wide { overflow-x: auto; } .members { display: flex; flex-wrap: wrap; gap: 1.5rem; } figure { margin: 0; }
img { image-rendering: pixelated; width: 100%; max-width: 34rem; } figcaption { font-size: 13px; }
.ok { color: #176f2c; } .bad { color: #a4262c; } code { background: #f5f5f5; padding: 0 .2rem; }
"""


@dataclass(frozen=True)
class ReportContent:
    """What a report shows.

    Attributes:
        title: name of the study.
        facts: what the scores were computed on, label to text.
        front: rows of the front, with their headlines.
        columns: columns of the front table, in order; those that no row has are left out.
        pictures: trial number to the picture of its samples.
        figures: interactive pictures.
        proof: sentences about the proof, the first one its verdict.
        proved: whether a proof counts.
        proof_picture: the proved image, if there is one.
    """

    title: str
    facts: Mapping[str, str]
    front: Sequence[Mapping[str, Any]]
    columns: Sequence[str]
    pictures: Mapping[int, Path]
    figures: Sequence[go.Figure]
    proof: Sequence[str]
    proved: bool
    proof_picture: Path | None = None


def render_report(content: ReportContent) -> str:
    """Return the page as HTML; every text is escaped, every picture and script is inside."""
    title = html.escape(content.title)
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in headline_notes(content.front))
    facts = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(v)}</td></tr>" for k, v in content.facts.items())
    verdict = "ok" if content.proved else "bad"
    proof = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in content.proof[1:])
    proof_picture = (
        "" if content.proof_picture is None else f"<p>{_picture(content.proof_picture, 'proved image', 128)}</p>"
    )
    figures = "".join(
        figure.to_html(full_html=False, include_plotlyjs=index == 0) for index, figure in enumerate(content.figures)
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head><body>
<h1>{title}</h1>
<h2>Front</h2><div class="wide">{_table(content)}</div>{notes}
<h2>Proof</h2><p class="{verdict}"><strong>{html.escape(content.proof[0])}</strong></p>{proof}{proof_picture}
<h2>Samples of the front members, by their float generators</h2>
<div class="members">{"".join(_member(row, content.pictures) for row in content.front)}</div>
<h2>Plots</h2><p>All trials: float scores, which every trial has and the front is decided by.</p>{figures}
<h2>What the scores were computed on</h2><table>{facts}</table>
</body></html>
"""


def _table(content: ReportContent) -> str:
    columns = [name for name in content.columns if any(name in row for row in content.front)]
    head = "".join(f"<th>{html.escape(column_heading(name))}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(format_value(row.get(name)))}</td>" for name in columns) + "</tr>"
        for row in content.front
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _member(row: Mapping[str, Any], pictures: Mapping[int, Path]) -> str:
    path = pictures.get(row["trial"])
    picture = "" if path is None or not path.exists() else _picture(path, f"samples of trial {row['trial']}")
    accuracy = f"{row['headline_arithmetic']} accuracy {format_value(row.get('headline_accuracy'))}"
    caption = f"trial {row['trial']}, {row.get('family', '')}: one row per class; {accuracy}"
    return f"<figure>{picture}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _picture(path: Path, alt: str, width: int | None = None) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    size = "" if width is None else f' style="width:{width}px"'
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}"{size}>'


def format_value(value: Any) -> str:
    """Return ``value`` for a table: integers with separators, others to 4 significant digits, absent as a dash.

    The items of a sequence are joined as in ``24-8-4``.
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return "-".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
    return str(value)
