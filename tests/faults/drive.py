"""Break off every write of every artifact, and count what is left half written.

python tests/faults/drive.py [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from atomic_files import write_text
from tests.faults.cases import break_off, cases


def main() -> int:
    """Print the figures as JSON; exit status 0 if nothing is corrupt."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the figures here, too")
    out = parser.parse_args().out
    found = []
    for case in cases():
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            found += list(break_off(case, Path(folder)))
    corrupt = [f"{broken.case} at {broken.share}: {', '.join(broken.corrupt)}" for broken in found if broken.corrupt]
    refused = sum(broken.refused for broken in found)
    text = json.dumps({"cases": len(found), "refused": refused, "corrupt": len(corrupt), "which": corrupt}, indent=1)
    print(text)
    if out is not None:
        write_text(out, text + "\n")
    return 1 if corrupt else 0


if __name__ == "__main__":
    sys.exit(main())
