"""A real proof's bundle: round trip, and every way in which it must be rejected, each by the check that names it."""

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_networks import TINY, TinyGenerator

from zk import backend
from zk.bundle import Bundle, read_bundle
from zk.bundle_check import verify_bundle
from zk.bundle_format import DESCRIBED, MANIFEST, MEMBER_LIMITS_BYTES, BundleError
from zk.bundle_manifest import Manifest
from zk.bundle_verdict import BundleVerification, CheckState
from zk.bundle_write import write_bundle
from zk.errors import ArtifactError
from zk.export import export_onnx
from zk.field import MODULUS
from zk.pipeline import ProofRun, prove_sample
from zk.srs import SrsKind, file_sha256, srs_path
from zk.types import Budget, Outcome, StageResult, Wiring
from zk.verify import load_proof

BUDGET = Budget(2 << 30, 120.0)
NAMES = ("latent", "one_hot")
INPUTS = (torch.randn(1, 4, generator=torch.Generator().manual_seed(1)), torch.eye(2)[:1])
CHECKS = ["container", "format", "digests", "settings", "vk", "public_ranges", "wiring", "record", "srs", "ezkl"]


@dataclass(frozen=True)
class Made:
    model: Path
    workdir: Path
    srs: Path
    run: ProofRun
    folder: Path
    zip: Path
    bundle: Bundle


def export(path: Path, *, reverse_rows: bool = False) -> Path:
    """Export the generator, or one with the same weights in other places, whose settings are the same."""
    torch.manual_seed(0)
    module = TinyGenerator()
    if reverse_rows:
        module.first.weight.data = module.first.weight.data.flip(0)
    export_onnx(module, INPUTS, path, NAMES, ("image",))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("bundle")
    model, workdir = export(root / "m.onnx"), root / "work"
    run = prove_sample(
        model, INPUTS, workdir, options=TINY, budget=BUDGET, srs_dir=root / "srs", keep_proving_key=True, threads=1
    )
    assert run.counts_as_proved
    srs = srs_path(root / "srs", run.logrows or 0)
    made = [
        write_bundle(run, workdir, root / name, onnx_path=model, srs_path=srs, config={"b": 1, "a": [2]})
        for name in ("bundle", "bundle.zip")
    ]
    return Made(model, workdir, srs, run, made[0].path, made[1].path, made[0])


@pytest.fixture
def copy(made: Made, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made.folder, tmp_path / "copy"))


