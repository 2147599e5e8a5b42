"""The wiring audit on sound and unsound circuits, and on damaged keys."""

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from models import build_keys, edit_settings

from zk import field
from zk.audit import audit_wiring, cycle_labels
from zk.cost import load_settings
from zk.errors import ArtifactError
from zk.types import Wiring

PRODUCTS = ("none", "square", "relu", "deep", "conv")


@pytest.mark.parametrize("then", PRODUCTS)
def test_the_same_model_is_linked_without_and_unlinked_with_freivalds(tmp_path: Path, then: str) -> None:
    verdicts = {}
    for freivalds in (False, True):
        folder = tmp_path / str(freivalds)
        folder.mkdir()
        pk, settings, vk = build_keys(folder, then, freivalds=freivalds)
        report = audit_wiring(pk, settings, vk)
        verdicts[freivalds] = report.verdict
        assert report.linked_public_values == report.public_values > 0
        if freivalds:
            assert report.columns > report.expected_columns
            edit_settings(settings, "einsum_params", total_einsum_col_size=0)  # settings that deny it
            assert audit_wiring(pk, settings).verdict is Wiring.UNLINKED
        else:
            assert report.columns == report.expected_columns
    assert verdicts == {False: Wiring.LINKED, True: Wiring.UNLINKED}


def test_freivalds_enabled_but_unused_is_linked(tmp_path: Path) -> None:
    pk, settings, vk = build_keys(tmp_path, "only-conv", freivalds=True)
    assert audit_wiring(pk, settings, vk).verdict is Wiring.LINKED


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return build_keys(tmp_path_factory.mktemp("sound"), "square", freivalds=False)


def _damage(sound: tuple[Path, Path, Path], folder: Path) -> tuple[Path, Path, bytearray]:
    pk, settings, _ = sound
    copy, its_settings = folder / "pk", folder / "settings.json"
    shutil.copy(pk, copy)
    shutil.copy(settings, its_settings)
    return copy, its_settings, bytearray(copy.read_bytes())


def _permutation_start(content: bytes, height: int, columns: int) -> int:
    header = struct.pack(">I", columns) + struct.pack(">I", height) * columns
    return content.index(header) + len(header) + 4


def test_a_broken_cycle_is_unlinked(sound: tuple[Path, Path, Path], tmp_path: Path) -> None:
    pk, settings, content = _damage(sound, tmp_path)
    columns = audit_wiring(*sound).columns
    start = _permutation_start(bytes(content), 512, columns)
    content[start : start + 32] = content[start + 32 : start + 64]  # two cells now name the same successor
    pk.write_bytes(content)
    report = audit_wiring(pk, settings)
    assert report.verdict is Wiring.UNLINKED
    assert "broken" in report.reason


def test_an_untied_public_value_is_unlinked(sound: tuple[Path, Path, Path], tmp_path: Path) -> None:
    pk, settings, content = _damage(sound, tmp_path)
    before = audit_wiring(*sound)
    stride = 4 + 32 * 512
    start = _permutation_start(bytes(content), 512, before.columns)
    cell = start + (before.columns - 1) * stride
    value = int.from_bytes(content[cell : cell + 32], "little")
    own = field.MONTGOMERY_RADIX * pow(field.DELTA, before.columns - 1, field.MODULUS) % field.MODULUS
    assert value != own
    # take the first public value out of its cycle: it points to itself, its predecessor to its successor
    for column in range(before.columns):
        for row in range(512):
            other = start + column * stride + 32 * row
            if int.from_bytes(content[other : other + 32], "little") == own:
                content[other : other + 32] = value.to_bytes(32, "little")
    content[cell : cell + 32] = own.to_bytes(32, "little")
    pk.write_bytes(content)
    report = audit_wiring(pk, settings)
    assert report.verdict is Wiring.UNLINKED
    assert report.linked_public_values == before.public_values - 1


def test_circuits_that_it_does_not_model_are_unchecked(sound: tuple[Path, Path, Path], tmp_path: Path) -> None:
    pk, settings, _ = _damage(sound, tmp_path)
    edit_settings(settings, "", num_shuffles=1)
    assert audit_wiring(pk, settings).verdict is Wiring.UNCHECKED
    edit_settings(settings, "", num_shuffles=0, num_rows=10**6)
    assert audit_wiring(pk, settings).verdict is Wiring.UNCHECKED


@pytest.mark.parametrize("kept", [0, 1000, -1, -5000])
def test_truncated_keys_are_refused(sound: tuple[Path, Path, Path], tmp_path: Path, kept: int) -> None:
    pk, settings, content = _damage(sound, tmp_path)
    pk.write_bytes(content[:kept])
    with pytest.raises(ArtifactError, match="proving key"):
        audit_wiring(pk, settings)


def test_foreign_files_are_refused(sound: tuple[Path, Path, Path], tmp_path: Path) -> None:
    pk, settings, _ = _damage(sound, tmp_path)
    foreign = tmp_path / "foreign"
    foreign.write_bytes(np.random.default_rng(0).bytes(100_000))
    with pytest.raises(ArtifactError, match="proving key"):
        audit_wiring(foreign, settings)
    with pytest.raises(ArtifactError, match="readable proving key"):
        audit_wiring(tmp_path / "absent", settings)
    with pytest.raises(ArtifactError, match="verification key"):
        audit_wiring(pk, settings, foreign)
    with pytest.raises(ArtifactError, match="settings in JSON"):
        audit_wiring(pk, foreign)
    wrong = load_settings(settings)["run_args"]["logrows"] + 1
    edit_settings(settings, "run_args", logrows=wrong)
    with pytest.raises(ArtifactError, match="proving key"):
        audit_wiring(pk, settings)


def test_cycle_labels_against_a_naive_walk() -> None:
    generator = np.random.default_rng(1)
    for size in (1, 2, 7, 64, 501):
        successor = generator.permutation(size)
        expected = np.full(size, -1)
        for start in range(size):
            cell = start
            while expected[cell] < 0:
                expected[cell] = start
                cell = successor[cell]
        assert np.array_equal(cycle_labels(successor.astype(np.int64)), expected)


def test_cycle_labels_of_one_long_and_of_no_cycle() -> None:
    ring = np.roll(np.arange(1000), -1)
    assert set(cycle_labels(ring).tolist()) == {0}
    assert np.array_equal(cycle_labels(np.arange(10)), np.arange(10))
