"""Options of the commands that read stored studies."""

import pytest

from search.command import run_command
from search.errors import ConfigError, StudyError
from search.options import parse_options


def parse(*arguments: str) -> object:
    return parse_options(arguments, single=("study", "top", "all", "columns"), repeated=("where",), prefixes=("at.",))


def test_words_and_options_are_told_apart_at_the_first_equals_sign() -> None:
    found = parse_options(
        ["a", "where=rows<=5", "study=s=t", "b", "where=family=conv"], single=("study",), repeated=("where",)
    )
    assert found.words == ("a", "b")
    assert found.one("study") == "s=t"
    assert found.many("where") == ("rows<=5", "family=conv")
    assert found.one("top") is None
    assert found.many("top") == ()


def test_names_below_a_prefix_are_the_users() -> None:
    found = parse_options(["at.a-study.v1=x=1", "at=y"], single=("at",), prefixes=("at.",))
    assert (found.one("at.a-study.v1"), found.one("at")) == ("x=1", "y")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("colour=red",), r"unknown option 'colour=red'; known: study=, top=, all=, columns=, where=, at.NAME="),
        (("--study",), "unknown option '--study'"),
        (("-x=1",), "unknown option '-x=1'"),
        (("=1",), "unknown option '=1'"),
        (("at.=1",), "unknown option 'at.=1'"),
        (("study=",), "study must have a value after =; got 'study='"),
        (("where=",), "where must have a value after ="),
        (("study=a", "study=b"), "study may be given once; got 'a' and 'b'"),
        (("at.a=1", "at.a=2"), "at.a may be given once"),
    ],
)
def test_what_is_no_option_is_refused(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(*arguments)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("True", True), ("false", False)])
def test_flags(text: str, value: bool) -> None:
    found = parse_options([f"all={text}"], single=("all",))
    assert found.flag("all") is value
    assert found.flag("other") is False


@pytest.mark.parametrize("text", ["yes", "1", " "])
def test_a_flag_is_true_or_false(text: str) -> None:
    with pytest.raises(ConfigError, match="all must be true or false; got"):
        parse_options([f"all={text}"], single=("all",)).flag("all")


def test_counts_are_whole_and_positive() -> None:
    assert parse_options(["top=12"], single=("top",)).count("top") == 12
    assert parse_options([], single=("top",)).count("top") is None
    for text in ("0", "-1", "1.5", "many", "²", "١"):
        with pytest.raises(ConfigError, match="top must be a whole number of at least 1; got"):
            parse_options([f"top={text}"], single=("top",)).count("top")


def test_lists_are_comma_separated() -> None:
    assert parse_options(["columns=a, b,,c"], single=("columns",)).listed("columns") == ("a", "b", "c")
    assert parse_options([], single=("columns",)).listed("columns") is None
    with pytest.raises(ConfigError, match="columns must list at least one name"):
        parse_options(["columns=, ,"], single=("columns",)).listed("columns")


@pytest.mark.parametrize("ask", ["-h", "--help"])
def test_help_goes_before_anything_else(ask: str, capsys: pytest.CaptureFixture[str]) -> None:
    def run(_: object) -> None:
        raise AssertionError("must not run")

    assert run_command(run, ["study=x", ask], help_text="how to\n") == 0
    assert capsys.readouterr().out == "how to\n"


def test_an_error_is_one_line_and_a_defect_is_raised(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(_: object) -> None:
        raise StudyError("no such\n  study")

    def broken(_: object) -> None:
        raise KeyError("x")

    assert run_command(fails, [], help_text="") == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "error: no such study\n")
    with pytest.raises(KeyError, match="x"):
        run_command(broken, [], help_text="")


def test_the_process_gives_the_arguments_where_none_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["search.front", "study=a", "b"])
    seen: list[str] = []
    assert run_command(seen.extend, None, help_text="") == 0
    assert seen == ["study=a", "b"]
