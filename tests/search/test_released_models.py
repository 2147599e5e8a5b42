"""The models that come with the project: their files belong together, and pages say what the files say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation.classifier import load_shipped
from search.released.card import CARD_NAME, card_text
from search.released.model import CHAIN, CHECK_SAMPLES, IMAGE, read_released, released_names
from search.released.record import record_row, record_table
from zk.benchmark.report.text import percent

ROOT = Path(__file__).resolve().parents[2]
NAMES = released_names()
RESULTS = ROOT / "docs" / "results"


def test_there_is_a_record() -> None:
    assert "record" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_scored_and_proved(name: str) -> None:
    model = read_released(name)
    assert set(model.layouts) == set(model.network_sha256) == {IMAGE, CHAIN}
    assert (model.scores["arithmetic"], model.scores["samples"]) == ("circuit", 10_000)
    assert model.scores["check"]["samples"] == CHECK_SAMPLES
    assert model.proof["counts_as_proved"] is True
    for digest in (model.classifier_digest, model.scores["classifier_digest"], model.scores["judge_digest"]):
        load_shipped(digest)


@pytest.mark.parametrize("name", NAMES)
def test_its_network_is_the_one_that_proofs_are_about(name: str, tmp_path: Path) -> None:
    assert read_released(name).export(tmp_path).is_file()


@pytest.mark.parametrize("name", NAMES)
def test_the_card_says_what_the_files_say(name: str) -> None:
    model = read_released(name)
    assert (model.folder / CARD_NAME).read_text(encoding="utf-8") == card_text(model)


def test_the_pages_say_what_the_files_say() -> None:
    rows = [record_row(read_released(name)) for name in NAMES]
    assert json.loads((RESULTS / "record.json").read_text(encoding="utf-8")) == {"models": rows}
    assert "\n".join(record_table(rows)).strip() in (RESULTS / "record.md").read_text(encoding="utf-8")
    ladder = json.loads((RESULTS / "ablation-record.json").read_text(encoding="utf-8"))["ladder"]
    assert ladder["divided by remainder"]["rows"] == next(row["rows"] for row in rows if row["name"] == "record")
    ablation = (RESULTS / "ablation.md").read_text(encoding="utf-8")
    for row in rows:
        figures = [f"{row['macs']:,}", f"{row['rows']:,}", f"{row['prove_seconds']:.1f} s", percent(row["accuracy"])]
        assert f"| {' | '.join([row['name'], *figures, percent(row['judge_accuracy'])])} |" in ablation
    record = next(row for row in rows if row["name"] == "record")
    assert f"**{percent(record['accuracy'])}** (held-out judge {percent(record['judge_accuracy'])})" in (
        ROOT / "README.md"
    ).read_text(encoding="utf-8")
