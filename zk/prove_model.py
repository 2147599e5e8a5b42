"""``python -m zk.prove model=NAME label=CLASS seed=N``: prove an image of a model that comes with the project."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from evaluation.errors import EvaluationError
from search.errors import SearchError
from search.released.model import MODELS, released_names
from search.released.prove import IMAGE_NAME, ReleasedProof, prove_released
from search.released.request import ProofRequest, read_proof_request
from zk.errors import ZkError
from zk.prove import bundle_lines, stage_lines, verdict_lines
from zk.srs import SrsKind

HELP = """\
Makes one image of a model that comes with the project, proves it, and writes image, network and bundle to a folder.

  python -m zk.prove model=NAME label=CLASS [seed=N] [options]

Models here: {models}

Options
  label=CLASS        name or number of the class
  seed=N             of the latent; default 0
  latent=private     keep the latent secret (default), or public
  chain=true         prove with the image what the classifier takes it for
  out=FOLDER         must not exist, and appears if the proof counts; default mlruns/proofs/NAME-CLASS-SEED
  srs=test-only      a reference string drawn here, for tests (default), or ceremony: the public one, downloaded
  srs_folder=FOLDER  where reference strings are kept; default mlruns/srs
  threads=N          of EZKL; default: all cores
  memory_gb=N, seconds=N
                     limits of each stage; defaults 8 and 600

A private latent need not come from any seed, for all that a proof shows; a public one can be compared with its seed's.

Exit status: 0 only if the proof counts: verified, tampered copies rejected, wiring linked.
"""


def main(arguments: Sequence[str]) -> int:
    """Prove what the arguments ask for; gives the exit status."""
    if any(argument in ("-h", "--help") for argument in arguments):
        print(HELP.format(models=", ".join(released_names()) or "none"), end="")
        return 0
    try:
        request = read_proof_request(arguments)
        proof = prove_released(request, print, models=MODELS)
    except (SearchError, ZkError, EvaluationError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join((*stage_lines(proof.run.merged_stages), *verdict_lines(proof.run), *_result_lines(request, proof))))
    return 0 if proof.bundle is not None else 1


def _result_lines(request: ProofRequest, proof: ReleasedProof) -> list[str]:
    if proof.bundle is None:
        return [f"NOT PROVED ({proof.run.outcome}); nothing was written"]
    words = [str(proof.bundle.path), f"model={request.model}", f"label={request.label}"]
    words += [] if request.private_latent else [f"seed={request.seed}"]
    words += ["chain=true"] if request.chain else []
    words += [f"srs={request.srs_kind}"] if request.srs_kind is SrsKind.TEST_ONLY else []
    words += [f"--srs {proof.srs}", f"--memory-gb {request.memory_bytes / 1e9:g}", f"--seconds {request.seconds:g}"]
    check = f"check it: python -m zk.verify {' '.join(words)}"
    return [f"image {proof.bundle.path.parent / IMAGE_NAME}", *bundle_lines(proof.bundle), check]
