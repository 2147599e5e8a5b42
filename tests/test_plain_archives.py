"""Archives that would grow are refused before anything in them is read."""

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from plain_archives import check_plain, check_torch_archive


def test_what_torch_and_numpy_write_is_plain(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1000)}, tmp_path / "a.pt")
    np.savez(tmp_path / "a.npz", a=np.zeros(1000))
    check_plain(tmp_path / "a.pt")
    check_plain(tmp_path / "a.npz")


def test_a_compressed_entry_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(1000))
    with pytest.raises(ValueError, match=r"must not be compressed; 'a.npy' is"):
        check_plain(tmp_path / "a.npz")
    torch.save({"a": torch.zeros(1000)}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as plain, zipfile.ZipFile(tmp_path / "b.pt", "w") as packed:
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry), compress_type=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="must not be compressed"):
        check_plain(tmp_path / "b.pt")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(ValueError, match="no zip archive"):
        check_plain(tmp_path / "a.pt")
    with pytest.raises(FileNotFoundError):
        check_plain(tmp_path / "none.pt")


def _as_if_stored(directory: bytes) -> bytes:
    changed, place = bytearray(directory), 0
    while place < len(changed):
        changed[place + 10 : place + 12] = b"\0\0"
        place += 46 + sum(struct.unpack("<3H", changed[place + 28 : place + 34]))
    return bytes(changed)


def test_a_second_directory_is_refused(tmp_path: Path) -> None:
    """Python reads the one before the end record, torch the one that this record names."""
    torch.save({"a": torch.zeros(1000)}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as plain, zipfile.ZipFile(tmp_path / "b.pt", "w") as packed:
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry), compress_type=zipfile.ZIP_DEFLATED)
    content = (tmp_path / "b.pt").read_bytes()
    (start,) = struct.unpack("<L", content[-6:-2])
    directory = content[start:-22]
    (tmp_path / "b.pt").write_bytes(content[:-22] + _as_if_stored(directory) + content[-22:])
    assert torch.load(tmp_path / "b.pt", weights_only=True)["a"].shape == (1000,)
    with zipfile.ZipFile(tmp_path / "b.pt") as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
    with pytest.raises(ValueError, match="must end where its end record begins"):
        check_plain(tmp_path / "b.pt")


@pytest.mark.parametrize("place", [-98, -90 + 32, -42 + 8, -22 + 16, -22 + 20])
def test_end_records_that_disagree_are_refused(place: int, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1000)}, tmp_path / "a.pt")
    content = bytearray((tmp_path / "a.pt").read_bytes())
    content[place] ^= 1
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(ValueError, match="no zip archive"):
        check_plain(tmp_path / "a.pt")


def test_entries_that_declare_more_than_the_file_has_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", b"x" * 100)
    content = bytearray((tmp_path / "a.zip").read_bytes())
    (start,) = struct.unpack("<L", content[-6:-2])
    content[start + 20 : start + 28] = struct.pack("<2L", 10**9, 10**9)
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ValueError, match="they declare more"):
        check_plain(tmp_path / "a.zip")


class _Calling:
    def __init__(self, called: Callable[..., Any], *arguments: object) -> None:
        self.parts = (called, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.parts


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (_Calling(bytearray, 10**12), r"'(__builtin__|builtins) bytearray'"),
        (_Calling(torch.FloatTensor, 10**12), r"'torch FloatTensor'"),
        ({"a": [_Calling(complex, 1, 2)]}, "complex"),
        ({1, 2}, "set"),
    ],
)
def test_what_asks_for_more_than_tensors_is_refused(content: object, said: str, tmp_path: Path) -> None:
    """The first two took any memory that they named, within torch's ``weights_only``."""
    torch.save(content, tmp_path / "a.pt")
    check_plain(tmp_path / "a.pt")
    with pytest.raises(ValueError, match=f"must hold tensors and plain values; it asks for GLOBAL .*{said}"):
        check_torch_archive(tmp_path / "a.pt")


def test_what_a_training_writes_is_not_refused(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.rand(4, 3)).sum().backward()
    optimizer.step()
    kinds = [torch.zeros(2, dtype=kind) for kind in (torch.half, torch.bfloat16, torch.uint8, torch.bool, torch.double)]
    plain = {"a": 1, "b": (2.5, None, True, "x"), "c": 10**30, "kinds": kinds, "random": torch.get_rng_state()}
    torch.save({**plain, "network": network.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "a.pt")
    check_torch_archive(tmp_path / "a.pt")


@pytest.mark.parametrize("protocol", [2, 4])
def test_names_are_found_in_every_protocol(protocol: int, tmp_path: Path) -> None:
    torch.save(_Calling(bytearray, 5), tmp_path / "a.pt", pickle_protocol=protocol)
    with pytest.raises(ValueError, match="it asks for (GLOBAL|STACK_GLOBAL)"):
        check_torch_archive(tmp_path / "a.pt")


@pytest.mark.parametrize("names", [[], ["a/data.pkl", "b/data.pkl"]])
def test_an_archive_of_torch_has_one_pickle(names: list[str], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        for name in [*names, "a/version"]:
            archive.writestr(name, b"3\n")
    with pytest.raises(ValueError, match=f"must have one entry data.pkl; it has {len(names)}"):
        check_torch_archive(tmp_path / "a.pt")
