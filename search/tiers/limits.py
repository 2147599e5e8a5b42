"""The published limits of compilation beside the measured ladder of generators."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from atomic_files import write_text
from json_files import read_json
from search.errors import SearchError
from search.layers.ladder import LADDER, operations
from search.tiers.deciders import CONFIRMED, CORRECTED, NOT_MEASURED, REFUTED, Verdict
from zk.benchmark.report.data import read_machine as machine_record
from zk.benchmark.report.data import read_rows
from zk.benchmark.report.text import NOTHING, count, gib, listed, number, table
from zk.benchmark.row import LayerRow, RowOutcome

MANY = 10_000


@dataclass(frozen=True)
class Range:
    """A line of the published table: operations from ``low`` up to ``high``, what became of them, and their proofs."""

    low: int
    high: int
    published: str
    compiles: bool
    least_proof_bytes: int = 0

    @property
    def label(self) -> str:
        """The range in words."""
        return f"{self.low} and more" if self.high >= MANY else f"{self.low} to {self.high}"


RANGES = (
    Range(0, 50, "success, proofs of 20 to 40 MB, 1 to 3 minutes", True, 20_000_000),
    Range(50, 100, "possible, proofs of 40 to 80 MB, 3 to 10 minutes", True, 40_000_000),
    Range(100, 150, "fails by time-out", False),
    Range(150, MANY, "impossible, out of memory", False),
)


def read_ladder(folder: Path) -> tuple[LayerRow, ...]:
    """Read the rows of ``experiment=compile_ladder``; none if it was not run.

    Raises:
        ArtifactError: the file cannot be read, or is another benchmark's.
    """
    return read_rows(folder / "rows.json")


def read_machine(folder: Path) -> str:
    """What the rows of a folder were measured on, in words; empty where nothing was recorded.

    Raises:
        SearchError: the record is not the benchmark's.
        ArtifactError: it is no JSON object.
    """
    path = folder / "machine.json"
    if not path.is_file():
        return ""
    found = machine_record(folder)
    try:
        return (
            f"{found['cpu']}, {found['cores']} cores, {gib(found['memory_bytes'])} GiB; EZKL "
            f"{found['packages']['ezkl']}; commit {found['commit'][:7]}"
        )
    except (KeyError, TypeError) as error:
        raise SearchError(f"{path} must be written by the layer benchmark; {error!r}; run it again") from error


def read_filed_ladder(path: Path) -> tuple[tuple[LayerRow, ...], str]:
    """Read the rungs that :func:`file_ladder` wrote, and what they were measured on; none where it did not.

    Raises:
        SearchError: the file is another.
        ArtifactError: a row is not one of the ladder's.
    """
    if not path.exists():
        return (), ""
    try:
        found = read_json(path)
        rows, machine = list(found["rows"]), str(found["measured_on"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SearchError(f"{path} must be written by this command; {error!r}; remove it") from error
    return tuple(LayerRow.from_json(row) for row in rows), machine


def file_ladder(rows: tuple[LayerRow, ...], measured_on: str, path: Path) -> Path:
    """Write the rungs beside the page, so that it can be made again without their study; gives the path."""
    data = {"measured_on": measured_on, "rows": [row.to_json() for row in rows]}
    write_text(path, json.dumps(data, indent=1, allow_nan=False) + "\n")
    return path


def limits_section(rows: tuple[LayerRow, ...], measured_on: str = "") -> list[str]:
    """Every rung by its operations, then what became of the published ranges."""
    if not rows:
        return ["Not measured yet: `python -m search experiment=compile_ladder`.", ""]
    known = {name: operations(name) for name in LADDER}
    order = sorted(rows, key=lambda row: (known[row.experiment], row.macs or 0, row.variant))
    lines = table(
        ("generator", "operations", "MACs", "variant", "outcome", "rows", "2^k", "compile s", "prove s", "GiB",
         "proof bytes", "wiring"),
        (
            [
                row.experiment,
                str(known[row.experiment]),
                number(row.macs),
                row.variant,
                str(row.outcome),
                number(row.rows),
                number(row.logrows),
                number(row.compile_seconds),
                number(row.prove_seconds),
                gib(row.peak_rss_bytes),
                number(row.proof_bytes),
                row.wiring or NOTHING,
            ]
            for row in order
        ),
    )  # fmt: skip
    lines += [
        "Seconds, memory and bytes of a predicted row are predictions. What is only verified was accepted by EZKL, and",
        "counts as run but not as proved: its wiring audit does not pass. Compiling is EZKL's `compile_circuit` alone,",
        "without settings and keys, which the published minutes may hold.",
        *([f"Measured on {measured_on}."] if measured_on else []),
        "",
        *rows_follow(rows),
    ]
    verdicts = [(limit, range_verdict(limit, rows)) for limit in RANGES]
    return lines + table(
        ("operations", "published", "verdict", "by"),
        ([limit.label, limit.published, verdict.word, verdict.figures] for limit, verdict in verdicts),
    )


def range_verdict(limit: Range, rows: tuple[LayerRow, ...]) -> Verdict:
    """Judge a published range by EZKL's own form of the rungs within it; checked circuits stand beside."""
    inside = [row for row in rows if limit.low <= operations(row.experiment) < limit.high]
    stock = [row for row in inside if row.variant == "stock"]
    if not stock:
        return NOT_MEASURED
    ours = [row for row in inside if row.variant == "ours" and row.outcome == RowOutcome.PROVED]
    ran = [row for row in stock if row.measured]
    which = f": {listed(sorted(row.experiment for row in ran))}" if ran else ""
    figures = f"with EZKL's defaults {len(ran)} of {len(stock)} run here{_greatest(ran)}{which}"
    if too_large := [row for row in stock if not row.measured]:
        worst = max(row.rows or 0 for row in too_large)
        figures += f", the others would need up to {number(worst)} rows"
    figures += f"; {count(len(ours), 'checked circuit')} proved and wired{_greatest(ours)}"
    if limit.compiles:
        as_large = all((row.proof_bytes or 0) >= limit.least_proof_bytes for row in ran)
        return Verdict(CONFIRMED if len(ran) == len(stock) and as_large else CORRECTED, figures)
    return Verdict(REFUTED if len(ran) == len(stock) else CORRECTED if ran else CONFIRMED, figures)


