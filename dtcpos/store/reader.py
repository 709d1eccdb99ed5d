"""A ledger as readers see it: read-only, beside a writer, one consistent moment per answer.

Nothing here imports sqlite-utils: a listing starts as fast as the standard library lets it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from heapq import merge
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from dtcpos.model import Break, Fill, Instrument, JournalEntry, Mark, Position, PositionKey
from dtcpos.store.columns import (
    BREAK,
    EXIT,
    FILL,
    JOURNAL,
    OPEN_POSITION,
    SNAPSHOT,
    TRADE,
    VERIFICATION,
    listed,
    marks,
)
from dtcpos.store.connection import connect_reader
from dtcpos.store.glance import POSITIONS, UNREADABLE
from dtcpos.store.nouns import EVERYTHING, ClosedTrade, Holding, Selection
from dtcpos.store.queries import CURRENT, LedgerQueries
from dtcpos.store.records import break_of, closed_trade_of, instrument_of, journal_of, verification_of
from dtcpos.store.rows import (
    Row,
    checksum_of,
    decimal_or_none,
    fill_of,
    finite,
    moment_of,
    moment_or_none,
    position_of,
    time_text,
    trade_of,
)

_Noun = TypeVar("_Noun")

_TRADES: Final = f"SELECT {listed(TRADE, 't')}, {listed((*SNAPSHOT, *EXIT), 't')} FROM trade t"
_FILLS: Final = f"SELECT {listed(FILL, 'f')}, coalesce(a.mode, '') FROM fill f LEFT JOIN account a USING (account)"
# How many of the newest ids are walked before an index is asked: some milliseconds.
_NEAR: Final = 1000
_NEARBY: Final = "f.id > (SELECT max(id) FROM fill) - ?"
_IDS_OF_SYMBOL: Final = (
    "f.id IN (SELECT n.id FROM fill n WHERE n.symbol = ? AND n.account IN ({accounts}) ORDER BY n.id DESC LIMIT ?)"
)
_JOURNAL: Final = f"SELECT {listed(JOURNAL, 'j')} FROM journal j"
_BREAKS: Final = f"SELECT {listed(BREAK)} FROM break_"
_CHECKED: Final = f"SELECT {listed((*FILL, 'checksum'))} FROM fill ORDER BY id"


class LedgerReader(LedgerQueries):
    """One ledger, open for reading; it never keeps a writer waiting."""

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open the ledger at the path; raise LedgerMissing where there is none, and the other refusals."""
        path = Path(path)
        return cls(connect_reader(path), path)

    @contextmanager
    def held_still(self) -> Iterator[None]:
        """Answer everything asked inside from one moment of the ledger, whatever a writer does meanwhile."""
        if self._connection.in_transaction:
            yield
            return
        self._rows("BEGIN")
        try:
            yield
        finally:
            self._rows("COMMIT")

    def positions(self, selection: Selection = EVERYTHING) -> list[Holding]:
        """Return the open positions by mode, account and symbol, each with its mark, instrument and breaks."""
        where = Where("p", selection)
        unanswered: dict[PositionKey, list[Break]] = {}
        with self.held_still():
            rows = self._rows(f"{POSITIONS}{where.sql} ORDER BY 1, 2, 3", where.parameters)
            for found in self.open_breaks() if rows else ():
                unanswered.setdefault(found.key, []).append(found)
        return [self._made(_holding_of, row, unanswered) for row in rows]

    def fills(
        self, selection: Selection = EVERYTHING, *, last: int | None = None, after_id: int | None = None
    ) -> Iterator[tuple[Fill, str]]:
        """Yield the current fills as booked, each with its account's mode, by ledger id.

        `last` limits them to so many of the newest, `after_id` to those booked later than that one.
        """
        if last is not None:
            yield from (self._made(_fill_with_mode, row) for row in reversed(self._newest_fills(selection, last)))
            return
        # Walking the ids keeps memory flat. Only a whole key is better served by its index, whose ids are then sorted.
        by_key = selection.account is not None and selection.symbol is not None and after_id is None
        where = _of_fills(selection, by_key=by_key)
        if after_id is not None:
            where.add("f.id > ?", after_id)
        rows = self._stream(f"{_FILLS}{where.sql} ORDER BY f.id", where.parameters)
        yield from (self._made(_fill_with_mode, row) for row in rows)

    def _newest_fills(self, selection: Selection, count: int) -> list[Row]:
        """Return so many of the newest rows, the newest first."""
        where = _of_fills(selection)
        if selection.symbol is not None:
            # Mostly the newest fills are of what trades now. Those of an expired contract would be looked for in the
            # whole ledger; its index knows their ids, and sorting ids is nothing beside reading rows.
            found = self._fills_from(selection, _NEARBY, (max(_NEAR, count),), count)
            if len(found) == count:
                return found
            asked = (selection.account, selection.symbol)
            accounts = [key[0] for key in self.keys() if asked in (key, (None, key[1]))]
            ids = _IDS_OF_SYMBOL.format(accounts=marks(len(accounts)))
            found = self._fills_from(selection, ids, (selection.symbol, *accounts, _NEAR + count), count)
            if len(found) == count:
                return found
            where = _of_fills(selection, by_key=True)
            where.add(f"f.account IN ({marks(len(accounts))})", *accounts)
        return self._rows(f"{_FILLS}{where.sql} ORDER BY f.id DESC LIMIT ?", (*where.parameters, count))

    def _fills_from(self, selection: Selection, among: str, parameters: Sequence[Any], count: int) -> list[Row]:
        where = _of_fills(selection)
        where.add(among, *parameters)
        return self._rows(f"{_FILLS}{where.sql} ORDER BY f.id DESC LIMIT ?", (*where.parameters, count))

    def trades(self, selection: Selection = EVERYTHING, *, after_id: int | None = None) -> Iterator[ClosedTrade]:
        """Yield the trades by exit, with `after_id` those with a greater id by id; memory stays flat."""
        instruments = self.instruments()
        for row in self.trade_rows(selection, after_id=after_id):
            yield self._made(_closed_trade_of, row, instruments)

    def trade_rows(self, selection: Selection = EVERYTHING, *, after_id: int | None = None) -> Iterator[Row]:
        """Yield what `trades` yields as stored: columns `TRADE`, `SNAPSHOT` and `EXIT`, amounts and times as text."""
        if after_id is not None:
            where = Where("+t", selection, time="t.exit_time")
            where.add("t.id > ?", after_id)
            return self._stream(f"{_TRADES}{where.sql} ORDER BY t.id", where.parameters)
        if selection.account is not None:
            where = Where("t", selection, mode="+t.mode", time="t.exit_time")
            return self._stream(f"{_TRADES}{where.sql} ORDER BY t.exit_time, t.id", where.parameters)
        # One walk over (mode, exit_time) per mode, merged: the index finds a day at once, and nothing is sorted.
        return merge(*(self._trades_of_mode(mode, selection) for mode in self.modes(selection)), key=_by_exit)

    def _trades_of_mode(self, mode: str, selection: Selection) -> Iterator[Row]:
        where = Where("t", selection, mode="t.mode", time="t.exit_time", modes=(mode,))
        return self._stream(f"{_TRADES}{where.sql} ORDER BY t.exit_time, t.id", where.parameters)

    def modes(self, selection: Selection) -> Sequence[str]:
        """Return the modes selected, in order; without any in the selection those there are trades of."""
        if selection.modes is not None:
            return sorted(set(selection.modes))
        return [row[0] for row in self._rows(_EVERY_MODE)]

    def journal(
        self, selection: Selection = EVERYTHING, *, last: int | None = None, after_id: int | None = None
    ) -> Iterator[JournalEntry]:
        """Yield the journal by id; with modes only the entries of accounts in one of them.

        `last` limits them to so many of the newest, `after_id` to those written later than that one.
        """
        in_mode = "j.account IN (SELECT account FROM account WHERE mode IN ({modes}))"
        where = Where("j", selection, mode_test=in_mode, time="j.at")
        if after_id is not None:
            where.add("j.id > ?", after_id)
        sql, parameters = f"{_JOURNAL}{where.sql} ORDER BY j.id", where.parameters
        rows: Iterable[Row] = self._stream(sql, parameters)
        if last is not None:
            rows = reversed(self._rows(f"{sql} DESC LIMIT ?", (*parameters, last)))
        for row in rows:
            yield self._made(journal_of, row)

    def breaks(self, selection: Selection = EVERYTHING, *, only_open: bool = True) -> list[Break]:
        """Return the breaks, oldest first; without `only_open` also those that were answered."""
        where = Where("break_", selection, time="break_.found_at")
        if only_open:
            where.add("answer = ''")
        return self._nouns(break_of, f"{_BREAKS}{where.sql} ORDER BY id", where.parameters)

    def marks(self) -> dict[str, Mark]:
        """Return the last trade price of every symbol."""
        return {row[0]: self._made(_mark_of, row) for row in self._rows("SELECT symbol, price, time FROM mark")}

    def integrity(self, *, indexes: bool = False) -> str:
        """Return "ok", or the first problem SQLite finds in the file.

        With `indexes` every index is compared with its table as well, which reads the file several times over.
        """
        try:
            return str(self._connection.execute(f"PRAGMA {'integrity' if indexes else 'quick'}_check(1)").fetchone()[0])
        except sqlite3.DatabaseError as error:
            return str(error)

    def unsound_fills(self) -> Iterator[int]:
        """Yield the id of every fill whose columns are not what was booked, by its checksum."""
        self._connection.text_factory = _leniently
        try:
            for row in self._stream(_CHECKED):
                if checksum_of(row[:-1]) != row[-1]:
                    yield row[0]
        finally:
            self._connection.text_factory = str

    def _made(self, make: Callable[..., _Noun], *arguments: Any) -> _Noun:
        try:
            return make(*arguments)
        except UNREADABLE as error:
            raise self._damage(error) from error


