"""``python -m zk.prove MODEL.onnx --input FILE --out BUNDLE``: prove one sample and write its bundle."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import lzma
import sys
import tempfile
import tokenize
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from json_files import read_json
from zk.bundle import Bundle
from zk.bundle_format import SETTINGS, VK
from zk.bundle_record import members_sha256
from zk.bundle_write import write_bundle
from zk.checked.circuit import build_checked
from zk.checked.options import WEIGHTS, CheckedOptions
from zk.checked.plan import format_checked_plan
from zk.checked.planner import plan_checked
from zk.checked.prove import Proving
from zk.checked.run import CheckedRun, prove_checked, write_checked_bundle
from zk.errors import ArtifactError, OptionError, ZkError
from zk.graph_inputs import graph_inputs
from zk.pipeline import ProofRun, prove_sample
from zk.plan import PlanGoal
from zk.srs import SrsKind, srs_path
from zk.types import Budget, CircuitOptions, StageResult

DEFAULTS = CircuitOptions()
_HEADERS_BYTES = 2**16


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit status: 0 only when the proof counts and its bundle is written, else 1."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if any(word.startswith("model=") for word in given):
        from zk.prove_model import main as prove_model  # here, because it needs all packages, and other models do not

        return prove_model(given)
    options = _parser().parse_args(given)
    try:
        if options.out.exists():
            raise ArtifactError(f"a bundle must not replace anything; {options.out} exists; choose another name")
        return _prove(options)
    except (ZkError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _prove(options: argparse.Namespace) -> int:
    if options.circuit == "checked":
        return _prove_checked(options)
    circuit = circuit_options(options)
    samples = [load_sample(path, options.model) for path in (options.input, *options.calibration)]
    with _workdir(options.workdir) as workdir:
        run = prove_sample(
            options.model,
            samples[0],
            workdir,
            options=circuit,
            budget=Budget.asked(options.memory_gb * 1e9, options.seconds),
            srs_dir=options.srs_dir,
            calibration_inputs=samples[1:],
            threads=options.threads,
            keep_proving_key=options.keep_proving_key,
            srs_kind=SrsKind(options.srs),
        )
        print("\n".join(stage_lines(run.stages)))
        print("\n".join(verdict_lines(run)))
        if not run.counts_as_proved:
            print(f"NOT PROVED ({run.outcome}); no bundle was written")
            return 1
        bundle = write_bundle(
            run,
            workdir,
            options.out,
            onnx_path=options.model,
            srs_path=srs_path(options.srs_dir, run.logrows or 0, SrsKind(options.srs)),
            config={"options": circuit.to_json(), "srs": options.srs},
        )
    print("\n".join(bundle_lines(bundle)))
    return 0


def _prove_checked(options: argparse.Namespace) -> int:
    """Plan, unless the layout is given; prove every part; write the bundle."""
    samples = [
        tuple(torch.from_numpy(values) for values in load_sample(path, options.model))
        for path in (options.input, *options.calibration)
    ]
    budget = Budget.asked(options.memory_gb * 1e9, options.seconds)
    with _workdir(options.workdir) as workdir:
        layout = _checked_layout(options, samples, workdir / "plan", budget)
        circuit = build_checked(options.model, layout, workdir, budget=budget)
        proving = Proving(
            workdir=workdir,
            srs_dir=options.srs_dir,
            budget=budget,
            srs_kind=SrsKind(options.srs),
            threads=options.threads,
            keep_proving_key=options.keep_proving_key,
            parallel=options.parallel,
        )
        run = prove_checked(options.model, circuit, samples[0], proving)
        print("\n".join(stage_lines(run.stages)))
        print("\n".join(verdict_lines(run)))
        if not run.counts_as_proved:
            print(f"NOT PROVED ({run.outcome}); no bundle was written")
            return 1
        config = {"checked": layout.to_json(), "srs": options.srs}
        bundle = write_checked_bundle(
            run, circuit, options.out, onnx_path=options.model, proving=proving, config=config
        )
    print("\n".join(bundle_lines(bundle)))
    return 0


def _checked_layout(
    options: argparse.Namespace, samples: Sequence[tuple[torch.Tensor, ...]], workdir: Path, budget: Budget
) -> CheckedOptions:
    base = CheckedOptions(
        private_inputs=tuple(options.private),
        salt=options.salt,
        weights=options.weights,
        num_inner_cols=options.columns,
    )
    if options.activation_bits is not None and options.logrows is not None:
        return dataclasses.replace(base, activation_bits=options.activation_bits, logrows=options.logrows)
    columns = [torch.stack(column) for column in zip(*samples, strict=True)]
    goal = PlanGoal(memory_bytes=budget.memory_bytes)
    plan = plan_checked(options.model, columns, workdir, goal=goal, base=base, budget=budget, logrows=options.logrows)
    print(format_checked_plan(plan))
    if plan.best is None:
        raise OptionError(f"some layout must fulfil the goal; none does: {plan.reasons}; allow more memory")
    return plan.best.options


def stage_lines(stages: Sequence[StageResult]) -> list[str]:
    """Lay out the stages as a table; a failed one carries its message."""
    lines = [f"{'stage':<10} {'outcome':<14} {'seconds':>9} {'peak MB':>9}"]
    for stage in stages:
        numbers = f"{stage.wall_seconds:>9.2f} {stage.peak_rss_bytes / 1e6:>9.0f}"
        lines.append(f"{stage.stage:<10} {stage.outcome:<14} {numbers}  {stage.message}".rstrip())
    return lines


def verdict_lines(run: ProofRun | CheckedRun) -> list[str]:
    """State each condition that a proof must meet to count, and the fidelity."""
    lines = [
        f"verified {run.verified}, inputs match {run.inputs_match}, tampered copies rejected {run.tampered_rejected}",
        f"wiring {run.wiring}: {run.wiring_reason or 'not audited'}",
    ]
    costs = [part.cost for part in run.proof.parts] if isinstance(run, CheckedRun) else [run.cost]
    for cost in costs:
        if cost is not None:
            lines.append(f"logrows {cost.logrows}, {cost.rows:,} rows in {cost.blocks} blocks")
    if run.fidelity is not None:
        error = run.fidelity
        lines.append(
            f"error against the float model: mean {error.mean_abs_error:.4g}, greatest {error.max_abs_error:.4g}"
        )
    return lines


def bundle_lines(bundle: Bundle) -> list[str]:
    """State the bundle's bytes by part, and the digests that a verifier should get from elsewhere and pin."""
    total = sum(bundle.member_bytes.values())
    parts = ", ".join(f"{name} {size:,}" for name, size in bundle.member_bytes.items())
    manifest = bundle.manifest
    return [
        f"PROVED; bundle {bundle.path}: {total:,} bytes ({parts})",
        f"SRS {manifest.srs_kind}, logrows {manifest.srs_logrows}, SHA-256 {manifest.srs_sha256}",
        f"to pin: --vk-sha256 {members_sha256(manifest, VK)}",
        f"        --settings-sha256 {members_sha256(manifest, SETTINGS)}",
    ]


_UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, OverflowError, MemoryError),
    *(BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError),
)
"""What files of other shapes, cut or packed in other ways raise in numpy and zipfile."""


def load_sample(path: Path, model: Path) -> list[NDArray[np.float32]]:
    """Read the inputs of one sample: EZKL's JSON (``{"input_data": [[...], ...]}``) or an .npz, never pickled.

    An .npz holds one array for each graph input, under its name, or as ``arr_0``, ``arr_1``, ... in order.

    Returns:
        One float32 array for each graph input, with its shape.

    Raises:
        OptionError: the file cannot be read, or a count of values is not what the model takes.
        ArtifactError: the model cannot be read.

    """
    slots = graph_inputs(model)
    try:
        counts = [int(np.prod(shape)) for _, shape in slots]
        data = _load_npz(path, [name for name, _ in slots], sum(counts)) if path.suffix == ".npz" else _load_json(path)
        if [np.size(values) for values in data] != counts:
            raise ValueError(f"the model takes {slots}; found {[np.shape(values) for values in data]}")
        return [np.asarray(values, np.float32).reshape(shape) for values, (_, shape) in zip(data, slots, strict=True)]
    except _UNREADABLE as error:
        raise OptionError(f"{path} must hold the inputs of {model.name}; {error}; give JSON or .npz") from error


