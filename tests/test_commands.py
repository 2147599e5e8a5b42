"""The commands on all pages but the how-to page do what they say: run as they stand, or in the shorter form given here.

Slow: ``make docs`` runs them. Each block runs in a folder of its own that holds what the page takes for granted: a
model, its input, a proving key, two small studies.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
import torch
from torch import nn

from tests.pages import HOWTO, PAGES, ROOT, Block, blocks, run_sh
from tests.zk.tiny_networks import TinyGenerator
from zk.export import export_onnx

pytestmark = [  # of MLflow's own
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
BLOCKS = [block for page in PAGES if page != HOWTO for block in blocks(page) if block.language == "sh"]
_STUDY = (
    "search_space=tiny study.trials=1 study.candidates=4 training.budget.seconds=2 scores.samples=100 "
    "scores.cas_images=0 proving.attempts=0 engine.workers=1 view=lines"
)


@dataclass(frozen=True)
class Way:
    """How a command is tried: commands that ``pattern`` finds are replaced, in sh, by ``instead``.

    Without ``instead`` the block is left out for the reason ``why``; ``why`` of another says what is not tried.
    """

    pattern: str
    instead: str | None
    why: str = ""


WAYS = (
    Way(
        r"^(sudo|ray|mlflow server|/tmp/dashboard|/tmp/browser|python3 -m venv)\b.*",
        None,
        "needs other machines or a network",
    ),
    Way(r"^cd /shared.*", "true", "the folder of two machines"),
    Way(
        r"^make (test|ui|attacks|bench-layers|classifier|commit-and-challenge|layer-benchmark)\b(.*)",
        "make --dry-run \\1\\2",
        "minutes to hours",
    ),
    Way(r"^make search$", 'make search ARGS="dry_run=true"', "CI runs it in whole"),
    Way(r'^make search ARGS="(?!.*dry_run)(.*)"', 'make search ARGS="\\1 dry_run=true"', "minutes to days"),
    Way(r"^(python -m search (?!.*dry_run).*)", "\\1 dry_run=true", "hours, on several machines"),
    Way(r"^(\S*python) -m zk\.cost calibrate", "\\1 -m zk.cost calibrate --help", "six minutes"),
    Way(r"^\S*python benchmarks/ray_scaling\.py.*", None, "needs Ray, an extra"),
    Way(r"^(\S*python) (benchmarks/\S+)(.*)", "\\1 ROOT/\\2 --help", "minutes to hours"),
    Way(r"(zk\.benchmark report) mlruns/studies/layer-benchmark", "\\1 --help", "a study of hours"),
    Way(r" --srs FILE", ""),  # the one in mlruns/srs is found
    Way(r" dataset\.root=FOLDER$", ""),  # the data have not moved
    Way(r"\bBUNDLE model=(\S+)", "mlruns/proofs/\\1-truck-7/bundle.zip model=\\1"),
    Way(r"\brun=ID\b", "run=RUN"),
    Way(r"\bstudy=NAME\b", "study=A"),
)


def tried(line: str) -> tuple[str | None, list[str]]:
    """What to run for a command (None: nothing), and what is not tried by it."""
    notes = []
    for way in WAYS:
        if re.search(way.pattern, line) is None:
            continue
        if way.instead is None:
            return None, [way.why]
        notes += [way.why] if way.why else []
        line = re.sub(way.pattern, way.instead, line)
        if line.startswith("make"):
            break
    return line, notes


def commands(block: Block) -> list[str]:
    """The commands of a block, those over several lines joined, comments left out."""
    joined = re.sub(r"\\\n\s*", "", block.text)
    found = [re.sub(r"\s+#\s.*$", "", line).strip() for line in joined.splitlines()]
    return [line for line in found if line and not line.startswith("#")]


class _Classifier(nn.Module):
    """An image [1, 1, 4, 4] to two logits."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(16, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.last(torch.relu(image.flatten(1)))
        return logits


