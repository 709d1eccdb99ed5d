"""Book a long file in bounded transactions, so that whoever writes beside it never waits for the whole of it.

Invariants:
1. After every transaction positions and trades are what a replay of the fills gives.
2. A file whose import was broken off is completed by importing it again: its parts are cut in the same places, and
   what is in the ledger already is only recognised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import datetime
from typing import Final

from dtcpos.keeping.imported import ImportedLog, Logged
from dtcpos.keeping.orders import Orders
from dtcpos.keeping.posting import Posting
from dtcpos.model import JournalEntry
from dtcpos.store import PositionRepository

# Executions that belong before what is booked cost a replay of their key at the end of each transaction: while there
# are any, each transaction takes twice the rows of the one before, up to this.
ROWS_PER_STEP_MAX: Final = 80_000


class Steps:
    """The transactions of the file `name`; `pause` is called between them, for others to get their turn.

    Without `transact` everything happens inside the caller's transaction.
    """

    def __init__(
        self, repository: PositionRepository, posting: Posting, name: str, *, transact: bool, pause: Callable[[], None]
    ) -> None:
        self._repository = repository
        self._name = name
        self._posting = posting
        self._transact = transact
        self._pause = pause if transact else _go_on
        self._version: int | None = None

    def book(
        self,
        parts: Iterator[list[Logged]],
        log: ImportedLog,
        *,
        take: Callable[[list[Logged]], None],
        now: datetime,
    ) -> None:
        """Give every part to `take`, which books it, and write with the last what the whole has come to."""
        waiting = next(parts, None)
        rows_max = 0
        while waiting is not None:
            rows = 0
            with self._repository.transaction() if self._transact else nullcontext():
                self._look_again()
                while waiting is not None and (not rows or (log.late and rows < rows_max)):
                    take(waiting)
                    rows += len(waiting)
                    waiting = next(parts, None)
                if log.late:
                    rows_max = min(2 * rows, ROWS_PER_STEP_MAX)
                    self._posting.catch_up(log, now=now)
                    log.note_caught_up()
                if log.new or log.superseded or log.sighted:
                    write_brackets(self._repository, self._posting)
                    log.remember()
                    if waiting is None:
                        self._repository.add_journal([self._summary(log, now)])
            if waiting is not None:
                self._pause()

    def _look_again(self) -> None:
        """Read what is held again if another process has written since the transaction before."""
        version = self._repository.data_version()
        if version != self._version:
            self._version = version
            self._posting.reload()

    def _summary(self, log: ImportedLog, now: datetime) -> JournalEntry:
        words = f"{log.new} new, {log.seen_before} seen before, {len(log.superseded)} superseded"
        return JournalEntry(at=now, cause="import", after=words, reason=f"import {self._name}")


def write_brackets(repository: PositionRepository, posting: Posting) -> None:
    """Give the positions an import has opened the targets and stops of their working orders."""
    orders = Orders(repository, posting)
    working = {(order.account, order.symbol) for order in repository.working_orders()}
    for key in posting.positions:
        if key[1:] in working:
            orders.concern(key)
    orders.write(())


def _go_on() -> None:
    pass
