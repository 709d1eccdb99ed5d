"""The writer of a ledger: one transaction a batch, durable when it ends.

Invariants:
1. What a `transaction()` wrote is on the disk when its block has ended, whole; an error inside leaves nothing of it.
2. Fills, sightings and journal entries are only ever added.
3. A fault of the file, its folder or its disk is a LedgerError that says what to do; a commit into a file that is no
   longer at its path is such a fault.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dtcpos.errors import LedgerMissing
from dtcpos.model import (
    Account,
    Break,
    Fill,
    Instrument,
    JournalEntry,
    Link,
    Mark,
    Position,
    PositionKey,
    Sighting,
    Snapshot,
    Trade,
    Verification,
    WorkingOrder,
)
from dtcpos.store.columns import (
    ACCOUNT,
    BREAK,
    CONTACT,
    CURSOR,
    EXIT,
    INSTRUMENT,
    LINK,
    OPEN_POSITION,
    PREFERENCE,
    SNAPSHOT,
    VERIFICATION,
    insert,
    listed,
    marks,
    upsert,
)
from dtcpos.store.connection import Patience, configure_writer, connect_writer
from dtcpos.store.groups import groups_of
from dtcpos.store.nouns import ExportCursor
from dtcpos.store.queries import FILLS_BY_ID, LedgerQueries
from dtcpos.store.records import (
    account_row,
    break_row,
    cursor_row,
    instrument_row,
    journal_row,
    link_row,
    mark_row,
    order_row,
    verification_of,
)
from dtcpos.store.rows import (
    checksum_of,
    fill_of,
    fill_row,
    position_of,
    position_row,
    sealed,
    sighting_row,
    text_of,
    text_or_none,
    time_or_none,
    time_text,
    trade_row,
)
from dtcpos.store.schema import SCHEMA_VERSION, migrations
from dtcpos.store.seals import (
    ACCOUNT_SEAL,
    BESIDE_POSITION_SEAL,
    BESIDE_TRADE_SEAL,
    BREAK_SEAL,
    NOTHING_BESIDE_POSITION,
    POSITION_SEAL,
    ROW_CHECKSUM,
    TRADE_SEAL,
)
from dtcpos.store.statements import (
    DELETE_POSITION,
    DELETE_TRADED,
    INSERT_FILL,
    INSERT_JOURNAL,
    INSERT_SIGHTING,
    INSERT_TRADE,
    OF_POSITION,
    OPENED_BY,
    UPDATE_TRADE,
    UPSERT_MARK,
    UPSERT_ORDER,
    UPSERT_POSITION,
    sealed_upsert,
)
from dtcpos.store.transaction import NO_FILE, Transaction, prepare_folder

if TYPE_CHECKING:
    from sqlite_utils import Database

# Ids of trades that were removed are not given again; and a counter that was damaged gives none that is in use.
_LAST_TRADE_ID: Final = (
    "SELECT max(coalesce((SELECT max(CAST(seq AS INTEGER)) FROM sqlite_sequence WHERE name = 'trade'), 0), "
    "coalesce((SELECT max(id) FROM trade), 0))"
)


class PositionRepository(LedgerQueries):
    """One ledger, open for writing.

    It is used by one thread at a time. Writes belong inside `transaction()`; one made outside is a transaction of its
    own. `database` is the sqlite-utils view of the same connection; `patience` is for a writer that outlasts others.
    """

    def __init__(self, database: Database, path: Path | str) -> None:
        super().__init__(database.conn, path)
        self.database = database
        self._transaction = Transaction(database.conn, path)
        database.conn.create_function(ROW_CHECKSUM, -1, lambda *row: checksum_of(row), deterministic=True)

    @property
    def patience(self) -> Patience | None:
        """How long a writer waits for others beyond the busy timeout."""
        return self._transaction.patience

    @patience.setter
    def patience(self, patience: Patience | None) -> None:
        self._transaction.patience = patience

    @classmethod
    def open(cls, path: str | Path, *, create: bool = True, create_folder: bool = False) -> PositionRepository:
        """Open the ledger at the path, bring its schema up to date, and make it if it is not there.

        Raise LedgerMissing where it is not and may not be made, and the other refusals of LedgerError.
        """
        path = Path(path)
        if not create and not path.exists():
            raise LedgerMissing(f"no ledger at {path}; run `dtcpos connect` to start one, or name another with --db")
        prepare_folder(path.parent, create=create_folder)
        return cls._migrated(connect_writer(path), path)

    @classmethod
    def in_memory(cls) -> PositionRepository:
        """Open an empty ledger that lives no longer than this object."""
        connection = sqlite3.connect(NO_FILE, isolation_level=None, check_same_thread=False)
        configure_writer(connection)
        return cls._migrated(connection, NO_FILE)

    @classmethod
    def _migrated(cls, connection: sqlite3.Connection, path: Path | str) -> PositionRepository:
        from sqlite_utils import Database

        repository = cls(Database(connection), path)
        try:
            if repository._rows("PRAGMA user_version") != [(SCHEMA_VERSION,)]:
                # IMMEDIATE, and asked again inside: another process may be making the same ledger.
                with repository.transaction():
                    migrations().apply(repository.database)
        except BaseException:
            connection.close()
            raise
        return repository

    def data_version(self) -> int:
        """Return a number that changes when another connection has written; in a transaction none can."""
        return self._transaction.version if self._connection.in_transaction else super().data_version()

    def transaction(self) -> Transaction:
        """Return the block whose writes are one transaction, flushed to the disk when it ends.

        Any exception inside undoes it. Blocks do not nest.
        """
        return self._transaction

    def _write(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Run the statement for each row and return how many rows it changed."""
        if not self._connection.in_transaction:
            with self._transaction:
                return self._write(sql, rows)
        try:
            if len(rows) == 1:
                return self._connection.execute(sql, rows[0]).rowcount
            return self._connection.executemany(sql, rows).rowcount
        except sqlite3.Error as error:
            raise self._refusal(error) from error

    def put_account(self, account: Account) -> None:
        """Store the account as it is now known."""
        self._write(sealed_upsert("account", ACCOUNT, key=1), [sealed(account_row(account))])

    def relabel_account(self, name: str, mode: str, rule: str) -> None:
        """Put the account in another mode, and with it its positions, trades and breaks; no fill changes."""
        assert self._connection.in_transaction, "several statements need a transaction"
        self._write("UPDATE account SET mode = ?, rule = ? WHERE account = ?", [(mode, rule, name)])
        self._write(f"{ACCOUNT_SEAL.again} WHERE account = ?", [(name,)])
        for seal in (POSITION_SEAL, TRADE_SEAL, BREAK_SEAL):
            self._write(f"UPDATE {seal.table} SET mode = ? WHERE account = ? AND mode <> ?", [(mode, name, mode)])
            self._write(f"{seal.again} WHERE account = ?", [(name,)])

    def fills(self, ids: Sequence[int]) -> list[Fill]:
        """Return the rows of the ledger with these ids as they were booked, by id."""
        fills: list[Fill] = []
        for group in groups_of(sorted(set(ids))):
            fills += self._nouns(fill_of, FILLS_BY_ID[len(group)], group)
        return fills

    def next_fill_id(self) -> int:
        """Return the id the next fill takes; it holds until the transaction ends."""
        assert self._connection.in_transaction, "without a transaction another process may take the id"
        if self._transaction.next_fill_id is None:
            self._transaction.next_fill_id = int(self._rows("SELECT coalesce(max(id), 0) + 1 FROM fill")[0][0])
        return self._transaction.next_fill_id

    def add_fills(self, fills: Sequence[Fill]) -> None:
        """Append the fills, each with its id and its time of booking; each is the sighting by its own source."""
        self._write(INSERT_FILL, [fill_row(fill) for fill in fills])
        if self._transaction.next_fill_id is not None and fills:
            self._transaction.next_fill_id = max(self._transaction.next_fill_id, 1 + (fills[-1].id or 0))

    def add_sightings(self, account: str, sightings: Sequence[Sighting]) -> None:
        """Append where fills of the account were seen again; a source that has told a fill before adds nothing."""
        self._write(INSERT_SIGHTING, [sighting_row(account, sighting) for sighting in sightings])

    def positions(self) -> dict[PositionKey, Position]:
        """Return every open position."""
        found = self._nouns(position_of, f"SELECT {listed(OPEN_POSITION)} FROM open_position ORDER BY 1, 2, 3")
        return {position.key: position for position in found}

    def put_position(self, position: Position) -> None:
        """Store what booking made of a position; what others keep in its row stays."""
        self.put_positions([position])

    def put_positions(self, positions: Sequence[Position]) -> None:
        """Store what booking made of several positions; what others keep in their rows stays.

        A row whose position became a trade in this transaction, as when a fill reverses it, is begun anew.
        """
        rows = [(*sealed(position_row(position)), NOTHING_BESIDE_POSITION) for position in positions]
        if self._transaction.has_traded:
            self._write(DELETE_TRADED, [(*row[:3], row[OPENED_BY]) for row in rows])
        self._write(UPSERT_POSITION, rows)

    def remove_position(self, key: PositionKey) -> None:
        """Remove the row of a position that is flat, with everything that was kept beside it."""
        self._write(DELETE_POSITION, [key])

    def add_trades(self, trades: Sequence[Trade]) -> list[int]:
        """Add closed trades and return their ids, in order.

        A trade takes over what was remembered of its entry from the row of the position that it closes, so it is added
        before that row is removed or replaced.
        """
        assert self._connection.in_transaction, "the trade and its position change together or not at all"
        self._transaction.has_traded = True
        last = self._rows(_LAST_TRADE_ID)[0][0]
        ids = list(range(last + 1, last + 1 + len(trades)))
        self._write(INSERT_TRADE, [sealed(trade_row(trade, id_)) for trade, id_ in zip(trades, ids, strict=True)])
        return ids

    def replace_trade(self, trade: Trade) -> None:
        """Store what a replay made of the trade with this id; what was remembered of its entry stays."""
        assert trade.id is not None
        row = sealed(trade_row(trade, trade.id))
        self._write(UPDATE_TRADE, [(*row[1:], row[0])])

    def remove_trade(self, trade_id: int) -> None:
        """Remove a trade that a replay no longer finds."""
        self._write("DELETE FROM trade WHERE id = ?", [(trade_id,)])

    def add_journal(self, entries: Sequence[JournalEntry]) -> int:
        """Append the entries and return the id of the last one, 0 for none."""
        if not entries:
            return 0
        if not self._connection.in_transaction:
            with self._transaction:
                return self.add_journal(entries)
        # Numbered here and not by SQLite, because the checksum covers the id too.
        first = self._transaction.next_journal_id
        if first is None:
            first = int(self._rows("SELECT coalesce(max(id), 0) + 1 FROM journal")[0][0])
        self._write(INSERT_JOURNAL, [journal_row(entry, first + place) for place, entry in enumerate(entries)])
        self._transaction.next_journal_id = first + len(entries)
        return first + len(entries) - 1

    def verifications(self) -> dict[PositionKey, Verification]:
        """Return what the last comparison said of every open position."""
        found = self._nouns(verification_of, f"SELECT {listed(VERIFICATION)} FROM open_position")
        return {verification.key: verification for verification in found}

    def put_verification(self, verification: Verification) -> int:
        """Store what a comparison said of an open position; return 0 if there is no such position, else 1."""
        agreed_at, compared_at = time_or_none(verification.agreed_at), time_or_none(verification.compared_at)
        row = (text_or_none(verification.agreed_quantity), agreed_at, compared_at, verification.outcome)
        return self._set_of_position(VERIFICATION[3:], verification.key, row)

    def set_brackets(self, key: PositionKey, target_price: Decimal | None, stop_price: Decimal | None) -> int:
        """Store the target and the stop of an open position; return 0 if there is no such position, else 1."""
        row = (text_or_none(target_price), text_or_none(stop_price))
        return self._set_of_position(("target_price", "stop_price"), key, row)

    def set_heat(self, key: PositionKey, since: datetime | None) -> int:
        """Store since when an open position has been under water, None if it is not."""
        return self._set_of_position(("heat_since",), key, (time_or_none(since),))

    def set_initial_risk(self, key: PositionKey, points: Decimal) -> int:
        """Store the risk of an open position at its first stop, in points times quantity; the first one stays."""
        sql = f"UPDATE open_position SET initial_risk = coalesce(initial_risk, ?) {OF_POSITION}"
        return self._set_beside(sql, (text_of(points), *key), key)

    def set_entry_snapshot(
        self, key: PositionKey, *, vwap: Decimal | None, cum_delta: Decimal | None, poc: Decimal | None
    ) -> int:
        """Store what the market looked like when an open position was entered."""
        row = (text_or_none(vwap), text_or_none(cum_delta), text_or_none(poc))
        return self._set_of_position(SNAPSHOT[:3], key, row)

    def set_trade_snapshots(self, trade: Trade, *, entry: Snapshot | None, exit_: Snapshot | None) -> None:
        """Store what the market looked like when a trade was entered and when it was closed; None leaves it as it is.

        The trade is found by the fill that opened it.
        """
        for columns, snapshot in ((SNAPSHOT[:3], entry), (EXIT, exit_)):
            if snapshot is not None:
                assignments = ", ".join(f"{column} = ?" for column in columns)
                row = (text_or_none(snapshot.vwap), text_or_none(snapshot.cum_delta), text_or_none(snapshot.poc))
                condition, found = (
                    "WHERE account = ? AND symbol = ? AND opened_by = ?",
                    (*trade.key[1:], trade.opened_by),
                )
                self._write(f"UPDATE trade SET {assignments} {condition}", [(*row, *found)])
                self._write(f"{BESIDE_TRADE_SEAL.again} {condition}", [found])

    def _set_of_position(self, columns: Sequence[str], key: PositionKey, values: Sequence[Any]) -> int:
        assignments = ", ".join(f"{column} = ?" for column in columns)
        return self._set_beside(f"UPDATE open_position SET {assignments} {OF_POSITION}", (*values, *key), key)

    def _set_beside(self, sql: str, values: Sequence[Any], key: PositionKey) -> int:
        if not self._connection.in_transaction:
            with self._transaction:
                return self._set_beside(sql, values, key)
        self._write(sql, [values])
        return self._write(f"{BESIDE_POSITION_SEAL.again} {OF_POSITION}", [key])

    def add_break(self, found: Break) -> int:
        """Add a difference somebody must answer and return its id."""
        assert self._connection.in_transaction, "without a transaction another process may take the id"
        # The checksum covers the id, which the file gives.
        self._write(insert("break_", (*BREAK, "checksum")), [(*break_row(found), 0)])
        break_id = int(self._rows("SELECT last_insert_rowid()")[0][0])
        self._write(f"{BREAK_SEAL.again} WHERE id = ?", [(break_id,)])
        return break_id

    def answer_break(self, break_id: int, answer: str, at: datetime) -> int:
        """Record the answer to a break; return 0 if it is unknown or has one already, else 1."""
        sql = "UPDATE break_ SET answer = ?, answered_at = ? WHERE id = ? AND answer = ''"
        return self._write_break(sql, (answer, time_text(at), break_id), break_id)

    def end_keep(self, break_id: int) -> None:
        """End a break settled with `keep`: the server agreed since, and what it says next is new."""
        sql = "UPDATE break_ SET answer = 'kept until agreed' WHERE id = ? AND answer = 'keep'"
        self._write_break(sql, (break_id,), break_id)

    def _write_break(self, sql: str, values: Sequence[Any], break_id: int) -> int:
        if not self._connection.in_transaction:
            with self._transaction:
                return self._write_break(sql, values, break_id)
        changed = self._write(sql, [values])
        self._write(f"{BREAK_SEAL.again} WHERE id = ?", [(break_id,)])
        return changed

    def put_orders(self, orders: Sequence[WorkingOrder]) -> None:
        """Store the orders as they were last told."""
        self._write(UPSERT_ORDER, [sealed(order_row(order)) for order in orders])

    def remove_orders(self, account: str, order_ids: Sequence[str]) -> None:
        """Forget orders of an account."""
        for group in groups_of(order_ids):
            sql = f"DELETE FROM working_order WHERE account = ? AND order_id IN ({marks(len(group))})"
            self._write(sql, [(account, *group)])

    def put_instrument(self, instrument: Instrument) -> None:
        """Store what is known of a symbol."""
        self._write(sealed_upsert("instrument", INSTRUMENT, key=1), [sealed(instrument_row(instrument))])

    def put_marks(self, prices: Sequence[Mark], *, now: datetime | None = None) -> None:
        """Store the last trade prices; one older than the one stored changes nothing, unless that lies after `now`."""
        self._write(UPSERT_MARK, [(*sealed(mark_row(mark)), time_or_none(now)) for mark in prices])

    def put_link(self, link: Link) -> None:
        """Store how the line to a server stands."""
        self._write(sealed_upsert("link", LINK, key=1), [sealed(link_row(link))])

    def contacts(self) -> set[tuple[str, str]]:
        """Return every (account, symbol) whose first contact with the server is done."""
        return {(row[0], row[1]) for row in self._rows("SELECT account, symbol FROM contact")}

    def add_contact(self, account: str, symbol: str, at: datetime) -> None:
        """Record that the first contact with an account and symbol is done; the first record stays."""
        sql = f"{insert('contact', (*CONTACT, 'checksum'))} ON CONFLICT DO NOTHING"
        self._write(sql, [sealed((account, symbol, time_text(at)))])

    def history_digests(self, account: str) -> dict[int, bytes]:
        """Return the digest of what history said of each hour (since 1970) when it was booked whole."""
        return dict(self._rows("SELECT hour, digest FROM history_hour WHERE account = ?", (account,)))

    def put_history_digests(self, account: str, digests: Mapping[int, bytes], *, oldest: int) -> None:
        """Store what history said of some hours that are booked whole now, and forget those before the `oldest`."""
        rows = [(account, hour, digest) for hour, digest in digests.items()]
        self._write(upsert("history_hour", ("account", "hour", "digest"), key=2), rows)
        self._write("DELETE FROM history_hour WHERE account = ? AND hour < ?", [(account, oldest)])

    def set_preference(self, key: str, value: str) -> None:
        """Store the value under the key."""
        self._write(sealed_upsert("preference", PREFERENCE, key=1), [sealed((key, value))])

    def put_export_cursor(self, cursor: ExportCursor) -> None:
        """Store how far an export has come."""
        self._write(sealed_upsert("export_cursor", CURSOR, key=1), [sealed(cursor_row(cursor))])
