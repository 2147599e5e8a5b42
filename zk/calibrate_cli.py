"""``python -m zk.cost calibrate``: measure this machine, so that predictions are of it."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from zk.calibration import calibrate_machine
from zk.cost import calibrated_path
from zk.cost_model import TERMS, CostModel, CostSample, save_cost_model
from zk.errors import OptionError
from zk.machine import this_machine
from zk.types import Budget


def calibrate(arguments: Sequence[str]) -> int:
    """Prove the calibration circuits, fit the cost model and store it under the machine's identity."""
    parser = argparse.ArgumentParser(prog="python -m zk.cost calibrate", description=__doc__)
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to store (default: the user's cache)")
    parser.add_argument("--srs-dir", type=Path, default=Path("mlruns/srs"), help="where SRS files are kept")
    parser.add_argument("--memory-gib", type=float, default=8.0, metavar="GIB", help="limit of each child process")
    parser.add_argument("--seconds", type=float, default=600.0, metavar="S", help="limit of each child process")
    given = parser.parse_args(arguments)
    machine = this_machine()
    target = given.out or calibrated_path(machine.digest)
    budget = Budget.asked(given.memory_gib * 2**30, given.seconds)
    _check_writable(target)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="zk-calibrate-") as folder:
        model, samples = calibrate_machine(machine, Path(folder), given.srs_dir, budget=budget)
    save_cost_model(model, target)
    print("\n".join(calibration_lines(model, samples)))
    print(
        f"{len(samples)} circuits in {time.monotonic() - started:.0f} s on {machine.processor}, {machine.cores} cores"
    )
    print(f"stored in {target}")
    return 0


def _check_writable(target: Path) -> None:
    """Fail before the measuring, not after it."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise OptionError(f"{target} must be writable; {error}; give another --out") from error
    if target.is_dir():
        raise OptionError(f"{target} must be a file; it is a folder; give another --out")


def calibration_lines(model: CostModel, samples: Sequence[CostSample]) -> list[str]:
    """Say how closely each fitted quantity meets the circuits it was fitted to, and how wide its interval is."""
    lines = []
    for stage, quantity in TERMS:
        errors = [
            abs(model.estimate(stage, quantity, sample.cost).middle / getattr(sample.stages[stage], quantity) - 1)
            for sample in samples
        ]
        spread = model.fits[f"{stage} {quantity}"].spread
        mean = 100 * sum(errors) / len(errors)
        lines.append(f"{stage:<8} {quantity:<8} mean error of the fit {mean:4.1f}%, interval x/: {spread:.2f}")
    return lines
