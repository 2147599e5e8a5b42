"""The network that a bundle should be about, from a model that comes with the project."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from evaluation.classifier.shipped import SHIPPED
from evaluation.errors import EvaluationError
from search.errors import SearchError
from search.released.model import CHAIN, IMAGE, MODELS, read_released
from search.released.prove import released_network
from zk.bundle import read_bundle
from zk.bundle_format import BundleError
from zk.errors import ZkError

CLASS_INPUT = "one_hot"
FAILED = 2


def checked_against(name: str, options: argparse.Namespace, verify: Callable[[argparse.Namespace], int]) -> int:
    """Run ``verify`` with the network of model ``name``; gives the exit status, 2 if there is no such network."""
    try:
        with tempfile.TemporaryDirectory(prefix="zk-verify-") as folder:
            options.model, asked = network_of(name, options.bundle, Path(folder), models=MODELS, classifiers=SHIPPED)
            options.same_class = options.same_class or asked
            return verify(options)
    except (SearchError, ZkError, EvaluationError) as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED


def network_of(name: str, bundle: Path, folder: Path, *, models: Path, classifiers: Path) -> tuple[Path, str | None]:
    """Write the network of model ``name`` that the bundle claims to be about to ``folder``.

    Returns:
        The ONNX file: the generator, or the chain of generator and classifier for a bundle that is not of the
        generator. And the input that names the class which a chain has to find; None for a generator.

    Raises:
        ReleaseError: no such model, or its files are damaged.
        ZkError: the network cannot be exported.
        CacheFileError: the classifier's files are damaged.
    """
    model = read_released(name, models)
    try:
        claimed = read_bundle(bundle).manifest.model_sha256
    except BundleError:  # which the verifier then reports
        claimed = model.network_sha256
    kind = IMAGE if claimed == model.network_sha256 or CHAIN not in model.layouts else CHAIN
    return released_network(model, kind, folder, classifiers), CLASS_INPUT if kind == CHAIN else None