def verify(made: Made, path: Path, **kwargs: Any) -> BundleVerification:
    return verify_bundle(path, kwargs.pop("srs", made.srs), budget=BUDGET, **kwargs)


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], None] = lambda data: None) -> None:
    """Change the manifest, then make its digests and its conclusions follow."""
    data = json.loads((folder / MANIFEST).read_text())
    change(data)
    for name in DESCRIBED:
        content = (folder / name).read_bytes()
        data["members"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    verdicts = data["verified"], data["inputs_match"], data["tampered_rejected"], data["audit"]["verdict"] == "linked"
    data["counts_as_proved"] = all(verdicts) and all(stage["outcome"] == "ok" for stage in data["stages"])
    data["outcome"] = data["stages"][-1]["outcome"]
    (folder / MANIFEST).write_text(json.dumps(data))


def edit_settings(folder: Path, section: str, **changes: Any) -> None:
    data = json.loads((folder / "settings.json").read_text())
    (data[section] if section else data).update(changes)
    (folder / "settings.json").write_text(json.dumps(data))
    edit_manifest(folder)


def edit_values(folder: Path, change: Callable[[int], int]) -> None:
    values = json.loads((folder / "public_values.json").read_text())
    values[-1][3] = change(values[-1][3])
    (folder / "public_values.json").write_text(json.dumps(values))
    edit_manifest(folder)


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_folder_and_zip_hold_the_same(made: Made, tmp_path: Path) -> None:
    zipped = read_bundle(made.zip)
    assert dataclasses.replace(zipped, path=made.folder) == made.bundle == read_bundle(made.folder)
    assert set(zipped.member_bytes) == {path.name for path in made.folder.iterdir()} == set(MEMBER_LIMITS_BYTES)
    again = tmp_path / "again.zip"
    write_bundle(made.run, made.workdir, again, onnx_path=made.model, srs_path=made.srs, config={"a": [2], "b": 1})
    assert again.read_bytes() == made.zip.read_bytes()
    left = sorted(path.name for path in made.folder.parent.iterdir())
    assert left == ["bundle", "bundle.zip", "m.onnx", "srs", "work"]


def test_the_manifest_says_what_was_proved(made: Made) -> None:
    manifest = made.bundle.manifest
    assert Manifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest
    assert (manifest.counts_as_proved, manifest.outcome, manifest.wiring) == (True, Outcome.OK, Wiring.LINKED)
    assert (manifest.model_sha256, manifest.srs_sha256) == (file_sha256(made.model), file_sha256(made.srs))
    assert manifest.config_sha256 == hashlib.sha256(b'{"a":[2],"b":1}').hexdigest()
    assert (manifest.srs_kind, manifest.srs_logrows, manifest.logrows) == (SrsKind.TEST_ONLY, 9, 9)
    found = [(tensor.name, tensor.role, tensor.shape, tensor.scale_bits) for tensor in manifest.public]
    inputs = [("latent", "input", (1, 4), 5), ("one_hot", "input", (1, 2), 5)]
    assert found == [*inputs, ("output0", "output", (1, 1, 4, 4), 5)]
    assert manifest.versions["ezkl"] == backend.version()
    assert set(manifest.versions) == {"python", "ezkl", "torch", "onnx", "zkgan-search"}
    assert [(s.stage, s.wall_seconds) for s in manifest.stages] == [(s.stage, s.wall_seconds) for s in made.run.stages]


def test_the_proof_is_kept_once_and_rebuilt(made: Made) -> None:
    original, rebuilt = load_proof(made.workdir / "proof.json"), made.bundle.parts[0].ezkl_proof()
    assert rebuilt == {name: original[name] for name in ("instances", "proof", "hex_proof")}
    assert made.bundle.member_bytes["proof.bin"] == made.run.proof_bytes
    assert sum(made.bundle.member_bytes.values()) < made.run.proof_file_bytes + made.run.vk_bytes


def test_a_good_bundle_is_accepted_and_its_limits_are_stated(made: Made) -> None:
    result = verify(made, made.zip)
    assert [check.name for check in result.checks] == CHECKS
    assert (result.accepted, result.readable, result.failed) == (True, True, ())
    assert result.values is not None
    assert result.values.inputs[1] == (1.0, 0.0)
    assert result.values.outputs[0] == made.run.fidelity.output  # type: ignore[union-attr]
    assert [note.split()[0] for note in result.notes] == ["Verification", "That", "The"]
    assert "test-only" in result.notes[2]


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_flipped_byte_breaks_the_digest(made: Made, copy: Path, name: str) -> None:
    flip(copy / name, (copy / name).stat().st_size // 2)
    result = verify(made, copy)
    assert (result.failed, result.accepted, result.readable, result.bundle) == (("digests",), False, True, None)
    assert name in result.checks[-1].reason


def read_check(path: Path) -> str | None:
    """Name the check that refused a bundle; None if it was read. Any error but ours is a failure of the test."""
    try:
        read_bundle(path)
    except BundleError as error:
        return error.check
    return None


def test_a_flipped_byte_of_the_manifest_is_never_more_than_another_claim(made: Made, copy: Path) -> None:
    found: list[str | None] = []
    for position in range(0, (copy / MANIFEST).stat().st_size, 11):
        flip(copy / MANIFEST, position)
        found.append(read_check(copy))
        if found[-1] is None:
            changed = read_bundle(copy)
            assert changed.manifest.members == made.bundle.manifest.members
            assert changed.sha256 != made.bundle.sha256
        flip(copy / MANIFEST, position)
    assert set(found) == {"format", "digests", None}
    assert read_bundle(copy).sha256 == made.bundle.sha256


@pytest.mark.parametrize("name", MEMBER_LIMITS_BYTES)
def test_a_missing_member_is_named(made: Made, copy: Path, name: str) -> None:
    (copy / name).unlink()
    result = verify(made, copy)
    assert (result.failed, result.readable) == (("container",), False)
    assert f"found no '{name}'" in result.checks[-1].reason


def test_the_proof_of_another_input_is_rejected(made: Made, copy: Path, tmp_path: Path) -> None:
    work, other = made.workdir, {name: str(tmp_path / name) for name in ("data", "witness", "proof")}
    Path(other["data"]).write_text(json.dumps({"input_data": [[0.5, -0.5, 0.25, 0.0], [0.0, 1.0]]}))
    shared = {"compiled": str(work / "circuit.ezkl"), "srs": str(made.srs)}
    backend.gen_witness(data=other["data"], witness=other["witness"], vk=str(work / "vk.key"), **shared)
    backend.prove(witness=other["witness"], pk=str(work / "pk.key"), proof=other["proof"], **shared)
    proof = load_proof(Path(other["proof"]))
    (copy / "proof.bin").write_bytes(bytes(proof["proof"]))
    edit_manifest(copy)
    assert verify(made, copy).failed == ("ezkl",)


def test_a_changed_public_value_is_rejected(made: Made, copy: Path) -> None:
    edit_values(copy, lambda value: value + 1)
    result = verify(made, copy)
    assert result.failed == ("ezkl",)
    assert "ezkl.verify" in result.checks[-1].reason


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda value: 128**2, "less than 16384 in magnitude"),
        (lambda value: MODULUS // 2, "less than 16384 in magnitude"),
        (lambda value: value + MODULUS, "least magnitude"),  # the same field element in other clothes
    ],
)
def test_public_values_out_of_range_are_rejected(
    made: Made, copy: Path, change: Callable[[int], int], match: str
) -> None:
    edit_values(copy, change)
    result = verify(made, copy)
    assert result.failed == ("public_ranges",)
    assert match in result.checks[5].reason
    assert (result.checks[-1].name, result.checks[-1].state) == ("ezkl", CheckState.NOT_RUN)
    assert result.values is None


