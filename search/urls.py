"""Addresses of databases and servers as they may be shown: without passwords."""

from __future__ import annotations

import re

HIDDEN = "***"
_USER_INFO = re.compile(r"(?P<before>://[^:/@\s'\"]*:)[^@\s'\"]+(?P<after>@)")
_IN_QUERY = re.compile(r"(?P<before>[?&](?:\w*password|passfile|token)=)[^&\s'\"]+", re.IGNORECASE)


def safe_url(text: str) -> str:
    """Return ``text``, an address or any text with addresses in it, with ``***`` in the place of every password.

    Hidden are ``scheme://user:PASSWORD@`` and the query fields ``...password``, ``passfile`` and ``token``. A password
    with a raw ``@``, a blank or a quote is hidden up to there only, so those must be percent-encoded, as URLs want it.
    """
    text = _USER_INFO.sub(rf"\g<before>{HIDDEN}\g<after>", text)
    return _IN_QUERY.sub(rf"\g<before>{HIDDEN}", text)
