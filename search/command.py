"""What commands with ``key=value`` options share: help, and errors in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from search.errors import SearchError
from search.urls import safe_url

_HELP = ("-h", "--help")


def run_command(run: Callable[[Sequence[str]], None], arguments: Sequence[str] | None, *, help_text: str) -> int:
    """Call ``run`` with ``arguments``, by default those of the process; gives the exit status.

    0 when it returns, or when ``-h`` or ``--help`` asks for ``help_text`` instead; 1 with one line on stderr, without
    passwords, for an error of the search package or a file that cannot be read or written. Any other error is a defect
    and is raised.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if any(argument in _HELP for argument in given):
        print(help_text, end="")
        return 0
    try:
        run(given)
    except (SearchError, OSError, UnicodeError) as error:
        print(f"error: {safe_url(' '.join(str(error).split()))}", file=sys.stderr)
        return 1
    return 0
