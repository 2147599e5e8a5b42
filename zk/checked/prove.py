"""The prover: one input's claims, their commitments, the challenge, and a proof of every part."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from zk.ceremony import srs_stage
from zk.checked.asked import asked_tensor
from zk.checked.circuit import CheckedCircuit, PartCircuit, write_model
from zk.checked.columns import committed_values, draw_salt, fill_columns
from zk.checked.evaluate import Run, quantise, run_program
from zk.checked.foreign import circuit_options
from zk.checked.height import chosen_logrows
from zk.checked.keys import KeyShelf, key_shelf
from zk.checked.rows import with_rows
from zk.checked.statement import part_statement
from zk.circuit_cost import CircuitCost, circuit_cost, load_settings
from zk.field import int_to_felt
from zk.srs import SrsKind, srs_path
from zk.stages import ONCE, Repeats, StageFailed, StageRunner, write_json
from zk.types import Budget, Outcome, StageResult, Wiring
from zk.verify import load_proof


@dataclass(frozen=True)
class PartProof:
    """One part's proof, or how far it came.

    Attributes:
        folder: with settings, key, proof and logs.
        stages: what ran.
        cost: figures of its settings.
        wiring: verdict of the audit.
        wiring_reason: its reason.
        pk_bytes: size of the proving key.
        vk_bytes: size of the verification key.
        proof_bytes: size of the proof itself.
        public_value_bytes: 32 for each public value.
        complete: there is a proof.
    """

    folder: Path
    stages: tuple[StageResult, ...]
    cost: CircuitCost | None = None
    wiring: Wiring = Wiring.UNCHECKED
    wiring_reason: str = ""
    pk_bytes: int = 0
    vk_bytes: int = 0
    proof_bytes: int = 0
    public_value_bytes: int = 0
    complete: bool = False


@dataclass(frozen=True)
class CheckedProof:
    """The proofs of all parts.

    Attributes:
        parts: in order; those behind a failed one are missing.
        logrows: height, the same for all parts, so that commitments to one column are equal.
        run: the integers that were proved.
        shared: stages that all parts needed: the reference string.
    """

    parts: tuple[PartProof, ...]
    logrows: int
    run: Run
    shared: tuple[StageResult, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every part has a proof."""
        return bool(self.parts) and all(part.complete for part in self.parts)

    @property
    def stages(self) -> tuple[StageResult, ...]:
        """Stages in order, those of all parts first."""
        return (*self.shared, *(stage for part in self.parts for stage in part.stages))


@dataclass(frozen=True)
class Proving:
    """Where and within what to prove.

    Attributes:
        workdir: receives a folder for each part.
        srs_dir: cache of SRS files.
        budget: limits of each stage.
        stage_budgets: other limits for some stages.
        srs_kind: local or the ceremony's.
        threads: worker threads of EZKL; None leaves it to EZKL.
        keep_proving_key: leave the keys in the folders.
        parallel: how many parts to prove at once; each may use the whole budget.
        repeats: how often to prove, for its time; the last proof is kept.
    """

    workdir: Path
    srs_dir: Path
    budget: Budget
    stage_budgets: Mapping[str, Budget] = field(default_factory=dict)
    srs_kind: SrsKind = SrsKind.TEST_ONLY
    threads: int | None = None
    keep_proving_key: bool = False
    parallel: int = 1
    repeats: Repeats = ONCE


