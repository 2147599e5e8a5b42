"""Addresses of databases and servers as they may be shown: without passwords."""

from __future__ import annotations

import re

HIDDEN = "***"
_USER_INFO = re.compile(r"(?P<before>://[^:/@\s'\"]*:)(?:(?!://)[^\s'\"])+(?P<after>@)")
_USER_ALONE = re.compile(r"(?P<before>\bhttps?://)[^:/@\s'\"]+(?P<after>@)")
_SECRET = r"[\w-]*(?:passw(?:or)?d|pwd|passfile|token|secret|key)"
_IN_QUERY = re.compile(rf"(?P<before>(?:[?&;]|%3B){_SECRET}(?:=|%3D))[^&;\s'\"]+", re.IGNORECASE)


def safe_url(text: str) -> str:
    """Return ``text``, an address or any text with addresses in it, with ``***`` in the place of every password.

    Hidden are ``scheme://user:PASSWORD@``, ``http://TOKEN@`` and query fields whose names end in password, passwd, pwd,
    passfile, token, secret or key. A password with a blank or a quote is not known for one, so those must be
    percent-encoded, as URLs want it.
    """
    text = _USER_INFO.sub(rf"\g<before>{HIDDEN}\g<after>", text)
    text = _USER_ALONE.sub(rf"\g<before>{HIDDEN}\g<after>", text)
    return _IN_QUERY.sub(rf"\g<before>{HIDDEN}", text)
