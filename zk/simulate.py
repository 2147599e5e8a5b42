"""A batched simulator of a circuit: the integers of EZKL's witness for thousands of inputs at once.

The compiled circuit itself is read and evaluated (:mod:`zk.simulation.compiled`), in integer arithmetic that is exact
or refused (:mod:`zk.simulation.exact`). So outputs equal those that a proof would publish, bit by bit.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from zk.child import run_in_child
from zk.circuit_cost import load_settings
from zk.simulation.compiled import CompiledGraph, Node, read_graph
from zk.simulation.errors import SimulationError
from zk.simulation.exact import round_half_away, settle
from zk.simulation.guard import RangeGuard
from zk.simulation.operators import RULES, evaluate
from zk.types import Budget

__all__ = ["IntegerCircuit", "Simulation", "SimulationError", "load_circuit", "read_circuit"]

CHUNK_ELEMENTS = 1 << 22
"""Elements of a chunk's largest tensor, when the caller leaves the size of chunks open (32 MiB as float64)."""

_FLOAT32 = 2
_COMPILE_BUDGET = Budget(8 << 30, 1800.0)


@dataclass(frozen=True)
class Simulation:
    """What a circuit gives for N inputs.

    Attributes:
        outputs: float64 tensors [N, ...], one for each output: the integers divided by ``2**scale``.
        integers: int64 tensors of the same shapes, as the circuit publishes them.
        in_range: bool [N]; False where a lookup or a decomposed value is out of range, so that no proof exists, or
            where a public value is so large that :func:`zk.verify.verify_proof` rejects it.
        decomposed_peak: greatest magnitude among all values that the circuit splits into digits, and the public ones;
            for all samples to be in range, ``decomp_base**decomp_legs`` must exceed it.
        looked_up: least and greatest integer that the circuit looks up in a table, and zero.

    """

    outputs: tuple[Tensor, ...]
    integers: tuple[Tensor, ...]
    in_range: Tensor
    decomposed_peak: int
    looked_up: tuple[int, int]


