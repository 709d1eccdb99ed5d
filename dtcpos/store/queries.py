"""What the writer and the readers both ask of a ledger.

A fill is *current* when no later row supersedes it and it is not void. The second of a time is what orders the
ledger, so the questions about "before" and "after" compare whole seconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from dtcpos.errors import LedgerCorrupt
from dtcpos.model import (
    Account,
    Break,
    Fill,
    Instrument,
    JournalEntry,
    Link,
    PositionKey,
    Sighting,
    Trade,
    WorkingOrder,
)
from dtcpos.store.columns import (
    ACCOUNT,
    BREAK,
    CURSOR,
    EXIT,
    FILL,
    INSTRUMENT,
    JOURNAL,
    SIGHTING,
    SNAPSHOT,
    TRADE,
    WORKING_ORDER,
    listed,
)
from dtcpos.store.connection import refusal_of
from dtcpos.store.digest import content_hash
from dtcpos.store.glance import ACCOUNTS, LINKS, OPEN_BREAKS, PREFERENCE, UNREADABLE
from dtcpos.store.groups import by_group, groups_of
from dtcpos.store.nouns import ClosedTrade, ExportCursor
from dtcpos.store.records import (
    account_of,
    break_of,
    closed_trade_of,
    cursor_of,
    instrument_of,
    journal_of,
    link_of,
    order_of,
)
from dtcpos.store.rows import (
    Row,
    fill_of,
    moment_of,
    next_second_text,
    refined,
    second_of,
    second_text,
    sighting_of,
    trade_of,
)

_Noun = TypeVar("_Noun")

NOT_SUPERSEDED: Final = "NOT EXISTS (SELECT 1 FROM fill newer WHERE newer.supersedes = f.id)"
CURRENT: Final = f"f.is_void = 0 AND {NOT_SUPERSEDED}"

_EXECUTED: Final = by_group(
    "SELECT 0, f.execution_id, f.id, newer.id FROM fill f LEFT JOIN fill newer ON newer.supersedes = f.id "
    "WHERE f.account = ? AND f.execution_id IN ({ids}) AND f.execution_id <> '' UNION ALL "
    "SELECT 1, s.execution_id, s.fill_id, newer.id FROM resighting s LEFT JOIN fill newer "
    "ON newer.supersedes = s.fill_id WHERE s.account = ? AND s.execution_id IN ({ids}) AND s.execution_id <> ''"
)
_NEWER: Final = by_group("SELECT supersedes, max(id) FROM fill WHERE supersedes IN ({ids}) GROUP BY supersedes")
FILLS_BY_ID: Final = by_group(f"SELECT {listed(FILL)} FROM fill WHERE id IN ({{ids}}) ORDER BY id")
_OF_ORDERS: Final = by_group(
    f"SELECT {listed(FILL, 'f')} FROM fill f WHERE f.account = ? AND f.order_id IN ({{ids}}) AND f.order_id <> '' "
    f"AND {CURRENT} ORDER BY f.id"
)
_CORRECTED_OF_ORDERS: Final = by_group(
    f"SELECT {listed(FILL, 'f')} FROM fill f WHERE f.account = ? AND f.order_id IN ({{ids}}) AND f.order_id <> '' "
    "AND EXISTS (SELECT 1 FROM fill newer WHERE newer.supersedes = f.id) ORDER BY f.id"
)
_SIGHTINGS: Final = by_group(f"SELECT {listed(SIGHTING)} FROM sighting WHERE fill_id IN ({{ids}})")

_REMEMBERED: Final = by_group(
    f"SELECT opened_by, {listed((*SNAPSHOT, *EXIT))} FROM trade WHERE account = ? AND symbol = ? "
    "AND opened_by IN ({ids})"
)

_OF_KEY: Final = f"FROM fill f WHERE f.account = ? AND f.symbol = ? AND {CURRENT}"
# By the fill's own time or by that of a sighting, which may lie hours apart where a log was read in the wrong zone.
_OF_KEY_AFTER: Final = (
    "FROM fill f WHERE f.id IN (SELECT id FROM fill WHERE account = ? AND symbol = ? AND time >= ? "
    "UNION SELECT fill_id FROM resighting WHERE account = ? AND time >= ?) "
    f"AND +f.account = ? AND +f.symbol = ? AND {CURRENT}"
)
_LATEST_OF_KEY: Final = f"SELECT f.time {_OF_KEY} ORDER BY f.time DESC LIMIT 1"
# Only the newest of an account are looked at: whether its ids are shared shows in any of them.
_SEEN_LIVE_AND_PAST: Final = (
    "SELECT s.fill_id FROM (SELECT fill_id, source FROM resighting WHERE account = ? ORDER BY time DESC LIMIT 1024) s "
    "JOIN fill f ON f.id = s.fill_id "
    "WHERE (s.source = 'BACKFILL' AND f.source = 'LIVE' OR s.source = 'LIVE' AND f.source = 'BACKFILL') LIMIT 16"
)
_LIVE_TIMES: Final = (
    "SELECT time, booked_at FROM fill "
    "WHERE id > (SELECT max(id) FROM fill) - ? AND source = 'LIVE' AND supersedes IS NULL"
)
_SIGHTED_AGAIN: Final = f"SELECT {listed(SIGHTING)} FROM resighting WHERE fill_id IN (SELECT f.id {{of_key}})"


class LedgerQueries:
    """The questions about a ledger that need no more than a connection; `audit` and `mending` use its `_` methods."""

    def __init__(self, connection: sqlite3.Connection, path: Path | str) -> None:
        self._connection = connection
        self.path = path

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            # A flipped byte may make text bytes, or a column another; whoever reads then trips over it.
            if isinstance(error, _TRIPPED):
                from dtcpos.store.audit import refuse_damage

                refuse_damage(self, error)
        finally:
            self.close()

    def account(self, name: str) -> Account | None:
        """Return the account, None if it was never seen."""
        return self._one(account_of, f"SELECT {listed(ACCOUNT)} FROM account WHERE account = ?", (name,))

    def accounts(self) -> list[Account]:
        """Return every account, by name."""
        return self._nouns(account_of, ACCOUNTS)

    def keys(self) -> list[tuple[str, str]]:
        """Return every (account, symbol) the ledger has a fill of."""
        return [(row[0], row[1]) for row in self._rows(_KEYS)]

    def find_executions(self, account: str, ids: Sequence[str]) -> dict[str, int]:
        """Return the fill that now stands for each execution id known of the account.

        Where an execution was corrected or busted that is the newest row of its chain, void or not.
        """
        executed: dict[str, int] = {}
        sighted: dict[str, int] = {}
        followed: list[tuple[dict[str, int], str, int]] = []
        for group in groups_of(ids):
            rows = self._rows(_EXECUTED[len(group)], (account, *group, account, *group))
            for is_sighting, execution_id, fill_id, newer in rows:
                found = sighted if is_sighting else executed
                if newer is not None:
                    followed.append((found, execution_id, newer))
                elif fill_id > found.get(execution_id, 0):
                    found[execution_id] = fill_id
        if followed:
            newest = self._newest([fill_id for _, _, fill_id in followed])
            for found, execution_id, fill_id in followed:
                found[execution_id] = max(newest[fill_id], found.get(execution_id, 0))
        # A fill's own name counts before a name that another source has for one.
        return sighted | executed if sighted else executed

    def newest_of(self, fill_id: int) -> int:
        """Return the id of the row that stands where a fill stood, its own if nothing superseded it."""
        return self._newest([fill_id])[fill_id]

    def entries_by_person(self) -> list[JournalEntry]:
        """Return the journal's entries of what a person has entered or taken back, oldest first."""
        return self._nouns(journal_of, _BY_PERSON)

    def _newest(self, ids: Iterable[int]) -> dict[int, int]:
        """Follow each fill to the row that nothing supersedes."""
        newest = {fill_id: fill_id for fill_id in ids}
        pending = set(newest)
        while pending:
            step: dict[int, int] = {}
            for group in groups_of(sorted(pending)):
                step.update(self._rows(_NEWER[len(group)], group))
            newest = {start: step.get(end, end) for start, end in newest.items()}
            pending = set(step.values())
        return newest

    def fills_of_orders(self, account: str, order_ids: Sequence[str]) -> list[Fill]:
        """Return the current fills of the orders, in the order of the ledger's ids."""
        fills: list[Fill] = []
        for group in groups_of(sorted(set(order_ids))):
            fills += self._nouns(fill_of, _OF_ORDERS[len(group)], (account, *group))
        return sorted(fills, key=_id_of)

    def corrected_of_orders(self, account: str, order_ids: Sequence[str]) -> list[tuple[Fill, int]]:
        """Return the fills of the orders that a later row has replaced or voided, each with the newest row's id."""
        # Most ledgers have none, and asking that takes no longer with years of fills.
        if not self._rows("SELECT 1 FROM fill WHERE supersedes IS NOT NULL LIMIT 1"):
            return []
        fills: list[Fill] = []
        for group in groups_of(sorted(set(order_ids))):
            fills += self._nouns(fill_of, _CORRECTED_OF_ORDERS[len(group)], (account, *group))
        newest = self._newest([_id_of(fill) for fill in fills]) if fills else {}
        return [(fill, newest[_id_of(fill)]) for fill in sorted(fills, key=_id_of)]

    def sightings_of(self, fill_ids: Sequence[int]) -> dict[int, list[Sighting]]:
        """Return every sighting of each of the fills, its own included."""
        sightings: dict[int, list[Sighting]] = {}
        for group in groups_of(fill_ids):
            for sighting in self._nouns(sighting_of, _SIGHTINGS[len(group)], group):
                sightings.setdefault(sighting.fill_id, []).append(sighting)
        return sightings

    def fills_of_key(self, account: str, symbol: str, *, after: datetime | None = None) -> list[Fill]:
        """Return the current fills of one account and symbol, each refined by its sightings, by ledger id.

        With `after` only those whose refined time lies in a later second than it.
        """
        of_key, parameters = _OF_KEY, [account, symbol]
        if after is not None:
            of_key = _OF_KEY_AFTER
            bound = next_second_text(after)
            parameters = [account, symbol, bound, account, bound, account, symbol]
        fills = self._nouns(fill_of, f"SELECT {listed(FILL, 'f')} {of_key} ORDER BY f.id", parameters)
        further: dict[int, list[Sighting]] = {}
        for sighting in self._nouns(sighting_of, _SIGHTED_AGAIN.replace("{of_key}", of_key), parameters):
            further.setdefault(sighting.fill_id, []).append(sighting)
        if further:
            fills = [refined(fill, further.get(_id_of(fill), ())) for fill in fills]
        if after is not None:
            last = second_of(after)
            fills = [fill for fill in fills if second_of(fill.time) > last]
        return fills

    def latest_second_of_key(self, account: str, symbol: str) -> list[Fill]:
        """Return the current fills of the latest second in which one account and symbol traded, refined, by id."""
        found = self._rows(_LATEST_OF_KEY, (account, symbol))
        if not found:
            return []
        # A sighting may refine a time, so the second is decided on refined times; hardly ever by more than a second.
        before = moment_of(found[0][0]) - timedelta(seconds=2)
        fills = self.fills_of_key(account, symbol, after=before) or self.fills_of_key(account, symbol)
        last = max(second_of(fill.time) for fill in fills)
        return [fill for fill in fills if second_of(fill.time) == last]

    def live_lags(self, *, of_last: int) -> list[timedelta]:
        """Return, of those of the newest fills that were heard live, how long after its own time each was booked."""
        return [moment_of(booked_at) - moment_of(time) for time, booked_at in self._rows(_LIVE_TIMES, (of_last,))]

    def seen_live_and_past(self, account: str) -> list[int]:
        """Return the ids of a few fills of an account that both the live feed and history have told."""
        return [fill_id for (fill_id,) in self._rows(_SEEN_LIVE_AND_PAST, (account,))]

    def count_of_key(self, account: str, symbol: str) -> int:
        """Return how many current fills one account and symbol have."""
        return int(self._rows(f"SELECT count(*) {_OF_KEY}", (account, symbol))[0][0])

    def trades_of_key(self, account: str, symbol: str, *, after: datetime | None = None) -> list[Trade]:
        """Return the trades of one account and symbol by exit, with `after` those that ended in a later second."""
        sql = f"SELECT {listed(TRADE)} FROM trade WHERE account = ? AND symbol = ? AND exit_time >= ? "
        bound = "" if after is None else next_second_text(after)
        return self._nouns(trade_of, sql + "ORDER BY exit_time, id", (account, symbol, bound))

    def remembered(
        self, trades: Sequence[Trade], instruments: Mapping[str, Instrument]
    ) -> dict[tuple[PositionKey, int | None], ClosedTrade]:
        """Return trades with what is remembered of their entries and exits, by key and the fill that opened them."""
        by_key: dict[PositionKey, dict[int | None, Trade]] = {}
        for trade in trades:
            by_key.setdefault(trade.key, {})[trade.opened_by] = trade
        found: dict[tuple[PositionKey, int | None], ClosedTrade] = {}
        for key, of_key in by_key.items():
            rows_found: dict[Any, Row] = {}
            for group in groups_of(list(of_key)):
                rows = self._rows(_REMEMBERED[len(group)], (key.account, key.symbol, *group))
                rows_found.update((row[0], row[1:]) for row in rows)
            instrument = instruments.get(key.symbol)
            try:
                for opened_by, trade in of_key.items():
                    row = rows_found.get(opened_by, _NOTHING_REMEMBERED)
                    found[key, opened_by] = closed_trade_of(trade, instrument, row)
            except UNREADABLE as error:
                raise self._damage(error) from error
        return found

    def flat_point_before(self, account: str, symbol: str, moment: datetime) -> datetime | None:
        """Return the latest second before that of `moment` at whose end nothing was held, None if there is none.

        It is the second in which a trade ended and which neither another trade nor the open position spans. The
        trades of a key never overlap, so walking back over their exits meets the spanning one first.
        """
        before = second_text(moment)
        entries = self._rows(_SPANNING, (account, symbol, account, symbol, before))
        seconds = [second_of(moment_of(entry)) for (entry,) in entries if entry is not None]
        # The earliest entry of all that ended after the second looked at, and the same with that second's own trades.
        spanning = entered = min(seconds, default=None)
        exited: datetime | None = None
        for exit_text, entry_text in self._stream(_EXITS_BEFORE, (account, symbol, before)):
            second, entry = second_of(moment_of(exit_text)), second_of(moment_of(entry_text))
            if second != exited:
                exited, spanning = second, entered
            if spanning is None or spanning > second:
                return second
            entered = entry if entered is None else min(entered, entry)
        return None

    def heats(self) -> dict[PositionKey, datetime]:
        """Return since when each position under water has been there."""
        rows = self._rows("SELECT mode, account, symbol, heat_since FROM open_position WHERE heat_since IS NOT NULL")
        return {PositionKey(*key): moment_of(since) for *key, since in rows}

    def kept_breaks(self) -> list[Break]:
        """Return the breaks a person settled with `keep`, oldest first."""
        return self._nouns(break_of, f"SELECT {listed(BREAK)} FROM break_ WHERE answer = 'keep' ORDER BY id")

    def open_breaks(self) -> list[Break]:
        """Return the breaks nobody has answered yet, oldest first."""
        return self._nouns(break_of, OPEN_BREAKS)

    def orders(self, account: str | None = None) -> list[WorkingOrder]:
        """Return the stored orders, of one account or of all, also those that are done."""
        where, parameters = ("", ()) if account is None else (" WHERE account = ?", (account,))
        return self._nouns(order_of, f"{ORDERS}{where} ORDER BY 1, 2", parameters)

    def working_orders(self) -> list[WorkingOrder]:
        """Return the orders that can still trade."""
        return self._nouns(order_of, _WORKING_ORDERS)

    def instrument(self, symbol: str) -> Instrument | None:
        """Return what is known of the symbol, None if nothing is."""
        return self._one(instrument_of, f"SELECT {listed(INSTRUMENT)} FROM instrument WHERE symbol = ?", (symbol,))

    def instruments(self) -> dict[str, Instrument]:
        """Return what is known of every symbol."""
        sql = f"SELECT {listed(INSTRUMENT)} FROM instrument ORDER BY symbol"
        return {instrument.symbol: instrument for instrument in self._nouns(instrument_of, sql)}

    def links(self) -> list[Link]:
        """Return the line to every server that was ever connected to."""
        return self._nouns(link_of, LINKS)

    def preference(self, key: str) -> str | None:
        """Return what was stored under the key, None if nothing was."""
        rows = self._rows(PREFERENCE, (key,))
        return str(rows[0][0]) if rows else None

    def export_cursor(self, name: str) -> ExportCursor | None:
        """Return how far the export of that name has come, None if it never ran."""
        return self._one(cursor_of, f"SELECT {listed(CURSOR)} FROM export_cursor WHERE name = ?", (name,))

    def content_hash(self) -> str:
        """Return the SHA-256 of the ledger and its projections; times of booking and seeing do not count."""
        try:
            return content_hash(self._connection)
        except sqlite3.Error as error:
            raise self._refusal(error) from error

    def data_version(self) -> int:
        """Return a number that changes when another connection has written to the file."""
        return int(self._rows("PRAGMA data_version")[0][0])

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._refusal(error) from error

    def _stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Row]:
        try:
            # Not `yield from`: leaving early would close the cursor, which a connection closed before it refuses.
            for row in self._connection.execute(sql, parameters):  # noqa: UP028
                yield row
        except sqlite3.Error as error:
            raise self._refusal(error) from error

    def _nouns(self, make: Callable[[Row], _Noun], sql: str, parameters: Sequence[Any] = ()) -> list[_Noun]:
        rows = self._rows(sql, parameters)
        try:
            return [make(row) for row in rows]
        except UNREADABLE as error:
            raise self._damage(error) from error

    def _one(self, make: Callable[[Row], _Noun], sql: str, parameters: Sequence[Any]) -> _Noun | None:
        found = self._nouns(make, sql, parameters)
        return found[0] if found else None

    def _refusal(self, error: sqlite3.Error) -> Exception:
        """Name a fault of the file; what is no fault of the file is ours and stays as it is."""
        return refusal_of(error, self.path) or error

    def _damage(self, error: Exception) -> LedgerCorrupt:
        """Name a row that cannot be read back: every row was written by the converters that now refuse it."""
        return LedgerCorrupt(f"ledger {self.path} holds a damaged row ({error!r}); run `dtcpos verify`")


