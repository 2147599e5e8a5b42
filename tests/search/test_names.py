"""A study's name stays a name: one folder below the studies', one row of a database."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.errors import ConfigError
from search.names import checked_name


@pytest.mark.parametrize("name", ["digits-small-quick", "exp_016-strong", "0.2, a=1", "größer", "_x", "a" * 100])
def test_names_that_people_give_are_kept(name: str) -> None:
    assert checked_name(name, "study.name") == name


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "a/b", "a\\b", "/etc", ".hidden", " a", "a\nb", "a\0b", "a" * 101, "あ" * 70]
)
def test_names_that_could_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"study\.name must begin with a letter"):
        checked_name(name, "study.name")


@pytest.mark.parametrize("name", [None, True])
def test_what_is_no_text_is_refused(name: object) -> None:
    with pytest.raises(ConfigError):
        checked_name(name, "study.name")


@given(st.text(max_size=120))
def test_whatever_is_accepted_is_one_folder_below(name: str) -> None:
    try:
        found = checked_name(name, "study.name")
    except ConfigError:
        return
    root = Path("/studies")
    assert (root / found).resolve().parent == root
    assert len(found.encode()) < 256