@final
class IntegerCircuit:
    """A compiled circuit that can be run on batches.

    Args:
        graph: its nodes.
        settings: the settings that it was compiled with.

    Raises:
        SimulationError: an operator or an input's type is not supported, or graph and settings disagree.

    """

    def __init__(self, graph: CompiledGraph, settings: Mapping[str, Any]) -> None:
        self._nodes = {node.index: node for node in graph.nodes}
        self._inputs = [self._nodes[index] for index in graph.inputs]
        self._outputs = [self._nodes[index] for index in graph.outputs]
        self._run_args = settings["run_args"]
        self._constants: dict[int, Tensor] = {}
        for node in graph.nodes:
            if node.operator.name == "Constant":
                values = torch.as_tensor(node.operator.fields["values"])
                self._constants[node.index] = settle(values).reshape(1, *node.shape)
            elif node.operator.name != "Input" and node.operator.name not in RULES:
                raise SimulationError(
                    f"node {node.index}: {node.operator.name} is not simulated; supported are {', '.join(RULES)}"
                )
        readers = Counter(index for node in graph.nodes for index in node.inputs)
        # Measured: ezkl range-checks a constant that several nodes read, where public values are left to the verifier.
        unchecked = bool(self._run_args.get("ignore_range_check_inputs_outputs", False))
        self._shared = [index for index in self._constants if unchecked and readers[index] > 1]
        self._last_reader = {read: node.index for node in graph.nodes for read in node.inputs}
        self._check(graph, settings)

    def _check(self, graph: CompiledGraph, settings: Mapping[str, Any]) -> None:
        given = {node.index for node in graph.nodes if node.operator.name == "Input"}
        if given != set(graph.inputs) or any(node.operator.fields["datum"] != _FLOAT32 for node in self._inputs):
            raise SimulationError("every input of the circuit must be a float32 tensor; export it so")
        scales = [node.scale_bits for node in self._inputs], [node.scale_bits for node in self._outputs]
        told = list(settings["model_input_scales"]), list(settings["model_output_scales"])
        if scales != told:
            raise SimulationError(
                f"circuit and settings must agree on scales; found {scales} and {told}; compile with these settings"
            )

    @property
    def input_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the inputs, for a batch of one."""
        return tuple(node.shape for node in self._inputs)

    @property
    def output_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the outputs, for a batch of one."""
        return tuple(node.shape for node in self._outputs)

    @property
    def output_scale_bits(self) -> tuple[int, ...]:
        """Scale of each output."""
        return tuple(node.scale_bits for node in self._outputs)

    def run(self, inputs: Sequence[Tensor], *, chunk_samples: int | None = None) -> Simulation:
        """Run the circuit on N inputs, on their device.

        Args:
            inputs: one tensor [N, ...] for each input of the circuit, of any floating type; a leading axis of size 1 in
                the circuit's shape becomes the axis of the N samples.
            chunk_samples: how many to run at once; None for as many as keep a tensor below ``CHUNK_ELEMENTS`` elements.

        Raises:
            SimulationError: shapes do not fit, an input is not finite, or a result would not be exact.

        """
        columns = self._columns(inputs)
        samples = columns[0].shape[0]
        largest = max(node_elements(node) for node in self._nodes.values())
        size = chunk_samples or max(1, CHUNK_ELEMENTS // largest)
        constants = {index: values.to(columns[0].device) for index, values in self._constants.items()}
        with torch.no_grad():
            parts = [
                self._run_chunk([column[start : start + size] for column in columns], constants)
                for start in range(0, samples, size)
            ]
        integers = tuple(
            torch.cat([found[place].long() for found, _ in parts]).reshape(samples, *_sample_shape(node.shape))
            for place, node in enumerate(self._outputs)
        )
        outputs = tuple(
            values.double() / 2.0**node.scale_bits for values, node in zip(integers, self._outputs, strict=True)
        )
        guards = [guard for _, guard in parts]
        return Simulation(
            outputs,
            integers,
            torch.cat([guard.in_range for guard in guards]),
            max(guard.decomposed_peak for guard in guards),
            (min(guard.looked_up[0] for guard in guards), max(guard.looked_up[1] for guard in guards)),
        )

    def _columns(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        shapes = [tuple(x.shape[1:]) for x in inputs]
        expected = [_sample_shape(node.shape) for node in self._inputs]
        counts = {x.shape[0] for x in inputs}
        if shapes != expected or len(counts) != 1:
            raise SimulationError(
                f"inputs must be [N, ...] with the shapes {expected} after N; found {[tuple(x.shape) for x in inputs]}"
            )
        if counts == {0}:
            raise SimulationError("inputs must hold at least one sample; got none")
        if not all(bool(torch.isfinite(x).all()) for x in inputs):
            raise SimulationError("inputs must be finite; found otherwise")
        samples = inputs[0].shape[0]
        return [
            round_half_away(x.float().double() * 2.0**node.scale_bits).reshape(samples, *node.shape)
            for x, node in zip(inputs, self._inputs, strict=True)
        ]

    def _run_chunk(self, columns: list[Tensor], constants: dict[int, Tensor]) -> tuple[list[Tensor], RangeGuard]:
        guard = RangeGuard(columns[0].shape[0], self._run_args, columns[0].device)
        values = dict(constants)
        for index in self._shared:
            guard.decompose(constants[index])
        for node, column in zip(self._inputs, columns, strict=True):
            guard.decompose(column)  # by the circuit, or by the verifier where the circuit leaves it out
            values[node.index] = column
        kept = {node.index for node in self._outputs}
        for node in self._nodes.values():
            if node.index not in values:
                values[node.index] = evaluate(node, [values[index] for index in node.inputs], guard)
            for index in set(node.inputs) - kept:
                if self._last_reader[index] == node.index:
                    del values[index]
        found = [values[node.index].expand(columns[0].shape[0], *node.shape) for node in self._outputs]
        for output in found:
            guard.decompose(output)
        return found, guard


def node_elements(node: Node) -> int:
    """Number of elements of a node's output, for a batch of one."""
    return max(1, torch.Size(node.shape).numel())


def _sample_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of one sample: a leading axis of size 1 is the batch that the circuit was exported with."""
    return shape[1:] if shape[:1] == (1,) else shape


def read_circuit(compiled_path: Path, settings: Mapping[str, Any]) -> IntegerCircuit:
    """Read a circuit that was compiled with ``settings`` (zk.stages.StageRunner's "circuit.ezkl").

    Raises:
        SimulationError: the file is not a compiled circuit of ezkl 23.0.5, or has an operator that is not simulated.

    """
    args = settings["run_args"]
    try:
        data = compiled_path.read_bytes()
    except OSError as error:
        raise SimulationError(f"{compiled_path} must be a compiled circuit; {error}; compile it first") from error
    graph = read_graph(data, input_scale_bits=int(args["input_scale"]), param_scale_bits=int(args["param_scale"]))
    return IntegerCircuit(graph, settings)


def load_circuit(
    onnx_path: Path, settings: Mapping[str, Any] | Path, *, budget: Budget = _COMPILE_BUDGET
) -> IntegerCircuit:
    """Compile a model in a child process and read the circuit; nothing is left on disk.

    Args:
        onnx_path: model with a fixed batch of one, as :func:`zk.export.export_onnx` writes it.
        settings: ezkl's settings, or the file that holds them; calibration, if any, must be done.
        budget: limits of the child process.

    Raises:
        SimulationError: ezkl could not compile it, or the circuit has an operator that is not simulated.
        ArtifactError: the settings' file is not one.

    """
    content = load_settings(settings) if isinstance(settings, Path) else settings
    with tempfile.TemporaryDirectory(prefix="zk-simulate-") as name:
        folder = Path(name)
        (folder / "settings.json").write_text(json.dumps(content))
        kwargs = {
            "onnx": str(onnx_path),
            "compiled": str(folder / "circuit.ezkl"),
            "settings": str(folder / "settings.json"),
        }
        run = run_in_child(
            "compile", "zk.backend:compile_circuit", kwargs, budget=budget, log_path=folder / "compile.log"
        )
        if not run.result.ok:
            raise SimulationError(f"the model must compile before it can be simulated; {run.result.message}")
        return read_circuit(folder / "circuit.ezkl", content)
