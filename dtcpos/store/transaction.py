"""One transaction at a time: from BEGIN IMMEDIATE to a flushed COMMIT, or to nothing.

Invariants:
1. What was written inside is on the disk when the block has ended, whole; an error inside leaves nothing of it.
2. A commit into a file that is no longer at its path is refused: nobody could ever read it.
3. What is remembered of the file between two transactions is forgotten as soon as another connection has written.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dtcpos.errors import LedgerUnwritable
from dtcpos.store.connection import Patience, begin, refusal_of

if TYPE_CHECKING:
    from types import TracebackType

NO_FILE: Final = ":memory:"


class Transaction:
    """The block of a writer's transaction, entered again and again; it does not nest.

    A class, because a generator costs a tenth of a small transaction's own work. `next_fill_id` and `next_journal_id`
    are None where the file has to be asked; `version` is SQLite's data version as of the last block.
    """

    __slots__ = (
        "_connection", "_file", "_path", "_place", "has_traded", "next_fill_id", "next_journal_id", "patience",
        "version",
    )  # fmt: skip

    def __init__(self, connection: sqlite3.Connection, path: Path | str) -> None:
        self._connection = connection
        self._path = path
        self._place = os.fspath(path)
        self._file = _identity_of(self._place)
        self.patience: Patience | None = None
        self.version = -1
        self.has_traded = False
        self.next_fill_id: int | None = None
        self.next_journal_id: int | None = None

    def __enter__(self) -> None:
        assert not self._connection.in_transaction, "transactions do not nest"
        try:
            begin(self._connection, self.patience)
            ((version,),) = self._connection.execute("PRAGMA data_version")
        except sqlite3.Error as error:
            raise self._refusal(error) from error
        self.has_traded = False
        if version != self.version:
            self.version = version
            self._forget()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            try:
                self._refuse_moved()
                self._connection.execute("COMMIT")
                return
            except sqlite3.Error as fault:
                self._undo()
                raise self._refusal(fault) from fault
            except LedgerUnwritable:
                self._undo()
                raise
        self._undo()
        if isinstance(error, sqlite3.Error):
            raise self._refusal(error) from error

    def _undo(self) -> None:
        self._forget()
        # A full disk and some other faults undo the transaction by themselves.
        if self._connection.in_transaction:
            self._connection.rollback()

    def _forget(self) -> None:
        self.next_fill_id = self.next_journal_id = None

    def _refusal(self, error: sqlite3.Error) -> Exception:
        return refusal_of(error, self._path) or error

    def _refuse_moved(self) -> None:
        # A deleted file goes on taking commits.
        if self._file != _identity_of(self._place):
            raise LedgerUnwritable(f"ledger {self._path} is no longer at its path; put it back and start again")


def prepare_folder(folder: Path, *, create: bool) -> None:
    """Make the folder of a ledger if that is wanted; raise LedgerUnwritable where there is none then."""
    try:
        if create:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerUnwritable(f"folder {folder} cannot be made ({error.strerror}); name another with --db") from error
    if not folder.is_dir():
        raise LedgerUnwritable(f"folder {folder} does not exist; make it or name another with --db")


def _identity_of(path: str) -> tuple[int, int] | None:
    """Return what tells the file at the path from any other, None where it cannot go away while it is open."""
    if path == NO_FILE or os.name == "nt":
        return None
    try:
        status = os.stat(path)  # noqa: PTH116 - half the time of Path.stat, once per transaction
    except OSError:
        return (0, 0)
    return status.st_dev, status.st_ino