@pytest.mark.parametrize(
    ("name", "damage", "failed"),
    [
        ("proof.bin", lambda content: content[:-1] + bytes([content[-1] ^ 1]), "ezkl"),
        ("proof.bin", lambda content: b"", "ezkl"),
        ("vk.key", lambda content: content[:100] + bytes([content[100] ^ 1]) + content[101:], "ezkl"),
        ("vk.key", lambda content: content + b"\0", "vk"),  # ezkl ignores what follows the key
        ("vk.key", lambda content: content[:1] + b"\x0a" + content[2:], "vk"),
        ("vk.key", lambda content: b"\4" + content[1:], "vk"),
        ("vk.key", lambda content: b"", "vk"),
        ("public_values.json", lambda content: b"[]", "public_ranges"),
        ("public_values.json", lambda content: content.replace(b"],[", b",", 1), "public_ranges"),
    ],
)
def test_damage_under_fresh_digests_is_rejected(
    made: Made, copy: Path, name: str, damage: Callable[[bytes], bytes], failed: str
) -> None:
    (copy / name).write_bytes(damage((copy / name).read_bytes()))
    edit_manifest(copy)
    assert verify(made, copy).failed == (failed,)


@pytest.mark.parametrize(
    ("section", "changes"),
    [
        ("run_args", {"logrows": 10}),
        ("run_args", {"disable_freivalds": False}),
        ("einsum_params", {"total_einsum_col_size": 5}),
        ("einsum_params", {"total_einsum_col_size": 0.5}),
        ("run_args", {"output_visibility": "Private"}),
        ("run_args", {"input_visibility": {"Hashed": {"hash_is_public": True, "outlets": []}}}),
        ("run_args", {"param_visibility": "Private"}),
        ("run_args", {"decomp_base": 2**20, "decomp_legs": 10}),
        ("run_args", {"decomp_base": 10**9, "decomp_legs": 10**9}),
        ("run_args", {"decomp_base": "128"}),
        ("run_args", {"lookup_range": [0]}),
        ("", {"model_instance_shapes": [[1, 4], [1, 2], [1, 1, 4.0, 4]]}),
        ("", {"model_instance_shapes": [[1, 2], [1, 4], [1, 1, 4, 4]]}),
        ("", {"model_input_scales": [4, 5]}),
        ("", {"model_output_scales": [True]}),
        ("", {"num_rows": -1}),
        ("", {"required_range_checks": [[0, "x"]]}),
        ("", {"einsum_params": 3}),
        ("", {"version": "23.0.4"}),
    ],
)
def test_hostile_settings_are_rejected(made: Made, copy: Path, section: str, changes: dict[str, Any]) -> None:
    edit_settings(copy, section, **changes)
    result = verify(made, copy)
    assert result.failed == ("settings",)
    assert {c.name for c in result.checks if c.state is CheckState.NOT_RUN} == {"vk", "public_ranges", "ezkl"}


