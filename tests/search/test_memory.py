import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from search.candidate import Candidate
from search.memory import MemoryForecast

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")


def in_a_fresh_process(program: str) -> list[int]:
    """Numbers that ``program`` prints: this process keeps memory and children of other tests."""
    text = "import subprocess, sys\nimport numpy as np\nfrom search.memory import PeakMeter\n" + textwrap.dedent(
        program
    )
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, check=True, capture_output=True, text=True)
    return [int(word) for word in done.stdout.split()]


@linux
def test_a_peak_is_of_what_happened_while_it_was_measured() -> None:
    idle, busy = in_a_fresh_process("""
        before = np.ones(100 << 20, dtype=np.uint8)
        del before
        with PeakMeter() as meter:
            print(meter.bytes)
        with PeakMeter() as meter:
            held = np.ones(50 << 20, dtype=np.uint8)
            del held
        print(meter.bytes)
    """)
    assert busy - idle == pytest.approx(50 * MIB, abs=10 * MIB)


@linux
def test_the_greatest_child_counts_on_top() -> None:
    own, both = in_a_fresh_process("""
        with PeakMeter() as meter:
            print(meter.bytes)
            for mebibytes in (5, 60):
                program = f"import time; held = b'x' * ({mebibytes} << 20); time.sleep(1.5)"
                subprocess.run([sys.executable, "-c", program], check=True)
        print(meter.bytes)
    """)
    assert 60 * MIB < both - own < 90 * MIB


def test_a_forecast_is_what_others_took_beside_their_networks(tiny_candidate: Candidate) -> None:
    small, large = tiny_candidate, replace(tiny_candidate, seed=1)
    forecast = MemoryForecast(900, lambda candidate: 10 if candidate == small else 50)
    assert forecast.of(large) == forecast.of_any() == 900
    forecast.learn(small, 210)
    assert forecast.of(small) == 262
    assert forecast.of(large) == forecast.of_any() == 312
    forecast.learn(large, 90)
    assert forecast.of(small) == 262