def _load_json(path: Path) -> list[Any]:
    return list(read_json(path)["input_data"])


def _load_npz(path: Path, names: list[str], values: int) -> list[Any]:
    with ZipFile(path) as archive:  # numbers of at most 16 bytes each, before any is unpacked
        if (found := sum(entry.file_size for entry in archive.infolist())) > 16 * values + _HEADERS_BYTES:
            raise ValueError(f"the model takes {values:,} numbers; the arrays have {found:,} bytes")
    with np.load(path, allow_pickle=False) as arrays:
        keys = names if set(names) == set(arrays.files) else [f"arr_{index}" for index in range(len(names))]
        if len(arrays.files) != len(keys):
            raise ValueError(f"arrays must be {names}; found {arrays.files}")
        return [arrays[key] for key in keys]


def circuit_options(options: argparse.Namespace) -> CircuitOptions:
    """Translate the command line; raises OptionError where a value is out of range."""
    return CircuitOptions(
        input_scale_bits=options.input_scale,
        param_scale_bits=options.input_scale if options.param_scale is None else options.param_scale,
        scale_rebase_multiplier=options.rebase_multiplier,
        lookup_range=tuple(options.lookup_range),
        decomp_base=options.decomp_base,
        decomp_legs=options.decomp_legs,
        num_inner_cols=options.columns,
        logrows=options.logrows,
    )


@contextlib.contextmanager
def _workdir(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="zk-prove-") as name:
        yield Path(name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m zk.prove",
        description="Prove one sample of an ONNX model and write its bundle. Exit status 0 only if it counts.",
        epilog="An image of a model that comes with the project: python -m zk.prove model=NAME label=CLASS seed=N; "
        "model=NAME --help has the rest.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("model", type=Path, help="ONNX model with a fixed batch of one")
    add("--input", type=Path, required=True, help="EZKL's input JSON, or .npz")
    add("--out", type=Path, required=True, help="bundle: a folder, or a file ending in .zip; must not exist")
    add("--circuit", choices=("direct", "checked"), default="direct", help="products computed, or claimed and checked")
    add("--private", nargs="*", default=[], metavar="INPUT", help="checked: inputs that stay secret")
    add("--weights", choices=WEIGHTS, default="public", help="checked: known to the verifier, or bound by the key only")
    add("--activation-bits", type=int, help="checked: scale of activations; planned unless it and --logrows are given")
    add("--parallel", type=int, default=1, help="checked: parts proved at once; each may use --memory-gb")
    add("--salt", type=int, default=CheckedOptions.salt, help="checked: random elements that hide what is committed")
    add("--calibration", type=Path, nargs="*", default=[], help="further inputs that the tables must cover")
    add("--srs", choices=[str(kind) for kind in SrsKind], default=str(SrsKind.TEST_ONLY), help="kind of SRS")
    add("--srs-dir", type=Path, default=Path("mlruns/srs"), help="where SRS files are kept")
    add("--logrows", type=int, help="height of the circuit; the cheapest if left out")
    add("--memory-gb", type=float, default=16.0, help="memory of each stage, in 10^9 bytes")
    add("--seconds", type=float, default=3600.0, help="time of each stage")
    add("--threads", type=int, help="worker threads of ezkl; all cores if left out")
    add("--workdir", type=Path, help="keep settings, keys and logs here; a temporary folder if left out")
    add("--keep-proving-key", action="store_true", help="leave it in --workdir; it may take gigabytes")
    add("--input-scale", type=int, default=DEFAULTS.input_scale_bits, help="bits of activations")
    add("--param-scale", type=int, help="bits of weights; --input-scale if left out")
    add("--rebase-multiplier", type=int, default=DEFAULTS.scale_rebase_multiplier, help="when products are rebased")
    add("--lookup-range", type=int, nargs=2, default=DEFAULTS.lookup_range, help="least range of the tables")
    add("--decomp-base", type=int, default=DEFAULTS.decomp_base, help="base of the digits of range checks")
    add("--decomp-legs", type=int, default=DEFAULTS.decomp_legs, help="number of these digits")
    add("--columns", type=int, default=DEFAULTS.num_inner_cols, help="columns that a dot product runs over")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
