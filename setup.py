"""Build step: configurations and shipped models, which lie at the top of a checkout, go into the wheel, too."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDERS = ("conf", "models")


class BuildWithFiles(build_py):
    """Copies :data:`FOLDERS` to where :mod:`shipped_files` looks for them."""

    def run(self) -> None:
        """Build the packages, then copy; an editable installation reads the checkout itself."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "zkgan_search_files"
        shutil.rmtree(target, ignore_errors=True)  # of an earlier build
        for name in FOLDERS:
            shutil.copytree(Path(__file__).resolve().parent / name, target / name)


setup(cmdclass={"build_py": BuildWithFiles})
