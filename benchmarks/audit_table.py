"""Audit the wiring of tiny circuits whose soundness is known, and of keys with cut cycles.

    python benchmarks/audit_table.py OUT.json

builds each circuit in child processes, audits its key in another, prints a table, and writes
``{"audit": [{"circuit": name, "sound": true or false, "verdict": "linked", "unlinked" or "unchecked"}, ...]}``. Exit
status 1 if a sound circuit is not linked or an unsound one is.

What is sound is not taken from the auditor (``tests/zk/audit_circuits.py`` says why each circuit is or is not). Two of
the claims are shown here by walking the cycles of the raw file with Python's integers and none of the auditor's code:
in the lone matrix product with Freivalds, no cell of the columns that check it is in a cycle with a public output, so
those columns hold whatever the outputs are; without Freivalds, every public output is in a cycle with an output column.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from zk.child import run_in_child
from zk.circuit_cost import load_settings
from zk.field import DELTA, MODULUS, MONTGOMERY_RADIX, ROOT_OF_UNITY, TWO_ADICITY
from zk.types import Budget, Outcome

BUDGET = Budget(2 << 30, 600.0)


def in_child(stage: str, target: str, folder: Path, **kwargs: Any) -> Any:
    """Run one step in a process of its own; gives its value."""
    run = run_in_child(stage, target, kwargs, budget=BUDGET, log_path=folder / f"{stage}.log", threads=1)
    if run.result.outcome is not Outcome.OK:
        raise SystemExit(f"{stage} in {folder}: {run.result.outcome}: {run.result.message}")
    return run.value


def build_keys(circuit: Any, folder: Path, srs_folder: Path) -> dict[str, str]:
    """Build the keys of a circuit; gives the paths of pk, settings and vk."""
    folder.mkdir(parents=True)
    onnx, options = circuit.export(folder)
    file = {name: str(folder / name) for name in ("settings", "compiled", "vk", "pk")}
    srs = srs_folder / f"srs{circuit.logrows}"
    logrows = circuit.logrows
    if not srs.exists():
        in_child("srs", "zk.backend:gen_srs", folder, srs=str(srs), logrows=logrows)
    wanted = {"onnx": str(onnx), "settings": file["settings"]}
    in_child("settings", "zk.backend:gen_settings", folder, **wanted, options=options, logrows=logrows)
    in_child("compile", "zk.backend:compile_circuit", folder, **wanted, compiled=file["compiled"])
    made = {name: file[name] for name in ("compiled", "vk", "pk")}
    in_child("setup", "zk.backend:setup", folder, **made, srs=str(srs))
    return {name: file[name] for name in ("pk", "settings", "vk")}


def raw_cycles(pk: Path, logrows: int) -> tuple[int, dict[int, set[int]]]:
    """Columns of the permutation and the cycle of each cell (column * rows + row), by Python's integers alone."""
    rows, content, mark = 1 << logrows, pk.read_bytes(), struct.pack(">I", 1 << logrows)
    start = content.rindex(mark * 3)  # the lengths that open the last list of short polynomials: the coefficients
    while content[start - 4 : start] == mark:
        start -= 4
    columns = struct.unpack(">I", content[start - 4 : start])[0]
    first = start - 4 - columns * (4 + 32 * rows)  # the list before it, of equal length, holds the values
    omega = pow(ROOT_OF_UNITY, 1 << (TWO_ADICITY - logrows), MODULUS)
    names: dict[int, int] = {}
    for column in range(columns):
        name = MONTGOMERY_RADIX * pow(DELTA, column, MODULUS) % MODULUS
        for _ in range(rows):
            names[name] = len(names)
            name = name * omega % MODULUS
    successor = []
    for column in range(columns):
        at = first + column * (4 + 32 * rows) + 4
        successor += [names[int.from_bytes(content[at + 32 * r : at + 32 * r + 32], "little")] for r in range(rows)]
    cycles: dict[int, set[int]] = {}
    for cell in range(len(successor)):
        if cell not in cycles:
            members, step = {cell}, successor[cell]
            while step != cell:
                members.add(step)
                step = successor[step]
            cycles.update(dict.fromkeys(members, members))
    return columns, cycles


