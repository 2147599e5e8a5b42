"""Sphinx settings of the documentation: ``make docs``."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "zkgan-search"
author = "the authors of zkgan-search"
version = release = installed_version("zkgan-search")
extensions = [
    "myst_parser",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "options_reference",
]
exclude_patterns = ["extensions", "_build"]
html_theme = "furo"
html_title = "zkgan-search"
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
apidoc_modules = [
    {"path": f"../{package}", "destination": f"reference/api/{package}", "separate_modules": True, "max_depth": 2}
    for package in ("gan", "zk", "evaluation", "search")
]
apidoc_exclude_patterns = ["**/__main__.py"]
autodoc_mock_imports = ["ray"]  # an extra that the documentation is built without
autodoc_default_options = {"ignore-module-all": True}  # what a package gives again is described where it is written
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_use_ivar = True
# Docstrings name errors by their bare names, and two packages have a SpecError of their own.
suppress_warnings = ["ref.python"]
