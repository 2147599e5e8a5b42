"""Tables, pictures, plots and the report."""

import csv
import io
from pathlib import Path

import pytest
import torch
from PIL import Image

from atomic_files import write_text
from search.headline import HEADLINE_SCORES, with_headline
from search.objectives import Objective
from search.pictures import GRID_COLUMNS, image_grid, save_class_grid
from search.plots import hypervolume_figure, parallel_figure, pareto_figure
from search.report import ReportContent, format_value, render_report
from search.trial_rows import to_csv

OBJECTIVES = [
    Objective("accuracy", "maximize", 0.0),
    Objective("diversity", "maximize", 0.0),
    Objective("is", "maximize", 1),
]


def row(number: int, accuracy: float, front: bool = False) -> dict[str, object]:
    figures = {"accuracy": accuracy, "diversity": 0.1 * number, "is": 2.0, "rows": 5 * number}
    return {"trial": number, "state": "scored", "front": front, "family": "mlp", **figures}


def test_csv_holds_every_column_of_every_row() -> None:
    text = to_csv([{"a": 1, "b": "x,y"}, {"a": 2, "c": 3.5}])
    assert list(csv.DictReader(io.StringIO(text))) == [{"a": "1", "b": "x,y", "c": ""}, {"a": "2", "b": "", "c": "3.5"}]
    assert to_csv([]) == "\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (1234567, "1,234,567"),
        (0.123456, "0.1235"),
        (2.5e9, "2,500,000,000"),
        ((8, 4), "8-4"),
        ([24, 8, 4], "24-8-4"),
    ],
)
def test_values_in_tables(value: object, text: str) -> None:
    assert format_value(value) == text


def test_a_grid_places_images_row_by_row() -> None:
    images = torch.tensor([-1.0, 0.0, 1.0])[:, None, None, None].expand(3, 3, 4, 4)
    grid = image_grid(images, columns=2)
    assert grid.size == (10, 10)
    pixels = [grid.getpixel(at) for at in ((0, 0), (6, 0), (0, 6), (6, 6), (4, 0))]
    assert pixels == [(0, 0, 0), (128, 128, 128), (255, 255, 255), (255, 255, 255), (255, 255, 255)]


def test_a_class_grid_has_one_row_per_class(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def sample(labels: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        seen.extend(zip(labels.tolist(), indices.tolist(), strict=True))
        return torch.zeros(len(labels), 3, 4, 4)

    save_class_grid(sample, num_classes=3, path=tmp_path / "new" / "grid.png")
    assert [label for label, _ in seen] == [0] * GRID_COLUMNS + [1] * GRID_COLUMNS + [2] * GRID_COLUMNS
    with Image.open(tmp_path / "new" / "grid.png") as picture:
        assert picture.size == (GRID_COLUMNS * 6 - 2, 3 * 6 - 2)


def test_plots_show_scored_trials_only() -> None:
    rows = [row(1, 0.5, front=True), row(2, 0.25), {"trial": 3, "state": "infeasible", "front": False}]
    (trace,) = pareto_figure(rows, OBJECTIVES).data
    assert (list(trace.y), list(trace.x)) == ([0.5, 0.25], [0.1, 0.2])
    assert list(trace.marker.symbol) == ["circle", "circle-open"]
    assert "float scores" in pareto_figure(rows, OBJECTIVES).layout.title.text
    assert "float scores" in parallel_figure(rows, OBJECTIVES).layout.title.text
    (lines,) = parallel_figure(rows, OBJECTIVES).data
    assert [dimension.label for dimension in lines.dimensions] == ["accuracy", "diversity", "is", "rows"]
    assert list(hypervolume_figure([0.1, 0.3]).data[0].y) == [0.1, 0.3]


def content(tmp_path: Path, **changes: object) -> ReportContent:
    picture = tmp_path / "samples.png"
    Image.new("RGB", (2, 2)).save(picture)
    values: dict[str, object] = {
        "title": "a <b> study",
        "facts": {"dataset": "x & y"},
        "front": [with_headline(row(1, 0.5, front=True))],
        "columns": ("trial", "headline_accuracy", "headline_arithmetic", "accuracy", "absent"),
        "pictures": {1: picture},
        "figures": [hypervolume_figure([1.0])],
        "proof": ["Nothing was proved."],
        "proved": False,
    }
    return ReportContent(**{**values, **changes})  # type: ignore[arg-type]


def test_the_report_needs_no_other_file_and_escapes_text(tmp_path: Path) -> None:
    page = render_report(content(tmp_path))
    assert "a &lt;b&gt; study" in page
    assert "x &amp; y" in page
    assert "<b> study" not in page
    assert page.count("<img ") == 1
    assert 'src="http' not in page
    assert "<th>accuracy</th><th>arithmetic</th><th>float_accuracy</th>" in page
    assert "absent" not in page
    assert '<p class="bad"><strong>Nothing was proved.' in page


def test_the_report_shows_the_circuit_s_scores_or_says_why_not(tmp_path: Path) -> None:
    circuit = {f"circuit_{name}": 0.375 for name in HEADLINE_SCORES}
    page = render_report(content(tmp_path, front=[with_headline({**row(1, 0.5, front=True), **circuit})]))
    assert "<td>1</td><td>0.375</td><td>circuit</td><td>0.5</td>" in page
    assert "one row per class; circuit accuracy 0.375" in page
    assert "shows float scores" not in page
    refused = with_headline({**row(1, 0.5, front=True), **circuit, "circuit_failure": "a < b"})
    page = render_report(content(tmp_path, front=[refused]))
    assert "<td>1</td><td>0.5</td><td>float</td><td>0.5</td>" in page
    assert "one row per class; float accuracy 0.5" in page
    assert "Trial 1 shows float scores: a &lt; b" in page


def test_the_report_of_a_proof_shows_the_proved_image(tmp_path: Path) -> None:
    page = render_report(
        content(tmp_path, proof=["Proved.", "prove ok"], proved=True, proof_picture=tmp_path / "samples.png")
    )
    assert '<p class="ok"><strong>Proved.' in page
    assert page.count("<img ") == 2


def test_an_empty_front_still_makes_a_report(tmp_path: Path) -> None:
    assert "<tbody></tbody>" in render_report(content(tmp_path, front=[], figures=[]))


def test_text_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "old")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert [child.name for child in path.parent.iterdir()] == ["file.txt"]
