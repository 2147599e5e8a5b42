"""Zip archives as torch and NumPy write them: nothing in them is compressed, so none is larger than its file.

This module stands at the top level because ``gan`` and ``evaluation`` both read such files.
"""

from __future__ import annotations

import zipfile
from pathlib import Path


def check_plain(path: Path) -> None:
    """Refuse an archive that would grow when it is read.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no zip archive, or an entry is compressed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            packed = [entry.filename for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(f"it is no zip archive: {error}") from error
    if packed:
        raise ValueError(f"its entries must not be compressed; {packed[0]!r} is")
