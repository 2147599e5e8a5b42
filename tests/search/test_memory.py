import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from search.candidate import Candidate
from search.memory import MemoryForecast, PeakMeter

MIB = 2**20
linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")


@linux
def test_a_peak_is_of_what_happened_while_it_was_measured() -> None:
    before = np.ones(100 * MIB, dtype=np.uint8)
    del before
    with PeakMeter() as idle:
        base = idle.bytes
    with PeakMeter() as meter:
        held = np.ones(50 * MIB, dtype=np.uint8)
        del held
    assert meter.bytes - base == pytest.approx(50 * MIB, abs=10 * MIB)


@linux
def test_the_greatest_child_counts_on_top() -> None:
    with PeakMeter() as meter:
        own = meter.bytes
        for mebibytes in (5, 60):
            program = f"import time; held = b'x' * ({mebibytes} << 20); time.sleep(1.5)"
            subprocess.run([sys.executable, "-c", program], check=True)
    children = meter.bytes - own
    assert 60 * MIB < children < 90 * MIB


def test_a_forecast_is_what_others_took_beside_their_networks(tiny_candidate: Candidate) -> None:
    small, large = tiny_candidate, replace(tiny_candidate, seed=1)
    forecast = MemoryForecast(900, lambda candidate: 10 if candidate == small else 50)
    assert forecast.of(large) == forecast.of_any() == 900
    forecast.learn(small, 210)
    assert forecast.of(small) == 262
    assert forecast.of(large) == forecast.of_any() == 312
    forecast.learn(large, 90)
    assert forecast.of(small) == 262
