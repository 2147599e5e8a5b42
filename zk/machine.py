"""What identifies the machine that timings were taken on."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Machine:
    """The parts of a machine that proving time depends on.

    Attributes:
        processor: model name of the processor.
        cores: cores that this process may use.
        memory_bytes: installed memory, rounded to whole GiB, as kernels differ in what they keep.
        system: operating system and architecture.
        ezkl: version of ezkl.
    """

    processor: str
    cores: int
    memory_bytes: int
    system: str
    ezkl: str

    @property
    def digest(self) -> str:
        """Twelve hex digits that tell machines apart, for file names."""
        return hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()[:12]


def this_machine() -> Machine:
    """Describe the machine that this runs on."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    memory = round(psutil.virtual_memory().total / 2**30) * 2**30
    system = f"{platform.system()} {platform.machine()}"
    return Machine(_processor(), cores, memory, system, importlib.metadata.version("ezkl"))


def _processor() -> str:
    try:
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
