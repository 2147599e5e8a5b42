"""What tells machines apart."""

import dataclasses
import importlib.metadata
import os
from pathlib import Path

import psutil
import pytest

from zk import machine
from zk.machine import Machine, this_machine

KNOWN = Machine("Fast 9000", 4, 8 << 30, "Linux x86_64", "23.0.5")


def test_this_machine_is_described() -> None:
    found = this_machine()
    assert found.processor.strip() == found.processor != ""
    assert found.cores == len(os.sched_getaffinity(0))
    assert found.memory_bytes % 2**30 == 0
    assert abs(found.memory_bytes - psutil.virtual_memory().total) <= 2**29
    assert found.system.split() == [os.uname().sysname, os.uname().machine]
    assert found.ezkl == importlib.metadata.version("ezkl")
    assert this_machine() == found


def test_only_the_cores_that_the_process_may_use_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 6})
    assert this_machine().cores == 3


@pytest.mark.parametrize(("counted", "cores"), [(7, 7), (None, 1)])
def test_cores_without_affinity(monkeypatch: pytest.MonkeyPatch, counted: int | None, cores: int) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert this_machine().cores == cores


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nmodel name\t: Fast 9000: 2 GHz \nmodel name\t: Other\n", "Fast 9000: 2 GHz"),
        ("Model Name : Upper\n", "Upper"),
        ("processor : 0\nBogoMIPS : 50\n", "from platform"),
        ("", "from platform"),
        (None, "from platform"),
    ],
)
def test_name_of_the_processor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None, expected: str
) -> None:
    path = tmp_path / "cpuinfo"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(machine, "_CPUINFO", path)
    monkeypatch.setattr(machine.platform, "processor", lambda: "from platform")
    assert this_machine().processor == expected


def test_a_processor_without_any_name_is_its_architecture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "_CPUINFO", tmp_path / "none")
    monkeypatch.setattr(machine.platform, "processor", lambda: "")
    monkeypatch.setattr(machine.platform, "machine", lambda: "riscv64")
    assert this_machine().processor == "riscv64"


def test_digest_tells_machines_apart() -> None:
    others = [
        dataclasses.replace(KNOWN, processor="Fast 9001"),
        dataclasses.replace(KNOWN, cores=8),
        dataclasses.replace(KNOWN, memory_bytes=9 << 30),
        dataclasses.replace(KNOWN, system="Linux aarch64"),
        dataclasses.replace(KNOWN, ezkl="23.0.6"),
    ]
    assert len(others) == len(dataclasses.fields(Machine))
    assert len({KNOWN.digest, *(other.digest for other in others)}) == 6
    assert dataclasses.replace(KNOWN).digest == KNOWN.digest


def test_digest_is_a_short_file_name_that_other_processes_find_again() -> None:
    assert KNOWN.digest == "c546e746396f"
