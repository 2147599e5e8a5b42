"""From ONNX to a proof that counts, and the ways in which it must not count."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_networks import TINY, TinyGenerator

from zk import backend
from zk.errors import ArtifactError, BackendError, OptionError, VerificationError
from zk.export import export_onnx
from zk.field import MODULUS, felt_to_int, int_to_felt
from zk.pipeline import ProofRun, measure_circuit, prove_sample
from zk.srs import publish_once, srs_path
from zk.types import Budget, CircuitOptions, Outcome, Wiring
from zk.verify import load_proof, public_values, tamper_with_public_value, verify_proof

BUDGET = Budget(2 << 30, 120.0)
INPUTS = (torch.randn(1, 4, generator=torch.Generator().manual_seed(1)), torch.eye(2)[:1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zk")
    torch.manual_seed(0)
    export_onnx(TinyGenerator(), INPUTS, path / "m.onnx", ("latent", "one_hot"), ("image",))
    return path


@pytest.fixture(scope="module")
def proved(folder: Path) -> ProofRun:
    return prove_sample(folder / "m.onnx", INPUTS, folder / "run", options=TINY, budget=BUDGET, srs_dir=folder / "srs")


def test_a_good_proof_counts(folder: Path, proved: ProofRun) -> None:
    names = ["settings", "calibrate", "compile", "srs", "setup", "witness", "prove", "verify", "audit", "tamper"]
    assert [result.stage for result in proved.stages] == names
    assert all(result.ok for result in proved.stages)
    assert (proved.verified, proved.inputs_match, proved.tampered_rejected) == (True, True, True)
    assert proved.wiring is Wiring.LINKED
    assert proved.counts_as_proved
    assert len(proved.tamper_reasons) == 2
    assert not (folder / "run" / "pk.key").exists()


def test_its_figures(folder: Path, proved: ProofRun) -> None:
    assert proved.cost is not None
    assert proved.fidelity is not None
    assert (proved.input_scale_bits, proved.param_scale_bits) == (5, 5)
    assert proved.lookup_range == (-100, 100)
    assert proved.public_value_bytes == 32 * (4 + 2 + 16)
    assert 0 < proved.proof_bytes < proved.proof_file_bytes == (folder / "run" / "proof.json").stat().st_size
    assert proved.pk_bytes > 10 * proved.vk_bytes > 0
    assert len(proved.fidelity.output) == 16
    assert 0.0 < proved.fidelity.mean_abs_error <= proved.fidelity.max_abs_error < 0.2
    assert 0.0 < proved.fidelity.input_max_abs_error <= 2.0**-6
    prove = proved.stage("prove")
    assert prove is not None
    assert 20 << 20 < prove.peak_rss_bytes < 1 << 30


@pytest.mark.parametrize("change", ["verified", "inputs_match", "tampered_rejected"])
def test_every_check_is_needed_to_count(proved: ProofRun, change: str) -> None:
    assert not dataclasses.replace(proved, **{change: False}).counts_as_proved
    for wiring in (Wiring.UNLINKED, Wiring.UNCHECKED):
        assert not dataclasses.replace(proved, wiring=wiring).counts_as_proved


def test_a_hidden_change_of_a_public_input_is_rejected(folder: Path, proved: ProofRun, tmp_path: Path) -> None:
    run, copy = folder / "run", tmp_path / "copy.json"
    tamper_with_public_value(run / "proof.json", copy, 0)
    srs = srs_path(folder / "srs", proved.logrows or 0)
    paths = (run / "settings.json", run / "vk.key", srs)
    rejected = verify_proof(copy, *paths, budget=BUDGET, log_path=tmp_path / "log")
    accepted = verify_proof(run / "proof.json", *paths, budget=BUDGET, log_path=tmp_path / "log")
    assert (rejected.accepted, accepted.accepted) == (False, True)
    assert rejected.stage.outcome is Outcome.REFUSED


def test_public_values_out_of_range_are_refused(folder: Path, proved: ProofRun) -> None:
    assert proved.verified
    proof = load_proof(folder / "run" / "proof.json")
    settings = json.loads((folder / "run" / "settings.json").read_text())
    bound = 128**2
    for value, good in ((bound - 1, True), (1 - bound, True), (bound, False), (-bound, False), (MODULUS // 2, False)):
        proof["instances"][0][3] = int_to_felt(value)
        if good:
            assert public_values(proof, settings).inputs[0][3] == value / 32.0
        else:
            with pytest.raises(VerificationError, match="less than 16384 in magnitude"):
                public_values(proof, settings)
    proof["instances"][0].pop()
    with pytest.raises(VerificationError, match="must carry 22 public values"):
        public_values(proof, settings)


def test_damaged_proof_files_are_refused(folder: Path, proved: ProofRun, tmp_path: Path) -> None:
    assert proved.verified
    good = json.loads((folder / "run" / "proof.json").read_text())
    path = tmp_path / "p.json"
    for bad in ("", "[]", json.dumps({**good, "hex_proof": "0x00"}), json.dumps({**good, "instances": []})):
        path.write_text(bad)
        with pytest.raises(ArtifactError, match="proof written by ezkl"):
            load_proof(path)


def test_measuring_needs_no_keys(folder: Path, tmp_path: Path) -> None:
    measured = measure_circuit(folder / "m.onnx", tmp_path, options=TINY, budget=BUDGET)
    assert measured.outcome is Outcome.OK
    assert [result.stage for result in measured.stages] == ["settings", "compile"]
    assert measured.cost is not None
    assert measured.cost.rows > 100
    assert not (tmp_path / "vk.key").exists()


def test_a_failing_stage_is_recorded_and_ends_the_run(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"not onnx")
    refused = measure_circuit(tmp_path / "bad.onnx", tmp_path / "a", options=TINY, budget=BUDGET)
    assert (refused.outcome, refused.cost) == (Outcome.REFUSED, None)
    assert "ezkl.gen_settings refused" in refused.message
    starved = prove_sample(
        folder / "m.onnx",
        INPUTS,
        tmp_path / "b",
        options=TINY,
        budget=BUDGET,
        srs_dir=folder / "srs",
        stage_budgets={"setup": Budget(1 << 20, 60.0)},
    )
    assert [(r.stage, r.outcome) for r in starved.stages][-1] == ("setup", Outcome.OUT_OF_MEMORY)
    assert starved.outcome is Outcome.OUT_OF_MEMORY
    assert starved.cost is not None
    assert (starved.verified, starved.counts_as_proved, starved.wiring) == (False, False, Wiring.UNCHECKED)


def test_unequal_scales_are_kept_by_leaving_calibration_out(folder: Path, tmp_path: Path) -> None:
    """EZKL calibrates at one scale for both; the given range of the tables stands instead."""
    options = dataclasses.replace(TINY, param_scale_bits=6)
    run = prove_sample(folder / "m.onnx", INPUTS, tmp_path, options=options, budget=BUDGET, srs_dir=folder / "srs")
    assert run.stage("calibrate") is None
    assert (run.input_scale_bits, run.param_scale_bits) == (TINY.input_scale_bits, 6)
    assert run.lookup_range == TINY.lookup_range
    assert run.counts_as_proved


def test_outputs_are_compared_with_the_reference(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(11)
    export_onnx(
        TinyGenerator(),
        (torch.randn(1, 4), torch.eye(2)[:1]),
        tmp_path / "other.onnx",
        ("latent", "one_hot"),
        ("image",),
    )
    kept, against = (
        prove_sample(
            folder / "m.onnx",
            INPUTS,
            tmp_path / name,
            options=TINY,
            budget=BUDGET,
            srs_dir=folder / "srs",
            reference=reference,
        )
        for name, reference in (("a", None), ("b", tmp_path / "other.onnx"))
    )
    assert kept.fidelity.output == against.fidelity.output
    assert against.fidelity.mean_abs_error > 3 * kept.fidelity.mean_abs_error


def test_inputs_must_be_finite(folder: Path, tmp_path: Path) -> None:
    for bad in ([], [np.array([[np.nan] * 4], np.float32), INPUTS[1]]):
        with pytest.raises(OptionError, match="finite and not empty"):
            prove_sample(folder / "m.onnx", bad, tmp_path, options=TINY, budget=BUDGET, srs_dir=tmp_path)


def test_ezkl_failures_are_mapped(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"ezkl\.compile_circuit refused"):
        backend.compile_circuit(onnx=str(tmp_path / "no"), compiled=str(tmp_path / "c"), settings=str(tmp_path / "s"))


def _publish_half(path: Path) -> None:
    with publish_once(path) as half:
        half.write_text("half")
        raise KeyError


def test_the_first_srs_stays_and_nothing_is_left_behind(tmp_path: Path) -> None:
    path = srs_path(tmp_path / "srs", 9)
    with publish_once(path) as slow:
        slow.write_text("slow")
        with publish_once(path) as fast:
            assert fast != slow
            fast.write_text("fast")
        assert path.read_text() == "fast"
    assert path.read_text() == "fast"
    with pytest.raises(KeyError):
        _publish_half(tmp_path / "srs" / "other")
    assert [p.name for p in path.parent.iterdir()] == ["test-only-k9.srs"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"input_scale_bits": 21}, "input_scale_bits must be in 0..20"),
        ({"logrows": 5}, "logrows must be None or in"),
        ({"min_logrows": 20, "max_logrows": 15}, "must not exceed"),
        ({"lookup_range": (0, 5)}, "straddle zero"),
        ({"lookup_safety_margin": 0.5}, "at least 1"),
        ({"output_visibility": "secret"}, "must be one of"),
        ({"output_visibility": "private"}, "needs public inputs and outputs"),
    ],
)
def test_options_say_what_is_wrong(change: dict[str, object], match: str) -> None:
    with pytest.raises(OptionError, match=match):
        CircuitOptions(**change)  # type: ignore[arg-type]


def test_options_round_trip_and_digest() -> None:
    other = dataclasses.replace(TINY, decomp_legs=3)
    assert CircuitOptions.from_json(json.loads(json.dumps(TINY.to_json()))) == TINY
    assert len({hash(TINY), hash(other)}) == 2
    assert TINY.digest == CircuitOptions.from_json(TINY.to_json()).digest != other.digest


@pytest.mark.parametrize("value", [0, 1, -1, 2**200, -(2**200)])
def test_field_elements_round_trip(value: int) -> None:
    assert felt_to_int(int_to_felt(value)) == value


def test_bad_field_elements() -> None:
    with pytest.raises(ValueError, match="64 hex digits"):
        felt_to_int("00")
    with pytest.raises(ValueError, match="less than the modulus"):
        felt_to_int(MODULUS.to_bytes(32, "little").hex())