def _greatest(rows: list[LayerRow]) -> str:
    if not rows:
        return ""
    seconds, size = max(row.prove_seconds or 0.0 for row in rows), max(row.proof_bytes or 0 for row in rows)
    return f" (proofs of at most {number(seconds)} s and {number(size)} bytes)"


def rows_follow(rows: tuple[LayerRow, ...]) -> list[str]:
    """Set the generator of the most operations beside the one of the most rows, both in EZKL's own form."""
    stock = [row for row in rows if row.variant == "stock" and row.rows]
    if len(stock) < 2:
        return []
    longest = max(stock, key=lambda row: operations(row.experiment))
    largest = max(stock, key=lambda row: row.rows or 0)
    return [
        f"With EZKL's defaults {longest.experiment} has {operations(longest.experiment)} operations and "
        f"{number(longest.rows)} rows, {largest.experiment} {operations(largest.experiment)} operations and "
        f"{number(largest.rows)} rows.",
        "",
    ]


@dataclass(frozen=True)
class CompiledModel:
    """What the write-up tells of the one model that it compiled."""

    constraints: int = 127_800_000
    logrows: int = 17
    proof_bytes: int = 34_000_000
    compile_seconds: float = 180.0
    operations: int = 34


COMPILED = CompiledModel()
COMPILED_RUNG = "wide_exp_006"
"""The rung of exp_006, the only published generator that is declared to have 34 operations."""


def compiled_section(rows: tuple[LayerRow, ...]) -> list[str]:
    """The published figures of the model of 34 operations beside those of exp_006's rung, in both forms."""
    mine = [row for row in rows if row.experiment == COMPILED_RUNG]
    if not mine:
        return ["Not measured yet: `python -m search experiment=compile_ladder`.", ""]
    columns = COMPILED.constraints / 2**COMPILED.logrows
    return [
        f"A model of {COMPILED.operations} operations was compiled. The only configuration with that number is "
        f"exp_006; its rung, with the class as a one-hot row, has {operations(COMPILED_RUNG)} by the published rule. "
        f"{number(COMPILED.constraints)} constraints in 2^{COMPILED.logrows} rows would be {number(columns)} columns "
        "full of them.",
        "",
        *table(
            ("model", "outcome", "rows", "2^k", "compile s", "proof bytes"),
            (
                (
                    "published", "compiled", f"{number(COMPILED.constraints)} constraints", str(COMPILED.logrows),
                    number(COMPILED.compile_seconds), number(COMPILED.proof_bytes),
                ),
                *(
                    (
                        f"exp_006, {row.variant}", str(row.outcome), number(row.rows), number(row.logrows),
                        number(row.compile_seconds), number(row.proof_bytes),
                    )
                    for row in sorted(mine, key=lambda row: row.variant)
                ),
            ),
        ),
    ]  # fmt: skip
