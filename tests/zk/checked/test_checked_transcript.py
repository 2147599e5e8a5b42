"""Challenges: every part of a statement changes them, and elements look uniform."""

import dataclasses

import pytest

from zk.checked.transcript import Statement, draw_elements, join_elements
from zk.field import MODULUS

STATEMENT = Statement(b"vk", b"settings", b"m" * 32, b"c" * 64, b"g" * 64, join_elements([1, 2]), 3)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Statement)])
def test_every_part_changes_the_seed(field: str) -> None:
    value = getattr(STATEMENT, field)
    other = dataclasses.replace(STATEMENT, **{field: value + 1 if isinstance(value, int) else value + b"\0"})
    assert other.seed != STATEMENT.seed


def test_parts_do_not_run_into_each_other() -> None:
    """Bytes moved from the end of one part to the beginning of the next give another seed."""
    moved = dataclasses.replace(STATEMENT, verification_key=b"v", settings=b"ksettings")
    assert moved.seed != STATEMENT.seed


def test_seed_of_a_known_statement() -> None:
    """Pinned: a change of the transcript is a change of the protocol, whose tag must change with it."""
    assert STATEMENT.seed.hex() == "c1953799bf0ac7a2929043bc7659b7b89e1db9fe66640906a6d6483d8ca55038"


def test_elements_are_of_the_field_and_differ() -> None:
    found = draw_elements(STATEMENT.seed, 0, 500)
    assert len(set(found)) == 500
    assert all(0 <= value < MODULUS for value in found)
    mean = sum(found) / 500 / MODULUS
    assert 0.45 < mean < 0.55  # 3.9 standard deviations of a uniform mean
    assert set(found).isdisjoint(draw_elements(STATEMENT.seed, 1, 500))
    assert draw_elements(STATEMENT.seed, 0, 3) == found[:3]


def test_elements_in_canonical_bytes() -> None:
    assert join_elements([]) == b""
    assert join_elements([MODULUS + 5, -1]) == (5).to_bytes(32, "big") + (MODULUS - 1).to_bytes(32, "big")
