"""Checks of the settings in an untrusted bundle, before anything computes with them or hands them to EZKL.

ezkl 23.0.5 reads few of them when it verifies: with another ``decomp_base``, other scales or other tensor shapes the
same proof was still accepted. Yet the range of the public values, and what they mean, follow from these. So settings
belong to what a verifier must pin or rebuild, like the key; here they are only made safe to use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from zk.bundle_manifest import Manifest
from zk.circuit_cost import circuit_cost
from zk.errors import OptionError, VerificationError
from zk.types import CircuitOptions

MAX_PUBLIC_BITS = 128
"""The range of public values may span at most this many bits: nearer to the modulus, signs become ambiguous."""

_MAX_COUNT = 1 << 40
_COUNTS = (
    "num_rows",
    "total_assignments",
    "total_const_size",
    "num_dynamic_lookups",
    "num_shuffles",
    "total_dynamic_col_size",
    "total_shuffle_col_size",
)
_VISIBILITIES = {"Public": "public", "Private": "private", "Fixed": "fixed", "KZGCommit": "polycommit"}
"""EZKL's spelling of those that a bundle may have; hashed values are not offered."""

_VK_HEADER_BYTES, _VK_VERSION, _POINT_BYTES = 7, 3, 64


def options_from_settings(settings: Mapping[str, Any]) -> CircuitOptions:
    """Read our options back from EZKL's settings.

    Raises:
        VerificationError: an option is missing, or of the wrong type or range.

    """
    args = settings["run_args"]
    integers = ("scale_rebase_multiplier", "decomp_base", "decomp_legs", "num_inner_cols", "logrows")
    flags = ("disable_freivalds", "ignore_range_check_inputs_outputs")
    visibilities = ("input_visibility", "output_visibility", "param_visibility")
    try:
        low, high = args["lookup_range"]
        options: dict[str, Any] = {
            "input_scale_bits": _integer(args["input_scale"]),
            "param_scale_bits": _integer(args["param_scale"]),
            "lookup_range": (_integer(low), _integer(high)),
        }
        options |= {name: _integer(args[name]) for name in integers}
        options |= {name: _flag(args[name]) for name in flags}
        options |= {name: _VISIBILITIES[args[name]] for name in visibilities}
        return CircuitOptions(**options)
    except (KeyError, TypeError, ValueError, OptionError) as error:
        raise VerificationError(f"the settings must have options that this package offers; {error!r}") from error


def check_settings(settings: Mapping[str, Any], manifest: Manifest) -> str:
    """Check untrusted settings, also against the manifest; gives what was found, for the report.

    Raises:
        VerificationError: what must hold and does not.

    """
    options = options_from_settings(settings)
    _require(options.logrows == manifest.logrows, f"logrows must be the manifest's {manifest.logrows}", options.logrows)
    _require(options.disable_freivalds, "disable_freivalds must be true: its columns are tied to nothing", "false")
    _require(options.output_visibility == "public", "outputs must be public", options.output_visibility)
    inputs = options.input_visibility
    _require(inputs in ("public", "private"), "inputs must be public or private", inputs)
    _require(
        options.param_visibility == "fixed",
        "weights must be fixed: otherwise the key binds none and any weights will do",
        options.param_visibility,
    )
    bits = options.decomp_legs * (options.decomp_base - 1).bit_length()
    _require(bits <= MAX_PUBLIC_BITS, f"public values may span at most {MAX_PUBLIC_BITS} bits", f"{bits} bits")
    _check_shapes(settings, manifest, options)
    for name in _COUNTS:
        count = settings.get(name)
        _require(type(count) is int and 0 <= count < _MAX_COUNT, f"{name} must be a count", type(count).__name__)
    try:
        einsum_cells = circuit_cost(dict(settings)).einsum_column_cells
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise VerificationError(f"the settings must be EZKL's; {error!r}") from error
    exact = type(settings["einsum_params"]["total_einsum_col_size"]) is int
    _require(exact and einsum_cells == 0, "there must be no Freivalds columns", f"{einsum_cells} cells")
    version = manifest.versions.get("ezkl")
    _require(settings.get("version") == version, f"the settings must be of ezkl {version}", settings.get("version"))
    return f"logrows {options.logrows}, Freivalds off, outputs public, weights fixed"


