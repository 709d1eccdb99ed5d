"""The journal's words: what a position or a trade was before and after, short enough to read in a list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from dtcpos.booking import Booking
from dtcpos.model import JournalEntry, Position, PositionKey, Trade
from dtcpos.store.rows import text_of

# A named tuple's own constructor is a Python function.
_make = tuple.__new__
# More fills of one key in one transaction are a burst.
_ENTRIES_MAX = 16


def position_text(position: Position) -> str:
    """Write a position in a few words."""
    if position.is_flat:
        return "flat"
    signed = text_of(position.signed_quantity)
    sign = "" if signed.startswith("-") else "+"
    return f"{sign}{signed} cost {_words(position.cost)} realized {_words(position.realized)}"


def trade_text(trade: Trade | None) -> str:
    """Write a trade in a few words, nothing where there was none."""
    if trade is None:
        return ""
    return f"trade {trade.direction} {_words(trade.total_quantity)} realized {_words(trade.realized)}"


def _words(value: Decimal | None) -> str:
    return "?" if value is None else text_of(value)


def booked(bookings: Sequence[Booking], now: datetime) -> list[JournalEntry]:
    """Return the entries for the fills of one key that were booked one after another in one transaction.

    Each has its own, but a burst has one: nobody could have seen the states between, and writing them down takes a
    quarter of the time of a backlog.
    """
    if len(bookings) > _ENTRIES_MAX:
        first, last = bookings[0], bookings[-1]
        words = f"{len(bookings)} fills, {first.fill.id} to {last.fill.id}"
        return [_entry(last, position_text(first.before), position_text(last.after), now, words)]
    entries: list[JournalEntry] = []
    after = position_text(bookings[0].before)
    for booking in bookings:
        # What was held after one fill is what was held before the next.
        before, after = after, position_text(booking.after)
        entries.append(_entry(booking, before, after, now, booking.fill.reason))
    return entries


def _entry(booking: Booking, before: str, after: str, now: datetime, reason: str) -> JournalEntry:
    fill = booking.fill
    cause = f"{fill.source} {booking.action}"
    return _make(JournalEntry, (now, cause, fill.account, fill.symbol, before, after, reason, fill.id, None))


def changed(key: PositionKey, now: datetime, cause: str, before: str, after: str, fill_id: int | None) -> JournalEntry:
    """Return the entry for something that changed without a fill of its own, or after one that came late."""
    return JournalEntry(
        at=now, cause=cause, account=key.account, symbol=key.symbol, before=before, after=after, fill_id=fill_id
    )


# What is made without its constructor is not counted by it.
assert len(JournalEntry._fields) == 9