def make_proofs(circuit: CheckedCircuit, inputs: Sequence[Tensor], proving: Proving) -> CheckedProof:
    """Prove every part for one input.

    A folder that holds a finished proof of the same columns is not proved again, so a run that was killed goes on where
    it was. Parts of equal circuits share one key, unless they are proved at once.

    Args:
        circuit: from :func:`zk.checked.circuit.build_checked`.
        inputs: real numbers, one tensor for each input of the network.
        proving: where and within what.

    Raises:
        CheckedError: the input leaves the tables' range.
    """
    integers = quantise(circuit.program, inputs)
    run = run_program(circuit.program, integers, circuit.foreign.values)
    values = committed_values(circuit.program, integers, run)
    logrows = chosen_logrows(circuit)
    proving.workdir.mkdir(parents=True, exist_ok=True)
    salt = _kept_salt(circuit, proving.workdir)
    srs = StageRunner(proving.workdir, circuit_options(circuit.program.options), proving.budget)
    try:  # before the parts, which may run at once
        srs_stage(srs, proving.srs_dir, logrows, proving.srs_kind)
    except StageFailed:
        return CheckedProof((), logrows, run, tuple(srs.results))
    failed = threading.Event()

    def prove(shelf: KeyShelf, part: PartCircuit) -> PartProof | None:
        if failed.is_set():
            return None
        made = _prove_part(circuit, part, fill_columns(part.part, values, salt), run, shelf, proving)
        if not made.complete:
            failed.set()
        return made

    sharing = proving.parallel == 1
    with (
        key_shelf(circuit.parts, proving.workdir / "keys", sharing=sharing) as shelf,
        ThreadPoolExecutor(max_workers=proving.parallel) as pool,
    ):
        found = [made for made in pool.map(partial(prove, shelf), circuit.parts) if made is not None]
    return CheckedProof(tuple(found), logrows, run, tuple(srs.results))


def _kept_salt(circuit: CheckedCircuit, workdir: Path) -> dict[str, list[int]]:
    """The salt of this run, drawn once: parts that are proved later must commit to the same columns."""
    path = workdir / "salt.json"
    if path.exists():
        return {name: [int(value) for value in values] for name, values in json.loads(path.read_text()).items()}
    salt = draw_salt([part.part for part in circuit.parts])
    write_json(path, salt)
    path.chmod(0o600)
    return salt


def _prove_part(
    circuit: CheckedCircuit,
    part: PartCircuit,
    columns: list[list[int]],
    run: Run,
    shelf: KeyShelf,
    proving: Proving,
) -> PartProof:
    folder = proving.workdir / f"part-{part.part.index}"
    options = circuit_options(circuit.program.options)
    runner = StageRunner(folder, options, proving.budget, proving.stage_budgets, proving.threads)
    found: dict[str, Any] = {}
    try:
        if not _resumed(runner, columns, found):
            _stages(circuit, part, columns, run, shelf, runner, proving, found)
            _remember(runner, columns, found)
    except StageFailed:
        pass
    finally:
        if not proving.keep_proving_key:
            runner.file("pk.key").unlink(missing_ok=True)
        for name in ("witness.json", "columns.json", "input.json"):
            runner.file(name).unlink(missing_ok=True)
    return PartProof(folder, tuple(runner.results), **found)


def _stages(
    circuit: CheckedCircuit,
    part: PartCircuit,
    columns: list[list[int]],
    run: Run,
    shelf: KeyShelf,
    runner: StageRunner,
    proving: Proving,
    found: dict[str, Any],
) -> None:
    file = {
        name: runner.file(name)
        for name in ("vk.key", "pk.key", "settings.json", "columns.json", "input.json", "witness.json", "proof.json")
    }
    path = {name: str(where) for name, where in file.items()}
    onnx = runner.file("checked.onnx")
    write_model(part, onnx)
    write_json(file["settings.json"], with_rows(runner.settings(onnx), part.rows))
    settings = load_settings(file["settings.json"])
    found["cost"] = circuit_cost(settings)
    compiled = str(runner.compile(onnx))
    srs = str(srs_path(proving.srs_dir, circuit.program.options.logrows, proving.srs_kind))
    shelf.setup(part, settings, runner, compiled, srs)
    found |= {"vk_bytes": file["vk.key"].stat().st_size, "pk_bytes": file["pk.key"].stat().st_size}

    felts = [[int_to_felt(value) for value in column] for column in columns]
    write_json(file["columns.json"], felts)
    committing = {"columns": path["columns.json"], "vk": path["vk.key"], "settings": path["settings.json"], "srs": srs}
    commitments = runner.run("commit", "zk.backend:commit", committing)
    statement = part_statement(
        circuit, part, file["vk.key"].read_bytes(), settings, commitments, _public(part, columns, run)
    )
    asked = asked_tensor(part.part, part.layout, statement.seed)
    write_json(file["input.json"], {"input_data": [*felts, [int_to_felt(value) for value in asked]]})

    data = {"data": path["input.json"], "compiled": compiled, "witness": path["witness.json"]}
    runner.run("witness", "zk.backend:gen_witness", {**data, "vk": path["vk.key"], "srs": srs}, file["witness.json"])
    _check_witness(part, runner, file["witness.json"], run)
    made = {"witness": path["witness.json"], "compiled": compiled, "pk": path["pk.key"], "proof": path["proof.json"]}
    runner.run_repeatedly(proving.repeats, "prove", "zk.backend:prove", {**made, "srs": srs}, file["proof.json"])
    proof = load_proof(file["proof.json"])
    found |= {
        "proof_bytes": len(proof["proof"]),
        "public_value_bytes": 32 * sum(len(column) for column in proof["instances"]),
    }
    audit = {"pk": path["pk.key"], "settings": path["settings.json"], "vk": path["vk.key"], "salt": part.salt}
    report = runner.run("audit", "zk.audit:audit_to_json", audit)
    found |= {"wiring": Wiring(report["verdict"]), "wiring_reason": report["reason"], "complete": True}


