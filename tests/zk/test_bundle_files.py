"""Hostile containers and manifests: no proof is needed to refuse them."""

import copy
import json
import os
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zk import bundle_files
from zk.bundle_files import read_members, write_members
from zk.bundle_format import (
    DESCRIBED,
    MANIFEST,
    MAX_JSON_DEPTH,
    MEMBER_LIMITS_BYTES,
    BundleError,
    one_line,
    parse_json,
)
from zk.bundle_manifest import Manifest, MemberRecord, PublicTensor
from zk.errors import ArtifactError
from zk.srs import SrsKind
from zk.types import Outcome, StageResult, Wiring

MEMBERS = {name: f"content of {name}".encode() for name in MEMBER_LIMITS_BYTES}
LIMITS = dict.fromkeys(MEMBER_LIMITS_BYTES, 10_000)


def refused(path: Path, match: str) -> None:
    with pytest.raises(BundleError, match=match) as caught:
        read_members(path)
    assert caught.value.check == "container"


def make_zip(path: Path, entries: list[tuple[str, bytes]], **attributes: int) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")  # a name that is there twice is the point
        for name, content in entries:
            entry = zipfile.ZipInfo(name)
            for key, value in attributes.items():
                setattr(entry, key, value)
            archive.writestr(entry, content)
    return path


@pytest.mark.parametrize("name", ["b", "b.zip"])
def test_members_round_trip(tmp_path: Path, name: str) -> None:
    seen: list[dict[str, bytes]] = []
    write_members(MEMBERS, tmp_path / "deep" / name, lambda path: seen.append(read_members(path)))
    assert [read_members(tmp_path / "deep" / name)] == seen == [MEMBERS]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == [name]


@pytest.mark.parametrize("name", ["b", "b.zip"])
def test_what_fails_its_check_is_not_published(tmp_path: Path, name: str) -> None:
    def fail(path: Path) -> None:
        raise KeyError(path.name)

    with pytest.raises(KeyError):
        write_members(MEMBERS, tmp_path / name, fail)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match="must not replace"):
        write_members(MEMBERS, tmp_path / name, read_members)


@pytest.mark.parametrize(
    "strange",
    ["../proof.bin", "/etc/passwd", "sub/proof.bin", "C:\\proof.bin", "other", "proof.bin/", ""],
)
def test_zips_with_other_names_are_refused(tmp_path: Path, strange: str) -> None:
    entries = [*MEMBERS.items()]
    refused(make_zip(tmp_path / "added.zip", [*entries, (strange, b"x")]), "exactly .*; found an unknown|readable")
    swapped = [(strange if name == "proof.bin" else name, content) for name, content in entries]
    refused(make_zip(tmp_path / "swapped.zip", swapped), "exactly .*; found an unknown|readable")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["added.zip", "swapped.zip"]


def test_a_name_is_judged_as_it_is_stored(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "z.zip", [(name.replace("vk.key", "vk.key?x"), c) for name, c in MEMBERS.items()])
    path.write_bytes(path.read_bytes().replace(b"vk.key?x", b"vk.key\0x"))  # zipfile would show "vk.key"
    refused(path, r"found an unknown 'vk.key\\x00x'")


def test_names_that_are_there_twice_are_refused(tmp_path: Path) -> None:
    refused(make_zip(tmp_path / "z.zip", [*MEMBERS.items(), ("vk.key", b"another")]), "'vk.key' twice")


def test_links_and_special_files_in_zips_are_refused(tmp_path: Path) -> None:
    for mode in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR):
        path = make_zip(tmp_path / "z.zip", list(MEMBERS.items()), external_attr=(mode | 0o777) << 16)
        refused(path, "link or special")


def test_links_pipes_and_folders_in_folders_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    write_members(MEMBERS, folder, read_members)
    target = folder / "vk.key"
    target.rename(tmp_path / "outside")
    target.symlink_to(tmp_path / "outside")
    refused(folder, "not a link")
    target.unlink()
    os.mkfifo(target)
    refused(folder, "plain file")
    target.unlink()
    target.mkdir()
    refused(folder, "plain file|readable")
    refused(tmp_path / "absent", "readable")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "found no")
    for index in range(50):
        (tmp_path / "empty" / str(index)).touch()
    refused(tmp_path / "empty", "unknown")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_large_members_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: int
) -> None:
    monkeypatch.setattr(bundle_files, "member_limit_bytes", LIMITS.__getitem__)
    large = {**MEMBERS, "vk.key": os.urandom(10_001)}
    refused(make_zip(tmp_path / "z.zip", list(large.items()), compress_type=method), "at most 10000 bytes")
    (tmp_path / "b").mkdir()
    for name, content in large.items():
        (tmp_path / "b" / name).write_bytes(content)
    refused(tmp_path / "b", "at most 10000 bytes")
    (tmp_path / "b" / "vk.key").write_bytes(large["vk.key"][:-1])
    assert len(read_members(tmp_path / "b")["vk.key"]) == 10_000


