"""Freed memory stays with the process that trains."""

import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource, torch
from gan.training.memory import keep_freed_memory
if {kept}:
    assert keep_freed_memory()
def step():
    blocks = [torch.ones(1 << 22) for _ in range(2)]  # 16 MiB each
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _page_faults(*, kept: bool) -> int:
    out = subprocess.run([sys.executable, "-c", _FAULTS.format(kept=kept)], capture_output=True, text=True, check=True)
    return int(out.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc's allocator")
def test_blocks_of_the_next_step_cost_few_page_faults() -> None:
    assert 2 * _page_faults(kept=True) < _page_faults(kept=False)
