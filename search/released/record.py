"""What is known of the models that come with the project, as one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from search.circuit import circuit_inputs
from search.released.facts import PROOF, SCORES
from search.released.model import ReleasedModel
from search.released.prove import ReleasedProof
from zk.benchmark.report.text import NOTHING, gib, number, percent, table
from zk.counting import multiply_accumulates, published_operations
from zk.machine import Machine


def proof_figures(proof: ReleasedProof, machine: Machine) -> dict[str, Any]:
    """Return the figures of a proof that was made: sizes, seconds, peak memory, verdict, and the machine.

    ``verify_seconds`` is EZKL's check alone; the peak is the greatest of all stages.
    """
    run, cost, bundle = proof.run, proof.run.cost, proof.bundle
    return {
        "wiring": str(run.wiring),
        "counts_as_proved": run.counts_as_proved,
        "rows": None if cost is None else cost.rows,
        "logrows": None if cost is None else cost.logrows,
        "einsum_instances": None if cost is None else cost.einsum_instances,
        "einsum_distinct": None if cost is None else cost.einsum_distinct,
        "proof_bytes": run.proof_bytes,
        "public_value_bytes": run.public_value_bytes,
        "vk_bytes": run.vk_bytes,
        "bundle_bytes": None if bundle is None else sum(bundle.member_bytes.values()),
        "prove_seconds": run.total_seconds("prove"),
        "setup_seconds": run.total_seconds("setup"),
        "verify_seconds": run.total_seconds("verify"),
        "peak_rss_bytes": run.peak_rss_bytes,
        "prove_peak_rss_bytes": max(
            (stage.peak_rss_bytes for stage in run.stages if stage.stage == "prove"), default=0
        ),
        "mean_abs_error": None if run.fidelity is None else run.fidelity.mean_abs_error,
        "processor": machine.processor,
        "cores": machine.cores,
        "memory_bytes": machine.memory_bytes,
        "ezkl": machine.ezkl,
    }


def record_row(model: ReleasedModel) -> dict[str, Any]:
    """Return a model's row: what it is, scores and proves; None for what was not measured."""
    generator = model.generator()
    return {
        "name": model.name,
        "parameters": sum(parameter.numel() for parameter in generator.parameters()),
        "macs": multiply_accumulates(generator, circuit_inputs(model.spec)),
        "ops_rule": published_operations(generator),
        **{name: model.scores.get(source) for name, source in SCORES.items()},
        **{name: model.proof.get(name) for name in PROOF},
    }


def record_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Lay rows out in Markdown: scores beside the real data's, then costs."""

    def beside(row: dict[str, Any], name: str, text: Any) -> str:
        found, real = row[name], row.get(f"real_{name}")
        if found is None:
            return NOTHING
        return text(found) if real is None else f"{text(found)} (real {text(real)})"

    scores = table(
        ("model", "accuracy", "judge", "Inception Score", "diversity", "CAS", "Frechet", "by the judge", "samples"),
        (
            (
                str(row["name"]),
                beside(row, "accuracy", percent),
                beside(row, "judge_accuracy", percent),
                beside(row, "inception_score", number),
                beside(row, "diversity", number),
                beside(row, "cas", percent),
                beside(row, "frechet", number),
                beside(row, "judge_frechet", number),
                beside(row, "samples", number),
            )
            for row in rows
        ),
    )
    costs = table(
        ("model", "parameters", "MACs", "operations", "einsums", "rows", "2^k", "prove s", "GiB", "proof bytes",
         "bundle bytes", "verify s", "wiring"),
        (
            (
                str(row["name"]),
                number(row["parameters"]),
                number(row["macs"]),
                number(row["ops_rule"]),
                number(row["einsum_instances"]),
                number(row["rows"]),
                number(row["logrows"]),
                number(row["prove_seconds"]),
                gib(row["peak_rss_bytes"]),
                number(row["proof_bytes"]),
                number(row["bundle_bytes"]),
                number(row["verify_seconds"]),
                str(row["wiring"] or NOTHING),
            )
            for row in rows
        ),
    )  # fmt: skip
    return [*scores, *costs]
