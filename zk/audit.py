"""Wiring audit: whether the copy constraints in a proving key tie every tensor of the circuit together.

    python -m zk.audit --pk pk.key --settings settings.json [--vk vk.key] [--private-values N] [--salt N [N ...]]
                       [--json out.json]

prints a table and the verdict; exit status 0 if linked, 1 if unlinked, 2 if a file is unreadable, truncated or foreign
(or the command line is wrong), 3 if unchecked.

A tensor that one gate of ezkl 23.0.5 writes and another reads occupies several cells, and only the permutation argument
makes those cells equal. With ``disable_freivalds=False`` a large einsum is checked in columns of its own, and no cycle
ties the result that they check to the one that the rest reads: a dishonest prover may use any result. The audit follows
the cycles of the permutation in the key, reads from the selectors in the key which cells each gate reads and writes
(:mod:`zk.audit_layout`), and demands that every value read has a source and every value written is used
(:mod:`zk.audit_links` has the rules). It reports groups: public inputs and outputs, committed values, constants (those
in use), inputs and outputs of each kind of gate, of lookups, range checks and Freivalds gates, and equalities; for each
its cells, how many are linked, how many are hints that the prover may choose, and how many are open. Any open cell
makes the circuit unlinked. So do, each for itself: a permutation that does not visit every cell once, values of the
permutation that disagree with its coefficients, Freivalds columns that the settings admit, and columns that no ordinary
circuit has.

Random values that nothing reads may end a committed tensor, to hide the others. No file tells this *salt* from values
that the circuit forgets, so ``salt`` must. Its cells are a group of their own: hints, or open where tied or read.

What it sees: a copy that is missing where a gate needs it (taking any one cell that a gate touches out of its cycle was
noticed, cell by cell, in each of 16 small circuits), a tensor that is checked here and used there, a public or
committed value that binds nothing. By these rules ezkl 23.0.5 leaves unlinked, without any Freivalds: parameters with
visibility ``polycommit`` (their column is in no cycle), private weights of a matrix product and broadcast private
biases (every use is a value of its own), square roots and instance normalisation (a value is checked, and another one
used). The audit is strict: a model that ignores a public input, or computes a value that nothing uses, is unlinked too.

What it does not see:

- gates: it trusts that each selector switches on the gate that ezkl 23.0.5 has in its place, and reads neither lookup
  tables nor constants other than 0 and 1, so it knows nothing of what is computed, nor of the weights;
- some lost equalities: a cycle cut so that both parts keep a writer and a reader, and the row that asserts the writers
  equal falls to one part (of 1,683 random cuts in two, 8 were missed);
- the number of private values: a value read from nowhere is right for a private input or parameter, and nothing in the
  files tells how many there are, so ``private_values`` must; without it such a circuit is unchecked;
- salt: whether it is random, and whether it exists: the rows below a committed tensor are tied to nothing either;
- commitments: whether the verification key commits to the polynomials that the proving key holds (that takes a
  multi-scalar multiplication for every column). It compares the two keys' bytes, so it is for keys made here. Of the
  three forms of the permutation it follows the values, compares them with the coefficients at a random point, and does
  not read the cosets. Selectors are the bitmaps in the verification key, not compared with the fixed columns;
- settings: height, numbers of columns and selectors, and public cells in use must agree with the key; which public
  values are outputs, and which tables are lookups and which range checks, is taken from the settings;
- circuits with hashed values, dynamic lookups or shuffles (max pooling, softmax), uncompressed selectors, or private
  outputs: unchecked. It is no proof of soundness of ezkl or halo2.

Memory: 25 to 45 bytes a permutation cell, by the share of cells that are tied (about 1 GB for 30 columns of 2**20 rows,
a key of 10 GB); the key is only mapped.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atomic_files import write_text
from zk.audit_field import to_words
from zk.audit_key import ProvingKey, open_proving_key
from zk.audit_layout import Layout, UnknownLayout, check_salt, expected_columns, read_layout, visibilities
from zk.audit_links import SALT, Findings, Group, Positions, Wires, examine
from zk.audit_permutation import Cells, disagreeing_columns, read_successors
from zk.circuit_cost import CircuitCost, circuit_cost, load_settings
from zk.errors import ArtifactError, ZkError
from zk.field import MODULUS, MONTGOMERY_RADIX
from zk.types import Wiring

EXIT_STATUS = {Wiring.LINKED: 0, Wiring.UNLINKED: 1, Wiring.UNCHECKED: 3}
UNREADABLE_STATUS = 2
_NAMED_GROUPS = 5  # a reason is kept short enough for one line of a page


@dataclass(frozen=True)
class WiringReport:
    """Result of an audit.

    Attributes:
        verdict: linked, unlinked (do not count the proof) or unchecked (the audit does not know this kind of circuit).
        columns: permutation columns in the key.
        expected_columns: columns that the settings account for, Freivalds columns apart.
        linked_cells: cells in a cycle with at least one other cell.
        linked_public_values: public values in a cycle with a cell that a gate reads or writes.
        public_values: public values of the circuit.
        free_values: distinct values that gates read from nowhere, apart from hints and Freivalds columns; right for
            private inputs and parameters only.
        salt: salt cells at the end of each committed tensor, as declared to the audit; empty if none were.
        groups: cells by kind; empty if the layout is unknown.
        reason: why, in a sentence or more.
        seconds: wall-clock seconds of the audit.

    """

    verdict: Wiring
    columns: int
    expected_columns: int
    linked_cells: int
    linked_public_values: int
    public_values: int
    free_values: int
    salt: tuple[int, ...]
    groups: tuple[Group, ...]
    reason: str
    seconds: float


def audit_wiring(
    pk_path: Path,
    settings_path: Path,
    vk_path: Path | None = None,
    *,
    private_values: int | None = None,
    salt: tuple[int, ...] = (),
) -> WiringReport:
    """Audit a proving key against its settings; see the module's docstring for what the verdict means.

    Args:
        pk_path: proving key written by ezkl.
        settings_path: the settings it was made from.
        vk_path: verification key that proofs will be checked with; it must be the one inside the proving key.
        private_values: number of private inputs and parameters, the most values that may be read from nowhere. None:
            unknown, so that such values leave the circuit unchecked. Where nothing is private it is 0.
        salt: how many values at the end of each committed tensor are salt, one number for each of them, in the order of
            ``module_sizes`` in the settings (that of the graph's inputs). Empty: no value is.

    Raises:
        ArtifactError: a file is missing, truncated or foreign, the settings are of another height, or the verification
            key is not this proving key's.
        OptionError: the salt does not fit the committed tensors.

    """
    start = time.perf_counter()
    settings, cost, expected = _read_settings(settings_path)
    check_salt(settings, salt)
    key = open_proving_key(pk_path)
    if key.logrows != cost.logrows:
        raise ArtifactError(
            f"the settings must be those of the proving key; {settings_path.name} has logrows {cost.logrows}, "
            f"{pk_path.name} has {key.logrows}; give the files that setup read and wrote together"
        )
    if vk_path is not None:
        _check_verification_key(key, vk_path)
    reasons: list[tuple[Wiring, str]] = []
    if cost.einsum_column_cells > 0:
        reasons.append((Wiring.UNLINKED, _freivalds_reason(cost)))
    successor, unnamed = read_successors(key.permutation_values, key.logrows)
    findings, tied = None, 0
    if unnamed:
        message = f"the permutation in the key is broken: its values do not visit {unnamed} cells, and others twice"
        reasons.insert(0, (Wiring.UNLINKED, message))
    else:
        reasons += _disagreement(key)
        try:
            layout = read_layout(settings, cost, key.columns, key.selectors, salt=salt)
        except UnknownLayout as unknown:
            reasons.append((unknown.verdict, str(unknown)))
        else:
            private = "Private" in (visibilities(settings)[name] for name in ("input", "param"))
            findings, tied, more = _examine(key, layout, successor, private_values if private else 0)
            reasons += more
    worst = Wiring.UNLINKED if any(verdict is Wiring.UNLINKED for verdict, _ in reasons) else Wiring.UNCHECKED
    return WiringReport(
        verdict=worst if reasons else Wiring.LINKED,
        columns=key.columns,
        expected_columns=expected,
        linked_cells=findings.linked_cells if findings else 0,
        linked_public_values=tied,
        public_values=cost.public_values,
        free_values=findings.free_values if findings else 0,
        salt=salt,
        groups=findings.groups if findings else (),
        reason="; ".join(message for _, message in reasons) or _all_well(key.columns, tied, sum(salt), findings),
        seconds=time.perf_counter() - start,
    )


def _read_settings(path: Path) -> tuple[dict[str, Any], CircuitCost, int]:
    settings = load_settings(path)
    try:
        cost = circuit_cost(settings)
        visibilities(settings)
        return settings, cost, expected_columns(settings, cost)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ArtifactError(
            f"{path} must be ezkl's settings; {type(error).__name__} {error} in reading it; generate it again"
        ) from error


def _check_verification_key(key: ProvingKey, path: Path) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} must be a readable verification key; {error}; run setup again") from error
    if not key.holds_verification_key(content):
        raise ArtifactError(
            f"the verification key must be the one inside the proving key; {path.name} is another; "
            "audit the pair that setup wrote together"
        )


def _freivalds_reason(cost: CircuitCost) -> str:
    return (
        f"the settings use {cost.einsum_column_cells} cells of Freivalds columns, whose results nothing ties to the "
        "rest; set disable_freivalds=True"
    )


def _disagreement(key: ProvingKey) -> list[tuple[Wiring, str]]:
    point = secrets.randbelow(MODULUS - (1 << 32)) + (1 << 32)
    wrong = disagreeing_columns(key.permutation_values, key.permutation_coefficients, key.logrows, point)
    if not wrong:
        return []
    message = f"values and coefficients of the permutation disagree in {len(wrong)} of {key.columns} columns"
    return [(Wiring.UNLINKED, message)]


def _examine(
    key: ProvingKey, layout: Layout, successor: Cells, private_values: int | None
) -> tuple[Findings, int, list[tuple[Wiring, str]]]:
    """Findings, public values that are tied, and what is wrong."""
    wires = audit_wires(key, layout, successor)
    findings = examine(wires, private_values=private_values)
    reasons: list[tuple[Wiring, str]] = []
    if private_values is None and findings.free_values:
        message = (
            f"{findings.free_values} values are read from nowhere; give the number of private values to judge them"
        )
        reasons.append((Wiring.UNCHECKED, message))
    elif private_values and findings.free_values > private_values:
        message = f"{findings.free_values} values are read from nowhere, and only {private_values} are private"
        reasons.append((Wiring.UNLINKED, message))
    if lost := [group for group in findings.groups if group.open_cells and group.name != SALT]:
        parts = ", ".join(f"{group.open_cells} of {group.cells} {group.name}" for group in lost[:_NAMED_GROUPS])
        more = f" and cells of {len(lost) - _NAMED_GROUPS} more groups" if len(lost) > _NAMED_GROUPS else ""
        reasons.append((Wiring.UNLINKED, f"cells are read from nowhere, or their value goes nowhere: {parts}{more}"))
    if used := wires.used_salt:
        message = f"{used} of {wires.salt.size} salt cells are tied or read, and nothing may read salt"
        reasons.append((Wiring.UNLINKED, message))
    if wires.undeclared:
        message = f"the key ties {wires.undeclared} public or committed cells that the settings do not declare"
        reasons.append((Wiring.UNCHECKED, message))
    public = [group for group in findings.groups if group.name.startswith("public")]
    return findings, sum(group.linked_cells for group in public), reasons


def audit_wires(key: ProvingKey, layout: Layout, successor: Cells) -> Wires:
    """Put a key's permutation, gates and constants together, for :func:`zk.audit_links.examine`."""
    ones, zeros = (_constants(key, layout, element) for element in (MONTGOMERY_RADIX, 0))
    return Wires(successor, layout, 1 << key.logrows, key.active_rows, ones, zeros)


def _constants(key: ProvingKey, layout: Layout, element: int) -> Positions:
    """Cells of the columns of constants, which are the first fixed columns, that hold ``element``."""
    rows, word = 1 << key.logrows, to_words([element])[0]
    parts = [
        column * rows + np.flatnonzero((key.fixed_values[i] == word).all(axis=1))
        for i, column in enumerate(layout.constants)
    ]
    return np.concatenate([np.empty(0, np.int64), *parts])


def _all_well(columns: int, tied: int, salt: int, findings: Findings | None) -> str:
    text = f"in {columns} columns every value read has a source, every value written is used, {tied} public values tied"
    if findings and findings.free_values:
        text += f"; {findings.free_values} private values are read from nowhere, as they may be"
    return text + (f"; {salt} salt cells are tied to nothing, as they must be" if salt else "")


def audit_to_json(
    *, pk: str, settings: str, vk: str | None = None, private_values: int | None = None, salt: Sequence[int] = ()
) -> dict[str, Any]:
    """Call :func:`audit_wiring` with JSON values, for :mod:`zk.child`."""
    paths = Path(pk), Path(settings), Path(vk) if vk else None
    report = audit_wiring(*paths, private_values=private_values, salt=tuple(salt))
    return dataclasses.asdict(report)


def _table(report: WiringReport) -> str:
    lines = [f"{'group':<34}{'cells':>10}{'linked':>10}{'hints':>10}{'open':>10}  verdict"]
    lines += [
        f"{g.name:<34}{g.cells:>10}{g.linked_cells:>10}{g.hint_cells:>10}{g.open_cells:>10}  {g.verdict}"
        for g in report.groups
    ]
    return "\n".join([*lines, f"{report.verdict}: {report.reason}"])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m zk.audit", description="Audit the wiring of a proving key.")
    parser.add_argument("--pk", type=Path, required=True, help="proving key")
    parser.add_argument("--settings", type=Path, required=True, help="settings that it was made from")
    parser.add_argument("--vk", type=Path, help="verification key that proofs will be checked with")
    parser.add_argument("--private-values", type=int, help="number of private inputs and parameters")
    parser.add_argument("--salt", type=int, nargs="+", default=(), metavar="N", help="salt of each committed tensor")
    parser.add_argument("--json", type=Path, help="where to write the report as JSON")
    options = parser.parse_args(arguments)
    try:
        paths = options.pk, options.settings, options.vk
        report = audit_wiring(*paths, private_values=options.private_values, salt=tuple(options.salt))
        if options.json:
            write_text(options.json, json.dumps(dataclasses.asdict(report), indent=1) + "\n")
    except (ZkError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return UNREADABLE_STATUS
    print(_table(report))
    return EXIT_STATUS[report.verdict]


if __name__ == "__main__":
    sys.exit(main())