# What goes wrong where a value, or a table, is not what it was written as.
_TRIPPED: Final = (sqlite3.Error, AssertionError, *UNREADABLE)


def _id_of(fill: Fill) -> int:
    assert fill.id is not None
    return fill.id


ORDERS: Final = f"SELECT {listed(WORKING_ORDER)} FROM working_order"
# The conditions are those of two partial indexes, word for word.
_WORKING_ORDERS: Final = f"{ORDERS} INDEXED BY working_order_open WHERE status IN (1, 2, 3, 4, 5, 6, 10) ORDER BY 1, 2"
_BY_PERSON: Final = (
    f"SELECT {listed(JOURNAL)} FROM journal INDEXED BY journal_by_person "
    "WHERE cause IN ('close', 'fix add', 'fix replace', 'fix void', 'undo') ORDER BY id"
)
# Every (account, symbol) by one step of the index each. Not UNION ALL: in a damaged index the steps may lead back.
_KEYS: Final = (
    "WITH RECURSIVE seen (account, symbol) AS ("
    "SELECT * FROM (SELECT account, symbol FROM fill ORDER BY account, symbol LIMIT 1) UNION "
    "SELECT f.account, f.symbol FROM seen JOIN fill f ON f.id = coalesce("
    "(SELECT n.id FROM fill n WHERE n.account = seen.account AND n.symbol > seen.symbol ORDER BY n.symbol LIMIT 1), "
    "(SELECT n.id FROM fill n WHERE n.account > seen.account ORDER BY n.account, n.symbol LIMIT 1))) "
    "SELECT account, symbol FROM seen"
)
_NOTHING_REMEMBERED: Final = (None,) * len((*SNAPSHOT, *EXIT))
_EXITS_BEFORE: Final = (
    "SELECT exit_time, entry_time FROM trade WHERE account = ? AND symbol = ? AND exit_time < ? "
    "ORDER BY exit_time DESC, id DESC"
)
_SPANNING: Final = (
    "SELECT entry_time FROM open_position WHERE account = ? AND symbol = ? "
    "UNION ALL SELECT min(entry_time) FROM trade WHERE account = ? AND symbol = ? AND exit_time >= ?"
)
