"""Break off every write of every artifact, and count what is left half written: ``python tests/faults/drive.py``."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.faults.cases import break_off, cases


def main() -> int:
    """Print the figures as JSON; exit status 0 if nothing is corrupt."""
    found = []
    for case in cases():
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            found += list(break_off(case, Path(folder)))
    corrupt = [f"{broken.case} at {broken.share}: {', '.join(broken.corrupt)}" for broken in found if broken.corrupt]
    refused = sum(broken.refused for broken in found)
    print(json.dumps({"cases": len(found), "refused": refused, "corrupt": len(corrupt), "which": corrupt}, indent=1))
    return 1 if corrupt else 0


if __name__ == "__main__":
    sys.exit(main())
