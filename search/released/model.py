"""A generator that comes with the project: its spec, weights and circuits, and what it was found to score."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan.errors import SpecError
from gan.generators import Generator
from gan.spec import GeneratorSpec
from search.circuit import NETWORK_NAME, export_generator
from search.errors import ReleaseError
from search.weights import SPEC_NAME, load_generator, weights_sha256
from zk.checked.options import CheckedOptions
from zk.errors import ZkError
from zk.export import OnnxExport

MODELS = Path(__file__).resolve().parents[2] / "models"
"""Where they lie in a checkout: a folder each."""

FACTS_NAME = "model.json"
IMAGE, CHAIN = "image", "chain"
"""What is proved: an image, or an image and what the classifier takes it for."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LARGEST_FACTS_BYTES = 1_000_000


@dataclass(frozen=True)
class ReleasedModel:
    """A model's folder, read and checked.

    Attributes:
        name: of the folder.
        folder: with spec, weights and facts.
        spec: of the generator.
        class_names: one for each class.
        network_sha256: of the ONNX file that the pinned packages export from the weights; a proof is about this file.
        classifier_digest: of the classifier that chains end in; it comes with the project, too.
        layouts: of the circuits, by what is proved.
        scores: figures by name, and what they were computed on.
        training: how it was trained.
        proof: figures of a proof of one image; empty before one was measured.
    """

    name: str
    folder: Path
    spec: GeneratorSpec
    class_names: tuple[str, ...]
    network_sha256: str
    classifier_digest: str
    layouts: Mapping[str, CheckedOptions]
    scores: Mapping[str, Any]
    training: Mapping[str, Any]
    proof: Mapping[str, Any]

    def label_of(self, text: str) -> int:
        """Return the class that ``text`` names, by its name or number.

        Raises:
            ReleaseError: there is none.
        """
        if text in self.class_names:
            return self.class_names.index(text)
        if text.isascii() and text.isdecimal() and int(text) < len(self.class_names):
            return int(text)
        raise ReleaseError(
            f"label must be one of {', '.join(self.class_names)}, or 0 to {len(self.class_names) - 1}; got {text!r}"
        )

    def generator(self) -> Generator:
        """Return the trained generator, in evaluation mode on the CPU."""
        return load_generator(self.folder)[1]

    def export(self, folder: Path) -> OnnxExport:
        """Write the network to ``folder`` as ONNX.

        Raises:
            ReleaseError: other bytes come out than those that proofs are about.
            ZkError: it cannot be exported.
        """
        exported = export_generator(self.generator(), self.spec, folder / NETWORK_NAME)
        if exported.digest != self.network_sha256:
            raise ReleaseError(
                f"the network of {self.name} must have SHA-256 {self.network_sha256}; the one exported here has "
                f"{exported.digest}; install the packages that constraints.txt pins"
            )
        return exported


def released_names(root: Path = MODELS) -> list[str]:
    """Return the names of the models in ``root``."""
    return sorted(path.parent.name for path in root.glob(f"*/{FACTS_NAME}"))


def read_released(name: str, root: Path = MODELS) -> ReleasedModel:
    """Read the model ``name`` of ``root``.

    Raises:
        ReleaseError: there is none, or its files do not belong together.
    """
    folder = root / name
    if _NAME.fullmatch(name) is None or not (folder / FACTS_NAME).is_file():
        known = ", ".join(released_names(root)) or "none"
        raise ReleaseError(f"model must be one of those that come with the project ({known}); got {name!r}")
    try:
        if (folder / FACTS_NAME).stat().st_size > _LARGEST_FACTS_BYTES:
            raise ValueError(f"it is larger than {_LARGEST_FACTS_BYTES:,} bytes")
        facts = json.loads((folder / FACTS_NAME).read_text(encoding="utf-8"))
        spec = GeneratorSpec.from_json((folder / SPEC_NAME).read_text(encoding="utf-8"))
        found = {"weights_sha256": weights_sha256(folder), "spec_digest": spec.digest}
        for what, digest in found.items():
            if facts[what] != digest:
                raise ReleaseError(
                    f"{what} of {name} must be {facts[what]}; its file has {digest}; take the files of one commit"
                )
        layouts = {str(kind): CheckedOptions.from_json(layout) for kind, layout in facts["layouts"].items()}
        return ReleasedModel(
            name=name,
            folder=folder,
            spec=spec,
            class_names=tuple(map(str, facts["class_names"])),
            network_sha256=str(facts["network_sha256"]),
            classifier_digest=str(facts["classifier_digest"]),
            layouts=layouts,
            scores=dict(facts["scores"]),
            training=dict(facts["training"]),
            proof=dict(facts["proof"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZkError, SpecError) as error:
        raise ReleaseError(f"{FACTS_NAME} of {name} must describe the model in its folder; {error!r}") from error
