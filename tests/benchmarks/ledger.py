"""A ledger of years, made in minutes: what the keeper would have written, fill by fill, without asking it each time.

One trade of five fills is booked by the real code for each of a few prices and both directions; its rows are then
written again and again with other ids and times and their own checksums, so `verify` finds the whole ledger sound.

Run as a program it makes one: `python -m tests.benchmarks.ledger PATH TRADES`.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from dtcpos.booking import flat, fold
from dtcpos.keeping.journal import position_text
from dtcpos.model import (
    Account,
    Fill,
    Instrument,
    JournalEntry,
    Mark,
    Position,
    PositionKey,
    Side,
    Verification,
    WorkingOrder,
)
from dtcpos.store import PositionRepository
from dtcpos.store.columns import FILL, JOURNAL, TRADE, WORKING_ORDER, insert
from dtcpos.store.records import journal_row, order_row
from dtcpos.store.rows import checksum_of, fill_row, sealed, time_text, trade_row
from dtcpos.store.seals import NOTHING_BESIDE_TRADE

FILLS_PER_TRADE = 5
ORDERS_PER_TRADE = 3
ACCOUNTS = (("SIM", "Sim1"), ("SIM", "Sim2"), ("LIVE", "120005"), ("LIVE", "120006"))
# Two contracts a quarter in two accounts each, as they roll.
QUARTERS = 25
ROOTS = ("MES", "MNQ")
PRICES = 64
_LOTS = (1, 1, 2, -2, -2)
_ORDER_OF_FILL = (0, 0, 1, 2, 2)
_AFTER_S = (0, 20, 45, 150, 171)
_TRADES_AT_ONCE = 20_000
_TICK = Decimal("0.25")
_FAST = ("PRAGMA journal_mode = MEMORY", "PRAGMA synchronous = OFF", "PRAGMA cache_size = -262144")

Row = tuple[object, ...]


class Pattern(NamedTuple):
    """The rows of one trade, to be given ids, times and a key."""

    fills: tuple[Row, ...]
    journal: tuple[Row, ...]
    orders: tuple[Row, ...]
    trade: Row


class Place(NamedTuple):
    """One trade of the ledger: which, whose, and when it began."""

    number: int
    key: PositionKey
    began: datetime


def keys_of(quarter: int) -> tuple[PositionKey, ...]:
    """Return the keys that trade in a quarter."""
    month, year = "HMUZ"[quarter % 4], 20 + quarter // 4
    return tuple(
        PositionKey(mode, account, f"{ROOTS[number % 2]}{month}{year}-CME")
        for number, (mode, account) in enumerate(ACCOUNTS)
    )


def places(trades: int, until: datetime) -> Iterator[Place]:
    """Yield the trades in the order in which they began, the last one some minutes before `until`."""
    per_quarter = max(len(ACCOUNTS), trades // QUARTERS)
    apart = min(timedelta(days=88) / per_quarter, timedelta(hours=6))
    start = until - QUARTERS * timedelta(days=91)
    start = start.replace(microsecond=0)
    for number in range(trades):
        quarter = min(number // per_quarter, QUARTERS - 1)
        keys = keys_of(quarter)
        within = number - quarter * per_quarter
        began = start + quarter * timedelta(days=91) + within * apart
        yield Place(number, keys[within % len(keys)], began.replace(microsecond=250_000))


def pattern(number: int) -> Pattern:
    """Book one trade at the prices and in the direction of its number."""
    key, start = PositionKey("SIM", "Sim1", "MESH20-CME"), datetime(2020, 1, 1, tzinfo=UTC)
    base, sign = 5000 + _TICK * (number // 2), 1 if number % 2 == 0 else -1
    fills = [
        Fill(
            account=key.account,
            symbol=key.symbol,
            side=Side.BUY if lots * sign > 0 else Side.SELL,
            quantity=Decimal(abs(lots)),
            price=base + _TICK * (place * 7 % 11 - 3),
            time=start,
            time_is_exact=True,
            execution_id="E",
            order_id="O",
            cumulative_quantity=Decimal(abs(lots)),
            raw="301",
            id=place + 1,
            booked_at=start,
        )
        for place, lots in enumerate(_LOTS)
    ]
    bookings = fold(flat(key), fills)
    entries = [
        JournalEntry(
            at=start,
            cause=f"LIVE {booking.action}",
            account=key.account,
            symbol=key.symbol,
            before=position_text(booking.before),
            after=position_text(booking.after),
            fill_id=place + 1,
        )
        for place, booking in enumerate(bookings)
    ]
    orders = [
        WorkingOrder(
            account=key.account,
            symbol=key.symbol,
            order_id="O",
            side=fills[first].side,
            order_type=2,
            status=7,
            price1=fills[first].price,
            price2=None,
            quantity=total,
            filled_quantity=total,
            updated_at=start,
        )
        for first, total in ((0, Decimal(2)), (2, Decimal(2)), (3, Decimal(4)))
    ]
    (trade,) = [booking.trade for booking in bookings if booking.trade is not None]
    return Pattern(
        fills=tuple(fill_row(fill)[:-1] for fill in fills),
        journal=tuple(journal_row(entry, 1)[:-1] for entry in entries),
        orders=tuple(order_row(order) for order in orders),
        trade=trade_row(trade, 1),
    )


class Rows(NamedTuple):
    """Rows of several trades, by table."""

    fills: list[Row]
    journal: list[Row]
    orders: list[Row]
    trades: list[Row]


def rows_of(group: list[Place], patterns: list[Pattern], journal_from: int) -> Rows:
    """Return the rows of some trades."""
    rows = Rows([], [], [], [])
    for number, (mode, account, symbol), began in group:
        fills, journal, orders, trade = patterns[number * 31 % len(patterns)]
        first_id, first_order = number * FILLS_PER_TRADE + 1, 100_000_000 + number * ORDERS_PER_TRADE
        times = [time_text(began + timedelta(seconds=after)) for after in _AFTER_S]
        for place, (row, entry, time) in enumerate(zip(fills, journal, times, strict=True)):
            fill_id = first_id + place
            order_id = str(first_order + _ORDER_OF_FILL[place])
            execution = f"{order_id}-EX-{fill_id}"
            row = (fill_id, account, symbol, *row[3:6], time, 1, execution, order_id, *row[10:21], time)  # noqa: PLW2901
            rows.fills.append((*row, checksum_of(row)))
            entry = (journal_from + fill_id, time, entry[2], account, symbol, *entry[5:8], fill_id)  # noqa: PLW2901
            rows.journal.append((*entry, checksum_of(entry)))
        for place, order in enumerate(orders):
            rows.orders.append((account, str(first_order + place), symbol, *order[3:12], times[-1]))
        last_id = first_id + FILLS_PER_TRADE - 1
        rows.trades.append(
            (
                number + 1,
                mode,
                account,
                symbol,
                *trade[4:7],
                times[0],
                times[-1],
                *trade[9:18],
                first_id,
                last_id,
                trade[20],
            )
        )
    return rows


def make_ledger(path: Path, trades: int, *, until: datetime | None = None) -> Path:
    """Make a ledger of so many trades of five fills each, and a position in every account that is open."""
    until = until or datetime.now(UTC)
    first = until - (QUARTERS + 1) * timedelta(days=91)
    with PositionRepository.open(path) as repository, repository.transaction():
        for mode, account in ACCOUNTS:
            repository.put_account(
                Account(
                    account=account,
                    mode=mode,
                    rule="name",
                    first_seen_at=first,
                    snapshots_trusted=True,
                    last_sync_at=until,
                    sync_outcome="complete",
                )
            )
        repository.add_journal(
            [
                JournalEntry(at=first, cause="account", account=name, after=mode, reason="name")
                for mode, name in ACCOUNTS
            ]
        )
        for quarter in range(QUARTERS):
            for symbol in {key.symbol for key in keys_of(quarter)}:
                repository.put_instrument(
                    Instrument(symbol=symbol, point_value=Decimal(5), currency="USD", point_value_source="shipped")
                )
    _write(path, trades, until, len(ACCOUNTS))
    with PositionRepository.open(path) as repository, repository.transaction():
        _open_positions(repository, until)
    return path


def _write(path: Path, trades: int, until: datetime, journal_from: int) -> None:
    patterns = [pattern(number) for number in range(2 * PRICES)]
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in _FAST:
        connection.execute(pragma)
    group: list[Place] = []

    def flush() -> None:
        rows = rows_of(group, patterns, journal_from)
        group.clear()
        connection.execute("BEGIN")
        connection.executemany(insert("fill", (*FILL, "checksum")), rows.fills)
        connection.executemany(insert("journal", (*JOURNAL, "checksum")), rows.journal)
        connection.executemany(insert("working_order", (*WORKING_ORDER, "checksum")), map(sealed, rows.orders))
        trades_sealed = [(*sealed(row), NOTHING_BESIDE_TRADE) for row in rows.trades]
        connection.executemany(insert("trade", (*TRADE, "checksum", "beside_checksum")), trades_sealed)
        connection.execute("COMMIT")

    for place in places(trades, until):
        group.append(place)
        if len(group) == _TRADES_AT_ONCE:
            flush()
    flush()
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


def _open_positions(repository: PositionRepository, until: datetime) -> None:
    time = until - timedelta(seconds=30)
    for key in keys_of(QUARTERS - 1):
        fill_id = repository.next_fill_id()
        fill = Fill(
            account=key.account,
            symbol=key.symbol,
            side=Side.BUY,
            quantity=Decimal(1),
            price=Decimal(5050),
            time=time,
            time_is_exact=True,
            execution_id=f"open-{fill_id}",
            order_id=f"open-{fill_id}",
            raw="301",
            id=fill_id,
            booked_at=time,
        )
        position: Position = fold(flat(key), [fill])[-1].after
        repository.add_fills([fill])
        repository.put_position(position)
        repository.put_verification(
            Verification(key=key, agreed_quantity=Decimal(1), agreed_at=until, compared_at=until, outcome="agreed")
        )
        entry = JournalEntry(
            at=time, cause="LIVE OPENED", account=key.account, symbol=key.symbol, before="flat", fill_id=fill_id
        )
        repository.add_journal([entry._replace(after=position_text(position))])
        repository.put_marks([Mark(symbol=key.symbol, price=Decimal(5051), time=until)])


if __name__ == "__main__":
    make_ledger(Path(sys.argv[1]), int(sys.argv[2]))
