"""The check of a file's pages and indexes, beside other work: SQLite alone reads them, and a second core can.

On a connection of its own, so it may be of a moment a breath later than what is asked of the ledger; a page that is
broken is broken at both.
"""

from __future__ import annotations

from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Final, Self

from dtcpos.store.audit import Progress, faults_in, faults_of
from dtcpos.store.connection import connect_beside
from dtcpos.store.queries import LedgerQueries

_TOLD_EVERY_S: Final = 0.1


class PagesCheck:
    """What SQLite finds wrong with a ledger's file, looked for while the block runs.

    A ledger in memory, and a file that cannot be opened twice, are looked at when their faults are asked for. With a
    core to spare an audit takes 17 us a fill instead of 21.
    """

    def __init__(self, ledger: LedgerQueries) -> None:
        self._ledger = ledger
        self._connection = connect_beside(ledger.path) if isinstance(ledger.path, Path) else None
        self._thread = Thread(target=self._look, name="dtcpos-pages", daemon=True)
        self._found: list[str] = []

    def __enter__(self) -> Self:
        if self._connection is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._connection is not None:
            # Whoever leaves early, by a key or by a fault, does not wait for pages nobody will hear of. More than once,
            # because an interrupt before SQLite has begun is forgotten.
            while self._thread.is_alive():
                self._connection.interrupt()
                self._thread.join(_TOLD_EVERY_S)
            self._connection.close()

    def faults(self, progress: Progress) -> list[str]:
        """Return what was found, its indexes included, when all of it is; empty where nothing is wrong."""
        progress("pages", 0, 0)
        if self._connection is None:
            return faults_of(self._ledger, progress)
        while self._thread.is_alive():
            self._thread.join(_TOLD_EVERY_S)
            progress("pages", 0, 0)
        return self._found

    def _look(self) -> None:
        assert self._connection is not None
        self._found = faults_in(self._connection)