def test_bombs_are_refused(tmp_path: Path) -> None:
    bomb = {**MEMBERS, "settings.json": b" " * (1 << 20)}
    refused(make_zip(tmp_path / "z.zip", list(bomb.items()), compress_type=zipfile.ZIP_DEFLATED), "more than 100 times")
    fair = {**MEMBERS, "settings.json": json.dumps(list(range(1000))).encode()}
    path = make_zip(tmp_path / "f.zip", list(fair.items()), compress_type=zipfile.ZIP_DEFLATED)
    assert read_members(path) == fair


def test_a_bomb_that_lies_about_its_size_is_cut_off(tmp_path: Path) -> None:
    bomb = {**MEMBERS, "settings.json": b" " * (1 << 20)}
    path = make_zip(tmp_path / "z.zip", list(bomb.items()), compress_type=zipfile.ZIP_DEFLATED)
    content = path.read_bytes()
    assert content.count(struct.pack("<L", 1 << 20)) == 2
    path.write_bytes(content.replace(struct.pack("<L", 1 << 20), struct.pack("<L", 50)))
    refused(path, "readable|declares")


def test_giant_directories_are_refused_before_they_are_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(tmp_path / "z.zip", [(f"{index:050d}", b"") for index in range(300)])

    def parse(*_: object) -> None:
        raise AssertionError("zipfile was asked")

    monkeypatch.setattr(zipfile, "ZipFile", parse)
    refused(path, "directory must have at most 16384 bytes")


@pytest.mark.parametrize("kept", [0, 10, 100, -1])
def test_truncated_and_foreign_archives_are_refused(tmp_path: Path, kept: int) -> None:
    path = make_zip(tmp_path / "z.zip", list(MEMBERS.items()))
    path.write_bytes(path.read_bytes()[:kept])
    refused(path, "readable|end record")


def test_damaged_comments_zip64_and_encryption_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "z.zip", list(MEMBERS.items()))
    good = path.read_bytes()
    path.write_bytes(good[:-2] + struct.pack("<H", 3) + b"abc")
    refused(path, "end record")
    path.write_bytes(good[:-22] + b"PK\x06\x07" + bytes(16) + good[-22:])
    refused(path, "zip64")
    position = good.index(b"content of proof.bin")
    path.write_bytes(good[:position] + b"C" + good[position + 1 :])
    refused(path, "CRC")
    directory = good.index(b"PK\x01\x02")
    path.write_bytes(good[: directory + 8] + b"\x01" + good[directory + 9 :])
    refused(path, "encrypted")
    refused(make_zip(path, list(MEMBERS.items()), compress_type=zipfile.ZIP_BZIP2), "stored or deflated")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"\xff", "strict JSON"),
        (b"", "strict JSON"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[-Infinity]", "not JSON"),
        (b'{"a": 1e999}', "no number that"),
        (b"[-1e400]", "no number that"),
        (b"1" * 5000, "strict JSON"),
        (b"[" * 100_000, "strict JSON"),
        (b"[" * (MAX_JSON_DEPTH + 1) + b"]" * (MAX_JSON_DEPTH + 1), "nested at most"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "nested at most"),
    ],
)
def test_json_bombs_are_refused(content: bytes, match: str) -> None:
    with pytest.raises(BundleError, match=match) as caught:
        parse_json(content, "m")
    assert caught.value.check == "format"


def test_json_up_to_the_depth_is_read() -> None:
    nested = b"[" * MAX_JSON_DEPTH + b"]" * MAX_JSON_DEPTH
    assert json.dumps(parse_json(nested, "m")).encode() == nested


MANIFEST_DATA = Manifest(
    members={name: MemberRecord(1, "0" * 64) for name in DESCRIBED},
    model_sha256="1" * 64,
    config_sha256=None,
    srs_sha256="2" * 64,
    srs_kind=SrsKind.TEST_ONLY,
    srs_logrows=9,
    logrows=9,
    public=(PublicTensor("x", "input", (1, 4), 7), PublicTensor("y", "output", (2, 3), 7)),
    versions={"ezkl": "23.0.5"},
    wiring=Wiring.LINKED,
    wiring_reason="all",
    verified=True,
    inputs_match=True,
    tampered_rejected=True,
    stages=(StageResult("prove", Outcome.OK, 1.5, 7),),
).to_json()


