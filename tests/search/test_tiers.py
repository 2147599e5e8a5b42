"""The page about the published experiments: which trials it shows, and what it concludes from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from gan.generators import build_generator
from search.circuit import circuit_inputs
from search.endings import RECORD
from search.errors import SearchError
from search.layers.ladder import CATEGORY, LADDER, OneInput, operations
from search.tiers.__main__ import main
from search.tiers.alternatives import alternatives_section, read_alternatives
from search.tiers.collect import tier_rows
from search.tiers.deciders import CONFIRMED, CORRECTED, OPEN, REFUTED, Results
from search.tiers.limits import (
    RANGES,
    file_ladder,
    limits_section,
    range_verdict,
    read_filed_ladder,
    read_ladder,
    read_machine,
)
from search.tiers.numbering import NUMBERS
from search.tiers.page import Evidence, page, reaches_goal
from search.tiers.published import TIERS, published_experiments
from search.tiers.row import NOT_RUN, TierRow, firsts
from tests.test_config import FILES
from zk.benchmark.report.text import number
from zk.benchmark.row import LayerRow, RowOutcome
from zk.errors import ArtifactError

REQUIRED = (
    "id", "tier", "regime", "ops_rule", "einsum_instances", "macs", "rows", "parameters", "accuracy", "inception_score",
    "diversity", "judge_accuracy", "images_trained", "outcome",
)  # fmt: skip


def trial(**changes: Any) -> dict[str, Any]:
    return {
        "trial": 0, "state": "scored", "published_operations": 11.0, "einsum_instances": 26.0, "macs": 1e6, "rows": 3e4,
        "parameters": 5e5, "headline_accuracy": 0.5, "headline_inception_score": 3.0, "headline_diversity": 0.3,
        "headline_judge_accuracy": 0.4, "headline_arithmetic": "circuit", "accuracy": 0.51, "samples": 1000.0,
        "seed": 0.0, "classifier_digest": "c" * 64, "classifier_accuracy": 0.85, "real_inception_score": 6.3,
        "real_diversity": 0.45, "train_images": 100.0, "train_seconds": 60.0,
    } | changes  # fmt: skip


def row(id: str, accuracy: float, regime: str = "strong", **changes: Any) -> TierRow:
    known = {experiment.id: experiment.tier for experiment in published_experiments()}
    values = {
        "ops_rule": 14, "rows": 30_000, "macs": 1_000_000, "parameters": 1_000, "diversity": 0.3, "samples": 1000,
        "images_trained": 1000, "classifier_digest": "c", "arithmetic": "circuit", "predicted_prove_seconds": 9.0,
        "einsum_instances": 30,
    } | changes  # fmt: skip
    return TierRow(id=id, tier=known[id], regime=regime, outcome="scored", accuracy=accuracy, **values)


def test_every_published_experiment_has_a_configuration() -> None:
    names = {Path(name).name for name in FILES if "/" in name}
    assert names == {experiment.id for experiment in published_experiments()}
    others = {experiment.other for experiment in published_experiments()} - {""}
    assert others <= names


def test_a_regime_s_own_budget_comes_first_and_longer_trainings_behind_it() -> None:
    rows = tier_rows(
        published_experiments(),
        {
            "exp_016-strong": [trial(headline_accuracy=0.7)],
            "exp_016-strong-longer": [trial(train_images=900.0), trial(train_images=9000.0, state="diverged")],
            "exp_016-published": [trial(state="unscored", reason="no images")],
            "exp_016": [trial(train_images=1e6)],
        },
    )
    found = firsts(rows)
    assert len(rows) == 2 * len(published_experiments()) + 1
    first, longer = (row for row in rows if (row.id, row.regime) == ("exp_016", "strong"))
    assert (first.study, first.images_trained, first.accuracy) == ("exp_016-strong", 100, 0.7)
    assert (longer.study, longer.images_trained, longer.accuracy) == ("exp_016-strong-longer", 900, 0.5)
    assert Results(rows).of("exp_016") is first
    assert found["exp_016", "published"].outcome == "unscored"
    assert found["exp_016", "published"].reason == "no images"
    assert found["exp_001", "strong"].outcome == NOT_RUN


def test_the_longest_stands_first_where_the_regime_s_own_budget_was_not_run() -> None:
    longer = {
        "exp_016-strong-b": [trial(train_images=300.0, headline_accuracy=0.6)],
        "exp_016-strong-a": [trial(train_images=200.0, headline_accuracy=0.9)],
        "exp_016-strong": [trial(state="diverged")],
    }
    rows = [row for row in tier_rows(published_experiments(), longer) if (row.id, row.regime) == ("exp_016", "strong")]
    assert [row.images_trained for row in rows] == [300, 200]


def test_the_goal_tells_who_needed_a_longer_training() -> None:
    rows = [row("exp_016", 0.7), row("exp_016", 0.85), row("exp_001", 0.82)]
    text = page(Evidence(rows=[*rows, *tier_rows(published_experiments(), {})]))
    assert "2 experiments above 80.0 % with a diversity above 0.05, in 2 tiers (1, 3)." in text
    assert "By a longer training than the regime's own: exp_016." in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, True), ({"accuracy": 0.79}, False), ({"diversity": 0.04}, False), ({"ops_rule": 100}, False)],
)
def test_the_goal_has_three_parts(changes: dict[str, Any], expected: bool) -> None:
    assert reaches_goal(row("exp_016", **({"accuracy": 0.85} | changes))) is expected


def test_attempts_do_not_reach_the_goal_of_the_tiers() -> None:
    assert not reaches_goal(row("mnist", 0.99))


def test_every_experiment_of_the_tiers_has_one_place_in_the_numberings() -> None:
    here = [id for numbers in NUMBERS for id in numbers.ids]
    assert sorted(here) == sorted(known.id for known in published_experiments() if known.tier in TIERS)


def test_the_page_has_a_line_for_what_was_not_run() -> None:
    text = page(Evidence(rows=tier_rows(published_experiments(), {"exp_016-strong": [trial(headline_accuracy=0.7)]})))
    assert "`training=strong`: 1 of 38 experiments of the four tiers scored (37 not run)" in text
    assert (
        "| exp_016 | high capacity | strong | scored | 70.0 % | 40.0 % | 3.00 | 0.300 | circuit | 1,000 | 100 |" in text
    )
    assert "| exp_001 | minimal | published | not run |" in text


def test_the_command_reads_the_studies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage = f"sqlite:///{tmp_path}/optuna.db"
    study = optuna.create_study(study_name="exp_016-strong", storage=storage, directions=["maximize"] * 3)
    metrics = {name: value for name, value in trial().items() if isinstance(value, float)} | {
        "judge_accuracy": 0.4, "inception_score": 3.0, "diversity": 0.3, "frechet_distance": 90.0,
    }  # fmt: skip
    found = study.ask()
    record = {"outcome": "scored", "reason": "", "metrics": metrics, "facts": {}, "folder": "x", "spec": {}}
    found.set_user_attr(RECORD, json.dumps(record))
    study.tell(found, [0.51, 3.0, 0.3])
    folders = {"--out": tmp_path / "tiers", "--ladder": tmp_path, "--results": tmp_path}
    given = ["--storage", storage, *(str(part) for pair in folders.items() for part in pair)]
    assert main(["report", *given]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "tiers.md"), str(tmp_path / "tiers.json")]
    rows = json.loads((tmp_path / "tiers.json").read_text())
    assert all(name in row for row in rows for name in REQUIRED)
    (scored,) = [row for row in rows if row["outcome"] == "scored"]
    assert (scored["id"], scored["regime"], scored["accuracy"], scored["arithmetic"]) == (
        "exp_016",
        "strong",
        0.51,
        "float",
    )


def rung(name: str, variant: str, outcome: str, **fields: Any) -> LayerRow:
    return LayerRow(name, CATEGORY, 7, variant, outcome=RowOutcome(outcome), **({"rows": 1000, "macs": 10} | fields))


def test_the_ladder_goes_through_every_published_range() -> None:
    found = [operations(name) for name in LADDER]
    assert all(any(limit.low <= ops < limit.high for ops in found) for limit in RANGES)


def test_a_rung_computes_its_generator() -> None:
    spec = LADDER["narrow_3"]
    latent, one_hot = circuit_inputs(spec, label=3)
    expected = build_generator(spec, seed=5).eval()(latent, one_hot)
    found = OneInput(spec, 5).eval()(torch.cat([latent, one_hot], 1))
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("place", "rows", "word"),
    [
        (3, [], OPEN),
        (3, [rung("narrow_30", "ours", "proved", prove_seconds=2.0, proof_bytes=9)], OPEN),
        (3, [rung("narrow_30", "stock", "proved"), rung("narrow_50", "stock", "verified_only")], REFUTED),
        (3, [rung("narrow_30", "stock", "proved"), rung("narrow_50", "stock", "predicted")], CORRECTED),
        (3, [rung("narrow_30", "stock", "predicted")], CONFIRMED),
        (0, [rung("narrow_1", "stock", "proved", proof_bytes=20_000_000)], CONFIRMED),
        (0, [rung("narrow_1", "stock", "proved", proof_bytes=4_000)], CORRECTED),
        (0, [rung("narrow_1", "stock", "proved"), rung("wide_exp_016", "stock", "predicted")], CORRECTED),
    ],
)
def test_a_range_is_judged_by_the_rungs_within_it(place: int, rows: list[LayerRow], word: str) -> None:
    assert range_verdict(RANGES[place], tuple(rows)).word == word


def test_the_page_shows_the_ladder(tmp_path: Path) -> None:
    rows = [
        rung("narrow_30", "ours", "proved", prove_seconds=2.0, proof_bytes=9),
        rung("narrow_30", "stock", "proved", prove_seconds=3.0, proof_bytes=7),
        rung("wide_exp_016", "stock", "predicted"),
    ]
    (tmp_path / "rows.json").write_text(json.dumps([row.to_json() for row in rows]))
    text = page(Evidence(rows=tier_rows(published_experiments(), {}), ladder=read_ladder(tmp_path)))
    assert "| narrow_30 | 181 | 10 | ours | proved | 1,000 |" in text
    assert "| 150 and more | impossible, out of memory | refuted | with EZKL's defaults 1 of 1 run here (proofs" in text
    assert "1 checked circuit proved and wired (proofs of at most 2.00 s and 9 bytes)" in text
    assert read_ladder(tmp_path / "none") == ()
    (tmp_path / "rows.json").write_text("[{}]")
    with pytest.raises(ArtifactError, match="must be complete"):
        read_ladder(tmp_path)


def alternative(kind: str, seconds: float, rows: float = 50_000.0) -> dict[str, Any]:
    return {
        "name": f"a {kind}", "kind": kind, "ops_rule": 10, "einsum_instances": 30.0, "macs": 5, "parameters": 7,
        "rows": rows, "predicted_prove_seconds": seconds, "predicted_peak_bytes": 2**30,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("step_seconds", "step_rows", "word"),
    [(10.0, 1e5, REFUTED), (20.0, 1e5, CORRECTED), (100.0, 1e5, CONFIRMED)],
)
def test_an_image_of_a_diffusion_model_takes_all_of_its_steps(step_seconds: float, step_rows: float, word: str) -> None:
    rows = [alternative("generator", 10.0), alternative("denoiser", step_seconds, step_rows)]
    lines = alternatives_section(rows, Results([]))
    assert f"| a denoiser | {number(step_seconds)} | {number(10 * step_seconds)} |" in "\n".join(lines)
    (found,) = [line for line in lines if line.startswith("| diffusion")]
    assert f"| {word} |" in found


def test_alternatives_are_weighed_against_the_generator() -> None:
    rows = [alternative("generator", 10.0), alternative("denoiser", 20.0), alternative("classifier", 5.0)]
    text = "\n".join(alternatives_section(rows, Results([row("vae", 0.3), row("exp_006", 0.5)])))
    assert "| autoencoders are more promising than adversarial training | refuted |" in text
    assert "| classifiers are easier than generators | confirmed |" in text
    assert alternatives_section([], Results([])) == ["Not measured yet: `python benchmarks/alternatives.py`.", ""]


def test_a_damaged_file_of_alternatives_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "alternatives.json"
    assert read_alternatives(path) == []
    path.write_text(json.dumps([alternative("generator", 1.0)]))
    assert len(read_alternatives(path)) == 1
    for text in ("[{}]", "{", "[1]"):
        path.write_text(text)
        with pytest.raises(SearchError, match="written by benchmarks/alternatives"):
            read_alternatives(path)


def test_rows_of_an_earlier_page_stand_in_for_studies_that_are_not_here() -> None:
    filed = [row("exp_016", 0.7, study="exp_016-strong"), row("exp_001", 0.6, study="exp_001-strong")]
    earlier = [TierRow.from_json(one.to_json()) for one in filed]
    here = {"exp_016-strong": [trial(headline_accuracy=0.8)], "exp_001-strong": [trial(state="diverged")]}
    every = tier_rows(published_experiments(), here, earlier)
    rows = {row.id: row for row in every if row.regime == "strong"}
    assert (rows["exp_016"].accuracy, rows["exp_016"].filed) == (0.8, False)
    assert (rows["exp_001"].accuracy, rows["exp_001"].filed) == (0.6, True)
    assert rows["exp_002"].outcome == "not run"
    assert "1 row of these kept from earlier pages" in page(Evidence(rows=every))


def test_a_filed_row_of_another_version_is_refused() -> None:
    with pytest.raises(SearchError, match="has no colour; make the page with --fresh"):
        TierRow.from_json({**row("exp_016", 0.7).to_json(), "colour": "red"})


def test_a_filed_ladder_is_read_back(tmp_path: Path) -> None:
    rows = (rung("exp_016", "ours", "proved", rows=100, stage_peaks={"prove": 5}),)
    assert read_filed_ladder(tmp_path / "none.json") == ((), "")
    path = file_ladder(rows, "two cores", tmp_path / "ladder.json")
    assert read_filed_ladder(path) == (rows, "two cores")
    text = "\n".join(limits_section((rung("narrow_30", "stock", "proved"),), "two cores"))
    assert "Measured on two cores." in text
    path.write_text("[]")
    with pytest.raises(SearchError, match="written by this command"):
        read_filed_ladder(path)


def test_what_the_ladder_was_measured_on(tmp_path: Path) -> None:
    assert read_machine(tmp_path) == ""
    known = {"cpu": "a processor", "cores": 2, "memory_bytes": 2**34, "commit": "abcdef123", "command": "secret"}
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(known | {"packages": {"ezkl": "23.0.5"}}))
    assert read_machine(tmp_path) == "a processor, 2 cores, 16.0 GiB; EZKL 23.0.5; commit abcdef1"
    path.write_text("{}")
    with pytest.raises(SearchError, match="written by the layer benchmark"):
        read_machine(tmp_path)
