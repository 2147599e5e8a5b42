"""One proof of a generator and a classifier: the image is public, and so is what the classifier makes of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.zk.test_chain import K, Z, exported
from zk.bundle import read_bundle
from zk.chain import write_chain
from zk.export import run_onnx
from zk.prove import main as prove_main
from zk.srs import srs_path
from zk.verify_cli import main as verify_main

LOGROWS = 11


def sample(chain: Path, wanted: bool) -> dict[str, np.ndarray]:
    """Inputs whose image the classifier takes for the class asked for, clearly, or for another."""
    rng = torch.Generator().manual_seed(1)
    while True:
        latent = torch.randn((1, Z), generator=rng).numpy()
        for place in range(K):
            one_hot = np.eye(K, dtype=np.float32)[place : place + 1]
            logits = run_onnx(chain, (latent, one_hot))[1].ravel()
            if abs(logits[0] - logits[1]) > 0.1 and (int(logits.argmax()) == place) is wanted:
                return {"latent": latent, "one_hot": one_hot}


@pytest.mark.parametrize("wanted", [True, False])
def test_a_proof_shows_the_class(tmp_path: Path, capsys: pytest.CaptureFixture[str], wanted: bool) -> None:
    _, _, first, second = exported(tmp_path)
    chain, bundle = tmp_path / "chain.onnx", tmp_path / "proof.zip"
    write_chain(first, second, chain)
    np.savez(tmp_path / "input.npz", **sample(chain, wanted))
    given = ["--circuit", "checked", "--private", "latent", "--activation-bits", "7", "--logrows", str(LOGROWS)]
    places = ["--input", tmp_path / "input.npz", "--out", bundle, "--srs-dir", tmp_path / "srs"]
    assert prove_main([str(chain), *map(str, places), *given]) == 0
    proved = capsys.readouterr().out
    assert "wiring linked" in proved
    verifying = [str(bundle), "--srs", str(srs_path(tmp_path / "srs", LOGROWS)), "--model", str(chain)]
    trusting = [*verifying, "--no-rebuild", "--same-class", "one_hot"]
    assert verify_main(trusting) == 1
    assert "must not be the sender's word" in capsys.readouterr().out
    key = hashlib.sha256(read_bundle(bundle).vk).hexdigest()
    assert verify_main([*trusting, "--vk-sha256", key]) == (0 if wanted else 1)
    report = capsys.readouterr().out
    assert "values from" in report
    assert ("was asked for and found" if wanted else "REJECTED: class") in report
    if not wanted:  # the proof itself holds: it shows that the classifier sees another class
        assert verify_main([*verifying, "--no-rebuild"]) == 0
