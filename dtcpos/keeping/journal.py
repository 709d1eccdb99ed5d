"""The journal's words: what a position or a trade was before and after, short enough to read in a list."""

from __future__ import annotations

from datetime import datetime

from dtcpos.booking import Booking
from dtcpos.model import JournalEntry, Position, PositionKey, Trade


def position_text(position: Position) -> str:
    """Write a position in a few words."""
    if position.is_flat:
        return "flat"
    cost = "?" if position.cost is None else f"{position.cost:f}"
    realized = "?" if position.realized is None else f"{position.realized:f}"
    return f"{position.signed_quantity:+f} cost {cost} realized {realized}"


def trade_text(trade: Trade | None) -> str:
    """Write a trade in a few words, nothing where there was none."""
    if trade is None:
        return ""
    realized = "?" if trade.realized is None else f"{trade.realized:f}"
    return f"trade {trade.direction} {trade.total_quantity:f} realized {realized}"


def booked(booking: Booking, now: datetime) -> JournalEntry:
    """Return the entry for one fill booked."""
    fill = booking.fill
    return JournalEntry(
        at=now,
        cause=f"{fill.source} {booking.action}",
        account=fill.account,
        symbol=fill.symbol,
        before=position_text(booking.before),
        after=position_text(booking.after),
        reason=fill.reason,
        fill_id=fill.id,
    )


def changed(key: PositionKey, now: datetime, cause: str, before: str, after: str, fill_id: int | None) -> JournalEntry:
    """Return the entry for something that changed without a fill of its own, or after one that came late."""
    return JournalEntry(
        at=now, cause=cause, account=key.account, symbol=key.symbol, before=before, after=after, fill_id=fill_id
    )
