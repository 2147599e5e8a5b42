"""Feed every reader of files with inputs that Atheris makes from good ones, guided by the lines that they reach.

    python tests/fuzz/drive.py [TARGET ...] [--inputs 100000] [--folder mlruns/fuzz] [--out FILE.json]

Each target runs in a process of its own, bounded in memory (2 GiB) and in time for one input (20 s). It ends at its
first finding, which stays in FOLDER/findings: an error that the reader must not raise, a file left behind, memory or
time without bound. What is found belongs into tests/fuzz/seeds/TARGET once mended; the tests read all of these again.
Exit status 0 if nothing was found.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SEEDS = Path(__file__).with_name("seeds")
MEMORY_MIB, SECONDS_EACH, LONGEST_BYTES = 2048, 20, 1 << 16
_DONE = re.compile(r"Done (\d+) runs in")
_TRIED = re.compile(r"^#(\d+)", re.MULTILINE)


def run_child(name: str, inputs: int, folder: Path) -> None:
    """Fuzz one target in this process, which libFuzzer then ends."""
    import atheris

    with atheris.instrument_imports(include=["evaluation", "gan", "search", "zk"]):
        from tests.fuzz.scene import Scene
        from tests.fuzz.targets import all_targets, try_input

    scene = Scene(folder / "scene")
    target = all_targets(scene)[name]
    corpus, findings = folder / "corpus" / name, folder / "findings"
    for place in (corpus, findings):
        place.mkdir(parents=True, exist_ok=True)
    kept = [path.read_bytes() for path in sorted(SEEDS.glob(f"{name}/*"))]
    for index, seed in enumerate([*target.seeds(scene), *kept]):
        (corpus / f"seed-{index}").write_bytes(seed)
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as work:
        options = [
            f"-runs={inputs}",
            f"-max_len={LONGEST_BYTES}",
            f"-rss_limit_mb={MEMORY_MIB}",
            f"-timeout={SECONDS_EACH}",
            f"-artifact_prefix={findings}/{name}-",
            "-seed=1",
            str(corpus),
        ]

        def once(data: bytes) -> None:
            try_input(target, data, Path(work) / "one")

        atheris.Setup([sys.argv[0], *options], once)
        atheris.Fuzz()


def fuzz(name: str, inputs: int, folder: Path) -> dict[str, Any]:
    """Run one target; gives its inputs, seconds and findings."""
    before = set((folder / "findings").glob("*"))
    started = time.monotonic()
    command = [sys.executable, __file__, "--child", name, "--inputs", str(inputs), "--folder", str(folder)]
    found = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", cwd=ROOT, check=False
    )
    text = "".join(line for line in found.stdout.splitlines(keepends=True) if not line.startswith("INFO: Instr"))
    tried = [int(number) for number in (*_DONE.findall(text), *_TRIED.findall(text))]
    findings = sorted(path.name for path in set((folder / "findings").glob("*")) - before)
    if found.returncode and not findings:
        findings = [f"the driver ended with {found.returncode}"]
    if findings:
        print(text[-3000:], file=sys.stderr)
    return {
        "target": name,
        "inputs": max(tried, default=0),
        "crashes": len(findings),
        "findings": findings,
        "seconds": round(time.monotonic() - started, 1),
    }


def main() -> int:
    """Fuzz the targets one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=ROOT / "mlruns" / "fuzz")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", metavar="TARGET", help=argparse.SUPPRESS)
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if given.child:
        run_child(given.child, given.inputs, given.folder)
        return 0
    from tests.fuzz.scene import Scene
    from tests.fuzz.targets import all_targets

    scene = Scene(given.folder.resolve() / "scene")
    known = all_targets(scene)
    if unknown := set(given.targets) - set(known):
        parser.error(f"targets must be of {', '.join(known)}; got {', '.join(sorted(unknown))}")
    scene.file("srs")  # made once, here, for all of them
    rows = []
    for name in given.targets or known:
        row = fuzz(name, given.inputs, given.folder.resolve())
        rows.append(row)
        print(f"{name:<18} {row['inputs']:>8,} inputs {row['seconds']:>7,.0f} s  {row['crashes']} findings", flush=True)
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        before = json.loads(given.out.read_text()) if given.out.exists() else []
        done = {row["target"]: row for row in (*before, *rows)}  # targets of other runs keep their figures
        given.out.write_text(json.dumps([done[name] for name in known if name in done], indent=1) + "\n")
    return 1 if any(row["crashes"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
