"""Files in the making: how they are named, and what becomes of those whose process was killed.

A file in the making lies beside its place as `.NAME.PID-RANDOM.part`. Whoever begins another one of the same name
removes those whose process is gone and that nothing was written to for a minute.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from dtcpos.store.running import is_running

SUFFIX: Final = ".part"
# What SQLite keeps beside a copy in the making.
BESIDE: Final = ("-journal", "-wal", "-shm")
# Of a process on another machine that shares the folder nothing tells whether it runs, but it goes on writing.
_SILENT_S: Final = 60.0


def part_prefix(path: Path) -> str:
    """Return how the name of a file in the making begins that is to become `path`."""
    return f".{path.name}.{os.getpid()}-"


def clear_leftovers(path: Path, part: Path) -> None:
    """Remove what killed processes left of files that were to become `path`; `part` was made just now.

    Its time is that of the file system, by whose clock the others are old. What cannot be removed is left alone.
    """
    ending = "|".join(map(re.escape, BESIDE))
    name = re.compile(rf"\.{re.escape(path.name)}\.(\d{{1,10}})-\w+{re.escape(SUFFIX)}(?:{ending})?")
    with suppress(OSError):
        now = part.stat().st_mtime
        for other in path.parent.iterdir():
            found = name.fullmatch(other.name)
            if found is not None and not is_running(int(found[1])) and other.stat().st_mtime < now - _SILENT_S:
                other.unlink()


def flush_folder(folder: Path) -> None:
    """Bring the names of a folder's files to the disk; Windows does so by itself, and cannot open a folder."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
