"""A generator that comes with the project: its spec, weights and circuits, and what it was found to score."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.classifier.shipped import SHIPPED
from gan.errors import SpecError
from gan.generators import Generator
from gan.spec import GeneratorSpec
from json_files import read_json
from search.circuit import NETWORK_NAME, export_generator
from search.errors import RecordError, ReleaseError
from search.released.facts import check_facts
from search.shipped_guides import SHIPPED_GUIDES
from search.weights import SPEC_NAME, WEIGHTS_NAME, load_generator, weights_sha256
from shipped_files import shipped_folder
from zk.checked.options import CheckedOptions
from zk.errors import ZkError
from zk.srs import file_sha256

MODELS = shipped_folder("models")
"""Where they lie: a folder each."""

FACTS_NAME = "model.json"
IMAGE, CHAIN = "image", "chain"
"""What is proved: an image, or an image and what the classifier takes it for."""

CHECK_SAMPLES = 2000
"""Images that anybody can score again in minutes, without the real data."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LARGEST_TEXT = 1_000_000
LARGEST_WEIGHTS = 5_000_000
"""Bytes that a repository can carry for each model."""


@dataclass(frozen=True)
class ReleasedModel:
    """A model's folder, read and checked.

    Attributes:
        name: of the folder.
        folder: with spec, weights and facts.
        spec: of the generator.
        class_names: one for each class.
        network_sha256: of the ONNX files that the pinned packages export from the weights, by what is proved: the
            generator's, and that of the chain. Proofs are about these files.
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
    network_sha256: Mapping[str, str]
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
        if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < len(self.class_names):
            return int(text)
        names, last = ", ".join(self.class_names), len(self.class_names) - 1
        raise ReleaseError(f"label must be one of {names}, or 0 to {last}; got {text[:40]!r}")

    def layout(self, kind: str) -> CheckedOptions:
        """Return the layout of the circuit that proves ``kind``.

        Raises:
            ReleaseError: the model has none.
        """
        if kind not in self.layouts or kind not in self.network_sha256:
            raise ReleaseError(f"{self.name} must have a circuit for {kind}; it has {', '.join(self.layouts)}")
        return self.layouts[kind]

    def generator(self) -> Generator:
        """Return the trained generator, in evaluation mode on the CPU.

        Raises:
            ReleaseError: the weights are not those of the spec.
        """
        try:
            return load_generator(self.folder)[1]
        except RecordError as error:
            raise ReleaseError(f"the weights of {self.name} must be those of its spec; {error}") from error

    def export(self, folder: Path) -> Path:
        """Write the generator to ``folder`` as ONNX.

        Raises:
            ReleaseError: other bytes come out than those that proofs are about.
            ZkError: it cannot be exported.
        """
        path = export_generator(self.generator(), self.spec, folder / NETWORK_NAME).path
        self.check_network(IMAGE, path)
        return path

    def check_network(self, kind: str, path: Path) -> None:
        """Compare an exported network with the one that proofs of ``kind`` are about.

        Raises:
            ReleaseError: they differ.
        """
        found = file_sha256(path)
        if found != self.network_sha256.get(kind):
            raise ReleaseError(
                f"the {kind}'s network of {self.name} must have SHA-256 {self.network_sha256.get(kind)}; the one "
                f"exported here has {found}; install the packages that constraints.txt pins"
            )


def is_name(text: str) -> bool:
    """Say whether a model may be called ``text``."""
    return _NAME.fullmatch(text) is not None and text not in (SHIPPED.name, SHIPPED_GUIDES.name)


def released_names(root: Path = MODELS) -> list[str]:
    """Return the names of the models in ``root``."""
    return sorted(path.parent.name for path in root.glob(f"*/{FACTS_NAME}"))


def read_released(name: str, root: Path = MODELS) -> ReleasedModel:
    """Read the model ``name`` of ``root``.

    Raises:
        ReleaseError: there is none, or its files do not belong together.
    """
    folder = root / name
    if not is_name(name) or not (folder / FACTS_NAME).is_file():
        known = ", ".join(released_names(root)) or "none"
        raise ReleaseError(f"model must be one of those that come with the project ({known}); got {name!r}")
    try:
        for path, limit in ((FACTS_NAME, _LARGEST_TEXT), (SPEC_NAME, _LARGEST_TEXT), (WEIGHTS_NAME, LARGEST_WEIGHTS)):
            if (folder / path).stat().st_size > limit:
                raise ValueError(f"{path} is larger than {limit:,} bytes")
        facts = read_json(folder / FACTS_NAME)
        check_facts(facts)
        spec = GeneratorSpec.from_json((folder / SPEC_NAME).read_text(encoding="utf-8"))
        found = {"weights_sha256": weights_sha256(folder), "spec_digest": spec.digest}
        for what, digest in found.items():
            if facts[what] != digest:
                raise ReleaseError(
                    f"{what} of {name} must be {facts[what]}; its file has {digest}; take the files of one commit"
                )
        if len(facts["class_names"]) != spec.num_classes:
            raise ReleaseError(f"{name} must name {spec.num_classes} classes; it names {len(facts['class_names'])}")
        if facts["proof"] and (facts["proof"]["counts_as_proved"], facts["proof"]["wiring"]) != (True, "linked"):
            raise ReleaseError(f"the proof of {name} must count, with its wiring linked; measure one that does")
        layouts = {str(kind): CheckedOptions.from_json(layout) for kind, layout in facts["layouts"].items()}
        return ReleasedModel(
            name=name,
            folder=folder,
            spec=spec,
            class_names=tuple(map(str, facts["class_names"])),
            network_sha256={str(kind): str(digest) for kind, digest in facts["network_sha256"].items()},
            classifier_digest=str(facts["classifier_digest"]),
            layouts=layouts,
            scores=dict(facts["scores"]),
            training=dict(facts["training"]),
            proof=dict(facts["proof"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZkError, SpecError) as error:
        raise ReleaseError(f"{FACTS_NAME} of {name} must describe the model in its folder; {error!r}") from error
