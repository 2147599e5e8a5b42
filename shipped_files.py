"""Folders of files that come with the project, in a checkout and in an installed package.

This module stands at the top level because ``evaluation`` and ``search`` both need it.
"""

from __future__ import annotations

from pathlib import Path

INSTALLED = "zkgan_search_files"
"""Where ``setup.py`` puts these folders beside the packages; in a checkout they lie beside this file."""


def shipped_folder(name: str) -> Path:
    """Return the folder ``name`` ("conf", "models") of this installation or checkout, whether or not it exists."""
    beside = Path(__file__).resolve().parent
    installed = beside / INSTALLED
    return (installed if installed.is_dir() else beside) / name
