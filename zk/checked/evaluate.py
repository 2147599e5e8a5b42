"""The prover's integers: every value of a program, computed exactly as its circuit does."""

from __future__ import annotations

import functools
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from torch import Tensor

from zk.checked.errors import CheckedError
from zk.checked.kinds import SUMS
from zk.checked.program import RELU, Claim, Exact, Foreign, Lookup, Program, Raise, Times
from zk.simulation.exact import INT_LIMIT, multiply, peak, round_half_away
from zk.simulation.lookups import look_up

_OPSET = 17


class ForeignValues(Protocol):
    """Computes a node that the compiler left to EZKL, with EZKL."""

    def __call__(self, step: Foreign, batch: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        """Give the node's output, int64, for each tuple of its inputs."""
        ...


@dataclass(frozen=True, eq=False)
class Run:
    """What one input gives.

    Attributes:
        claims: for each claim its tensors, int64: quotient and remainder, or the product itself.
        outputs: int64, one for each output of the network.
        looked_up: least and greatest integer that a table is asked for.
    """

    claims: tuple[tuple[Tensor, ...], ...]
    outputs: tuple[Tensor, ...]
    looked_up: tuple[int, int]


def quantise(program: Program, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Round real inputs to the program's integers.

    Raises:
        CheckedError: another number of tensors, or of elements.
    """
    sizes = [value.size for value in program.inputs]
    if [tensor.numel() for tensor in inputs] != sizes:
        raise CheckedError(f"inputs must have {sizes} elements; got {[tensor.numel() for tensor in inputs]}")
    return tuple(
        round_half_away(tensor.double() * 2.0**value.bits).long().reshape(value.shape)
        for tensor, value in zip(inputs, program.inputs, strict=True)
    )


@dataclass(frozen=True, eq=False)
class Asked:
    """What a run needs from EZKL before it can go on: the output of ``step`` on ``values``."""

    step: Foreign
    values: tuple[Tensor, ...]


def run_program(
    program: Program, inputs: Sequence[Tensor], foreign: ForeignValues, *, within_tables: bool = True
) -> Run:
    """Compute a program on integers.

    Args:
        program: from :func:`zk.checked.compiler.compile_program`.
        inputs: int64, of the inputs' shapes.
        foreign: computes what the program leaves to EZKL.
        within_tables: refuse integers that no table holds; False only measures them.

    Raises:
        CheckedError: a table would be asked for what it does not hold: more table bits or fewer activation bits.
    """
    (run,) = run_programs(program, [inputs], foreign, within_tables=within_tables)
    return run


def run_programs(
    program: Program, batch: Sequence[Sequence[Tensor]], foreign: ForeignValues, *, within_tables: bool = True
) -> list[Run]:
    """Compute a program on a batch of inputs, step by step together where it needs EZKL; as :func:`run_program`."""
    runs = [_steps_of(program, inputs, within_tables) for inputs in batch]
    ended = list[Run]()
    answers: Sequence[Tensor | None] = [None] * len(runs)
    while len(ended) < len(runs):
        asked = list[Asked]()
        for run, answer in zip(runs, answers, strict=True):
            try:
                asked.append(run.send(answer))
            except StopIteration as stop:
                ended.append(stop.value)
        if asked:  # all runs take the same steps
            answers = foreign(asked[0].step, [one.values for one in asked])
    return ended


def _steps_of(program: Program, inputs: Sequence[Tensor], within_tables: bool) -> Generator[Asked, Tensor | None, Run]:
    """One input's run: yields what it needs from EZKL, is sent the answer, returns what it gives."""
    values: dict[str, Tensor] = {slot.name: tensor for slot, tensor in zip(program.inputs, inputs, strict=True)}
    claims: list[tuple[Tensor, ...]] = []
    asked = [0, 0]

    def note(name: str, found: Tensor) -> None:
        low, high = int(found.min()), int(found.max())
        asked[:] = min(asked[0], low), max(asked[1], high)
        half = program.options.half_range
        if within_tables and not (-half <= low and high < half):
            raise CheckedError(
                f"tables hold {-half}..{half - 1}; {name!r} reaches {low}..{high}; use fewer "
                "activation_bits or a greater logrows"
            )

    for slot in program.inputs:
        if slot.name in program.options.private_inputs:
            note(slot.name, values[slot.name])
    for step in program.steps:
        if isinstance(step, Claim):
            parts = _claim(program, step, [values[value.name] for value in step.inputs])
            claims.append(parts)
            values[step.output.name] = parts[0]
            if step.in_range != "output":
                note(step.output.name, parts[0])
        elif isinstance(step, Raise):
            values[step.output.name] = values[step.input.name]
        elif isinstance(step, Lookup):
            note(step.input.name, values[step.input.name])
            values[step.output.name] = table_values(step, values[step.input.name])
        elif isinstance(step, Times):
            left = values[step.inputs[0].name]
            right = torch.from_numpy(step.constant) if step.constant is not None else values[step.inputs[1].name]
            values[step.output.name] = multiply(left, right).long()
        elif isinstance(step, Exact):
            values[step.output.name] = _exact(step, values)
        else:
            answer = yield Asked(step, tuple(values[value.name] for value in step.inputs))
            assert answer is not None
            values[step.output.name] = answer
    outputs = tuple(values[value.name] for value in program.outputs)
    return Run(tuple(claims), outputs, (asked[0], asked[1]))


def table_values(step: Lookup, values: Tensor) -> Tensor:
    """Look integers up; the function sees them at the declared scale."""
    if step.function == RELU:
        return values.clamp(min=0)
    return look_up(step.function, values.double(), 2.0**step.input.declared).long()


def _claim(program: Program, step: Claim, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    product = step.map.forward(inputs[0]) if step.map is not None else _exact_matmul(inputs[0], inputs[1])
    product = product.reshape(step.output.shape)
    if not step.divided:
        return (product,)
    divisor = program.options.divisor
    lifted = _below(product, step.lift) * step.lift
    quotient = torch.div(lifted + divisor // 2, divisor, rounding_mode="floor")  # to the nearest, halves up
    return quotient, lifted - quotient * divisor


def _exact_matmul(left: Tensor, right: Tensor) -> Tensor:
    reach = int(left.abs().max()) * int(right.abs().max()) * left.shape[-1]
    if reach >= 1 << 62:
        raise CheckedError(f"products must stay below 2**62; they may reach {reach}")
    return torch.matmul(left, right)


def _below(values: Tensor, factor: int) -> Tensor:
    """Refuse values whose product with a factor could leave 64 bits."""
    if peak(values) * factor >= INT_LIMIT:
        raise CheckedError(f"integers must stay below 2**62; {peak(values)} times {factor} may not; use fewer bits")
    return values


def _exact(step: Exact, values: Mapping[str, Tensor]) -> Tensor:
    top, kind = step.output.bits, step.node.op_type
    if len({slot.bits for slot in step.inputs}) > 1 and kind not in ("Add", "Sub"):
        raise CheckedError(f"{kind} must have operands of one scale")
    terms = {"Add": 2, "Sub": 2, "ReduceSum": max(step.inputs[0].size, 1)}.get(kind, 1)
    feeds = {
        slot.name: (_below(values[slot.name], terms << (top - slot.bits)) << (top - slot.bits)).numpy()
        for slot in step.inputs
    }
    constants = dict(step.constants)
    if kind in SUMS:
        constants = {name: _integers(array, top) for name, array in constants.items()}
    found = _evaluate(step.node, feeds, constants)
    return torch.from_numpy(np.ascontiguousarray(found).astype(np.int64)).reshape(step.output.shape)


def _integers(constant: NDArray[Any], bits: int) -> NDArray[Any]:
    """A real constant at scale ``2**bits``; others (axes) as they are."""
    if not np.issubdtype(constant.dtype, np.floating):
        return constant
    scaled = constant.astype(np.float64) * 2.0**bits
    if np.abs(scaled).max(initial=0.0) * 2 >= INT_LIMIT:
        raise CheckedError(f"constants must stay below 2**61 at {bits} bits; one is {np.abs(constant).max():.3g}")
    return np.asarray(scaled.astype(np.int64))


def _evaluate(
    node: onnx.NodeProto, feeds: Mapping[str, NDArray[Any]], constants: Mapping[str, NDArray[Any]]
) -> NDArray[Any]:
    key = node.SerializeToString(deterministic=True)
    shapes = tuple((name, array.shape) for name, array in feeds.items())
    initial = tuple((name, array.tobytes(), array.dtype.str, array.shape) for name, array in constants.items())
    (found,) = _evaluator(key, shapes, initial).run(None, dict(feeds))
    return np.asarray(found)


@functools.lru_cache(maxsize=1024)
def _evaluator(
    node: bytes, shapes: tuple[tuple[str, tuple[int, ...]], ...], constants: tuple[tuple[str, bytes, str, Any], ...]
) -> ReferenceEvaluator:
    """The reference implementation of one node on integers."""
    read = onnx.NodeProto.FromString(node)
    slots = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, shape) for name, shape in shapes]
    target = onnx.helper.make_tensor_value_info(read.output[0], onnx.TensorProto.INT64, None)
    initial = [
        onnx.numpy_helper.from_array(np.frombuffer(data, kind).reshape(shape), name)
        for name, data, kind, shape in constants
    ]
    graph = onnx.helper.make_graph([read], "step", slots, [target], initial)
    return ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", _OPSET)]))
