"""Configurations and shipped models are found in a checkout, and in an installed package."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shipped_files import INSTALLED, shipped_folder

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", ["conf", "models"])
def test_a_checkout_has_them_at_its_top(name: str) -> None:
    assert shipped_folder(name) == ROOT / name
    assert shipped_folder(name).is_dir()


def test_a_package_has_them_beside_it(tmp_path: Path) -> None:
    shutil.copyfile(ROOT / "shipped_files.py", tmp_path / "shipped_files.py")
    (tmp_path / INSTALLED / "conf").mkdir(parents=True)
    (tmp_path / "conf").mkdir()  # of another package
    asked = "from shipped_files import shipped_folder; print(shipped_folder('conf'))"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert Path(found.stdout.strip()) == (tmp_path / INSTALLED / "conf").resolve()


def test_the_build_takes_the_folders_that_are_looked_for() -> None:
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert f'"{INSTALLED}"' in text
    assert 'FOLDERS = ("conf", "models")' in text