def _public(part: PartCircuit, columns: list[list[int]], run: Run) -> list[int]:
    """Public values of a part without the checks, which are zero."""
    program = part.part.program
    spans = part.layout.values
    names = [column.name for column in part.part.columns]
    found: list[int] = []
    for value in part.part.public_inputs:
        span = spans[value.name]
        found += columns[names.index(span.column)][span.start : span.stop]
    for value in part.part.outputs:
        found += [int(element) for element in run.outputs[program.outputs.index(value)].flatten()]
    return found


def _check_witness(part: PartCircuit, runner: StageRunner, path: Path, run: Run) -> None:
    """EZKL's own values must be the claimed ones before minutes go into proving them."""
    outputs = json.loads(path.read_text())["outputs"]
    if set(outputs[0]) != {int_to_felt(0)}:
        wrong = [index for index, value in enumerate(outputs[0]) if value != int_to_felt(0)]
        runner.refuse("witness", f"every check must be zero; checks {wrong[:8]} of {len(outputs[0])} are not")
    program = part.part.program
    for value, felts in zip(part.part.outputs, outputs[1 + len(part.part.public_inputs) :], strict=True):
        wanted = run.outputs[program.outputs.index(value)].flatten()
        if felts != [int_to_felt(int(element)) for element in wanted]:
            runner.refuse("witness", f"the circuit must give the computed {value.name}; it gives another")


def _remember(runner: StageRunner, columns: list[list[int]], found: Mapping[str, Any]) -> None:
    record = {
        "columns": _digest(columns),
        "stages": [
            [made.stage, made.wall_seconds, made.peak_rss_bytes, list(map(list, made.output_bytes)), made.work_seconds]
            for made in runner.results
        ],
        **{
            name: found[name] for name in ("wiring_reason", "pk_bytes", "vk_bytes", "proof_bytes", "public_value_bytes")
        },
        "wiring": str(found["wiring"]),
    }
    write_json(runner.file("done.json"), record)


def _resumed(runner: StageRunner, columns: list[list[int]], found: dict[str, Any]) -> bool:
    """Whether the folder holds a finished proof of these very columns; then its record is taken over."""
    path = runner.file("done.json")
    if not path.exists() or not runner.file("proof.json").exists():
        return False
    record = json.loads(path.read_text())
    if record["columns"] != _digest(columns):
        os.remove(path)
        return False
    for name, seconds, peak, sizes, work in record["stages"]:
        outputs = tuple((str(file), int(size)) for file, size in sizes)
        runner.record(StageResult(name, Outcome.OK, seconds, peak, "", outputs, work))
    names = ("wiring_reason", "pk_bytes", "vk_bytes", "proof_bytes", "public_value_bytes")
    found |= {name: record[name] for name in names}
    found |= {
        "wiring": Wiring(record["wiring"]),
        "cost": circuit_cost(load_settings(runner.file("settings.json"))),
        "complete": True,
    }
    return True


def _digest(columns: list[list[int]]) -> str:
    return hashlib.sha256(json.dumps(columns).encode()).hexdigest()
