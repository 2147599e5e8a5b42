"""The allocator's habits, where they cost training time."""

from __future__ import annotations

import ctypes
import functools
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_ names of mallopt(3)
_KEPT_BYTES, _MAPPED_BYTES = 2**30, 2**28


@functools.cache
def keep_freed_memory() -> bool:
    """Have this process keep memory that tensors free, up to 1 GiB, for the tensors of the next step.

    glibc gives large blocks back to the system at once, which then fills them with zeros, page by page, when the next
    step asks again. Says whether the allocator took the setting; other C libraries are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # not glibc
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)) and bool(mallopt(_MMAP_THRESHOLD, _MAPPED_BYTES))
