"""The format of proving keys: what the parser finds in real ones, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
from audit_circuits import CIRCUITS, build

from zk.audit_field import to_words
from zk.audit_key import ProvingKey, open_proving_key
from zk.errors import ArtifactError
from zk.field import MONTGOMERY_RADIX


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return build(tmp_path_factory.mktemp("key"), CIRCUITS["residual relu"])


@pytest.fixture(scope="module")
def key(keys: tuple[Path, Path, Path]) -> ProvingKey:
    return open_proving_key(keys[0])


def test_the_parts_add_up_to_the_whole_file(key: ProvingKey, keys: tuple[Path, Path, Path]) -> None:
    assert key.logrows == 9
    assert key.columns == 3 * 2 + 1 + 1  # two inner columns, constants, public values
    assert key.selectors == 3 * 2 + 6 + 2 * 2  # elementwise, accumulating, two range tables
    assert key.verification_key_bytes == keys[2].stat().st_size
    assert key.lists[-1].end == keys[0].stat().st_size
    assert [part.length for part in key.lists] == [512, 512, 2048] * 2
    assert key.holds_verification_key(keys[2].read_bytes())


def test_every_selector_is_one_value_of_one_fixed_column(key: ProvingKey) -> None:
    """The bitmaps say what the fixed columns say: halo2 combines selectors as the values 1, 2, ... of one column."""
    small = [to_words([MONTGOMERY_RADIX * value])[0] for value in range(1, 8)]
    combined = {
        tuple(np.flatnonzero((column == value).all(axis=1)).tolist()) for column in key.fixed_values for value in small
    }
    used = [tuple(key.active_rows(selector).tolist()) for selector in range(key.selectors)]
    assert sum(map(bool, used)) > 6
    assert set(filter(None, used)) <= combined


def test_the_first_fixed_columns_are_the_constants(key: ProvingKey) -> None:
    values = {tuple(element) for element in key.fixed_values[0].tolist()}
    assert tuple(to_words([MONTGOMERY_RADIX])[0].tolist()) in values
    assert tuple(to_words([128 * MONTGOMERY_RADIX])[0].tolist()) in values  # the base of the digits


def cuts(length: int) -> list[int]:
    return [0, 1, 6, 7, 8, 100, 1000, length // 3, length // 2, length - 5000, length - 33, length - 32, length - 1]


@pytest.mark.parametrize("which", range(13))
def test_truncated_keys_are_refused(keys: tuple[Path, Path, Path], tmp_path: Path, which: int) -> None:
    content = keys[0].read_bytes()
    (tmp_path / "pk").write_bytes(content[: cuts(len(content))[which]])
    with pytest.raises(ArtifactError, match="must be a whole proving key"):
        open_proving_key(tmp_path / "pk")


def test_keys_cut_at_the_seams_are_refused(key: ProvingKey, keys: tuple[Path, Path, Path], tmp_path: Path) -> None:
    content = keys[0].read_bytes()
    seams = [part.start for part in key.lists] + [part.end for part in key.lists[:-1]]
    for seam in [key.verification_key_bytes, *seams]:
        (tmp_path / "pk").write_bytes(content[:seam])
        with pytest.raises(ArtifactError, match="must be a whole proving key"):
            open_proving_key(tmp_path / "pk")


EDITS = {
    "longer": lambda key, raw: raw + b"\0",
    "later version": lambda key, raw: b"\x04" + raw[1:],
    "other height": lambda key, raw: raw[:1] + b"\x0a" + raw[2:],
    "no such flag": lambda key, raw: raw[:2] + b"\x02" + raw[3:],
    "uncompressed": lambda key, raw: raw[:2] + b"\x00" + raw[3:],
    "more fixed columns": lambda key, raw: raw[:3] + bytes([raw[3] + 1]) + raw[4:],
    "off the curve": lambda key, raw: raw[:40] + bytes([raw[40] ^ 1]) + raw[41:],
    "bitmap cut": lambda key, raw: raw[: key.verification_key_bytes - 9] + raw[key.verification_key_bytes :],
    "length mark": lambda key, raw: raw[: key.lists[3].start - 4] + b"\1" + raw[key.lists[3].start - 3 :],
}


@pytest.mark.parametrize("name", EDITS)
def test_keys_with_other_bytes_are_refused(
    key: ProvingKey, keys: tuple[Path, Path, Path], tmp_path: Path, name: str
) -> None:
    (tmp_path / "pk").write_bytes(EDITS[name](key, keys[0].read_bytes()))
    with pytest.raises(ArtifactError, match="must be a whole proving key"):
        open_proving_key(tmp_path / "pk")


def test_foreign_files_are_refused(keys: tuple[Path, Path, Path], tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    for content in (np.random.default_rng(0).bytes(100_000), b"\0" * 5000, keys[2].read_bytes(), b"{}"):
        foreign.write_bytes(content)
        with pytest.raises(ArtifactError, match="must be a whole proving key"):
            open_proving_key(foreign)
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(ArtifactError, match="must be a whole proving key"):
            open_proving_key(path)


def test_another_verification_key_is_not_held(key: ProvingKey, keys: tuple[Path, Path, Path]) -> None:
    content = keys[2].read_bytes()
    for other in (b"", content[:-1], content + b"\0", bytes([content[0] ^ 1]) + content[1:]):
        assert not key.holds_verification_key(other)
