import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from gan.training import TrainingRecord
from search.live_columns import columns, natural_width
from search.live_frame import MachineUse, clock, duration, flow, frame, short_count
from search.live_state import LiveState, TrialInWork
from search.objectives import Objective
from search.tally import EndedTrial, Tally

OBJECTIVES = (Objective("accuracy", "maximize", 0.0), Objective("predicted_prove_seconds", "minimize", 100.0))
USE = MachineUse(0.974, 12 * 2**30, 24 * 2**30)


def state() -> LiveState:
    ended = [
        EndedTrial(0, "scored", "a", "subpixel", (0.75, 120.0)),
        EndedTrial(1, "infeasible", "b", "mlp"),
        EndedTrial(2, "scored", "c", "pointwise", (0.5, 17.25), here=True),
    ]
    found = LiveState("digits-tiny", 6, 60, 0.0, Tally(OBJECTIVES)).known(ended)
    found = found.opened(TrialInWork(3, "subpixel", 50048)).opened(TrialInWork(4, "separable", 50048))
    record = TrainingRecord(195, 12512, 30.0, 1.2345, 0.5, 412.3, 95.0)
    return found.recorded(3, replace(record, images=5005), 500.0).recorded(3, record, 595.0)


def shown(width: int, height: int = 40, of: LiveState | None = None, use: MachineUse | None = USE) -> list[str]:
    console = Console(width=width, height=height, record=True, force_terminal=True, file=io.StringIO())
    console.print(frame(of or state(), use, 600.0, width=width, height=height))
    return console.export_text().rstrip("\n").split("\n")


def test_a_frame_of_120_columns() -> None:
    assert shown(120) == [
        "study digits-tiny  2 of 6 trained  5 of at most 60 drawn  10 min  6.0 trials an hour  about 33 min left",
        "scored 2  infeasible 1  CPU 97%  memory 12.0 of 24.0 GiB",
        "",
        "trial  family     at               images  spent  left  images/s  loss D  loss G",
        "    3  subpixel   training  12.5k / 50.0k    25%  1:30       412    1.23     0.5",
        "    4  separable  circuit               -      -     -         -       -       -",
        "",
        "front  family     accuracy  predicted prove seconds",
        "    0  subpixel       0.75                      120",
        "    2  pointwise       0.5                    17.25",
        " best                 0.75                    17.25",
    ]


def test_a_frame_of_80_columns_leaves_out_what_matters_least() -> None:
    lines = shown(79)
    assert lines[0] == "study digits-tiny  2 of 6 trained  5 of at most 60 drawn  10 min"
    assert lines[1] == "6.0 trials an hour  about 33 min left"
    assert "trial  family     at               images  spent  left  images/s  loss D" in lines
    assert max(map(len, lines)) <= 79


def test_headings_are_stacked_where_they_do_not_fit() -> None:
    lines = shown(40)
    assert lines[-6:] == [
        "                            predicted",
        "                                prove",
        "front  family     accuracy    seconds",
        "    0  subpixel       0.75        120",
        "    2  pointwise       0.5      17.25",
        " best                 0.75      17.25",
    ]


@given(st.integers(20, 140), st.integers(5, 50))
def test_no_line_is_wider_than_the_terminal(width: int, height: int) -> None:
    assert all(len(line) <= max(width, len("memory 12.0 of 24.0 GiB")) for line in shown(width, height))


def test_the_best_values_stand_out() -> None:
    console = Console(width=100, force_terminal=True, color_system="standard", file=io.StringIO(), record=True)
    console.print(frame(state(), USE, 600.0, width=100, height=40))
    styled = console.export_text(styles=True)
    assert "\x1b[1m      0.75\x1b[0m                      120" in styled
    assert "0.5\x1b[1m                    17.25" in styled


