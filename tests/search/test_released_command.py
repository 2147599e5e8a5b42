"""Command lines of the models that come with the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.errors import ConfigError
from search.released.__main__ import main as released_main
from search.released.model import CHAIN, IMAGE
from search.released.request import read_proof_request
from tests.search.released_scene import Released
from zk import prove_model
from zk.prove import main as prove_main
from zk.srs import SrsKind


def test_the_command_line_of_models(
    released: Released, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert released_main([]) == 2
    assert released_main(["--help"]) == 0
    assert "check model=NAME" in capsys.readouterr().out
    for arguments, message in (
        (["sell", "model=tiny"], "the first word must be check, write, score, prove, picture, table"),
        (["check"], "model=NAME must be given"),
        (["check", "model=tiny", "dataset=digits"], "this takes model=, tolerance= only"),
        (["check", "model=tiny", "samples=5"], "this takes model=, tolerance= only"),
        (["write", "model=tiny", "folder=no-such-folder"], "folder=TRIAL must be"),
        (["check", "model=no-such-model"], "come with the project"),
        (["write", "model=tiny"], "folder=TRIAL must be"),
        (["write", "model=tiny", "folder=.", "half=1"], "half must be true or false"),
        (["prove", "model=tiny"], "label must be given"),
        (["table", "out=x", "dataset=digits"], "this takes out=, front=, tiers= only"),
        (["table", "front=x", "tiers=pyproject.toml"], "cannot be read"),
        (["picture", "model=tiny"], "out=FILE.png must be given"),
        (["picture", "model=no-such-model", "out=x"], "come with the project"),
    ):
        assert released_main(arguments) == 2
        assert message in capsys.readouterr().err


def test_the_command_line_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = read_proof_request(["model=record", "label=frog", "seed=7"])
    assert (found.private_latent, found.chain, found.kind, found.threads) == (True, False, IMAGE, None)
    assert (found.out, found.memory_bytes, found.seconds) == (Path("mlruns/proofs/record-frog-7"), 8 * 10**9, 600.0)
    found = read_proof_request(
        ["model=m", "label=1", "latent=public", "chain=true", "srs=ceremony", f"out={tmp_path}", "threads=1"]
    )
    assert (found.private_latent, found.kind, found.srs_kind, found.threads) == (False, CHAIN, SrsKind.CEREMONY, 1)
    assert (found.out, found.seed) == (tmp_path, 0)
    assert prove_main(["model=record", "--help"]) == 0
    assert "label=CLASS" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model=m"], "label must be given"),
        (["label=0"], "model must be given"),
        (["model=m", "label=0", "seed=-1"], "seed must be"),
        (["model=m", "label=0", "seed=9223372036854775808"], "seed must be"),
        (["model=m", "label=0", "latent=secret"], "latent must be one of private, public"),
        (["model=m", "label=0", "chain=1"], "chain must be true or false"),
        (["model=m", "label=0", "frog"], "options are key=value"),
        (["model=m", "label=0", "size=3"], "unknown option"),
    ],
)
def test_other_command_lines_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_proof_request(arguments)


def test_errors_end_the_command(
    released: Released, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prove_model, "MODELS", released.models)
    assert prove_main(["model=tiny", "label=toad"]) == 1
    assert "label must be one of frog, ship" in capsys.readouterr().err
