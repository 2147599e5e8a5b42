"""One line of the benchmark: what one experiment took in one of the two columns, or what it would take."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from zk.errors import ArtifactError
from zk.json_fields import check_fields


class RowOutcome(StrEnum):
    """How an experiment ended.

    Only ``PROVED`` counts: verified, tampered copies rejected, every committed or public value wired. ``VERIFIED_ONLY``
    is a proof that EZKL accepts and the wiring audit does not. ``PREDICTED`` was not started, because its predicted
    memory is above the limit: all its seconds and bytes are predictions.
    """

    PROVED = "proved"
    VERIFIED_ONLY = "verified_only"
    PREDICTED = "predicted"
    REFUSED = "refused"
    OUT_OF_MEMORY = "out_of_memory"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True)
class LayerRow:
    """One experiment in one column.

    Attributes:
        experiment: name of the layer, or of the composite network.
        category: "core", "scaling", "composite" or "future".
        scale_bits: asked scale; integers are real numbers times ``2**scale_bits`` or finer.
        variant: "stock" or "ours".
        outcome: how it ended; see :class:`RowOutcome`.
        message: why it is not proved; empty where it is.
        statement: what is public, private and fixed, in words.
        macs: multiply-accumulates of the network.
        input_elements: elements of the input.
        output_elements: elements of the output.
        parameters: weights and biases.
        activation_bits: scale that was used; at least ``scale_bits``.
        logrows: height of the circuit is ``2**logrows``.
        inner_columns: columns that a dot product runs over.
        columns: permutation columns, of the part that has most.
        parts: number of circuits.
        rows: rows of all parts.
        compile_seconds: wall clock of compiling, all parts.
        srs_seconds: the same of making the reference string of this height, at its first use; None if that is unknown.
        setup_seconds: the same of making keys.
        witness_seconds: the same of the witness, and of the commitments of a checked circuit.
        prove_seconds: mean wall clock of proving, all parts.
        prove_seconds_std: sample standard deviation over the repeats; None for fewer than two.
        prove_repeats: how often it was proved.
        verify_seconds: wall clock of EZKL's verification, all parts.
        bundle_verify_seconds: wall clock of the whole verification of the bundle in this project's verifier, key given:
            reading it, compiling the network, drafting settings, computing the challenge and its commitment, EZKL's.
        bundle_bytes: size of the bundle: proofs, settings, keys, public values.
        total_seconds: wall clock of the whole experiment, planning, repeats and tampering included.
        peak_rss_bytes: greatest peak of any stage's process.
        stage_peaks: peak of each stage's process in bytes, by its name.
        pk_bytes: size of the proving key, all parts.
        vk_bytes: size of the verification key, all parts.
        proof_bytes: size of the proof itself, all parts.
        public_value_bytes: 32 for each public value.
        proof_file_bytes: size of EZKL's JSON files.
        max_abs_error: greatest distance of a public output from the float network's.
        mean_abs_error: mean distance.
        wiring: verdict of the audit: "linked", "unlinked" or "unchecked".
        wiring_reason: its reason.
        float_accuracy: share of the scored test images that the float network gets right; composite networks only.
        circuit_accuracy: the same by the circuit's integers, on the same images.
        accuracy_images: how many test images these are of.
        test_accuracy: the float network's share of the whole test set.
        predicted_prove_seconds: what the cost model had said before.
        predicted_peak_bytes: what it had said of the memory.
    """

    experiment: str
    category: str
    scale_bits: int
    variant: str
    outcome: RowOutcome
    message: str = ""
    statement: str = ""
    macs: int = 0
    input_elements: int = 0
    output_elements: int = 0
    parameters: int = 0
    activation_bits: int | None = None
    logrows: int | None = None
    inner_columns: int | None = None
    columns: int | None = None
    parts: int = 1
    rows: int | None = None
    compile_seconds: float | None = None
    srs_seconds: float | None = None
    setup_seconds: float | None = None
    witness_seconds: float | None = None
    prove_seconds: float | None = None
    prove_seconds_std: float | None = None
    prove_repeats: int = 0
    verify_seconds: float | None = None
    bundle_verify_seconds: float | None = None
    bundle_bytes: int | None = None
    total_seconds: float | None = None
    peak_rss_bytes: int | None = None
    stage_peaks: Mapping[str, int] = field(default_factory=dict)
    pk_bytes: int | None = None
    vk_bytes: int | None = None
    proof_bytes: int | None = None
    public_value_bytes: int | None = None
    proof_file_bytes: int | None = None
    max_abs_error: float | None = None
    mean_abs_error: float | None = None
    wiring: str = "unchecked"
    wiring_reason: str = ""
    float_accuracy: float | None = None
    circuit_accuracy: float | None = None
    accuracy_images: int = 0
    test_accuracy: float | None = None
    predicted_prove_seconds: float | None = None
    predicted_peak_bytes: int | None = None

    @property
    def key(self) -> tuple[str, int, str]:
        """What tells rows apart: experiment, scale and column."""
        return self.experiment, self.scale_bits, self.variant

    @property
    def measured(self) -> bool:
        """Whether its seconds and bytes were measured on a proof that EZKL accepted, sound or not."""
        return self.outcome in (RowOutcome.PROVED, RowOutcome.VERIFIED_ONLY)

    def to_json(self) -> dict[str, Any]:
        """Give every field as plain JSON values."""
        return {**dataclasses.asdict(self), "outcome": str(self.outcome), "stage_peaks": dict(self.stage_peaks)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LayerRow:
        """Rebuild a row from :meth:`to_json`.

        Raises:
            ArtifactError: a name is unknown or missing, or the outcome is, or a value is of another kind.
        """
        if not isinstance(data, Mapping):
            raise ArtifactError(f"a benchmark row must be an object; got {data!r:.60}; run the benchmark again")
        names = {slot.name for slot in dataclasses.fields(cls)}
        if unknown := set(data) - names:
            raise ArtifactError(f"a benchmark row has no {sorted(unknown)}; run the benchmark again")
        try:
            check_fields(cls, {name: value for name, value in data.items() if name != "outcome"})
            return cls(**{**data, "outcome": RowOutcome(data["outcome"])})
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"a benchmark row must be complete; {error}; run the benchmark again") from error
