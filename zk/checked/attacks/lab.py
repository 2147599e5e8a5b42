"""Where attacks are tried: systems and honest proofs made once, and the verifier."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from zk.bundle import BundlePart
from zk.bundle_check import verify_bundle
from zk.checked.attacks.forgery import Forgery, write_forgery
from zk.checked.attacks.inprocess import in_process
from zk.checked.attacks.prover import Cheater, Witness
from zk.checked.attacks.scenes import BUDGET, Scene, draw_inputs, write_network
from zk.checked.attacks.system import PATIENCE, ProverStuck, System, build_system
from zk.types import Budget

ACCEPTED = "accepted"
PROVER = "prover"
ERROR = "error"
"""Outcomes beside the names of the verifier's checks: none failed; EZKL made no proof; the verifier itself ended."""

SAMPLE, OTHER_SAMPLE = 1, 2


@dataclass(frozen=True)
class Verdict:
    """How an attack ended.

    Attributes:
        outcome: "accepted", "prover", or the verifier's first check that failed.
        reason: in the words of what refused it.
    """

    outcome: str
    reason: str


@dataclass(frozen=True)
class Attack:
    """One way to cheat.

    Attributes:
        name: unique.
        what: what is false, and how it is meant to pass.
        expected: outcome against the whole verifier.
        forge: makes the bundle.
        slow: it takes long, or waits for EZKL in vain.
    """

    name: str
    what: str
    expected: str
    forge: Callable[[Lab], Forgery]
    slow: bool = False


class Lab:
    """Makes what attacks need, and tries them.

    Args:
        folder: receives everything; it may be removed afterwards.
        srs_folder: of reference strings, made where missing.
        systems: of another lab, whose keys still fit; its proofs are not taken over.
        budget: of every proof; None proves in this process, where no attack but those that expect it gets stuck.

    Attributes:
        patient: search for as long as it takes where an attack is a matter of luck.
        patience: limits of proofs that may never end.
    """

    def __init__(
        self, folder: Path, srs_folder: Path, systems: dict[str, System] | None = None, budget: Budget | None = None
    ) -> None:
        self.folder = folder
        self.patient = False
        self.patience = PATIENCE
        self._budget = budget
        self._srs_folder = srs_folder
        self._systems = {} if systems is None else systems
        self._cheaters: dict[tuple[str, int], Cheater] = {}
        self._proofs: dict[tuple[str, int], tuple[BundlePart, ...]] = {}
        self._forged: dict[str, Forgery | ProverStuck] = {}
        self._serial = itertools.count()

    def again(self, *, new_keys: bool = False) -> Lab:
        """A lab that makes its own proofs, and its own keys if asked to."""
        if new_keys:
            return Lab(self.place("lab"), self._srs_folder, budget=PATIENCE)
        return Lab(self.place("lab"), self._srs_folder, self._systems)

    def inputs(self, sample: int = SAMPLE) -> tuple[Tensor, Tensor]:
        """Latent and class of one of the samples."""
        return draw_inputs(sample)

    def place(self, hint: str) -> Path:
        """A path that nothing uses yet."""
        return self.folder / f"{hint}-{next(self._serial)}"

    def system(self, scene: Scene) -> System:
        """The scene's network with its keys."""
        if scene.name not in self._systems:
            self._systems[scene.name] = build_system(scene, self.place("system"), self._srs_folder)
        return self._systems[scene.name]

    def cheater(self, scene: Scene, sample: int = SAMPLE) -> Cheater:
        """A prover for one of the samples."""
        key = scene.name, sample
        if key not in self._cheaters:
            self._cheaters[key] = Cheater(self.system(scene), draw_inputs(sample), self._budget)
        return self._cheaters[key]

    def honest(self, scene: Scene, sample: int = SAMPLE) -> Forgery:
        """The bundle of an honest run."""
        key = scene.name, sample
        if key not in self._proofs:
            self._proofs[key] = self.cheater(scene, sample).prove_all()
        return Forgery(self.system(scene), self._proofs[key])

    def newcomer(self, scene: Scene, *, onnx_path: Path, srs: Path | None = None) -> Cheater:
        """A prover with keys of its own for another network, or under another reference string."""
        system = build_system(scene, self.place("system"), srs or self._srs_folder, onnx_path=onnx_path)
        return Cheater(system, self.inputs(), self._budget)

    def bundle(self, cheater: Cheater, witness: Witness, **proving: Any) -> Forgery:
        """Prove a witness of a system of one part in some way, and bundle it."""
        return Forgery(cheater.system, (cheater.prove(witness, **proving),))

    def network(self, scene: Scene, **changes: Any) -> Path:
        """Another network of the scene's kind."""
        folder = self.place("network")
        folder.mkdir(parents=True)
        return write_network(scene, folder / "network.onnx", **changes)

    def verify(self, forgery: Forgery) -> Verdict:
        """Give a bundle to the verifier."""
        folder = self.place("bundle")
        write_forgery(forgery, folder)
        try:
            with in_process():
                found = verify_bundle(
                    folder,
                    forgery.system.srs,
                    budget=BUDGET,
                    model_path=forgery.model or forgery.system.onnx_path,
                    rebuild=forgery.rebuild,
                    **forgery.pins,
                )
        except ValueError as error:
            return Verdict(ERROR, str(error))
        if found.accepted:
            return Verdict(ACCEPTED, "")
        failed = next(check for check in found.checks if check.name in found.failed)
        return Verdict(failed.name, failed.reason)

    def attempt(self, attack: Attack) -> Verdict:
        """Try one attack; what it forged is kept for the next time."""
        if attack.name not in self._forged:
            try:
                self._forged[attack.name] = attack.forge(self)
            except ProverStuck as stuck:
                self._forged[attack.name] = stuck
        forged = self._forged[attack.name]
        return Verdict(PROVER, str(forged)) if isinstance(forged, ProverStuck) else self.verify(forged)
