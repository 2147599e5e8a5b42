"""What ``python -m zk.prove model=NAME`` was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from search.errors import ConfigError
from search.options import Options, parse_options
from search.released.model import CHAIN, IMAGE
from zk.srs import SrsKind

OPTIONS = ("model", "label", "seed", "latent", "chain", "out", "srs", "srs_folder", "threads", "memory_gb", "seconds")
PRIVATE, PUBLIC = "private", "public"
_LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class ProofRequest:
    """An image to prove, and how.

    Attributes:
        model: name of a model that comes with the project.
        label: its class, by name or number.
        seed: of its latent.
        private_latent: whether the latent stays secret.
        chain: whether the classifier's answer is proved with it.
        out: folder for image, network and bundle.
        srs_kind: see :class:`zk.srs.SrsKind`.
        srs_folder: where reference strings are kept.
        threads: worker threads of EZKL; None for all cores.
        memory_bytes: of each stage.
        seconds: of each stage.
    """

    model: str
    label: str
    seed: int
    private_latent: bool
    chain: bool
    out: Path
    srs_kind: SrsKind
    srs_folder: Path
    threads: int | None
    memory_bytes: int
    seconds: float

    @property
    def kind(self) -> str:
        """Which of the model's circuits is meant."""
        return CHAIN if self.chain else IMAGE


def read_proof_request(arguments: Sequence[str]) -> ProofRequest:
    """Read ``key=value`` arguments.

    Raises:
        ConfigError: an unknown option, none for the model or the label, or a value out of range.
    """
    options = parse_options(arguments, single=OPTIONS)
    if options.words:
        raise ConfigError(f"options are key=value; got {options.words[0]!r}")
    model, label, chain = _needed(options, "model"), _needed(options, "label"), options.flag("chain")
    seed, private = seed_of(options.one("seed") or "0"), _choice(options, "latent", (PRIVATE, PUBLIC)) == PRIVATE
    kind = f"{'' if private else '-public'}{'-chain' if chain else ''}"
    default = Path("mlruns/proofs") / f"{model}-{label}-{seed}{kind}"
    return ProofRequest(
        model=model,
        label=label,
        seed=seed,
        private_latent=private,
        chain=chain,
        out=Path(options.one("out") or default),
        srs_kind=srs_kind_of(options, SrsKind.TEST_ONLY),
        srs_folder=Path(options.one("srs_folder") or "mlruns/srs"),
        threads=options.count("threads"),
        memory_bytes=(options.count("memory_gb") or 8) * 10**9,
        seconds=float(options.count("seconds") or 600),
    )


def srs_kind_of(options: Options, default: SrsKind) -> SrsKind:
    """Return the option ``srs``.

    Raises:
        ConfigError: it is no kind of reference string.
    """
    kinds = tuple(str(kind) for kind in SrsKind)
    return SrsKind(_choice(options, "srs", kinds)) if "srs" in options.values else default


def _needed(options: Options, name: str) -> str:
    if (text := options.one(name)) is None:
        raise ConfigError(f"{name} must be given, as in model=record label=frog seed=7")
    return text


def seed_of(text: str) -> int:
    """Read a seed.

    Raises:
        ConfigError: it is none.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 20) or int(text) > _LARGEST_SEED:
        raise ConfigError(f"seed must be a whole number from 0 to {_LARGEST_SEED}; got {text[:40]!r}")
    return int(text)


def _choice(options: Options, name: str, choices: tuple[str, ...]) -> str:
    text = options.one(name) or choices[0]
    if text not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}; got {text!r}")
    return text
