"""Addresses of databases and servers as they may be shown: without passwords."""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = "***"
_WORD = re.compile(r"[^\s'\"]+")
# A password ends at its last @, and holds the start of another address only before its first.
_USER_INFO = re.compile(r"(?P<before>://[^:/@]*:)[^@]*(?:@(?:(?!://)[^@])*)*(?P<after>@)")
_USER_ALONE = re.compile(r"(?P<before>\bhttps?://)[^:/@\s'\"]+(?P<after>@)")
_FIELD = re.compile(r"(?:[?&;]|%3B)(?P<name>(?:(?!%3B|%3D)[^?&;=\s'\"])+)(?:=|%3D)", re.IGNORECASE)
_VALUE = re.compile(r"[^&;\s'\"]*")
_SECRET = re.compile(r"pass|pwd|secret|token|key|sig|credential", re.IGNORECASE)


def safe_url(text: str) -> str:
    """Return ``text``, an address or any text with addresses in it, with ``***`` in the place of every password.

    Hidden are ``scheme://user:PASSWORD@``, ``http://TOKEN@`` and query fields whose names contain pass, pwd, secret,
    token, key, sig or credential, percent-encoded or not. A password with a blank or a quote is not known for one, so
    those must be percent-encoded, as URLs want it.
    """
    text = _WORD.sub(_without_user_info, text)
    text = _USER_ALONE.sub(rf"\g<before>{HIDDEN}\g<after>", text)
    return _without_fields(text)


def _without_user_info(word: re.Match[str]) -> str:
    text = word.group()
    end = text.rfind("@") + 1  # nothing is looked for behind it, which would take long in a long word
    return _USER_INFO.sub(rf"\g<before>{HIDDEN}\g<after>", text[:end]) + text[end:]


def _without_fields(text: str) -> str:
    shown, done, place = [], 0, 0
    while found := _FIELD.search(text, place):
        place = found.end()
        value = _VALUE.match(text, place)
        if _SECRET.search(unquote(found["name"])) and value is not None and value.group():
            shown += [text[done:place], HIDDEN]
            done = place = value.end()
    return "".join([*shown, text[done:]])
