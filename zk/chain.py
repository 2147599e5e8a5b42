"""``python -m zk.chain GENERATOR.onnx CLASSIFIER.onnx CHAIN.onnx``: one network of two, so that one proof is of both.

The second network reads what the first gives out, and both outputs stay outputs: a proof of the chain shows an image
and what the classifier makes of that very image, linked inside one circuit. Whoever has both networks makes the same
chain, byte for byte, so its SHA-256 commits to both.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import compose

from atomic_files import write_bytes
from zk.errors import ArtifactError, ZkError
from zk.graph_inputs import model_inputs, slot_shape
from zk.lower import load_model
from zk.srs import file_sha256

FIRST, SECOND = "first/", "second/"


def chain_models(first: onnx.ModelProto, second: onnx.ModelProto) -> onnx.ModelProto:
    """Feed the output of ``first`` to ``second``.

    Args:
        first: any inputs, one output of a fixed shape.
        second: one input of that shape, any outputs.

    Returns:
        A network with the inputs of ``first``, then its output, then the outputs of ``second``, all under their names;
        nodes and weights get the prefixes ``first/`` and ``second/``.

    Raises:
        ArtifactError: they do not fit, or share a name of an input or output.
    """
    outputs, inputs = list(first.graph.output), model_inputs(second)
    if len(outputs) != 1 or len(inputs) != 1:
        raise ArtifactError(
            f"the first must have one output and the second one input; found {len(outputs)} and {len(inputs)}; export "
            "them so"
        )
    given, (taken_name, taken) = slot_shape(outputs[0]), inputs[0]
    if given != taken or 0 in given:
        raise ArtifactError(f"the first must give the shape that the second takes, all sizes fixed; {given}, {taken}")
    names = [name for name, _ in model_inputs(first)] + [slot.name for slot in (outputs[0], *second.graph.output)]
    if len(set(names)) < len(names):
        raise ArtifactError(f"inputs and outputs must have names of their own; found {', '.join(names)}; rename one")
    left, right = _prefixed(first, FIRST, rename_inputs=False), _prefixed(second, SECOND, rename_inputs=True)
    try:
        model = compose.merge_models(
            left,
            right,
            io_map=[(outputs[0].name, f"{SECOND}{taken_name}")],
            outputs=[outputs[0].name, *(slot.name for slot in second.graph.output)],
            producer_name="zk.chain",
        )
        versions = {entry.domain: entry.version for entry in model.opset_import}
        del model.opset_import[:]
        model.opset_import.extend(onnx.helper.make_opsetid(*entry) for entry in sorted(versions.items()))
        onnx.checker.check_model(model)
    except (ValueError, onnx.checker.ValidationError) as error:
        raise ArtifactError(f"the two networks must make one; {error}; export both at one opset") from error
    return model


def write_chain(first: Path, second: Path, target: Path) -> str:
    """Write the chain of two ONNX files; gives its SHA-256 hex.

    Raises:
        ZkError: a file is no model, or the two do not fit.
    """
    model = chain_models(load_model(first), load_model(second))
    write_bytes(target, model.SerializeToString(deterministic=True))
    return file_sha256(target)


def _prefixed(model: onnx.ModelProto, prefix: str, *, rename_inputs: bool) -> onnx.ModelProto:
    """A copy in which all but outputs, and inputs if asked, have the prefix, and nothing tells who exported it."""
    copy = compose.add_prefix(model, prefix, rename_inputs=rename_inputs, rename_outputs=False)
    copy.graph.ClearField("doc_string")
    del copy.metadata_props[:]
    return copy


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the chain and print its digest; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m zk.chain", description="One network of two, for one proof of both."
    )
    parser.add_argument("first", type=Path, help="ONNX model with one output, say a generator")
    parser.add_argument("second", type=Path, help="ONNX model of that one input, say a classifier")
    parser.add_argument("target", type=Path, help="where to write the chain")
    given = parser.parse_args(arguments)
    try:
        digest = write_chain(given.first, given.second, given.target)
    except (ZkError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{given.target}  SHA-256 {digest}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