def test_a_low_terminal_gets_a_low_frame() -> None:
    many = state()
    for number in range(10, 40):
        many = many.opened(TrialInWork(number, "mlp", 100)).over(
            EndedTrial(number + 100, "scored", str(number), "mlp", (number / 100, float(number)))
        )
    for height in (16, 24, 40):
        lines = shown(120, height, many)
        assert len(lines) < height
        assert any(line.startswith("and ") for line in lines)
    assert "and 23 more" in shown(120, 24, many)  # of 32 in work: 14 lines, 5 of them for the front


def test_a_study_that_has_just_begun() -> None:
    fresh = LiveState("s", 6, 60, 600.0, Tally(OBJECTIVES))
    assert shown(80, of=fresh, use=None) == ["study s  0 of 6 trained  0 of at most 60 drawn  0 s"]


def test_nothing_is_said_of_no_time_left() -> None:
    done = LiveState("s", 1, 60, 0.0, Tally(OBJECTIVES)).over(EndedTrial(0, "scored", "a", "mlp", (0.5, 1.0)))
    assert shown(120, of=done)[0] == "study s  1 of 1 trained  1 of at most 60 drawn  10 min  6.0 trials an hour"


def test_a_study_that_has_ended_says_how() -> None:
    lines = shown(120, of=state().closed(600.0, "interrupted"))
    assert lines[0].endswith("6.0 trials an hour  interrupted")
    assert not any(" left" in line for line in lines)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (176869.0, "176,869"),
        (999.0, "999"),
        (0.98251, "0.9825"),
        (1234.5, "1234"),
        (2e9, "2e+09"),
        (float("inf"), "inf"),
    ],
)
def test_counts_among_the_objectives_are_written_out(value: float, text: str) -> None:
    found = LiveState("s", 1, 1, 600.0, Tally(OBJECTIVES)).over(EndedTrial(0, "scored", "a", "mlp", (0.5, value)))
    assert shown(120, of=found)[-1].split()[-1] == text


def test_a_gpu_is_shown_where_there_is_one() -> None:
    assert "GPU 1.5 of 80.0 GiB" in shown(120, use=replace(USE, gpu_bytes=3 * 2**29, gpu_total_bytes=80 * 2**30))[1]


def test_names_are_no_markup() -> None:
    named = LiveState("[red]x", 1, 1, 600.0, Tally(OBJECTIVES)).opened(TrialInWork(0, "[bold]f", None))
    assert "study [red]x" in shown(120, of=named)[0]
    assert any("[bold]f" in line for line in shown(120, of=named))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (80, "1 min 20 s"), (599.6, "10 min"), (1790, "30 min"),
        (3599, "1 h 00 min"), (11100, "3 h 05 min"), (172800, "2.0 days"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0, "0:00"), (59.6, "1:00"), (80, "1:20"), (3599.4, "59:59"), (11105, "3:05:05")],
)
def test_clocks(seconds: float | None, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (12512, "12.5k"), (99_949, "99.9k"), (99_950, "100k"), (999_499, "999k"),
     (999_500, "1.0M"), (50_000_000, "50.0M"), (2.5e9, "2.5G")],
)  # fmt: skip
def test_short_counts(value: float, text: str) -> None:
    assert short_count(value) == text


@given(st.lists(st.text("abc ", min_size=1, max_size=12), max_size=8), st.integers(1, 40))
def test_parts_flow_unbroken_and_in_order(parts: list[str], width: int) -> None:
    lines = flow(parts, width)
    assert "  ".join(lines) == "  ".join(parts)
    assert all(len(line) <= width or line in parts for line in lines)


def test_columns() -> None:
    lines = columns(["name", "a number"], [["x", "1"], ["long one", "22"]], 40, left=("name",), bold={(1, 1)})
    assert [line.plain for line in lines] == ["name      a number", "x                1", "long one        22"]
    assert natural_width(["name", "a number"], [["x", "1"], ["long one", "22"]]) == 18
    assert [line.plain for line in columns(["a b", "c"], [], 2)] == ["a", "b  c"]
    assert columns([], [], 10) == []
