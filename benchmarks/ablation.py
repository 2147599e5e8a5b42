"""What each idea of the circuits gave, one after the other, on one trained generator.

    python benchmarks/ablation.py FOLDER NETWORK.onnx [--out docs/results/ablation-NAME.json] [--memory-gb 8]

NETWORK.onnx is a float generator with inputs ``latent`` and ``one_hot``, such as ``generator.onnx`` of a trial, or the
``network.onnx`` that ``python -m zk.prove model=record`` leaves beside its proof. Every
row is the row above it with one idea more: EZKL as the published benchmark used it; sound and public (no Freivalds,
ranges of public values left to the verifier, public weights); the model rewritten (convolutions by phases and the
like); the layout planned; products checked instead of computed; divisions by claimed remainders. Proofs are really made
where the predicted memory is within the limit; other rows say "predicted". The row of checked products that EZKL
divides is arithmetic over the last row's circuit (its remainders taken out, EZKL's measured rows of a division put in)
and is always a prediction, of rows only. Times are wall clock, memory is the peak of a stage's process.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from commit_and_challenge import SECONDS, STOCK, checked_row, direct_row, multiply_accumulates, planned_direct

from zk.checked.attribution import DIRECT_REBASE_ROWS, attribute_checked
from zk.checked.circuit import build_checked
from zk.checked.layouts import cheapest_layout
from zk.checked.options import CheckedOptions
from zk.checked.program import Claim
from zk.plan_forms import LOWERED, write_forms
from zk.types import Budget, CircuitOptions

PRIVATE = ("latent",)
STOCK_NAME, SOUND, REWRITTEN, PLANNED = "EZKL as published", "sound and public", "rewritten", "planned"
PRODUCTS, REMAINDERS = "products checked", "divided by remainder"


def rows_of_ezkl_divisions(network: Path, folder: Path, budget: Budget) -> dict[str, Any]:
    """Rows of the checked circuit if EZKL divided its products: 23 rows at two inner columns for each element."""
    options = cheapest_layout(network, folder, CheckedOptions(private_inputs=PRIVATE), budget=budget, model=None)
    circuit = build_checked(network, options, folder, budget=budget)
    inner, rows, elements = options.num_inner_cols, attribute_checked(circuit).rows, 0
    for claim in circuit.program.claims:
        if isinstance(claim, Claim) and claim.divided:
            height, width = claim.factors
            folded = height * (math.ceil(width / inner) if width > 1 else 0) + math.ceil(height / inner)
            rows -= folded + 2 * math.ceil(claim.output.size / inner)
            rows += math.ceil(DIRECT_REBASE_ROWS * 2 / inner) * claim.output.size
            elements += claim.output.size
    return {"outcome": "rows predicted", "rows": rows, "divided_elements": elements}


def ladder(network: Path, folder: Path, budget: Budget) -> dict[str, dict[str, Any]]:
    """Every row, cheapest idea last."""
    rewritten = write_forms(network, folder / "forms")[LOWERED]
    sound = CircuitOptions(max_logrows=25)
    return {
        STOCK_NAME: direct_row("stock", network, network, folder, STOCK, budget),
        SOUND: direct_row("sound", network, network, folder, sound, budget),
        REWRITTEN: direct_row("rewritten", rewritten, network, folder, sound, budget),
        PLANNED: planned_direct(network, folder, budget, "planned"),
        PRODUCTS: rows_of_ezkl_divisions(network, folder / "divisions", budget),
        REMAINDERS: checked_row("checked", network, folder, budget, private=PRIVATE),
    }


def as_table(found: dict[str, dict[str, Any]]) -> list[str]:
    """Lay the rows out in Markdown; each factor is rows of the row above over its own, where both have some."""
    lines = [
        "| circuit | rows | fewer rows by | 2^k | prove s | peak GiB | proof bytes | mean error | outcome | wiring |",
        "|" + " --- |" * 10,
    ]
    above: int | None = None
    for name, row in found.items():
        rows = row.get("rows")
        factor = f"{above / rows:.2f}" if above and rows else "-"
        peak, seconds, error = row.get("peak_rss_bytes"), row.get("prove_seconds"), row.get("mean_abs_error")
        cells = (
            name,
            "-" if rows is None else f"{rows:,}",
            factor,
            str(row.get("logrows", "-")),
            "-" if seconds is None else f"{seconds:.1f}",
            "-" if peak is None else f"{peak / 2**30:.2f}",
            f"{row['proof_bytes']:,}" if "proof_bytes" in row else "-",
            "-" if error is None else f"{error:.5f}",
            str(row["outcome"]),
            str(row.get("wiring", "-")),
        )
        lines.append(f"| {' | '.join(cells)} |")
        above = rows
    return lines


def main() -> None:
    """Run the ladder, write it, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("network", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--memory-gb", type=float, default=8.0)
    options = parser.parse_args()
    folder, budget = options.folder / "work", Budget(int(options.memory_gb * 1e9), SECONDS)
    folder.mkdir(parents=True, exist_ok=True)
    macs = multiply_accumulates(options.network, folder, budget)
    found = ladder(options.network, folder, budget)
    if options.out is not None:
        options.out.write_text(json.dumps({"macs": macs, "ladder": found}, indent=1) + "\n")
    print(f"{macs:,} multiply-accumulates\n")
    print("\n".join(as_table(found)))


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()
