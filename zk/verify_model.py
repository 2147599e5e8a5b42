"""``python -m zk.verify BUNDLE model=NAME``: check that a bundle is of a model that comes with the project."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from evaluation.classifier.shipped import SHIPPED
from evaluation.errors import EvaluationError
from search.circuit import INPUT_NAMES, circuit_inputs
from search.errors import SearchError
from search.options import parse_options
from search.released.model import CHAIN, IMAGE, MODELS, ReleasedModel, read_released
from search.released.prove import released_network
from search.released.request import seed_of, srs_kind_of
from zk.bundle_verdict import BundleVerification, Check
from zk.class_claim import check_class
from zk.errors import ZkError
from zk.model_claim import check_asked, check_latent, check_layout, check_srs_kind
from zk.srs import SrsKind

FAILED = 2
LATENT, ONE_HOT = INPUT_NAMES
Claims = Callable[[BundleVerification], Sequence[Check]]
"""Checks beside those of the bundle itself."""


def checked_against(
    words: Sequence[str], options: argparse.Namespace, verify: Callable[[argparse.Namespace, Claims], int]
) -> int:
    """Run ``verify`` with the network of the model that ``words`` (``model=NAME``, ``label=CLASS``, ...) expect.

    Gives the exit status, 2 if there is no such model or class.
    """
    try:
        given = parse_options(words, single=("model", "label", "seed", "chain", "srs"))
        model = read_released(str(given.one("model")), MODELS)
        label, seed = given.one("label"), given.one("seed")
        wanted = None if label is None else model.label_of(label)
        kind = CHAIN if given.flag("chain") else IMAGE
        with tempfile.TemporaryDirectory(prefix="zk-verify-") as folder:
            options.model = released_network(model, kind, Path(folder), SHIPPED)
            latent_seed = None if seed is None else seed_of(seed)
            return verify(options, claims_of(model, kind, wanted, latent_seed, srs_kind_of(given, SrsKind.CEREMONY)))
    except (SearchError, ZkError, EvaluationError) as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED


def claims_of(model: ReleasedModel, kind: str, label: int | None, seed: int | None, srs: SrsKind) -> Claims:
    """Return the checks that a bundle of ``kind`` must pass beside its own: layout, class, and what was expected."""
    layout = model.layout(kind)
    allowed = [replace(layout, private_inputs=private) for private in ((), (LATENT,))]

    def claims(result: BundleVerification) -> list[Check]:
        checks = [
            check_layout(result, allowed),
            check_srs_kind(result, srs),
            check_asked(result, ONE_HOT, model.class_names, label),
        ]
        if seed is not None:
            latent = circuit_inputs(model.spec, seed=seed)[0]
            checks.append(check_latent(result, LATENT, latent.flatten().double().tolist()))
        return [*checks, check_class(result, ONE_HOT)] if kind == CHAIN else checks

    return claims
