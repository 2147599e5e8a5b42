"""The command line of the audit: what it says of itself, and what it hands on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from zk import audit
from zk.audit import WiringReport, main
from zk.types import Wiring

REPORT = WiringReport(
    verdict=Wiring.LINKED, columns=3, expected_columns=3, linked_cells=5, linked_public_values=1, public_values=1,
    free_values=2, salt=(), groups=(), reason="all is tied", seconds=0.5,
)  # fmt: skip
HELP = """\
usage: python -m zk.audit [-h] --pk PK --settings SETTINGS [--vk VK]
                          [--private-values PRIVATE_VALUES] [--salt N [N ...]] [--json JSON]

Audit the wiring of a proving key.

options:
  -h, --help            show this help message and exit
  --pk PK               proving key
  --settings SETTINGS   settings that it was made from
  --vk VK               verification key that proofs will be checked with
  --private-values PRIVATE_VALUES
                        number of private inputs and parameters
  --salt N [N ...]      salt of each committed tensor
  --json JSON           where to write the report as JSON
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []

    def audited(*paths: Path | None, **options: Any) -> WiringReport:
        found.append((paths, options))
        return REPORT

    monkeypatch.setattr(audit, "audit_wiring", audited)
    return found


def test_the_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        main(["--help"])
    assert capsys.readouterr().out == HELP


def test_every_option_is_handed_on(asked: list[Any], tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = ["--vk", "v", "--private-values", "12", "--salt", "1", "0", "--json", str(report)]
    assert main(["--pk", "p", "--settings", "s", *options]) == 0
    assert main(["--pk", "p", "--settings", "s"]) == 0
    assert asked == [
        ((Path("p"), Path("s"), Path("v")), {"private_values": 12, "salt": (1, 0)}),
        ((Path("p"), Path("s"), None), {"private_values": None, "salt": ()}),
    ]
    assert report.read_text() == json.dumps(asdict(REPORT), indent=1) + "\n"


@pytest.mark.parametrize("given", [["--pk", "p"], ["--settings", "s"], [], ["--salt", "x"]])
def test_the_key_and_its_settings_are_required(given: list[str], asked: list[Any]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert ended.value.code == 2
    assert not asked
