"""``python -m zk.verify BUNDLE --srs FILE``: check a proof bundle and say which check failed."""

from __future__ import annotations

import argparse
import dataclasses
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from zk.bundle import read_bundle
from zk.bundle_check import verify_bundle
from zk.bundle_format import BundleError
from zk.bundle_manifest import PublicTensor
from zk.bundle_verdict import BundleVerification, Check
from zk.class_claim import check_class, named_class
from zk.srs import srs_path
from zk.stages import write_json
from zk.types import Budget

ACCEPTED, REJECTED, UNREADABLE = 0, 1, 2
SRS_FOLDER = Path("mlruns/srs")
_MARKS = {"passed": "ok  ", "failed": "FAIL", "not run": "-   "}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit status: 0 accepted, 1 rejected, 2 unreadable (or bad usage)."""
    parser = _parser()
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_intermixed_args(given)
    if not (0 < options.memory_gb < math.inf and options.seconds > 0):
        parser.error("--memory-gb must be above zero and finite, --seconds above zero")
    if not options.expected:
        return _verify(options, lambda result: ())
    if not any(word.startswith("model=") for word in options.expected) or any("=" not in w for w in options.expected):
        parser.error(f"what is expected begins with model=NAME; got {' '.join(options.expected)}")
    if options.model is not None or options.no_rebuild:
        parser.error("model=NAME gives the model, and has key and settings rebuilt: leave --model and --no-rebuild out")
    from zk.verify_model import checked_against  # here, because it needs all packages, and others' bundles do not

    return checked_against(options.expected, options, _verify)


def _verify(options: argparse.Namespace, claims: Callable[[BundleVerification], Sequence[Check]]) -> int:
    result = verify_bundle(
        options.bundle,
        options.srs or default_srs(options.bundle),
        budget=Budget.asked(options.memory_gb * 1e9, options.seconds),
        expected_vk_digest=options.vk_sha256,
        expected_settings_digest=options.settings_sha256,
        expected_model_digest=options.model_sha256,
        model_path=options.model,
        rebuild=not options.no_rebuild,
    )
    named = () if options.same_class is None else (check_class(result, options.same_class),)
    result = dataclasses.replace(result, checks=(*result.checks, *named, *claims(result)))
    print("\n".join(report_lines(result)))
    if options.json is not None:
        try:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            write_json(options.json, report_json(result))
        except OSError as error:  # the verdict stands, but whoever asked for the file must not take an old one for it
            print(f"error: {error}", file=sys.stderr)
            return UNREADABLE
    if result.accepted:
        return ACCEPTED
    return REJECTED if result.readable else UNREADABLE


def default_srs(bundle: Path) -> Path:
    """Return where the SRS that a bundle names lies if it was made here; its digest is checked like any other's."""
    try:
        manifest = read_bundle(bundle).manifest
    except BundleError:  # which the verifier then reports
        return SRS_FOLDER
    return srs_path(SRS_FOLDER, manifest.srs_logrows, manifest.srs_kind)


def describe_tensor(tensor: PublicTensor, values: Sequence[float]) -> str:
    """Say what a public tensor is: its shape, and the class of a one-hot or else the range of its values."""
    text = f"{tensor.role} {tensor.name} {list(tensor.shape)}, scale 2**{tensor.scale_bits}"
    if (named := named_class(values)) is not None:
        return f"{text}: one-hot, class {named}"
    return f"{text}: values from {min(values):g} to {max(values):g}"


def public_lines(result: BundleVerification) -> list[str]:
    """Describe each public tensor, checks apart; none unless their ranges were found good."""
    return [describe_tensor(tensor, values) for tensor, values in result.tensors]


def report_lines(result: BundleVerification) -> list[str]:
    """Lay out the result for a terminal. All text of the bundle's own was checked to be printable when it was read."""
    lines = [f"{_MARKS[check.state]}  {check.name:<15}  {check.reason}".rstrip() for check in result.checks]
    if result.bundle is not None:
        manifest = result.bundle.manifest
        lines += ["", f"bundle    {result.bundle.sha256}", f"model     {manifest.model_sha256} (as recorded)"]
        lines += [f"{name:<9} {manifest.members[name].sha256}" for name in ("vk.key", "settings.json")]
        lines.append("made by   " + ", ".join(f"{name} {version}" for name, version in manifest.versions.items()))
        sizes = result.bundle.member_bytes
        lines.append("bytes     " + ", ".join(f"{name} {size:,}" for name, size in sizes.items()))
        lines += [f"public    {line}" for line in public_lines(result)]
    lines += ["", *(f"note: {note}" for note in result.notes)]
    failed = ", ".join(result.failed)
    verdict = "ACCEPTED" if result.accepted else f"REJECTED: {failed}" if result.readable else f"UNREADABLE: {failed}"
    return [*lines, verdict]


def report_json(result: BundleVerification) -> dict[str, Any]:
    """Give the result as JSON values."""
    bundle = result.bundle
    return {
        "accepted": result.accepted,
        "readable": result.readable,
        "failed": list(result.failed),
        "checks": [{"name": c.name, "state": str(c.state), "reason": c.reason} for c in result.checks],
        "notes": list(result.notes),
        "bundle_sha256": None if bundle is None else bundle.sha256,
        "manifest": None if bundle is None else bundle.manifest.to_json(),
        "member_bytes": None if bundle is None else dict(bundle.member_bytes),
        "public": public_lines(result),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m zk.verify",
        description="Check a proof bundle. Exit status: 0 accepted, 1 rejected, 2 unreadable.",
    )
    parser.add_argument("bundle", type=Path, help="folder or .zip")
    parser.add_argument(
        "expected",
        nargs="*",
        metavar="model=NAME",
        help="the bundle must be of this model that comes with the project, in the layout that it comes with; with "
        "chain=true, of it and the classifier behind it; label=CLASS: of that class; seed=N: of the public latent of "
        "that seed (a private latent may be any); srs=test-only: under a reference string whose maker can forge",
    )
    parser.add_argument(
        "--srs", type=Path, help=f"the SRS file that the bundle was proved with; looked for in {SRS_FOLDER} if left out"
    )
    parser.add_argument("--vk-sha256", type=_sha256, help="verification key that you trust")
    parser.add_argument("--settings-sha256", type=_sha256, help="settings that you trust; they belong to the key")
    parser.add_argument("--model-sha256", type=_sha256, help="model that must be the recorded one")
    parser.add_argument("--model", type=Path, help="ONNX model: rebuild key and settings from it (as dear as a setup)")
    parser.add_argument("--no-rebuild", action="store_true", help="use --model for a checked circuit's challenge only")
    parser.add_argument(
        "--same-class",
        metavar="INPUT",
        help="the last output must be greatest at the class that this public input names (a chain: python -m zk.chain)",
    )
    parser.add_argument("--json", type=Path, help="write the result here too")
    parser.add_argument("--memory-gb", type=float, default=8.0, help="memory of each child, in 10^9 bytes (8)")
    parser.add_argument("--seconds", type=float, default=600.0, help="time of each child (600)")
    return parser


def _sha256(text: str) -> str:
    if re.fullmatch(r"[0-9a-fA-F]{64}", text) is None:
        raise argparse.ArgumentTypeError("a SHA-256 has 64 hex digits")
    return text.lower()
