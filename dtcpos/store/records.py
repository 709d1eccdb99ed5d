"""Rows of what stands around the ledger: accounts, instruments, orders, breaks, links, journal, cursors."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from dtcpos.model import (
    Account,
    Break,
    Instrument,
    JournalEntry,
    Link,
    Mark,
    PositionKey,
    Side,
    Trade,
    Verification,
    WorkingOrder,
)
from dtcpos.store.nouns import ClosedTrade, ExportCursor
from dtcpos.store.rows import (
    Row,
    checksum_of,
    decimal_or_none,
    finite,
    finite_or_none,
    moment_of,
    moment_or_none,
    text_of,
    text_or_none,
    time_or_none,
    time_text,
)

_SIDES: Final = {side.value: side for side in Side}


def account_row(account: Account) -> Row:
    """Return the row of an account, in the order of `ACCOUNT`."""
    return (
        account.account,
        account.mode,
        account.rule,
        time_text(account.first_seen_at),
        int(account.snapshots_trusted),
        time_or_none(account.last_sync_at),
        account.sync_outcome,
    )


def account_of(row: Sequence[Any]) -> Account:
    """Return the account of a row read in the order of `ACCOUNT`."""
    return Account(
        account=row[0],
        mode=row[1],
        rule=row[2],
        first_seen_at=moment_of(row[3]),
        snapshots_trusted=row[4] == 1,
        last_sync_at=moment_or_none(row[5]),
        sync_outcome=row[6],
    )


def order_row(order: WorkingOrder) -> Row:
    """Return the row of an order, in the order of `WORKING_ORDER`."""
    return (
        order.account,
        order.order_id,
        order.symbol,
        None if order.side is None else order.side.value,
        order.order_type,
        order.status,
        text_or_none(order.price1),
        text_or_none(order.price2),
        text_or_none(order.quantity),
        text_or_none(order.filled_quantity),
        order.parent_order_id,
        order.oco_order_id,
        time_or_none(order.updated_at),
    )


def order_of(row: Sequence[Any]) -> WorkingOrder:
    """Return the order of a row read in the order of `WORKING_ORDER`."""
    return WorkingOrder(
        account=row[0],
        order_id=row[1],
        symbol=row[2],
        side=None if row[3] is None else _SIDES[row[3]],
        order_type=row[4],
        status=row[5],
        price1=decimal_or_none(row[6]),
        price2=decimal_or_none(row[7]),
        quantity=decimal_or_none(row[8]),
        filled_quantity=decimal_or_none(row[9]),
        parent_order_id=row[10],
        oco_order_id=row[11],
        updated_at=moment_or_none(row[12]),
    )


def mark_row(mark: Mark) -> Row:
    """Return the row of a mark: symbol, price, time."""
    return (mark.symbol, text_of(mark.price), time_text(mark.time))


def instrument_row(instrument: Instrument) -> Row:
    """Return the row of an instrument, in the order of `INSTRUMENT`."""
    return (
        instrument.symbol,
        text_or_none(instrument.point_value),
        text_or_none(instrument.tick),
        text_of(instrument.multiplier),
        instrument.price_format,
        instrument.currency,
        text_or_none(instrument.commission),
        instrument.point_value_source,
        instrument.multiplier_source,
        instrument.commission_source,
    )


def instrument_of(row: Sequence[Any]) -> Instrument:
    """Return the instrument of a row read in the order of `INSTRUMENT`."""
    return Instrument(
        symbol=row[0],
        point_value=finite_or_none(row[1]),
        tick=finite_or_none(row[2]),
        multiplier=finite(row[3]),
        price_format=row[4],
        currency=row[5],
        commission=finite_or_none(row[6]),
        point_value_source=row[7],
        multiplier_source=row[8],
        commission_source=row[9],
    )


def break_row(found: Break) -> Row:
    """Return the row of a break, in the order of `BREAK`; its id may be left to the database."""
    return (
        found.id,
        *found.key,
        found.kind,
        text_of(found.held_quantity),
        text_or_none(found.held_average),
        text_or_none(found.reported_quantity),
        text_or_none(found.reported_average),
        time_text(found.found_at),
        found.answer,
        time_or_none(found.answered_at),
    )


def break_of(row: Sequence[Any]) -> Break:
    """Return the break of a row read in the order of `BREAK`."""
    return Break(
        id=row[0],
        key=PositionKey(row[1], row[2], row[3]),
        kind=row[4],
        held_quantity=Decimal(row[5]),
        held_average=decimal_or_none(row[6]),
        reported_quantity=decimal_or_none(row[7]),
        reported_average=decimal_or_none(row[8]),
        found_at=moment_of(row[9]),
        answer=row[10],
        answered_at=moment_or_none(row[11]),
    )


def link_row(link: Link) -> Row:
    """Return the row of a link, in the order of `LINK`."""
    return (
        link.server,
        link.state,
        time_or_none(link.last_heard_at),
        float(link.heartbeat_interval_s),
        link.holder_pid,
        time_text(link.since),
        link.encoding,
        link.server_name,
    )


def link_of(row: Sequence[Any]) -> Link:
    """Return the link of a row read in the order of `LINK`."""
    return Link(
        server=row[0],
        state=row[1],
        last_heard_at=moment_or_none(row[2]),
        heartbeat_interval_s=row[3],
        holder_pid=row[4],
        since=moment_of(row[5]),
        encoding=row[6],
        server_name=row[7],
    )


def journal_row(entry: JournalEntry, entry_id: int) -> Row:
    """Return the row of a journal entry: the columns of `JOURNAL` and their checksum."""
    at, *words, _ = entry
    row = (entry_id, time_text(at), *words)
    return (*row, checksum_of(row))


def journal_of(row: Sequence[Any]) -> JournalEntry:
    """Return the journal entry of a row read in the order of `JOURNAL`."""
    return JournalEntry(
        id=row[0],
        at=moment_of(row[1]),
        cause=row[2],
        account=row[3],
        symbol=row[4],
        before=row[5],
        after=row[6],
        reason=row[7],
        fill_id=row[8],
    )


def verification_of(row: Sequence[Any]) -> Verification:
    """Return the verification of a row read in the order of `VERIFICATION`."""
    return Verification(
        key=PositionKey(row[0], row[1], row[2]),
        agreed_quantity=decimal_or_none(row[3]),
        agreed_at=moment_or_none(row[4]),
        compared_at=moment_or_none(row[5]),
        outcome=row[6],
    )


def closed_trade_of(trade: Trade, instrument: Instrument | None, row: Sequence[Any]) -> ClosedTrade:
    """Return a trade with what is remembered of it, from a row read in the order of `SNAPSHOT` and `EXIT`."""
    return ClosedTrade(
        trade=trade,
        instrument=instrument,
        entry_vwap=decimal_or_none(row[0]),
        entry_cum_delta=decimal_or_none(row[1]),
        entry_poc=decimal_or_none(row[2]),
        initial_risk=decimal_or_none(row[3]),
        exit_vwap=decimal_or_none(row[4]),
        exit_cum_delta=decimal_or_none(row[5]),
        exit_poc=decimal_or_none(row[6]),
    )


def cursor_row(cursor: ExportCursor) -> Row:
    """Return the row of an export's cursor, in the order of `CURSOR`."""
    return (
        cursor.name,
        cursor.what,
        cursor.last_id,
        cursor.pending_path,
        cursor.pending_id,
        time_text(cursor.updated_at),
    )


def cursor_of(row: Sequence[Any]) -> ExportCursor:
    """Return the cursor of a row read in the order of `CURSOR`."""
    return ExportCursor(
        name=row[0],
        what=row[1],
        last_id=row[2],
        pending_path=row[3],
        pending_id=row[4],
        updated_at=moment_of(row[5]),
    )
