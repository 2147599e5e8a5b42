"""Recorded configurations that are none."""

from __future__ import annotations

import pytest

from search.errors import RecordError
from search.reproduce.record import RecordedSession
from search.reproduce.settings import _config


@pytest.mark.parametrize("text", ["0", "[1, 2]", "a: [", "a: ${"])
def test_a_configuration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RecordError, match="the recorded configuration must be"):
        _config(RecordedSession(text, {}, None), {"device": "cpu"})


def test_places_are_replaced() -> None:
    found = _config(RecordedSession("device: cuda\nrate: 1e-3\n", {}, None), {"device": "cpu"})
    assert (found.device, found.rate) == ("cpu", 0.001)
