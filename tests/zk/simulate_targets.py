"""What the simulator's tests run in a child process: EZKL's own witnesses, of many small models at once."""

import json
from pathlib import Path
from typing import Any

import ezkl

from zk import backend
from zk.errors import BackendError
from zk.field import felt_to_int


def witnesses(*, folder: str, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compile each case ("name", "onnx", "options", "logrows") and make a witness of each of its "inputs".

    Leaves ``name.json`` (settings) and ``name.ezkl`` in the folder. Gives, for each case and input, under "integers"
    the outputs, None where EZKL refuses the witness, and under "mock" the mock prover's verdict if the case asks for
    one.
    """
    root = Path(folder)
    found = []
    for case in cases:
        settings, compiled = str(root / f"{case['name']}.json"), str(root / f"{case['name']}.ezkl")
        backend.gen_settings(onnx=case["onnx"], settings=settings, options=case["options"], logrows=case["logrows"])
        backend.compile_circuit(onnx=case["onnx"], compiled=compiled, settings=settings)
        results = [_witness(root, compiled, data, mock=bool(case.get("mock"))) for data in case["inputs"]]
        found.append({"integers": [integers for integers, _ in results], "mock": [passed for _, passed in results]})
    return found


def _witness(root: Path, compiled: str, data: list[list[float]], *, mock: bool) -> tuple[list[list[int]] | None, bool]:
    """Integers of the outputs, and whether the mock prover finds every constraint satisfied (False without it)."""
    (root / "_data.json").write_text(json.dumps({"input_data": data}))
    paths = str(root / "_data.json"), compiled, str(root / "_witness.json")
    try:
        backend._call("gen_witness", ezkl.gen_witness, *paths)
    except BackendError:
        return None, False
    outputs = json.loads((root / "_witness.json").read_text())["outputs"]
    integers = [[felt_to_int(felt) for felt in tensor] for tensor in outputs]
    if not mock:
        return integers, False
    try:
        return integers, bool(backend._call("mock", ezkl.mock, str(root / "_witness.json"), compiled))
    except BackendError:
        return integers, False
