"""Thin functions around ezkl, the only importer of it.

Each function takes and returns plain JSON values, so that :mod:`zk.child` can call it in a process of its own. Whatever
ezkl raises becomes one :class:`~zk.errors.BackendError` with ezkl's message.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import inspect
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ezkl

from zk.errors import BackendError
from zk.types import CircuitOptions


def _call(name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    async def settle() -> Any:
        result = function(*args, **kwargs)  # some versions of ezkl return a future and need a running loop to make it
        return await result if inspect.isawaitable(result) else result

    try:
        return asyncio.run(settle())
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a Rust panic derives from BaseException
        raise BackendError(f"ezkl.{name} refused: {error}") from error


def version() -> str:
    """Version of ezkl."""
    return importlib.metadata.version("ezkl")


def run_args(options: CircuitOptions, logrows: int) -> Any:
    """Translate our options to ezkl's PyRunArgs at a given height."""
    args: Any = ezkl.PyRunArgs()
    args.input_visibility = options.input_visibility
    args.output_visibility = options.output_visibility
    args.param_visibility = options.param_visibility
    args.input_scale = options.input_scale_bits
    args.param_scale = options.param_scale_bits
    args.scale_rebase_multiplier = options.scale_rebase_multiplier
    args.lookup_range = options.lookup_range
    args.decomp_base = options.decomp_base
    args.decomp_legs = options.decomp_legs
    args.num_inner_cols = options.num_inner_cols
    args.logrows = logrows
    args.disable_freivalds = options.disable_freivalds
    args.ignore_range_check_inputs_outputs = options.ignore_range_check_inputs_outputs
    return args


def gen_settings(*, onnx: str, settings: str, options: dict[str, Any], logrows: int) -> bool:
    """Write ``settings`` for an ONNX file; rows and lookups come from ezkl's dry layout."""
    args = run_args(CircuitOptions.from_json(options), logrows)
    return bool(_call("gen_settings", ezkl.gen_settings, onnx, settings, py_run_args=args))


def calibrate(
    *,
    data: str,
    onnx: str,
    settings: str,
    scale_bits: int,
    rebase_multipliers: list[int],
    margin: float,
    max_logrows: int,
) -> bool:
    """Let ezkl set the lookup range from calibration inputs, offering it one scale and these multipliers only."""
    return bool(
        _call(
            "calibrate_settings",
            ezkl.calibrate_settings,
            data,
            onnx,
            settings,
            target="resources",
            lookup_safety_margin=margin,
            scales=[scale_bits],
            scale_rebase_multiplier=rebase_multipliers,
            max_logrows=max_logrows,
        )
    )


def compile_circuit(*, onnx: str, compiled: str, settings: str) -> bool:
    """Compile the model at the settings."""
    return bool(_call("compile_circuit", ezkl.compile_circuit, onnx, compiled, settings))


def gen_srs(*, srs: str, logrows: int) -> None:
    """Write a fresh SRS whose secret this machine knew: for tests only."""
    _call("gen_srs", ezkl.gen_srs, srs, logrows)


def setup(*, compiled: str, vk: str, pk: str, srs: str) -> bool:
    """Write verification and proving key."""
    return bool(_call("setup", ezkl.setup, compiled, vk, pk, srs))


def gen_witness(*, data: str, compiled: str, witness: str, vk: str, srs: str) -> None:
    """Run the model on one input and write the witness."""
    _call("gen_witness", ezkl.gen_witness, data, compiled, witness, vk, srs)


def plain_outputs(*, inputs: str, compiled: str, outputs: str) -> None:
    """Run the model on many inputs without keys.

    Args:
        inputs: JSON file with a list, for each run one list of felts for each input of the model.
        compiled: the model.
        outputs: receives, for each run, one list of felts for each output.
    """
    with tempfile.TemporaryDirectory() as folder:
        data, witness = Path(folder, "input.json"), Path(folder, "witness.json")
        found = []
        for values in json.loads(Path(inputs).read_text()):
            data.write_text(json.dumps({"input_data": values}))
            _call("gen_witness", ezkl.gen_witness, str(data), compiled, str(witness))
            found.append(json.loads(witness.read_text())["outputs"])
    Path(outputs).write_text(json.dumps(found))


def commit(*, columns: str, vk: str, settings: str, srs: str) -> list[str]:
    """Commit to columns of field elements.

    Args:
        columns: JSON file with a list of columns, each a list of 64-digit little-endian elements.
        vk: verification key; commitments depend on its height.
        settings: of the circuit.
        srs: reference string.

    Returns:
        For each column its points as they open a proof: x and y of 32 bytes each, big-endian, in hex.
    """
    found = []
    for column in json.loads(Path(columns).read_text()):
        points = _call("kzg_commit", ezkl.kzg_commit, column, vk, settings, srs)
        found.append("".join(_big_endian(point.x) + _big_endian(point.y) for point in points))
    return found


def _big_endian(felt: Any) -> str:
    return bytes.fromhex(str(felt).removeprefix("0x"))[::-1].hex()


def prove(*, witness: str, compiled: str, pk: str, proof: str, srs: str) -> None:
    """Write a proof of the witness."""
    _call("prove", ezkl.prove, witness, compiled, pk, proof, srs)


def verify(*, proof: str, settings: str, vk: str, srs: str) -> bool:
    """Check a proof; False or :class:`BackendError` when it does not hold."""
    return bool(_call("verify", ezkl.verify, proof, settings, vk, srs))