def show_unlinked_product(pk: Path, settings_path: Path) -> bool:
    """Whether the public outputs of a lone matrix product share no cycle with the columns that check it.

    The columns are 6 of operands and results, one of constants, one of public values (6 inputs, then 4 outputs), and,
    only with Freivalds, those where the product is checked. Without them it is checked in the first six.
    """
    logrows = int(load_settings(settings_path)["run_args"]["logrows"])
    columns, cycles = raw_cycles(pk, logrows)
    checked = range(8, columns) if columns > 8 else range(4, 6)
    outputs = [cycles[(7 << logrows) + row] for row in range(6, 10)]
    return not any(cell >> logrows in checked for cycle in outputs for cell in cycle)


def cut_keys(files: dict[str, str], folder: Path) -> dict[str, dict[str, str]]:
    """Keys of a sound circuit that lost copies, or whose values are no permutation; each is unsound by construction."""
    from audit_circuits import cut, write_permutation

    from zk.audit_key import open_proving_key
    from zk.audit_permutation import read_successors

    key = open_proving_key(Path(files["pk"]))
    rows = 1 << key.logrows
    successor, _ = read_successors(key.permutation_values, key.logrows)
    public, result = (key.columns - 1) * rows, 4 * rows  # the public values come last, the outputs of gates before
    written = result + int(key.active_rows(7)[0])  # selector 7 continues a dot product
    twice = successor.copy()
    twice[5] = twice[6]
    edits = {
        "cut between a gate and its reader": cut(successor, np.array([written])),
        "cut public output": cut(successor, np.array([public + 6])),
        "cut public input": cut(successor, np.array([public])),
        "no permutation": twice,
    }
    found = {}
    for name, changed in edits.items():
        folder.mkdir(exist_ok=True)
        pk = folder / f"{name}.pk"
        write_permutation(Path(files["pk"]), pk, changed)
        found[f"matmul relu, {name}"] = {**files, "pk": str(pk)}
    return found


def main(out: Path) -> int:
    """Build, audit, print and write."""
    # The circuits are those of the tests, so that both speak of the same ones.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "zk"))
    from audit_circuits import CIRCUITS

    rows = []
    with tempfile.TemporaryDirectory(prefix="audit-") as name:
        root = Path(name)
        cases = {}
        for title, circuit in CIRCUITS.items():
            files = build_keys(circuit, root / title.replace(" ", "-"), root)
            cases[title] = (files, circuit.sound, circuit.private_values)
        relu = cases["matmul relu"][0]
        cases.update({title: (files, False, None) for title, files in cut_keys(relu, root / "cut").items()})
        for title, unlinked in (("matmul", False), ("matmul, Freivalds", True)):
            files = cases[title][0]
            if show_unlinked_product(Path(files["pk"]), Path(files["settings"])) is not unlinked:
                raise SystemExit(f"the raw cycles of {title!r} are not as its soundness claims")
        for title, (files, sound, private_values) in cases.items():
            kwargs = {**files, "private_values": private_values}
            report = in_child("audit", "zk.audit:audit_to_json", root, **kwargs)
            rows.append({"circuit": title, "sound": sound, "verdict": report["verdict"]})
            print(f"{title:<46} {'sound' if sound else 'unsound':<8} {report['verdict']:<10} {report['reason']}")
    out.write_text(json.dumps({"audit": rows}, indent=1) + "\n")
    wrong = [row["circuit"] for row in rows if row["sound"] is not (row["verdict"] == "linked")]
    print(f"{len(rows)} circuits, {sum(not row['sound'] for row in rows)} unsound, wrong verdicts: {wrong or 'none'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/audit_table.py OUT.json")
    sys.exit(main(Path(sys.argv[1])))
