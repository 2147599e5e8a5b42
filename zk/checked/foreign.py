"""Operators that the compiler leaves to EZKL: it gives their scales and values itself, on circuits of one node."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from zk.checked.errors import CheckedError
from zk.checked.options import CheckedOptions
from zk.checked.program import Foreign, Value
from zk.circuit_cost import load_settings
from zk.field import felt_to_int, int_to_felt
from zk.stages import StageFailed, StageRunner, write_json
from zk.types import Budget, CircuitOptions

_OPSET = 17


def circuit_options(options: CheckedOptions) -> CircuitOptions:
    """EZKL's options of a checked circuit: everything at the activations' scale, nothing divided back."""
    half = options.half_range
    return CircuitOptions(
        input_scale_bits=options.activation_bits,
        param_scale_bits=options.activation_bits,
        scale_rebase_multiplier=10,
        lookup_range=(-half, half - 1),
        num_inner_cols=options.num_inner_cols,
        logrows=options.logrows,
        input_visibility="polycommit",
    )


@final
class ForeignNodes:
    """Circuits of one node each, drafted once, in one folder.

    Args:
        options: of the checked circuit.
        workdir: receives the circuits.
        budget: limits of each call of EZKL.
    """

    def __init__(self, options: CheckedOptions, workdir: Path, budget: Budget) -> None:
        self._options = circuit_options(options)
        self._workdir = workdir
        self._budget = budget
        self._drafted: dict[str, dict[str, Any]] = {}
        self._compiled: set[str] = set()

    def scale(self, node: onnx.NodeProto, inputs: Sequence[Value], constants: Mapping[str, NDArray[Any]]) -> int:
        """Scale of the node's output in EZKL, in bits."""
        settings = self._settings(self._model(node, inputs, constants))
        return int(settings["model_output_scales"][0])

    def rows(self, step: Foreign) -> int:
        """Rows of the node's own circuit, an upper bound of what it takes in a greater one."""
        return int(self._settings(self._model(step.node, step.inputs, step.constants))["num_rows"])

    def values(self, step: Foreign, batch: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        """What EZKL computes for a node, as int64, for each tuple of inputs; all in one call of EZKL's process."""
        folder = self._folder(model := self._model(step.node, step.inputs, step.constants))
        self._settings(model)
        runner = StageRunner(folder, self._options, self._budget)
        felts = [[[int_to_felt(int(value)) for value in tensor.flatten()] for tensor in values] for values in batch]
        write_json(runner.file("inputs.json"), felts)
        file = {name: str(runner.file(name)) for name in ("node.onnx", "node.ezkl", "settings.json", "inputs.json")}
        compiling = {"onnx": file["node.onnx"], "compiled": file["node.ezkl"], "settings": file["settings.json"]}
        outputs = runner.file("outputs.json")
        running = {"inputs": file["inputs.json"], "compiled": file["node.ezkl"], "outputs": str(outputs)}
        try:
            if folder.name not in self._compiled:  # once for all samples
                runner.run("compile", "zk.backend:compile_circuit", compiling)
                self._compiled.add(folder.name)
            runner.run("witness", "zk.backend:plain_outputs", running)
        except StageFailed as failure:
            raise CheckedError(f"EZKL must compute {step.node.name!r} ({step.node.op_type}); {failure}") from failure
        return [
            torch.tensor([felt_to_int(felt) for felt in found], dtype=torch.int64).reshape(step.output.shape)
            for (found,) in json.loads(outputs.read_text())
        ]

    def _settings(self, model: onnx.ModelProto) -> dict[str, Any]:
        folder = self._folder(model)
        if folder.name not in self._drafted:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / "node.onnx"
            onnx.save(model, str(path))
            try:
                self._drafted[folder.name] = StageRunner(folder, self._options, self._budget).settings(path)
            except StageFailed as failure:
                node = model.graph.node[-1]
                raise CheckedError(
                    f"{node.op_type} has no checked form and EZKL refuses it, too; {failure}"
                ) from failure
        return self._drafted[folder.name] or load_settings(folder / "settings.json")

    def _folder(self, model: onnx.ModelProto) -> Path:
        """One for each node and options: circuits of other options may share the parent."""
        options = json.dumps(self._options.to_json(), sort_keys=True).encode()
        return self._workdir / hashlib.sha256(options + model.SerializeToString(deterministic=True)).hexdigest()[:16]

    def _model(
        self, node: onnx.NodeProto, inputs: Sequence[Value], constants: Mapping[str, NDArray[Any]]
    ) -> onnx.ModelProto:
        """The node behind integers that are declared at their scales."""
        nodes, slots, initial = [], [], []
        names = {}
        for position, value in enumerate(inputs):
            given, real, factor, found = (f"zk:{part}:{position}" for part in ("in", "real", "factor", "at"))
            slots.append(helper.make_tensor_value_info(given, TensorProto.INT64, list(value.shape)))
            nodes.append(helper.make_node("Cast", [given], [real], to=TensorProto.FLOAT))
            initial.append(numpy_helper.from_array(np.array(2.0**-value.declared, np.float32), factor))
            nodes.append(helper.make_node("Mul", [real, factor], [found]))
            names[value.name] = found
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for position, name in enumerate(copy.input):
            copy.input[position] = names.get(name, name)
        copy.output[0] = "zk:out"
        copy.name = "node"
        nodes.append(copy)
        initial += [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
        target = helper.make_tensor_value_info("zk:out", TensorProto.FLOAT, None)
        graph = helper.make_graph(nodes, "node", slots, [target], initial)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
        model.ir_version = 8
        return onnx.shape_inference.infer_shapes(model)
