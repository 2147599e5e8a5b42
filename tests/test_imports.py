"""Importing has no effects and needs no more than it says."""

import subprocess
import sys

import pytest


def run(code: str) -> str:
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize("package", ["gan.training", "gan.generators", "gan.data", "evaluation"])
def test_training_and_scoring_import_without_the_study_packages(package: str) -> None:
    block = "import sys\nfor name in ('mlflow', 'optuna', 'hydra', 'ezkl'):\n    sys.modules[name] = None\n"
    assert run(f"{block}import {package}\nprint('ok')") == "ok"


def test_importing_leaves_the_random_state_and_thread_count_alone() -> None:
    code = (
        "import torch\nbefore = torch.get_rng_state(), torch.get_num_threads()\n"
        "import gan.training, evaluation, zk.pipeline, search.space\n"
        "print(torch.equal(before[0], torch.get_rng_state()) and before[1] == torch.get_num_threads())"
    )
    assert run(code) == "True"


def test_torchvision_and_torchmetrics_import_behind_the_shim() -> None:
    code = (
        "from torchvision_compat import import_torchvision\nvision = import_torchvision()\n"
        "import torchvision.datasets, torchvision.transforms, torchvision.utils, torchmetrics\n"
        "print(vision is import_torchvision())"
    )
    assert run(code) == "True"
