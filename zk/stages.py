"""The stages of one circuit, each run in a child process and recorded even when it fails."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from atomic_files import write_text
from zk.child import KILLED, run_in_child
from zk.circuit_cost import load_settings
from zk.cost import choose_logrows
from zk.errors import OptionError, ZkError
from zk.srs import publish_once, srs_path
from zk.types import Budget, CircuitOptions, Outcome, StageResult

_DRAFT_LOGROWS = 17
_ATTEMPTS = 3


@dataclass(frozen=True)
class Repeats:
    """How often to run a stage that is timed.

    Attributes:
        times: most runs.
        below_seconds: a run of this wall clock or more is the last.

    Raises:
        OptionError: ``times`` is not positive.
    """

    times: int = 1
    below_seconds: float = 120.0

    def __post_init__(self) -> None:
        if self.times < 1:
            raise OptionError(f"times must be at least 1; got {self.times}")


ONCE = Repeats()


class StageFailed(ZkError):
    """A stage did not end well; it is already recorded, and later stages are skipped."""


@final
class StageRunner:
    """Runs stages in one folder and keeps what each of them did.

    Args:
        workdir: receives every file of the circuit and a log for each stage.
        options: layout of the circuit.
        budget: limits of each stage.
        stage_budgets: other limits for some stages, by name.
        threads: worker threads of ezkl; None leaves it to ezkl.

    """

    def __init__(
        self,
        workdir: Path,
        options: CircuitOptions,
        budget: Budget,
        stage_budgets: Mapping[str, Budget] | None = None,
        threads: int | None = None,
    ) -> None:
        self.workdir = workdir
        self.options = options
        self.results: list[StageResult] = []
        self._budget = budget
        self._stage_budgets = dict(stage_budgets or {})
        self._threads = threads
        workdir.mkdir(parents=True, exist_ok=True)

    def file(self, name: str) -> Path:
        """Path of a file in the folder."""
        return self.workdir / name

    def budget(self, stage: str) -> Budget:
        """Limits of a stage."""
        return self._stage_budgets.get(stage, self._budget)

    def log(self, stage: str) -> Path:
        """Log file of a stage."""
        return self.workdir / f"{stage}.log"

    def record(self, result: StageResult) -> None:
        """Keep a result; raises :class:`StageFailed` unless it is ok."""
        self.results.append(result)
        if not result.ok:
            raise StageFailed(f"stage {result.stage}: {result.outcome}: {result.message}")

    def refuse(self, stage: str, message: str) -> None:
        """Record a refusal found by our own check after a stage had run, and fail."""
        self.record(StageResult(stage, Outcome.REFUSED, 0.0, 0, message))

    def run(self, stage: str, target: str, kwargs: dict[str, Any], *outputs: Path, attempts: int = 1) -> Any:
        """Run a stage, record it, and give its value; raises :class:`StageFailed` unless it is ok.

        One that is killed from outside at less than half its memory was killed by somebody, or for what others took; it
        is run again, ``attempts`` times in all, and the last of them is recorded.
        """
        budget = self.budget(stage)
        for _ in range(attempts):
            run = run_in_child(
                stage,
                target,
                kwargs,
                budget=budget,
                log_path=self.log(stage),
                outputs=outputs,
                threads=self._threads,
            )
            if run.result.message != KILLED or run.result.peak_rss_bytes >= budget.memory_bytes // 2:
                break
        self.record(run.result)
        return run.value

    def run_repeatedly(self, repeats: Repeats, stage: str, target: str, kwargs: dict[str, Any], output: Path) -> None:
        """Run a stage as often as ``repeats`` says, each run recorded; what the last one wrote stays."""
        for _ in range(repeats.times):
            self.run(stage, target, kwargs, output)
            if self.results[-1].wall_seconds >= repeats.below_seconds:
                break

    def settings(self, onnx: Path) -> dict[str, Any]:
        """Stage "settings": draft settings at the pinned scales, then the height chosen from them."""
        path = self.file("settings.json")
        kwargs = {
            "onnx": str(onnx),
            "settings": str(path),
            "options": self.options.to_json(),
            "logrows": self.options.logrows or _DRAFT_LOGROWS,
        }
        self.run("settings", "zk.backend:gen_settings", kwargs, path, attempts=_ATTEMPTS)
        return self.fix_height()

    def fix_height(self) -> dict[str, Any]:
        """Write the chosen logrows into the settings."""
        path = self.file("settings.json")
        settings = load_settings(path)
        low, high = self.options.min_logrows, self.options.max_logrows
        settings["run_args"]["logrows"] = self.options.logrows or choose_logrows(
            settings, min_logrows=low, max_logrows=high
        )
        write_json(path, settings)
        return settings

    def calibrate(self, onnx: Path, data: Path) -> dict[str, Any]:
        """Stage "calibrate": lookup range from data; refused if ezkl moved anything else that was pinned."""
        options, path = self.options, self.file("settings.json")
        before = load_settings(path)["run_args"]
        kwargs = {
            "data": str(data),
            "onnx": str(onnx),
            "settings": str(path),
            "scale_bits": options.input_scale_bits,
            "rebase_multipliers": [options.scale_rebase_multiplier],
            "margin": options.lookup_safety_margin,
            "max_logrows": max(options.max_logrows, options.logrows or 0),
        }
        self.run("calibrate", "zk.backend:calibrate", kwargs, path)
        after = load_settings(path)["run_args"]
        moved = {key for key in before if before[key] != after.get(key)} - {"lookup_range", "logrows"}
        if moved:
            found = ", ".join(f"{key}: {before[key]} became {after.get(key)}" for key in sorted(moved))
            self.refuse("calibrate", f"calibration must leave the pinned options alone; {found}; give equal scales")
        return self._widen_lookups(before["lookup_range"])

    def _widen_lookups(self, least: list[int]) -> dict[str, Any]:
        """Let the tables span at least the asked range: other inputs than the calibrated ones should fit too."""
        path = self.file("settings.json")
        settings = load_settings(path)
        low, high = settings["run_args"]["lookup_range"]
        settings["run_args"]["lookup_range"] = [min(low, least[0]), max(high, least[1])]
        write_json(path, settings)
        return self.fix_height()

    def compile(self, onnx: Path) -> Path:
        """Stage "compile"."""
        compiled = self.file("circuit.ezkl")
        kwargs = {"onnx": str(onnx), "compiled": str(compiled), "settings": str(self.file("settings.json"))}
        self.run("compile", "zk.backend:compile_circuit", kwargs, compiled, attempts=_ATTEMPTS)
        return compiled

    def srs(self, srs_dir: Path, logrows: int) -> Path:
        """Stage "srs": the cached test-only SRS, made first if it is missing."""
        path = srs_path(srs_dir, logrows)
        if path.exists():
            self.record(StageResult("srs", Outcome.OK, 0.0, 0, output_bytes=((path.name, path.stat().st_size),)))
            return path
        with publish_once(path) as temporary:
            self.run("srs", "zk.backend:gen_srs", {"srs": str(temporary), "logrows": logrows}, temporary)
        return path


def write_json(path: Path, data: Any) -> None:
    """Write JSON atomically."""
    write_text(path, json.dumps(data))
