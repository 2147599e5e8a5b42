from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gan.generators import build_generator
from gan.spec import GeneratorSpec
from search.candidate import Candidate
from search.circuit import circuit_inputs, export_generator, measure_spec
from search.errors import RecordError
from search.weights import load_generator, save_generator
from zk import export
from zk.errors import ExportError
from zk.types import Budget, CircuitOptions

BUDGET = Budget(4 * 2**30, 120)


def test_figures_of_a_circuit_do_not_need_training(tiny_candidate: Candidate, tmp_path: Path) -> None:
    figures = measure_spec(tiny_candidate.spec, tmp_path, options=CircuitOptions(), budget=BUDGET)
    assert (figures.compiled, figures.reason) == (True, "")
    assert figures.metrics["published_operations"] == 1 + 1 + 2  # Linear, BatchNorm, Conv
    assert figures.metrics["macs"] == 6 * 64 + 9 * 4 * 12 * 16
    assert 0 < figures.metrics["einsum_operations"] <= figures.metrics["einsum_instances"]
    assert figures.metrics["rows"] > figures.metrics["macs"] / 2
    assert (tmp_path / "network.onnx").exists()
    assert (tmp_path / "figures.json").exists()


def test_what_stops_a_circuit_is_a_figure(tiny_candidate: Candidate, tmp_path: Path) -> None:
    figures = measure_spec(tiny_candidate.spec, tmp_path, options=CircuitOptions(), budget=Budget(2**20, 60))
    assert not figures.compiled
    assert "out_of_memory" in figures.reason
    assert "rows" not in figures.metrics


def test_the_export_equals_the_generator(tiny_candidate: Candidate, tmp_path: Path) -> None:
    spec = replace(tiny_candidate.spec, conditioning="conditional_batchnorm")
    exported = export_generator(build_generator(spec).eval(), spec, tmp_path / "network.onnx")
    assert exported.max_abs_error < 1e-4
    assert exported.batchnorm_nodes == 0


def test_circuit_inputs_are_one_latent_and_one_hot_row(tiny_candidate: Candidate) -> None:
    latent, one_hot = circuit_inputs(tiny_candidate.spec, seed=3, index=2, label=1)
    assert latent.shape == (1, 4)
    assert one_hot.tolist() == [[0, 1]]
    assert not torch.equal(latent, circuit_inputs(tiny_candidate.spec, seed=3, index=1, label=1)[0])


def test_weights_round_trip(tiny_candidate: Candidate, tmp_path: Path) -> None:
    generator = build_generator(tiny_candidate.spec, seed=5).eval()
    save_generator(tmp_path, tiny_candidate.spec, generator)
    spec, again = load_generator(tmp_path)
    assert spec == tiny_candidate.spec
    assert isinstance(spec, GeneratorSpec)
    torch.testing.assert_close(again(*circuit_inputs(spec)), generator(*circuit_inputs(spec)), rtol=0, atol=0)


def test_digests_follow_everything_that_decides_the_weights(tiny_candidate: Candidate) -> None:
    others = [
        replace(tiny_candidate, seed=1),
        replace(tiny_candidate, recipe=replace(tiny_candidate.recipe, auxiliary_weight=0.5)),
        replace(tiny_candidate, budget=replace(tiny_candidate.budget, steps=2)),
        replace(tiny_candidate, spec=replace(tiny_candidate.spec, widths=(5,))),
    ]
    assert len({tiny_candidate.digest, *(other.digest for other in others)}) == 5
    assert tiny_candidate.parameters()["spec.widths"] == "4"


@pytest.mark.parametrize("missing", ["spec.json", "generator.safetensors"])
def test_missing_weights_are_an_error(tiny_candidate: Candidate, tmp_path: Path, missing: str) -> None:
    save_generator(tmp_path, tiny_candidate.spec, build_generator(tiny_candidate.spec))
    (tmp_path / missing).unlink()
    with pytest.raises(RecordError, match=missing):
        load_generator(tmp_path)


def test_a_pixel_may_be_off_by_what_float32_is_off_and_no_more(
    tiny_candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator, spec = build_generator(tiny_candidate.spec).eval(), tiny_candidate.spec
    for error, refused in ((2e-4, False), (2e-3, True)):
        monkeypatch.setattr(export, "_greatest_difference", lambda *_, error=error: error)
        with pytest.raises(ExportError, match="within 0.001") if refused else nullcontext():
            assert export_generator(generator, spec, tmp_path / "network.onnx").max_abs_error == error
