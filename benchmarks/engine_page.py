"""Write docs/results/search-engine.{json,md} from what the engine's benchmarks left in docs/results.

``python benchmarks/engine_page.py [FOLDER]``; a benchmark without a file there is said to be missing, and its figures
are null. Each section gives the command that measures it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from atomic_files import write_text
from zk.benchmark.report.text import table as text_table

Found = Any
Section = tuple[str, str, str, Callable[[Found], list[str]]]

RAY_KEY = "threads, sqlite, not recorded"
OWN = "+ freed memory kept"
"""The variant of the throughput benchmark that is this project's training, alone."""


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return a Markdown table, without the empty line behind it."""
    return text_table(heads, [[str(value) for value in row] for row in rows])[:-1]


def times(ratio: float | None) -> str:
    """Return a ratio in a cell; there is none where neither side ever had a front."""
    return "no front" if ratio is None else f"{ratio:.1f}x"


def counts(values: Sequence[int]) -> str:
    """Return numbers in one cell."""
    return ", ".join(map(str, values))


def speed_section(found: Found) -> list[str]:
    """How much sooner the search has what plain Optuna ends with."""
    heads = ("method", "final hypervolume of each seed", "pieces of work", "of a feasible candidate", "that count")
    rows = [
        (
            name,
            ", ".join(f"{v:.3f}" for v in own["hypervolume"]),
            counts(own["draws"]),
            counts(own["feasible"]),
            counts(own["trained_to_the_end"]),
        )
        for name, own in found["methods"].items()
    ]
    ratios = [
        (
            fast,
            slow,
            times(one["ratio"]),
            f"{one['hypervolume']:.3f}",
            "never" if one["ratio"] is None else f"{one['slow_seconds']:.0f} s",
            "never" if one["fast_seconds"] is None else f"{one['fast_seconds']:.0f} s",
            times(one["pairs"]["geometric_mean"]),
            f"{times(one['pairs']['least'])} to {times(one['pairs']['greatest'])}",
            one["pairs"]["missed"],
            one["pairs"]["frontless"],
        )
        for fast, by in found["speedup"].items()
        for slow, one in by.items()
    ]
    heads_of_ratios = (
        "fast",
        "slow",
        "times sooner",
        "mean hypervolume",
        "slow has it after",
        "fast after",
        "run by run",
        "from pair to pair",
        "fast never got there",
        "slow without a front",
    )
    return [
        f"Every run has {found['seconds']:.0f} s of one core. A piece of work is a draw that was rejected, trained to "
        "a rung or trained to the end; only feasible candidates that were trained to the end count. "
        + ("`gate` is `ours` without rungs. " if "gate" in found["methods"] else "")
        + "Space, limits and training are the shipped `search_space=cifar10`, `training=quick`; fewer draws than "
        "NSGA-II has in its first population, so that it draws as `random` does.",
        "",
        *table(heads, rows),
        "",
        "Times sooner: when the mean hypervolume of the fast one's runs is what that of the slow one's runs is at the "
        "end. Run by run: the same of each single run with each, geometric mean; there the moment of one lucky draw "
        "decides. A fast run that never got there counts with all its seconds, and so does a slow one without a front, "
        "against the fast one's first front.",
        "",
        *table(heads_of_ratios, ratios),
    ]


def least_ratios(found: Found) -> dict[str, float]:
    """Return the least ratio to the straightforward loop over all settings.

    ``whole_cpu`` has one training on all threads on either side, ``one_thread`` one on a single thread, and ``default``
    what a search does: a training for each core, beside the loop on all threads. ``both_cores`` is how many more images
    the trainings of all cores see than one alone.
    """
    most = max(one["threads"] for one in found)
    rows = {(one["setting"], one["threads"]): {row["variant"]: row for row in one["variants"]} for one in found}
    crew = f"{most} trainings, a thread each"
    wide = [own for (_, threads), own in rows.items() if threads == most]
    alone = [own for (_, threads), own in rows.items() if threads == 1]
    return {
        "whole_cpu": min(own[OWN]["ratio"] for own in wide),
        "one_thread": min(own[OWN]["ratio"] for own in alone),
        "default": min(own[crew if crew in own else OWN]["ratio"] for own in wide),
        "both_cores": min(
            rows[setting, most][crew]["images_per_second"] / rows[setting, 1][OWN]["images_per_second"]
            for setting, threads in rows
            if threads == 1 and crew in rows.get((setting, most), {})
        ),
    }


def throughput_section(found: Found) -> list[str]:
    """What each trick gives."""
    least = least_ratios(found)
    lines = [
        f"At least {least['whole_cpu']:.2f} times as many images as the straightforward loop where each has the whole "
        f"CPU, {least['one_thread']:.2f} on one thread, {least['default']:.2f} as a search trains by default, with a "
        f"training for each core. Those train at least {least['both_cores']:.2f} times as many as one alone on one "
        "thread: real training scales to this machine's size.",
        "",
    ]
    for one in found:
        plural = "thread" if one["threads"] == 1 else "threads"
        rows = [
            (row["variant"], f"{row['images_per_second']:.0f}", f"{row['ratio']:.2f}x", f"{row['gain']:.2f}x")
            for row in one["variants"]
        ]
        lines += [f"**{one['setting']}**, {one['threads']} {plural}:", ""]
        lines += [*table(("variant", "images a second", "of the first", "of the one above"), rows), ""]
    return lines[:-1]


def overhead_section(found: Found) -> list[str]:
    """What the framework costs."""
    rows = [
        (name, f"{own['ask_seconds']:.2f} s", f"{own['next_trial_seconds']:.2f} s")
        for name, own in found["samplers"].items()
    ]
    return [
        f"A trial costs {found['seconds_per_trial']:.2f} s beside its own work, {found['overhead_fraction']:.2%} of "
        f"one of 60 s. After {found['finished_trials']:,} finished trials:",
        "",
        *table(("sampler", "a draw", "from trial to trial, with its record"), rows),
    ]


def kills_section(found: Found) -> list[str]:
    """What kills did."""
    names = {"plain": "plain", "rungs": "with rungs", "pair": "two drivers"}
    heads = ("study", "kills of", "lost", "counted twice", "stuck", "wrong on the front", "steps done twice", "steps")
    keys = ("lost_trials", "double_counted", "stuck_running")
    rows = [
        (
            said,
            ", ".join(f"{kind} {count}" for kind, count in found[name]["injected"].items()),
            *(found[name][key] for key in keys),
            len(found[name]["wrong_front"]),
            found[name]["repeated_steps"],
            found[name]["steps"],
        )
        for name, said in names.items()
        if name in found
    ]
    same = "equal" if all(one.get("equals_undisturbed", True) for one in found.values()) else "do not both equal"
    return [
        *table(heads, rows),
        "",
        f"The studies without rungs {same} the undisturbed one, trial by trial. With rungs the order of arrival "
        f"decides who stops; {found['rungs']['broken_rungs']} trials broke what must hold there. A prover is a child "
        "in which EZKL lays out a circuit; trainings are stand-ins of 18 short steps, and a step done twice is one "
        "that a kill interrupted.",
    ]


def scaling_section(found: Found) -> list[str]:
    """Efficiency by workers."""
    lines: list[str] = []
    for kind, one in found.items():
        rows = [
            (
                point["workers"],
                point["trials"],
                f"{point['measured_seconds']:.1f} s",
                f"{point['efficiency']:.1%}",
                f"{1000 * point['driver_cpu_seconds_per_trial']:.0f} ms",
            )
            for point in one["points"]
        ]
        lines += [f"**{kind}**, trials of {one['seconds_per_trial']:g} s, Ray {one['ray']}:", ""]
        lines += [*table(("workers", "trials", "measured", "efficiency", "driver's CPU a trial"), rows), ""]
    return lines[:-1]


SECTIONS: dict[str, Section] = {
    "search-speed": (
        "Hypervolume against wall clock",
        "benchmarks/search_speed.py --overrides dataset=cifar10_parquet dataset.root=FOLDER",
        "This search beside plain Optuna: NSGA-II, TPE and random, without a gate and without early stops.",
        speed_section,
    ),
    "training-throughput": (
        "Training throughput",
        "benchmarks/training_throughput.py --root FOLDER",
        "Images a second, tricks added one after another to a straightforward PyTorch loop with a DataLoader.",
        throughput_section,
    ),
    "overhead": (
        "Overhead",
        "benchmarks/overhead.py docs/results/overhead.json",
        "Trials that take no time, with the real engine, storage and MLflow record.",
        overhead_section,
    ),
    "kills": (
        "Faults",
        "benchmarks/kills.py docs/results/kills.json",
        "Drivers, workers and provers killed (signal 9) at random moments.",
        kills_section,
    ),
    "engine-scaling": (
        "Scaling with workers",
        "benchmarks/ray_scaling.py --workers 1 2 8 32 100 200 --seconds 60 --rounds 3",
        "Sleeping trials with real Ray and real storage; ideal is a list schedule of the same sleeps.",
        scaling_section,
    ),
}


def summary(files: Mapping[str, Found]) -> dict[str, Any]:
    """Return the figures that others read; null where nothing was measured."""
    speed, rates, overhead = files.get("search-speed"), files.get("training-throughput"), files.get("overhead")
    kills, scaling = files.get("kills"), (files.get("engine-scaling") or {}).get(RAY_KEY)
    keys = ("injected", "lost_trials", "double_counted", "stuck_running")
    least = least_ratios(rates) if rates else {}
    return {
        "hypervolume_speedup": {
            slow: None if speed is None else speed["speedup"]["ours"].get(slow, {}).get("ratio")
            for slow in ("nsga2", "tpe", "random")
        },
        "throughput_ratio": least.get("whole_cpu"),
        "throughput_ratio_one_thread": least.get("one_thread"),
        "throughput_ratio_default": least.get("default"),
        "overhead_fraction": None if overhead is None else overhead["overhead_fraction"],
        "ask_seconds_at_10000": None if overhead is None else overhead["ask_seconds_at_10000"],
        "kills": None if kills is None else {key: kills["kills"][key] for key in keys},
        "ray": None
        if scaling is None
        else {
            "workers": [point["workers"] for point in scaling["points"]],
            "efficiency": [point["efficiency"] for point in scaling["points"]],
        },
    }


def page(files: Mapping[str, Found]) -> str:
    """Return the page."""
    lines = [
        "# The search engine, measured",
        "",
        "Made by `python benchmarks/engine_page.py` from the files beside it.",
    ]
    for name, (title, command, what, section) in SECTIONS.items():
        lines += ["", f"## {title}", "", what, "", "```sh", f".venv/bin/python {command}", "```", ""]
        lines += section(files[name]) if name in files else ["Not measured yet."]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Read and write; gives the exit status."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/results")
    paths = {name: folder / f"{name}.json" for name in SECTIONS}
    files = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.exists()}
    write_text(folder / "search-engine.json", json.dumps(summary(files), indent=1) + "\n")
    write_text(folder / "search-engine.md", page(files))
    print(json.dumps(summary(files), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