def set_path(data: Any, path: str, value: Any) -> None:
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parents:
        data = data[part]
    data[last] = value


def delete(path: str) -> Callable[[dict[str, Any]], None]:
    return lambda data: data.pop(path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", "another"),
        ("format_version", 1),
        ("extra", 1),
        ("counts_as_proved", False),
        ("outcome", "timed_out"),
        ("verified", 1),
        ("audit", {"verdict": "linked"}),
        ("audit.verdict", "fine"),
        ("audit.reason", "a\x1b[2J"),
        ("audit.reason", "a" * 601),
        ("logrows", 27),
        ("logrows", 9.0),
        ("logrows", True),
        ("circuit", "checked"),
        ("circuit", "other"),
        ("checked_options", {}),
        ("parts", 2),
        ("parts", 0),
        ("public.0.part", 1),
        ("public", {}),
        ("public", [{}] * 257),
        ("public.0.role", "both"),
        ("public.0.shape", [1, 0]),
        ("public.0.shape", [1] * 9),
        ("public.0.shape", [1 << 25]),
        ("public.0.scale_bits", -1),
        ("public.0.name", "two\nlines"),
        ("model_sha256", "1" * 63),
        ("model_sha256", "G" * 64),
        ("config_sha256", 0),
        ("srs.kind", "mine"),
        ("srs.logrows", 0),
        ("members", {}),
        ("members.vk.key", None),
        ("versions", ["ezkl"]),
        ("versions.ezkl", 23),
        ("stages", "prove"),
        ("stages.0.wall_seconds", -1.0),
        ("stages.0.wall_seconds", 10**400),
        ("stages.0.wall_seconds", float("nan")),
        ("stages.0.peak_rss_bytes", 1.5),
        ("stages.0.outcome", ["ok"]),
    ],
)
def test_manifests_are_checked_value_by_value(path: str, value: Any) -> None:
    data = copy.deepcopy(MANIFEST_DATA)
    assert Manifest.from_json(data).to_json() == data
    if path == "members.vk.key":
        data["members"]["vk.key"] = value
    else:
        set_path(data, path, value)
    with pytest.raises(BundleError) as caught:
        Manifest.from_json(data)
    assert caught.value.check == "format"


@pytest.mark.parametrize("key", MANIFEST_DATA)
def test_manifests_need_every_key(key: str) -> None:
    data = copy.deepcopy(MANIFEST_DATA)
    delete(key)(data)
    with pytest.raises(BundleError, match="exactly"):
        Manifest.from_json(data)
    for other in ([], None, 3, "text"):
        with pytest.raises(BundleError, match=MANIFEST.removesuffix(".json")):
            Manifest.from_json(other)


@pytest.mark.parametrize("name", ["b", "b.zip"])
def test_all_members_together_are_bounded(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_members(MEMBERS, tmp_path / name, lambda path: None)
    total = sum(map(len, MEMBERS.values()))
    monkeypatch.setattr("zk.bundle_files.MAX_BUNDLE_BYTES", total)
    assert read_members(tmp_path / name) == MEMBERS
    monkeypatch.setattr("zk.bundle_files.MAX_BUNDLE_BYTES", total - 1)
    refused(tmp_path / name, f"all members must have at most {total - 1} bytes")


@pytest.mark.parametrize(("key", "value"), [("counts_as_proved", 1), ("format_version", 3.0), ("format_version", True)])
def test_flags_and_versions_have_their_own_types(key: str, value: object) -> None:
    data = copy.deepcopy(MANIFEST_DATA)
    data[key] = value
    with pytest.raises(BundleError, match="true or false|version 3"):
        Manifest.from_json(data)


def test_member_sizes_are_bounded_in_the_manifest() -> None:
    data = copy.deepcopy(MANIFEST_DATA)
    data["members"]["proof.bin"]["bytes"] = MEMBER_LIMITS_BYTES["proof.bin"] + 1
    with pytest.raises(BundleError, match=r"proof\.bin must be an integer"):
        Manifest.from_json(data)


def test_one_line() -> None:
    assert one_line(" a\n\tb\x00\x1b ") == "a b??"
    assert len(one_line("x" * 10_000)) == 600
