"""Passwords that are written in unusual ways; the usual ones are in test_patience.py."""

from __future__ import annotations

import time

import pytest

from search.urls import safe_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:hun://ter2@h/db", "postgresql://me:***@h/db"),
        (
            "postgresql://me:h@n://ter2@h/db",
            "postgresql://me:***@n://ter2@h/db",
        ),  # two addresses, so far as one can see
        ("postgresql://h/db?pass%77ord=hunter2&x=1", "postgresql://h/db?pass%77ord=***&x=1"),
        ("postgresql://h/db?%70%61%73%73=hunter2", "postgresql://h/db?%70%61%73%73=***"),
        ("postgresql://h/db?user=me&passphrase=hunter2", "postgresql://h/db?user=me&passphrase=***"),
        ("https://h/?sig=hunter2;X-Amz-Credential=a", "https://h/?sig=***;X-Amz-Credential=***"),
        ("https://h/?AccessKeyId=a&SharedAccessSignature=b", "https://h/?AccessKeyId=***&SharedAccessSignature=***"),
        ("https://h/?password=a%26b%3Bc&d=e", "https://h/?password=***&d=e"),
        ("https://h/?password=&d=e http://h:5000/a?b=c", "https://h/?password=&d=e http://h:5000/a?b=c"),
    ],
)
def test_passwords_are_hidden_however_they_are_written(url: str, shown: str) -> None:
    assert safe_url(url) == shown


@pytest.mark.parametrize("text", ["://a:", "?a", ";a=b", "?a%3B", "://a:b@"])
def test_long_texts_take_no_longer_than_their_length(text: str) -> None:
    begun = time.process_time()
    safe_url(text * 20_000)
    assert time.process_time() - begun < 1