def test_settings_that_ezkl_does_not_bind_need_a_pin_or_the_model(made: Made, copy: Path) -> None:
    edit_settings(copy, "run_args", decomp_base=256)  # four times the honest range of public values
    assert verify(made, copy).accepted
    pins = {name: made.bundle.manifest.members[name].sha256 for name in ("vk.key", "settings.json")}
    pinned = {"expected_vk_digest": pins["vk.key"], "expected_settings_digest": pins["settings.json"]}
    assert verify(made, copy, **pinned).failed == ("pinned_settings",)
    rebuilt = verify(made, copy, model_path=made.model)
    assert rebuilt.failed == ("rebuild",)
    honest = verify(made, made.folder, **pinned, expected_model_digest=file_sha256(made.model))
    assert honest.accepted
    assert [note.split()[0] for note in honest.notes] == ["That", "The"]


def test_what_public_values_are_called_follows_from_the_model(made: Made, copy: Path) -> None:
    """Key and settings know places only: a latent that is called the class would say which class was asked for."""

    def swap(data: dict[str, Any]) -> None:
        first, second = data["public"][:2]
        first["name"], second["name"] = second["name"], first["name"]

    edit_manifest(copy, swap)
    assert verify(made, copy).accepted  # a claim, as the notes say
    lying = verify(made, copy, model_path=made.model)
    assert lying.failed == ("rebuild",)
    assert "must be called, in this order, latent, one_hot, output0" in lying.checks[-2].reason


def test_nothing_follows_the_proof(made: Made, copy: Path) -> None:
    (copy / "proof.bin").write_bytes((copy / "proof.bin").read_bytes() + b"more")
    edit_manifest(copy)
    result = verify(made, copy)
    assert result.failed == ("ezkl",)
    assert "bytes follow" in result.checks[-1].reason


@pytest.mark.parametrize("name", ["vk", "settings", "model"])
def test_a_wrong_pin_is_named(made: Made, name: str) -> None:
    result = verify(made, made.folder, **{f"expected_{name}_digest": "0" * 64})
    assert result.failed == (f"pinned_{name}",)


def test_the_model_makes_the_claims_checkable(made: Made, copy: Path, tmp_path: Path) -> None:
    result = verify(made, made.folder, model_path=made.model)
    assert result.accepted
    assert "wiring linked" in result.checks[-2].reason
    assert [note.split()[0] for note in result.notes] == ["The"]
    other = export(tmp_path / "other.onnx", reverse_rows=True)
    assert "recorded SHA-256" in verify(made, copy, model_path=other).checks[-2].reason
    edit_manifest(copy, lambda data: data.update(model_sha256=file_sha256(other)))
    assert verify(made, copy).accepted  # a claim, as the notes say
    lying = verify(made, copy, model_path=other)
    assert lying.failed == ("rebuild",)
    assert "it is another" in lying.checks[-2].reason


@pytest.mark.parametrize("verdict", [Wiring.UNLINKED, Wiring.UNCHECKED])
def test_a_bundle_that_is_not_linked_never_counts(made: Made, copy: Path, verdict: Wiring) -> None:
    edit_manifest(copy, lambda data: data["audit"].update(verdict=str(verdict), reason="two cells apart"))
    result = verify(made, copy)
    assert (result.accepted, result.failed) == (False, ("wiring", "record"))
    assert "two cells apart" in result.checks[6].reason


@pytest.mark.parametrize("name", ["verified", "inputs_match", "tampered_rejected"])
def test_the_provers_own_record_must_say_that_it_counts(made: Made, copy: Path, name: str) -> None:
    edit_manifest(copy, lambda data: data.update({name: False}))
    assert verify(made, copy).failed == ("record",)


