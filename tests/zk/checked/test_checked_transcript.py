"""Challenges: every part of a statement changes them, and elements look uniform."""

import dataclasses
import hashlib

import pytest

from zk.checked.transcript import TAG, Statement, canonical_settings, draw_elements, join_elements
from zk.field import MODULUS

STATEMENT = Statement(b"vk", b"settings", b"m" * 32, 3, (b"c" * 64, b"g" * 64), join_elements([1, 2]))


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Statement)])
def test_every_field_changes_the_seed(field: str) -> None:
    value = getattr(STATEMENT, field)
    others = [value + 1] if isinstance(value, int) else []
    others += [value + b"\0", value[:-1]] if isinstance(value, bytes) else []
    if isinstance(value, tuple):
        others = [value[::-1], value[:1], (*value, b"b" * 64), (value[0], b"h" * 64), (value[0] + value[1],)]
    seeds = {dataclasses.replace(STATEMENT, **{field: other}).seed for other in others}
    assert len(seeds) == len(others) > 0
    assert STATEMENT.seed not in seeds


def test_fields_do_not_run_into_each_other() -> None:
    """Bytes moved from the end of one field to the beginning of the next give another seed."""
    moved = dataclasses.replace(STATEMENT, verification_key=b"v", settings=b"ksettings")
    assert moved.seed != STATEMENT.seed
    first, second = STATEMENT.commitments
    moved = dataclasses.replace(STATEMENT, commitments=(first + second[:32], second[32:]))
    assert moved.seed != STATEMENT.seed
    moved = dataclasses.replace(STATEMENT, commitments=(first,), public=second + STATEMENT.public)
    assert moved.seed != STATEMENT.seed


def test_seed_of_a_known_statement() -> None:
    """Pinned: a change of the transcript is a change of the protocol, whose tag must change with it."""
    assert STATEMENT.seed.hex() == "9a3885f835e730966c04b587bc13d9933cf90b48fa49866989fa2dc4a8b49ffb"


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


def test_an_element_is_its_own_hash() -> None:
    """Element i of claim l is SHAKE-256 of seed, l and i, 64 bytes, modulo the field."""
    number = hashlib.shake_256(b"seed" + (2).to_bytes(8, "big") + (1).to_bytes(8, "big")).digest(64)
    assert draw_elements(b"seed", 2, 2)[1] == int.from_bytes(number, "big") % MODULUS


def test_the_seed_is_a_hash_of_fields_with_their_lengths() -> None:
    def word(number: int) -> bytes:
        return number.to_bytes(8, "big")

    fields = [b"vk", b"settings", b"m" * 32, b"c" * 64, b"g" * 64, STATEMENT.public]
    content = TAG + word(3) + word(2) + b"".join(word(len(field)) + field for field in fields)
    assert STATEMENT.seed == hashlib.sha256(content).digest()


def test_settings_in_canonical_bytes() -> None:
    """Neither the order of names nor the time of writing matters; every other value does."""
    first = canonical_settings({"b": [1, 2], "a": {"y": None, "x": 0.5}, "timestamp": 17})
    assert first == canonical_settings({"a": {"x": 0.5, "y": None}, "b": [1, 2]})
    assert first == b'{"a":{"x":0.5,"y":null},"b":[1,2]}'
    assert first != canonical_settings({"a": {"x": 0.5, "y": None}, "b": [2, 1]})