def _check_shapes(settings: Mapping[str, Any], manifest: Manifest, options: CircuitOptions) -> None:
    """Compare shapes and scales with the manifest, whose own types and ranges were checked when it was read."""
    public = manifest.public
    inputs = [tensor.scale_bits for tensor in public if tensor.role == "input"]
    outputs = [tensor.scale_bits for tensor in public if tensor.role == "output"]
    in_order = [tensor.role for tensor in public] == ["input"] * len(inputs) + ["output"] * len(outputs)
    shapes = [list(tensor.shape) for tensor in public]
    _require(in_order and len(outputs) > 0, "the manifest must list inputs, then outputs", "another order")
    _require_same(settings, "model_instance_shapes", shapes)
    _require_same(settings, "model_output_scales", outputs)
    if options.input_visibility == "public":
        _require_same(settings, "model_input_scales", inputs)
    else:
        _require(not inputs, "private inputs must not be listed as public", f"{len(inputs)} inputs")


def check_vk(vk: bytes, settings: Mapping[str, Any]) -> str:
    """Check that a key has the height and the size of one for these (already checked) settings.

    Layout (seen in keys of ezkl 23.0.5): version, logrows, compression (a byte each), number of fixed columns (4
    bytes); a 64-byte point for each of them and for each permutation column; one bit a row for each selector. EZKL
    itself ignores bytes after these.

    Raises:
        VerificationError: another version, height or size.

    """
    cost = circuit_cost(dict(settings))
    _require(len(vk) > _VK_HEADER_BYTES and vk[0] == _VK_VERSION, f"the key must be of version {_VK_VERSION}", vk[:1])
    _require(vk[1] == cost.logrows, f"the key must be of logrows {cost.logrows}", vk[1])
    fixed = int.from_bytes(vk[3:_VK_HEADER_BYTES], "little")
    selectors = len(vk) - _VK_HEADER_BYTES - _POINT_BYTES * (fixed + cost.columns)
    per_selector = (1 << cost.logrows) // 8
    _require(
        selectors >= 0 and selectors % per_selector == 0,
        f"the key must have {fixed} fixed and {cost.columns} permutation columns and whole selectors",
        f"{len(vk)} bytes",
    )
    return f"logrows {cost.logrows} and {cost.columns} permutation columns, as the settings ask for"


def changed_settings(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Name the entries in which two settings differ; the time, and orders that change from run to run, do not count."""

    def canonical(settings: Mapping[str, Any], name: str) -> Any:
        value = settings.get(name)
        if name == "einsum_params" and isinstance(value, dict):
            return {**value, "equations": sorted(map(repr, map(_sorted_axes, value.get("equations", ()))))}
        if name in ("required_lookups", "required_range_checks"):
            return sorted(json.dumps(table, sort_keys=True) for table in value or ())
        return value

    def same(name: str) -> bool:
        try:  # as JSON, which tells 1 from 1.0 and from true; settings of others may hold anything
            found = [json.dumps(canonical(settings, name), sort_keys=True) for settings in (ours, theirs)]
        except (TypeError, ValueError, AttributeError, KeyError):
            return False
        return found[0] == found[1]

    return [name for name in sorted((set(ours) | set(theirs)) - {"timestamp"}) if not same(name)]


def _sorted_axes(einsum: Any) -> Any:
    equation, sizes = einsum
    return equation, sorted(sizes.items())


def _require_same(settings: Mapping[str, Any], name: str, wanted: list[Any]) -> None:
    same = json.dumps(settings.get(name)) == json.dumps(wanted)  # unlike ==, tells 1 from 1.0 and from true
    _require(same, f"{name} must be the manifest's {wanted}", settings.get(name))


def _require(holds: bool, wanted: str, found: Any) -> None:
    if not holds:
        raise VerificationError(f"{wanted}; found {found!s:.80}")


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"an integer is needed, not {type(value).__name__}")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"true or false is needed, not {type(value).__name__}")
    return value