class Where:
    """The conditions a selection puts on a table, as SQL and its parameters."""

    def __init__(
        self,
        alias: str,
        selection: Selection,
        *,
        mode: str = "",
        mode_test: str = "",
        time: str = "",
        modes: tuple[str, ...] | None = None,
    ) -> None:
        self._conditions: list[str] = []
        self.parameters: list[Any] = []
        modes = selection.modes if modes is None else modes
        if modes is not None:
            test = mode_test or f"{mode or f'{alias}.mode'} IN ({{modes}})"
            self.add(test.format(modes=marks(len(modes))), *modes)
        if selection.account is not None:
            self.add(f"{alias}.account = ?", selection.account)
        if selection.symbol is not None:
            self.add(f"{alias}.symbol = ?", selection.symbol)
        if time and selection.since is not None:
            self.add(f"{time} >= ?", time_text(selection.since))
        if time and selection.until is not None:
            self.add(f"{time} < ?", time_text(selection.until))

    def add(self, condition: str, *parameters: Any) -> None:
        """Add a condition and what is bound to its marks."""
        self._conditions.append(condition)
        self.parameters += parameters

    @property
    def sql(self) -> str:
        """The WHERE clause, empty where nothing is asked."""
        return f" WHERE {' AND '.join(self._conditions)}" if self._conditions else ""