@dataclass(frozen=True)
class Scene:
    """A folder with what pages take for granted, and the id of a run in it."""

    folder: Path
    run: str

    def copy(self, folder: Path) -> Path:
        """Give another folder the same files; studies and the record are shared, proofs are not."""
        (folder / "mlruns").mkdir(parents=True)
        for path in (*self.folder.iterdir(), *(self.folder / "mlruns").iterdir()):
            if path.name not in ("mlruns", "proofs"):
                (folder / path.relative_to(self.folder)).symlink_to(path)
        return folder


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("pages")
    torch.manual_seed(0)
    inputs = (torch.randn(1, 4), torch.tensor([[0.0, 1.0]]))
    for name in ("model", "generator"):
        export_onnx(TinyGenerator(), inputs, folder / f"{name}.onnx", ("latent", "one_hot"), ("image",))
    export_onnx(_Classifier(), (torch.zeros(1, 1, 4, 4),), folder / "classifier.onnx", ("image",), ("logits",))
    given = {"input_data": [tensor.flatten().tolist() for tensor in inputs]}
    (folder / "input.json").write_text(json.dumps(given), encoding="utf-8")
    (folder / "mlruns").mkdir()
    (folder / ".cache").mkdir()
    # A checkout as far as the Makefile looks: its environment stands.
    (folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
    (folder / "Makefile").symlink_to(ROOT / "Makefile")
    for name in ("pyproject.toml", "constraints.txt"):
        (folder / name).touch()
        os.utime(folder / name, (0, 0))
    run_sh(
        "python -m zk.prove model.onnx --input input.json --out key.zip --workdir work --keep-proving-key "
        "--lookup-range -512 512 && mv work/pk.key work/settings.json .",
        folder,
    )
    for name in ("A", "B"):
        run_sh(f"python -m search study.name={name} {_STUDY}", folder)
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, filter_string="tags.study = 'A' and tags.role = 'trial'")
    evaluated = [run.info.run_id for run in runs if "accuracy" in run.data.metrics]
    return Scene(folder, evaluated[0])


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_the_commands_of_a_block_run(
    block: Block, scene: Scene, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    folder = scene.copy(tmp_path / "here")
    left_out, shortened = [], []
    for command in commands(block):
        line, notes = tried(command)
        if line is None:
            left_out += [f"{command}: {note}" for note in notes]
            continue
        shortened += notes
        line = line.replace("run=RUN", f"run={scene.run}").replace("ROOT/", f"{ROOT}/")
        printed = run_sh(line, folder)
        if line.endswith("--help"):
            words = [word for word in shlex.split(command) if word.startswith("--")]
            assert [word for word in words if word not in printed] == []
    if left_out:
        pytest.skip("; ".join(left_out))
    record_property("shortened", "; ".join(shortened))


def test_a_make_target_that_runs_as_it_stands_is_short() -> None:
    lines = [tried(command)[0] or "" for block in BLOCKS for command in commands(block)]
    whole = [line for line in lines if line.startswith("make") and "dry" not in line]
    assert whole == [], "hours, unless somebody says otherwise: give a shorter way"


def test_every_way_is_needed() -> None:
    lines = [command for block in BLOCKS for command in commands(block)]
    assert [way.pattern for way in WAYS if not any(re.search(way.pattern, line) for line in lines)] == []


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("make search", 'make search ARGS="dry_run=true"'),
        ('make search ARGS="a=1"', 'make search ARGS="a=1 dry_run=true"'),
        ('make search ARGS="dry_run=true"', 'make search ARGS="dry_run=true"'),
        (
            'make layer-benchmark ARGS="dataset.root=FOLDER"',
            'make --dry-run layer-benchmark ARGS="dataset.root=FOLDER"',
        ),
        ("sudo true", None),
        (".venv/bin/python benchmarks/kills.py a.json --x 1", ".venv/bin/python ROOT/benchmarks/kills.py --help"),
        ("python -m zk.verify p.zip --srs FILE --model m", "python -m zk.verify p.zip --model m"),
    ],
)
def test_long_commands_are_shortened(line: str, instead: str | None) -> None:
    assert tried(line)[0] == instead
