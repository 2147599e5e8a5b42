"""The files of the report: page, JSON, CSV, LaTeX and plots, and the command that writes them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from test_benchmark_report_rows import (
    complete_benchmark,
    complete_rows,
    make_row,
    precision_rows,
    predicted_row,
    write_folder,
)

from zk.benchmark.__main__ import main
from zk.benchmark.report import write_report
from zk.benchmark.report.data import Benchmark
from zk.benchmark.report.latex import escape, latex_tables
from zk.benchmark.report.page import SECTIONS, page
from zk.benchmark.report.plots import PLOTS
from zk.benchmark.row import LayerRow, RowOutcome

KEYS = {
    "experiment",
    "category",
    "scale_bits",
    "variant",
    "outcome",
    "rows",
    "logrows",
    "setup_seconds",
    "prove_seconds",
    "verify_seconds",
    "peak_rss_bytes",
    "proof_bytes",
    "max_abs_error",
    "wiring",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    stem = folder / "results" / "layer-benchmark"
    assert main(["report", str(write_folder(folder, complete_benchmark())), "--out", str(stem)]) == 0
    return stem


def test_every_file_is_written(report: Path) -> None:
    names = {f"layer-benchmark.{kind}" for kind in ("md", "json", "csv", "tex")}
    names |= {f"layer-benchmark-{plot}.{kind}" for plot in PLOTS for kind in ("png", "pdf")}
    assert {path.name for path in report.parent.iterdir()} == names
    assert (report.parent / "layer-benchmark-scaling.png").read_bytes().startswith(b"\x89PNG")
    assert (report.parent / "layer-benchmark-scaling.pdf").read_bytes().startswith(b"%PDF")


def test_the_json_is_a_bare_list_of_every_row(report: Path) -> None:
    data = json.loads(report.with_suffix(".json").read_text())
    assert [LayerRow.from_json(entry) for entry in data] == complete_rows()
    assert all(set(entry) >= KEYS for entry in data)


def test_the_csv_has_the_same_rows(report: Path) -> None:
    with report.with_suffix(".csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 80
    assert set(lines[0]) >= KEYS
    first = complete_rows()[0]
    assert (lines[0]["experiment"], lines[0]["outcome"]) == ("ReLU", "proved")
    assert float(lines[0]["prove_seconds"]) == first.prove_seconds
    assert json.loads(lines[0]["stage_peaks"]) == dict(first.stage_peaks)


def test_the_page_has_its_sections_and_plots(report: Path) -> None:
    text = report.with_suffix(".md").read_text()
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [f"## {place}. {title}" for place, (title, _, _) in enumerate(SECTIONS, 1)]
    assert len(headings) == 18
    assert {plot for _, _, shown in SECTIONS for plot in shown} == set(PLOTS)
    assert all(f"(layer-benchmark-{plot}.png)" in text for plot in PLOTS)


def test_the_same_rows_give_the_same_files(report: Path, tmp_path: Path) -> None:
    for path in write_report(report.parents[1], tmp_path / report.name):
        assert path.read_bytes() == (report.parent / path.name).read_bytes(), path.name


def test_plots_without_data_are_neither_written_nor_shown_nor_left_over(tmp_path: Path) -> None:
    write_folder(tmp_path, Benchmark((make_row(variant="ours"),)))
    stem = tmp_path / "out"
    stale = tmp_path / "out-scaling.png"
    stale.write_bytes(b"of an earlier run")
    names = {path.name for path in write_report(tmp_path, stem)}
    assert {"out-prove-seconds.png", "out-peak-memory.pdf", "out-proof-bytes.png"} <= names
    assert not stale.exists()
    assert "(out-scaling.png)" not in stem.with_suffix(".md").read_text()


def test_all_predicted_stock_and_a_failing_row_are_drawn() -> None:
    rows = (predicted_row("ReLU", 10), make_row("ReLU", 10, "ours", outcome=RowOutcome.REFUSED))
    benchmark = Benchmark(rows, rows, rows)
    assert {name for name, draw in PLOTS.items() if draw(benchmark) is not None} == {"prove-seconds", "peak-memory"}
    assert page(benchmark, "x", ["prove-seconds"]).count("![") == 1


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("CNN_ReLU", r"CNN\_ReLU"),
        ("50 % & more", r"50 \% \& more"),
        ("a\\b~c^d", r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d"),
        ("$#{}", r"\$\#\{\}"),
        ("plain", "plain"),
    ],
)
def test_latex_escapes(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_latex_tables_are_regular() -> None:
    text = latex_tables(complete_benchmark())
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == text.count(r"\toprule") == 3
    for block in text.split(r"\begin{tabular}")[1:]:
        body = block.split(r"\end{tabular}")[0]
        columns = body.partition("\n")[0].count("l") + body.partition("\n")[0].count("r")
        lines = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert {line.count(" & ") + 1 for line in lines} == {columns}
    lines = [line for line in text.splitlines() if line.startswith(r"Conv2d\_k3\_s1 & 10 & predicted & proved")]
    assert len(lines) == 1
    assert r"\textit{100} & 7.00" in lines[0]
    assert lines[0].endswith(r"\textit{14.3x} \\")


def test_latex_tables_without_data_are_left_out() -> None:
    text = latex_tables(Benchmark((), precision=tuple(precision_rows())))
    assert text.count(r"\begin{tabular}") == 1
    assert "% No data for the table of experiments." in text
    assert r"$6.10 \times 10^{-5}$" in text


def test_the_command_reports_its_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 1
    assert "rows.json; it is missing" in capsys.readouterr().err


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(["nothing"])
    assert refusal.value.code == 2
    assert "report" in capsys.readouterr().err
