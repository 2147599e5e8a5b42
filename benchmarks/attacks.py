"""Try every attack on checked proofs, and every verifier that lacks one check.

    python benchmarks/attacks.py OUT.json [--every]

prints two tables as Markdown: the attacks, each with the check that refused it, and the mutations, each with the attack
that it lets pass. A mutation behind which another check stands is listed, and not counted. With ``--every``, all
attacks are tried under each mutation, which takes half an hour instead of four minutes; else only the one that the
check is there for. OUT.json receives ``{"attacks": {"total", "rejected"}, "mutations": {"total", "caught"}, "rows":
{"attacks": [...], "mutations": [...]}}``. Exit status 1 if an attack is accepted, or ends elsewhere than expected, or
if a mutation does not.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch

from zk.checked.attacks.catalogue import ATTACKS, accepted_without, try_mutation
from zk.checked.attacks.lab import ACCEPTED, Lab
from zk.checked.attacks.mutations import MUTATIONS
from zk.stages import write_json


def attack_rows(lab: Lab) -> list[dict[str, Any]]:
    """Try all attacks against the whole verifier."""
    rows = []
    for attack in ATTACKS.values():
        verdict = lab.attempt(attack)
        rows.append(
            {
                "attack": attack.name,
                "what": attack.what,
                "outcome": verdict.outcome,
                "reason": verdict.reason,
                "rejected": verdict.outcome != ACCEPTED,
                "as_expected": verdict.outcome == attack.expected,
            }
        )
        print(f"| {attack.name} | {attack.what} | {verdict.outcome} |", flush=True)
    return rows


def mutation_rows(lab: Lab, every: bool) -> list[dict[str, Any]]:
    """Try all mutations, each with its exploit or with every attack."""
    rows = []
    for mutation in MUTATIONS:
        mutant = try_mutation(lab, mutation)
        accepted = list(accepted_without(lab, mutation)) if every else None
        rows.append(
            {
                "mutation": mutation.name,
                "exploit": mutation.exploit,
                "outcome": mutant.verdict.outcome,
                "honest_accepted": mutant.honest,
                "counted": mutation.counted,
                "behind": mutation.behind,
                "caught": mutant.honest and mutant.verdict.outcome == ACCEPTED,
                "as_expected": mutant.as_expected,
                "accepted": accepted,
            }
        )
        cells = [mutation.name, mutation.exploit, mutant.verdict.outcome, mutation.behind]
        if accepted is not None:
            cells.append(", ".join(name for name in accepted if name != mutation.exploit))
        print(f"| {' | '.join(cells)} |", flush=True)
    return rows


def main() -> int:
    """Print the tables and write the results."""
    parser = argparse.ArgumentParser(description="Attacks on checked proofs, and mutations of their verifier.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--every", action="store_true", help="try all attacks under each mutation")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="attacks-") as name:
        lab = Lab(Path(name), Path(name) / "srs")
        print("| attack | what | outcome |\n| --- | --- | --- |")
        attacks = attack_rows(lab)
        print(f"\n| without | attack | outcome | second line |{' others |' if options.every else ''}")
        print(f"| --- | --- | --- | --- |{' --- |' if options.every else ''}")
        mutations = mutation_rows(lab, options.every)
    counted = [row for row in mutations if row["counted"]]
    results = {
        "attacks": {"total": len(attacks), "rejected": sum(row["rejected"] for row in attacks)},
        "mutations": {"total": len(counted), "caught": sum(row["caught"] for row in counted)},
        "rows": {"attacks": attacks, "mutations": mutations},
    }
    write_json(options.out, results)
    print(f"\n{results['attacks']}, {results['mutations']}")
    return 0 if all(row["as_expected"] for row in (*attacks, *mutations)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
