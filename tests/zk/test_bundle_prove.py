"""``python -m zk.prove``: a thin shell whose exit status is 0 only for a proof that counts."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_networks import TinyGenerator

from zk.bundle_check import verify_bundle
from zk.errors import ArtifactError, OptionError
from zk.export import export_onnx
from zk.prove import load_sample, main
from zk.srs import srs_path
from zk.types import Budget

LATENT, ONE_HOT = [[0.65, 0.28, -0.06, 0.62]], [[1.0, 0.0]]
TINY = ["--input-scale", "5", "--lookup-range", "-100", "100", "--decomp-base", "128", "--threads", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prove")
    torch.manual_seed(0)
    inputs = (torch.tensor(LATENT), torch.tensor(ONE_HOT))
    export_onnx(TinyGenerator(), inputs, path / "m.onnx", ("latent", "one_hot"), ("image",))
    (path / "in.json").write_text(json.dumps({"input_data": [LATENT[0], ONE_HOT[0]]}))
    np.savez(path / "in.npz", one_hot=np.array(ONE_HOT), latent=np.array(LATENT))
    return path


def prove(folder: Path, out: Path, *more: str) -> int:
    srs = ["--srs-dir", str(folder / "srs"), "--logrows", "9"]
    return main([str(folder / "m.onnx"), "--input", str(folder / "in.npz"), "--out", str(out), *srs, *TINY, *more])


def test_a_proof_that_counts_is_written(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, work = tmp_path / "b.zip", tmp_path / "work"
    assert prove(folder, out, "--workdir", str(work), "--calibration", str(folder / "in.json")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [["stage", "outcome"], ["settings", "ok"], ["calibrate", "ok"]]
    assert "wiring linked" in "\n".join(lines)
    assert lines[-4].startswith(f"PROVED; bundle {out}: ")
    assert lines[-3].startswith("SRS test-only, logrows 9")
    assert (work / "settings.json").exists()
    assert not (work / "pk.key").exists()
    budget = Budget(2 << 30, 60.0)
    pins = {"expected_vk_digest": lines[-2].split()[-1], "expected_settings_digest": lines[-1].split()[-1]}
    result = verify_bundle(out, srs_path(folder / "srs", 9), budget=budget, **pins)  # type: ignore[arg-type]
    assert result.accepted
    assert result.values is not None
    assert result.values.inputs == ((0.65625, 0.28125, -0.0625, 0.625), (1.0, 0.0))
    assert prove(folder, out) == 1
    assert "must not replace" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "outcome", "stage"),
    [
        (["--memory-gb", "0.001"], "out_of_memory", "settings"),
        (["--seconds", "0.01"], "timed_out", "settings"),
    ],
)
def test_a_stage_that_fails_is_an_outcome(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], outcome: str, stage: str
) -> None:
    assert prove(folder, tmp_path / "b", *more) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"NOT PROVED ({outcome}); no bundle was written"
    assert [stage, outcome] in [line.split()[:2] for line in lines]
    assert list(tmp_path.iterdir()) == []


def test_a_ceremony_is_never_replaced_by_a_local_srs(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    local = tmp_path / "ceremony-k9.srs"
    local.write_bytes(b"not the ceremony's")
    assert prove(folder, tmp_path / "b", "--srs", "ceremony", "--srs-dir", str(tmp_path)) == 1
    shown = capsys.readouterr().out
    assert "NOT PROVED (refused)" in shown
    assert "the ceremony's SRS of logrows 9 must have SHA-256 493d0889" in shown
    assert [path.name for path in tmp_path.iterdir()] == ["ceremony-k9.srs"]


def test_bad_options_are_errors(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prove(folder, tmp_path / "b", "--input-scale", "99") == 1
    assert "input_scale_bits must be in 0..20" in capsys.readouterr().err
    for memory in ("-1", "inf", "nan", "1e300"):
        assert prove(folder, tmp_path / "b", "--memory-gb", memory) == 1
        assert "a budget must be positive" in capsys.readouterr().err
    with pytest.raises(SystemExit) as usage:
        prove(folder, tmp_path / "b", "--srs", "mine")
    assert usage.value.code == 2


def test_samples_are_read_by_name_or_in_order(folder: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "order.npz", np.array(LATENT), np.array(ONE_HOT))
    for path in (folder / "in.npz", folder / "in.json", tmp_path / "order.npz"):
        latent, one_hot = load_sample(path, folder / "m.onnx")
        assert (latent.shape, one_hot.shape, latent.dtype) == ((1, 4), (1, 2), np.float32)
        assert np.array_equal(latent, np.array(LATENT, np.float32))
        assert one_hot.tolist() == ONE_HOT


def test_other_samples_are_refused(folder: Path, tmp_path: Path) -> None:
    pickled = np.array([{"a": 1}], object)
    np.savez(tmp_path / "pickled.npz", pickled, pickled)
    np.savez(tmp_path / "names.npz", latent=np.array(LATENT), label=np.array(ONE_HOT))
    np.savez(tmp_path / "sizes.npz", np.array(LATENT), np.array(LATENT))
    np.savez(tmp_path / "more.npz", np.array(LATENT), np.array(ONE_HOT), np.array(ONE_HOT))
    np.savez_compressed(tmp_path / "large.npz", np.zeros(10**6), np.array(ONE_HOT))
    (tmp_path / "bare.npz").write_bytes(pickle.dumps([1]))
    (tmp_path / "a.json").write_text("[]")
    (tmp_path / "b.json").write_text('{"input_data": [[0.5, 0.5, 0.5, "x"], [1, 0]]}')
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(OptionError, match=f"{path.name} must hold the inputs of m.onnx"):
            load_sample(path, folder / "m.onnx")
    with pytest.raises(ArtifactError, match="readable ONNX model"):
        load_sample(folder / "in.json", folder / "in.npz")