def test_another_srs_is_rejected(made: Made, copy: Path, tmp_path: Path) -> None:
    other, short = tmp_path / "other.srs", tmp_path / "short.srs"
    backend.gen_srs(srs=str(other), logrows=9)
    short.write_bytes(made.srs.read_bytes()[:-1])
    for path in (other, short, tmp_path / "absent", tmp_path):
        assert verify(made, made.folder, srs=path).failed == ("srs",)
    edit_manifest(copy, lambda data: data["srs"].update(kind="ceremony"))
    result = verify(made, copy)
    assert result.failed == ("srs",)
    assert "it is test-only" in result.checks[8].reason


def test_writing_never_replaces_and_leaves_nothing_behind(made: Made, tmp_path: Path) -> None:
    kwargs: dict[str, Any] = {"onnx_path": made.model, "srs_path": made.srs, "config": None}
    for target in (made.folder, made.zip):
        with pytest.raises(ArtifactError, match="must not replace"):
            write_bundle(made.run, made.workdir, target, **kwargs)
    starved = ProofRun(stages=(StageResult("prove", Outcome.OUT_OF_MEMORY, 1.0, 1),))
    with pytest.raises(ArtifactError, match="ended as out_of_memory before one"):
        write_bundle(starved, tmp_path, tmp_path / "b", **kwargs)
    with pytest.raises(ArtifactError, match="readable ONNX"):
        write_bundle(made.run, made.workdir, tmp_path / "b", **{**kwargs, "onnx_path": made.srs})
    with pytest.raises(ArtifactError, match="must be written"):
        write_bundle(made.run, made.workdir, made.model / "b.zip", **kwargs)
    assert list(tmp_path.iterdir()) == []
    assert len(list(made.folder.parent.iterdir())) == 5


def test_a_run_that_does_not_count_is_written_as_such(made: Made, tmp_path: Path) -> None:
    run = dataclasses.replace(made.run, wiring=Wiring.UNLINKED, wiring_reason="a\nb\x1b[31m" + "c" * 999)
    bundle = write_bundle(run, made.workdir, tmp_path / "b", onnx_path=made.model, srs_path=made.srs, config=None)
    assert (bundle.manifest.counts_as_proved, bundle.manifest.config_sha256) == (False, None)
    assert bundle.manifest.wiring_reason.startswith("a b?[31mccc")
    assert verify(made, bundle.path).failed == ("wiring", "record")


def test_the_command_line(made: Made, copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from zk.verify_cli import main

    report, srs = tmp_path / "out" / "report.json", ["--srs", str(made.srs)]
    assert main([str(made.zip), *srs, "--json", str(report)]) == 0
    shown = capsys.readouterr().out
    assert shown.endswith("ACCEPTED\n")
    assert "input one_hot [1, 2], scale 2**5: one-hot, class 0" in shown
    assert "some circuit of the sender's choice" in shown
    written = json.loads(report.read_text())
    assert (written["accepted"], written["failed"], len(written["checks"])) == (True, [], len(CHECKS))
    assert main([str(copy), *srs, "--vk-sha256", "F" * 64]) == 1
    shown = capsys.readouterr().out
    assert "FAIL  pinned_vk" in shown
    assert shown.endswith("REJECTED: pinned_vk\n")
    (copy / "proof.bin").unlink()
    assert main([str(copy), *srs]) == 2
    assert capsys.readouterr().out.endswith("UNREADABLE: container\n")
    with pytest.raises(SystemExit) as usage:
        main([str(copy), *srs, "--vk-sha256", "abc"])
    assert usage.value.code == 2


def test_the_module_is_a_command_and_needs_no_torch(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "zk.verify", str(tmp_path / "none"), "--srs", str(tmp_path / "none")]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout.splitlines()[-1]) == (2, "UNREADABLE: container")
    code = "import sys, zk.verify_cli; sys.exit(any(name in sys.modules for name in ('torch', 'onnx', 'ezkl')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=60).returncode == 0


def test_describing_public_tensors(made: Made) -> None:
    from zk.verify_cli import describe_tensor

    tensor = made.bundle.manifest.public[1]
    assert describe_tensor(tensor, (0.0, 1.0)).endswith("one-hot, class 1")
    for values in ((1.0, 1.0), (0.0, 0.0), (0.5, 1.0), (1.0,)):
        assert "values from" in describe_tensor(tensor, values)
    assert np.isfinite(made.run.fidelity.max_abs_error)  # type: ignore[union-attr]
