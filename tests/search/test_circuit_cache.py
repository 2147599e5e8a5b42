from dataclasses import replace
from pathlib import Path

import pytest

from gan.spec import GeneratorSpec
from search import circuit_cache
from search.circuit import CircuitFigures
from search.circuit_cache import cached_measurement
from zk.checked.options import CheckedOptions
from zk.types import Budget

SPEC = GeneratorSpec(family="subpixel", latent_dim=4, conditioning="one_hot", widths=(4,), num_classes=2, image_size=8)
BUDGET = Budget(memory_bytes=2**30, wall_seconds=60)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[GeneratorSpec]:
    """Specs that were really measured; those with a latent of 5 do not compile."""
    specs: list[GeneratorSpec] = []

    def measure(spec: GeneratorSpec, folder: Path, **_: object) -> CircuitFigures:
        specs.append(spec)
        return CircuitFigures(
            {"rows": 10.0 * spec.latent_dim}, spec.latent_dim != 5, "too long" * (spec.latent_dim == 5)
        )

    monkeypatch.setattr(circuit_cache, "measure_spec", measure)
    return specs


def ask(tmp_path: Path, spec: GeneratorSpec = SPEC, options: CheckedOptions | None = None) -> CircuitFigures:
    folder = tmp_path / "candidate"
    return cached_measurement(
        spec, folder, options=options or CheckedOptions(), budget=BUDGET, kept=tmp_path / "circuits"
    )


def test_a_known_spec_is_not_measured_again(tmp_path: Path, measured: list[GeneratorSpec]) -> None:
    assert ask(tmp_path) == ask(tmp_path) == CircuitFigures({"rows": 40.0}, True, "")
    assert measured == [SPEC]
    assert (tmp_path / "candidate" / "figures.json").exists()


def test_whatever_decides_the_figures_is_told_apart(
    tmp_path: Path, measured: list[GeneratorSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(tmp_path)
    assert ask(tmp_path, replace(SPEC, latent_dim=6)).metrics == {"rows": 60.0}
    ask(tmp_path, options=CheckedOptions(activation_bits=6))
    monkeypatch.setattr(circuit_cache, "version", lambda name: "0")
    ask(tmp_path)
    monkeypatch.setattr(circuit_cache, "_sources_digest", lambda: "other")
    ask(tmp_path)
    assert len(measured) == 5


def test_what_does_not_compile_is_tried_again(tmp_path: Path, measured: list[GeneratorSpec]) -> None:
    spec = replace(SPEC, latent_dim=5)
    assert not ask(tmp_path, spec).compiled
    assert not ask(tmp_path, spec).compiled
    assert len(measured) == 2


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"rows": "many"}'])
def test_a_damaged_file_is_made_again(tmp_path: Path, measured: list[GeneratorSpec], damage: str) -> None:
    ask(tmp_path)
    (path,) = (tmp_path / "circuits").iterdir()
    path.write_text(damage)
    assert ask(tmp_path).metrics == {"rows": 40.0}
    assert len(measured) == 2
    assert path.read_text() == '{"rows": 40.0}'


def test_without_a_folder_every_spec_is_measured(tmp_path: Path, measured: list[GeneratorSpec]) -> None:
    for _ in range(2):
        cached_measurement(SPEC, tmp_path, options=CheckedOptions(), budget=BUDGET, kept=None)
    assert len(measured) == 2
