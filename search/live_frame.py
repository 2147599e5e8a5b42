"""A running study as text for a terminal of a given size. Pure; :mod:`search.live` puts it on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group
from rich.text import Text

from search.live_columns import columns, natural_width
from search.live_state import LiveState, TrialInWork
from search.tally import Tally

_MOST_MEMBERS = 5
_OTHER_LINES = 10  # of a frame, beside the rows of its two tables
_WORDS = ("family", "at")
_OF_WORKS = ("trial", "family", "at", "images", "spent", "left", "images/s", "loss D", "loss G")
_LEAST_OF_WORKS = 5  # the first so many stay, however narrow the terminal; of the others, the last goes first


@dataclass(frozen=True)
class MachineUse:
    """What the machine is used for, by whatever process.

    Attributes:
        cpu_share: of all cores, in [0, 1].
        memory_bytes: in use.
        memory_total_bytes: there are.
        gpu_bytes: in use on the GPU that trains; None without one.
        gpu_total_bytes: it has.
    """

    cpu_share: float
    memory_bytes: int
    memory_total_bytes: int
    gpu_bytes: int | None = None
    gpu_total_bytes: int | None = None


def frame(state: LiveState, use: MachineUse | None, now: float, *, width: int, height: int) -> Group:
    """Return ``state`` at the time ``now`` for ``width`` columns and, where that is possible, ``height`` lines."""
    room = max(2, height - _OTHER_LINES)
    works = min(len(state.in_work), max(1, room - min(len(state.tally.front), _MOST_MEMBERS)))
    members = min(len(state.tally.front), _MOST_MEMBERS, max(1, room - works))
    parts: list[Text] = [Text(line, style="bold") for line in flow(_progress(state, now), width)]
    parts += [Text(line) for line in flow([*_counts(state.tally), *_machine(use)], width)]
    if state.in_work:
        parts += [Text(), *_works(state, works, now, width)]
        parts += _more(len(state.in_work) - works)
    if state.tally.front:
        parts += [Text(), *_front(state.tally, members, width)]
        parts += _more(len(state.tally.front) - members)
    return Group(*parts)


def flow(parts: Sequence[str], width: int) -> list[str]:
    """Join ``parts`` with two spaces into lines of at most ``width`` characters, none of them broken."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + 2 + len(part) <= width:
            lines[-1] += f"  {part}"
        else:
            lines.append(part)
    return lines


def duration(seconds: float) -> str:
    """Return ``seconds`` as one would say them: ``45 s``, ``1 min 20 s``, ``27 min``, ``3 h 05 min``, ``2.5 days``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes < 48 * 60 else f"{seconds / 86400:.1f} days"


def clock(seconds: float | None) -> str:
    """Return ``seconds`` for a column, a dash for None: ``0:45``, ``1:20``, ``3:05:00``."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def short_count(value: float) -> str:
    """Return a count in at most 5 characters: ``950``, ``12.8k``, ``1.2M``."""
    if value < 1000:
        return f"{value:.0f}"
    for unit, size in (("k", 1e3), ("M", 1e6)):
        if value < 999.5 * size:
            scaled = value / size
            return f"{scaled:.1f}{unit}" if scaled < 99.95 else f"{scaled:.0f}{unit}"
    return f"{value / 1e9:.1f}G"


def _progress(state: LiveState, now: float) -> list[str]:
    tally = state.tally
    parts = [f"study {state.name}", f"{tally.trained} of {state.wanted} trained"]
    parts += [f"{len(tally.trials) + len(state.in_work)} of at most {state.draws} drawn", duration(state.elapsed(now))]
    if (rate := state.trained_per_hour(now)) is not None:
        parts.append(f"{rate:,.{0 if rate >= 9.95 else 1}f} trials an hour")
    if state.ended is not None:
        return [*parts, state.closing]
    left = state.seconds_left(now)
    return parts if not left else [*parts, f"about {duration(left)} left"]


def _counts(tally: Tally) -> list[str]:
    return [f"{state} {count}" for state, count in tally.counts.items()]


def _machine(use: MachineUse | None) -> list[str]:
    if use is None:
        return []
    parts = [f"CPU {use.cpu_share:.0%}", f"memory {_gib(use.memory_bytes)} of {_gib(use.memory_total_bytes)} GiB"]
    if use.gpu_bytes is not None and use.gpu_total_bytes is not None:
        parts.append(f"GPU {_gib(use.gpu_bytes)} of {_gib(use.gpu_total_bytes)} GiB")
    return parts


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.1f}"


def _more(count: int) -> list[Text]:
    return [Text(f"and {count} more", style="dim")] if count > 0 else []


def _works(state: LiveState, count: int, now: float, width: int) -> list[Text]:
    rows = [_cells(trial, now) for trial in state.in_work[:count]]
    names = [name for name in _OF_WORKS if name != "left" or state.ended is None]
    while len(names) > _LEAST_OF_WORKS and natural_width(names, _chosen(rows, names)) > width:
        names.pop()
    return columns(names, _chosen(rows, names), width, left=_WORDS)


def _chosen(rows: Sequence[dict[str, str]], names: Sequence[str]) -> list[list[str]]:
    return [[row[name] for name in names] for row in rows]


def _cells(trial: TrialInWork, now: float) -> dict[str, str]:
    record, budget = trial.record, "" if trial.budget_images is None else f" / {short_count(trial.budget_images)}"
    cells = {"trial": str(trial.number), "family": trial.family, "at": trial.stage, "left": "-"}
    if record is None:
        return {**cells, "images": "-", "spent": "-", "images/s": "-", "loss D": "-", "loss G": "-"}
    return cells | {
        "images": short_count(record.images) + budget,
        "spent": f"{trial.share:.0%}",
        "images/s": short_count(record.images_per_second),
        "left": clock(trial.seconds_left(now)),
        "loss D": f"{record.discriminator_loss:.3g}",
        "loss G": f"{record.generator_loss:.3g}",
    }


def _front(tally: Tally, members: int, width: int) -> list[Text]:
    names = ["front", "family", *(objective.metric.replace("_", " ") for objective in tally.objectives)]
    rows = [[str(trial.number), trial.family, *_numbers(trial.values)] for trial in tally.front[:members]]
    bold = {
        (row, place + 2)
        for row, trial in enumerate(tally.front[:members])
        for place, (value, top) in enumerate(zip(trial.values, tally.best, strict=True))
        if value == top
    }
    if len(tally.front) > 1:
        bold |= {(len(rows), place) for place in range(len(names))}
        rows.append(["best", "", *_numbers(tally.best)])
    return columns(names, rows, width, left=_WORDS, bold=bold)


def _numbers(values: Sequence[float]) -> list[str]:
    counts = (value.is_integer() and 1000 <= abs(value) < 1e9 for value in values)
    return [f"{value:,.0f}" if count else f"{value:.4g}" for value, count in zip(values, counts, strict=True)]