def _of_fills(selection: Selection, *, by_key: bool = False) -> Where:
    where = Where("f" if by_key else "+f", selection, mode="a.mode", time="f.time")
    where.add(CURRENT)
    return where


def _holding_of(row: Row, unanswered: dict[PositionKey, list[Break]]) -> Holding:
    position: Position = position_of(row)
    base = len(OPEN_POSITION)
    kept = base + len(VERIFICATION) - 3
    target, stop, vwap, cum_delta, poc, risk, heat = row[kept : kept + 7]
    price, time = row[kept + 7 : kept + 9]
    instrument = row[kept + 9 :]
    return Holding(
        position=position,
        verification=verification_of((*position.key, *row[base:kept])),
        mark=None if price is None else Mark(symbol=position.key.symbol, price=finite(price), time=moment_of(time)),
        instrument=None if instrument[0] is None else instrument_of(instrument),
        target_price=decimal_or_none(target),
        stop_price=decimal_or_none(stop),
        entry_vwap=decimal_or_none(vwap),
        entry_cum_delta=decimal_or_none(cum_delta),
        entry_poc=decimal_or_none(poc),
        heat_since=moment_or_none(heat),
        initial_risk=decimal_or_none(risk),
        breaks=tuple(unanswered.get(position.key, ())),
    )


def _closed_trade_of(row: Row, instruments: dict[str, Instrument]) -> ClosedTrade:
    return closed_trade_of(trade_of(row), instruments.get(row[3]), row[len(TRADE) :])


def _fill_with_mode(row: Row) -> tuple[Fill, str]:
    return fill_of(row), row[len(FILL)]


def _mark_of(row: Row) -> Mark:
    return Mark(symbol=row[0], price=finite(row[1]), time=moment_of(row[2]))


def _by_exit(row: Row) -> tuple[str, int]:
    return row[8], row[0]


def _leniently(text: bytes) -> str:
    # A flipped byte may be no UTF-8 any more; the checksum shall say so, not the decoder.
    return text.decode("utf-8", "replace")


# The modes there are trades of, each found by one step of the index instead of a walk over every trade.
_EVERY_MODE: Final = (
    "WITH RECURSIVE seen (mode) AS (SELECT min(mode) FROM trade UNION "
    "SELECT (SELECT min(t.mode) FROM trade t WHERE t.mode > seen.mode) FROM seen WHERE seen.mode IS NOT NULL) "
    "SELECT mode FROM seen WHERE mode IS NOT NULL"
)
