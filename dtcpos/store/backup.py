"""A whole copy of a ledger that is in use: one moment of it, checked, and in its place at once or not at all."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import mkstemp

from dtcpos.errors import LedgerCorrupt, OutputUnwritable
from dtcpos.store.connection import connect_reader, refusal_of
from dtcpos.store.parts import BESIDE, SUFFIX, clear_leftovers, flush_folder, part_prefix


def back_up(ledger: Path, target: Path) -> int:
    """Copy the ledger to the target and return the copy's size in bytes.

    A writer goes on meanwhile; the copy is of the moment it began. It is one file in rollback-journal mode, without
    anything beside it, and opens like any ledger. Raises LedgerCorrupt where what was copied is not sound, and
    OutputUnwritable where the target cannot be written; an earlier file of that name is then as it was.
    """
    with closing(connect_reader(ledger)) as source:
        try:
            descriptor, name = mkstemp(prefix=part_prefix(target), suffix=SUFFIX, dir=target.parent)
        except OSError as error:
            raise OutputUnwritable(f"{target} cannot be written ({error.strerror}); name another place") from error
        os.close(descriptor)
        part = Path(name)
        clear_leftovers(target, part)
        try:
            _copy(source, ledger, part, target)
            shutil.copymode(ledger, part)
            size = _flushed(part)
            part.replace(target)
            flush_folder(target.parent)
        except OSError as error:
            raise OutputUnwritable(f"{target} cannot be written ({error.strerror}); name another place") from error
        finally:
            # SQLite leaves its journal where the disk failed under it.
            for ending in ("", *BESIDE):
                part.with_name(part.name + ending).unlink(missing_ok=True)
    return size


def _copy(source: sqlite3.Connection, ledger: Path, part: Path, target: Path) -> None:
    with closing(sqlite3.connect(part, isolation_level=None)) as copy:
        try:
            # In one step: in several, every commit of a busy writer would begin the copy anew.
            source.backup(copy, pages=-1)
            copy.execute("PRAGMA journal_mode = DELETE")
            faults = [row[0] for row in copy.execute("PRAGMA integrity_check(1)")]
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_BUSY", "SQLITE_LOCKED")):
                raise refusal_of(error, ledger) or error from error
            raise OutputUnwritable(f"{target} cannot be written ({error}); free some room or name another place") from (
                error
            )
    if faults != ["ok"]:
        raise LedgerCorrupt(f"ledger {ledger} is damaged ({faults[0]}); nothing was copied, run `dtcpos verify`")


def _flushed(path: Path) -> int:
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size
